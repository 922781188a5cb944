package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
)

// A bumping is a bump of one course on its way.
type bumping struct {
	*bumpFlags
	course  *course
	builder *buildplan.Builder
	streams streams
	bumps   []pins.Bump
}

// use has the builder work for the course.
func (p *bumping) use(ctx context.Context) error {
	if err := p.course.learn(ctx, p.builder); err != nil {
		return err
	}
	return p.course.settled()
}

// chooseAll finds out the versions that were not named. A pin in a file that
// several courses share goes as far as all of them allow.
func chooseAll(ctx context.Context, all []*bumping) error {
	chosen := map[pins.Position]string{}
	for _, p := range all {
		if !slices.ContainsFunc(p.bumps, func(b pins.Bump) bool { return b.Version == "" }) {
			continue
		}
		if err := p.use(ctx); err != nil {
			return err
		}
		newest, err := p.newest(ctx)
		if err != nil {
			return fmt.Errorf("bumping %s: %w", p.course.manifest.Dir, err)
		}
		for _, b := range p.bumps {
			version, ok := newest[b.Request.At]
			if other := chosen[b.Request.At]; ok && (other == "" || pins.CompareVersions(b.Request.Kind, version, other) < 0) {
				chosen[b.Request.At] = version
			}
		}
	}
	told := map[pins.Position]bool{}
	for _, p := range all {
		p.bumps = slices.DeleteFunc(p.bumps, func(b pins.Bump) bool {
			r, version := b.Request, chosen[b.Request.At]
			stays := b.Version == "" && pins.CompareVersions(r.Kind, version, r.Version) == 0
			if stays && !told[r.At] {
				told[r.At] = true
				fmt.Fprintf(p.streams.err, "%s: %s %s is the newest (%s) that resolves with the rest\n", r.At, r.Name, version, p.to)
			}
			return stays
		})
		for i := range p.bumps {
			p.bumps[i].Version = cmp.Or(p.bumps[i].Version, chosen[p.bumps[i].Request.At])
		}
	}
	return nil
}

// newest are the newest versions of the pins whose version was not named, within
// --to, that resolve together with the rest of the course, by the pins' places.
func (p *bumping) newest(ctx context.Context) (map[pins.Position]string, error) {
	var explicit []pins.Bump
	o := p.course.sameCourse()
	for _, b := range p.bumps {
		if b.Version != "" {
			explicit = append(explicit, b)
		}
	}
	edited, err := p.course.manifest.EditAll(explicit)
	if err != nil {
		return nil, err
	}
	loose, err := readCourse(p.course.manifest.Dir, edited)
	if err == nil && p.asOf != "" {
		loose.AsOf, err = pins.ParseDate(p.asOf)
	}
	for i, r := range p.course.manifest.Requests { // an edit moves no pin in the list
		if b := slices.IndexFunc(p.bumps, func(b pins.Bump) bool { return b.Request.At == r.At && b.Version == "" }); err == nil && b >= 0 {
			o.Names = append(o.Names, r.Name)
			loose, err = loose.Within(loose.Requests[i], p.to)
		}
	}
	if err != nil {
		return nil, err
	}
	l, err := pins.Relock(ctx, loose, p.course.lock, p.builder, o)
	if err != nil {
		return nil, err
	}
	found := map[pins.Position]string{}
	for _, b := range p.bumps {
		if b.Version != "" {
			continue
		}
		a, ok := l.Find(b.Request.Kind, b.Request.Name, l.Platforms[0])
		if !ok {
			return nil, fmt.Errorf("%s: the solver leaves %s out", b.Request.At, b.Request.Name)
		}
		found[b.Request.At] = a.Version
	}
	return found, nil
}

// carryOut resolves the edited courses, shows what changes, and writes it if
// that is wanted: all files, or none where a course can't be bumped.
func (f *bumpFlags) carryOut(ctx context.Context, s streams, all []*bumping) error {
	var files change
	var failed []error
	for _, p := range all {
		edited, err := p.edit(all)
		if err != nil {
			return err
		}
		if len(edited) == 0 {
			continue
		}
		l, err := p.resolve(ctx, edited)
		if ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for name, data := range edited {
			was, _ := p.course.manifest.Source(name)
			files.file(name, was, data)
		}
		files.file(p.course.lockFile, []byte(p.course.lock.String()), []byte(l.String()))
	}
	switch {
	case len(failed) > 0:
		return errors.Join(failed...)
	case len(files) == 0:
		return nil
	}
	if f.markdown != "" {
		if err := writeOut(f.markdown, []byte(f.body.String())); err != nil {
			return err
		}
	}
	if !f.write {
		fmt.Fprintln(s.err, "nothing is written: --write does")
		return nil
	}
	return files.write()
}

// edit returns the course's files as they will be: edited by what is asked of
// this course, and of others that share them.
func (p *bumping) edit(all []*bumping) (map[string][]byte, error) {
	m := p.course.manifest
	var bumps []pins.Bump
	var dates []pins.Date
	for _, other := range all {
		for _, b := range other.bumps {
			if m.Reads(b.Request.At.File) && !slices.ContainsFunc(bumps, func(c pins.Bump) bool { return c.Request.At == b.Request.At }) {
				bumps = append(bumps, b)
			}
		}
		if d := other.course.manifest.AsOf; len(other.bumps) > 0 && p.asOf != "" && m.Reads(d.At.File) && !slices.Contains(dates, d) {
			dates = append(dates, d)
		}
	}
	edited, err := m.EditAll(bumps)
	if err != nil {
		return nil, err
	}
	for _, b := range bumps {
		if lost := b.Request.Loses(); lost != "" {
			fmt.Fprintf(p.streams.err, "%s: %s: %s goes with the version that it is of\n", b.Request.At, b.Request.Spec, lost)
		}
	}
	for _, d := range dates {
		m.EditDate(d, p.asOf, edited)
	}
	return edited, nil
}

// resolve resolves the edited course, and shows what changes.
func (p *bumping) resolve(ctx context.Context, edited map[string][]byte) (*pins.Lock, error) {
	dir := p.course.manifest.Dir
	known := make(chan []string, 1)
	go func() { known <- p.known(ctx) }() // git takes its time, and so does the solver
	if err := p.use(ctx); err != nil {
		return nil, err
	}
	m, err := readCourse(dir, edited)
	if err != nil {
		return nil, err
	}
	l, err := pins.Relock(ctx, m, p.course.lock, p.builder, p.course.sameCourse())
	notes := <-known
	for _, note := range notes {
		fmt.Fprintln(p.streams.err, report.Clean(note))
	}
	if errors.Is(err, buildplan.ErrNoSolution) && !errors.Is(err, buildplan.ErrHeld) {
		return nil, fmt.Errorf("bumping %s: %w%s", dir, err, p.advise(ctx, m))
	}
	if err != nil {
		return nil, fmt.Errorf("bumping %s: %w", dir, err)
	}
	overlaps, err := p.builder.Overlaps(ctx, m, l)
	if err != nil {
		return nil, fmt.Errorf("bumping %s: %w", dir, err)
	}
	return l, p.show(&outcome{edited, m, l, notes, overlaps})
}
