package bump

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/pins"
)

// An Outcome is what a bump would make of a course.
type Outcome struct {
	*Bumping
	Edited   map[string][]byte // files of the course, by the names that positions give them
	Lost     []pins.Request    // pins that lose a hash or a build with the version that it is of
	Manifest *pins.Manifest
	Lock     *pins.Lock
	Overlaps pins.Findings // paths that several packages own
}

// A Refusal is the error for a course whose bump has no solution.
type Refusal struct {
	Dir    string // the course
	What   string // what was to be done with it: bumping, adding to, removing from
	Cause  *pins.NoSolution
	Advice *Advice // nil where no other version would help
}

// Error says why it has none, without the advice.
func (e *Refusal) Error() string { return fmt.Sprintf("%s %s: %v", e.What, e.Dir, e.Cause) }

// Unwrap returns the cause.
func (e *Refusal) Unwrap() error { return e.Cause }

// Try resolves the edited courses, and hands each to show as soon as that has
// ended, with the error if it can't be bumped: a *Refusal for no solution. It
// returns their outcomes; if one course can't be bumped, or show fails, none, and
// the errors of all.
func Try(ctx context.Context, all []*Bumping, show func(*Outcome, error) error) (outcomes []*Outcome, err error) {
	var failed []error
	for _, p := range all {
		edited, lost, err := p.edit(all)
		if err != nil {
			return nil, err
		}
		if len(edited) == 0 {
			continue
		}
		o := &Outcome{Bumping: p, Edited: edited, Lost: lost}
		err = o.resolve(ctx)
		err = cmp.Or(err, show(o, err))
		if ctx.Err() != nil {
			return nil, cmp.Or(err, ctx.Err())
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		outcomes = append(outcomes, o)
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	return outcomes, nil
}

// Touched reports whether files of the course will be edited: for itself, or for
// others that share them.
func (p *Bumping) Touched(all []*Bumping) bool {
	bumps, dates := p.asked(all)
	return len(bumps)+len(dates)+len(p.Adds)+len(p.Removes) > 0
}

// what is to be done with the course, in words.
func (p *Bumping) what() string {
	switch {
	case len(p.Adds) > 0:
		return "adding to"
	case len(p.Removes) > 0:
		return "removing from"
	}
	return "bumping"
}

// asked is what is to be edited in the course's files: for this course, and for
// others that share them.
func (p *Bumping) asked(all []*Bumping) (bumps []pins.Bump, dates []pins.Date) {
	m := p.Course.Manifest
	for _, other := range all {
		for _, b := range other.Bumps {
			if m.Reads(b.Request.At.File) && !slices.ContainsFunc(bumps,
				func(c pins.Bump) bool { return c.Request.At == b.Request.At }) {
				bumps = append(bumps, b)
			}
		}
		if d := other.Course.Manifest.AsOf; len(other.Bumps) > 0 && p.AsOf != "" && m.Reads(d.At.File) &&
			!slices.Contains(dates, d) {
			dates = append(dates, d)
		}
	}
	return bumps, dates
}

// edit returns the course's files as they will be, and the pins that lose
// something by that.
func (p *Bumping) edit(all []*Bumping) (edited map[string][]byte, lost []pins.Request, err error) {
	m := p.Course.Manifest
	bumps, dates := p.asked(all)
	if edited, err = m.EditAll(bumps); err == nil {
		err = cmp.Or(m.AddAll(p.Adds, edited), m.RemoveAll(p.Removes, edited))
	}
	if err != nil {
		return nil, nil, err
	}
	for _, b := range bumps {
		if b.Request.Loses() != "" {
			lost = append(lost, b.Request)
		}
	}
	for _, d := range dates {
		m.EditDate(d, p.AsOf, edited)
	}
	return edited, lost, nil
}

// resolve resolves the edited course.
func (o *Outcome) resolve(ctx context.Context) (err error) {
	c := o.Course
	if o.Manifest, err = c.Read(o.Edited); err != nil {
		return err
	}
	if len(o.Adds)+len(o.Removes) > 0 {
		var added []pins.Request
		for _, a := range o.Adds {
			added = append(added, a.Request)
		}
		if err := o.Manifest.Changes(c.Manifest, added, o.Removes); err != nil {
			return err
		}
	}
	if o.Lock, err = c.finish(ctx, o.Manifest); err != nil {
		var none *pins.NoSolution
		if !errors.As(err, &none) {
			return fmt.Errorf("%s %s: %w", o.what(), c.Manifest.Dir, err)
		}
		refusal := &Refusal{Dir: c.Manifest.Dir, What: o.what(), Cause: none}
		if !none.Held {
			refusal.Advice = o.advise(ctx, o.Manifest)
		}
		return refusal
	}
	if o.Overlaps, err = c.Solver.Overlaps(ctx, o.Manifest, o.Lock); err != nil {
		return fmt.Errorf("%s %s: %w", o.what(), c.Manifest.Dir, err)
	}
	return nil
}
