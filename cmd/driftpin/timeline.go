package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
)

// timeline shows how the locks of courses changed, by the history of their repositories.
func (f *driftFlags) timeline(ctx context.Context, s streams, named []string) error {
	courses, err := (&selection{}).courses(named)
	if err != nil {
		return err
	}
	t := &drift.Timeline{Courses: []drift.Course{}}
	for _, dir := range courses {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%s: there is no such folder; if it was moved, name its new place", dir)
		}
		c, err := timelineOf(ctx, s, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		t.Courses = append(t.Courses, c)
	}
	return f.write(s, report.OfTimeline(t))
}

// timelineOf is how the lock of one course changed.
func timelineOf(ctx context.Context, s streams, dir string) (drift.Course, error) {
	c := drift.Course{Name: nameOf(dir), Dir: dir, Steps: []drift.Step{}}
	locks, err := history.Locks(ctx, dir)
	if err != nil {
		return c, err
	}
	c.Shallow = history.Shallow(ctx, dir)
	switch {
	case c.Shallow:
		fmt.Fprintf(s.err, "%s: %s\n", dir, history.ShallowHint)
	case len(locks) == 0:
		fmt.Fprintf(s.err, "%s: no commit has a %s\n", dir, pins.LockName)
	}
	manifests := map[*pins.Lock]*pins.Manifest{} // those that locks were made from
	for i, l := range locks {
		printStep(s, dir, i+1, len(locks))
		step := drift.Step{Commit: l.Commit, Time: l.Time, Author: l.Author, Subject: l.Subject, File: l.File}
		for _, m := range l.Merged {
			step.Merged = append(step.Merged, drift.Merged(m))
		}
		switch {
		case l.Err != nil:
			step.Error = l.Err.Error()
		case l.Lock == nil:
			step.Gone = true
		default:
			if manifests[l.Lock], err = pastManifest(ctx, s, dir, l.Commit); err != nil {
				return c, err
			}
			step.Packages = len(drift.LockPackages(l.Lock))
		}
		if l.Lock != nil && l.Before != nil {
			step.Drift = drift.BetweenLocks(c.Name+" before "+l.Commit, c.Name+" at "+l.Commit,
				drift.Reason{Manifest: manifests[l.Before], Lock: l.Before}, drift.Reason{Manifest: manifests[l.Lock], Lock: l.Lock})
		}
		c.Steps = append(c.Steps, step)
	}
	return c, ctx.Err()
}

// nameOf is what a course is called; its folder's, if its files can't be read.
func nameOf(dir string) string {
	if m, _ := readCourse(dir, nil); m != nil {
		return m.Course
	}
	return filepath.Base(placeOf(dir))
}

// printStep says how far a course's history is read; of a few locks nothing.
func printStep(s streams, dir string, n, of int) {
	const few = 20
	if of > few && n%few == 0 {
		fmt.Fprintf(s.err, "%s: %d of %d locks\n", dir, n, of)
	}
}

// pastManifest is what a course asked for in a commit, with the names that its files have there; nil
// where that can't be read.
func pastManifest(ctx context.Context, s streams, dir, commit string) (m *pins.Manifest, err error) {
	into, err := os.MkdirTemp("", "driftpin-past-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(into)) }()
	then, err := history.Past(ctx, dir, commit, into)
	if errors.Is(err, history.ErrNoCourse) {
		return nil, nil // there was a lock, and no file of pins
	}
	if err != nil {
		return nil, err
	}
	if m, err = readCourse(then, nil); err != nil {
		fmt.Fprintf(s.err, "%s: what it asked for in %s can't be read: %s\n", dir, commit[:12], firstLine(err.Error()))
		return nil, nil
	}
	for i := range m.Requests {
		at := &m.Requests[i].At
		at.File = strings.TrimPrefix(at.File, into+string(filepath.Separator))
	}
	return m, nil
}
