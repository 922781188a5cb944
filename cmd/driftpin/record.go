package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
)

// A recorder records a course's scripts: it is a pins.Recorder. The engine runs
// them, and what they brought is read from the layer that they made.
type recorder struct {
	s       streams
	course  *course
	session *session.Session
	twice   bool // each script is run again, and what it writes otherwise then is noted
}

// Record implements pins.Recorder.
func (r recorder) Record(ctx context.Context, m *pins.Manifest, l *pins.Lock, script pins.Script,
	known []pins.Answer) (out pins.Recording, err error) {
	work, release, err := r.session.Files.Work()
	if err != nil {
		return out, err
	}
	defer release()
	p, err := r.plan(m, l)
	if err != nil {
		return out, err
	}
	builder, first := buildplan.Builder{Session: r.session}, filepath.Join(work, "first")
	run, err := builder.Record(ctx, p, known, first)
	if err != nil {
		return out, err
	}
	out = pins.Recording{Script: script.Name, Answers: run.Answers}
	if run.Bypassed > 0 {
		fmt.Fprintf(r.s.err, "%s: warning: it tried to open connections past the proxy, which were blocked\n", script.At)
	}
	if out.Brought, err = r.brought(ctx, l, first); err != nil {
		return out, err
	}
	if r.twice {
		out.Varying, err = r.varying(ctx, m, l, out, work)
	}
	return out, err
}

// recorded is a lock of a course with its scripts recorded, where they are not yet as
// the lock has it.
func (c *course) recorded(ctx context.Context, s streams, e *session.Session, m *pins.Manifest,
	l *pins.Lock) (*pins.Lock, error) {
	if len(m.Scripts) == 0 {
		return l, nil
	}
	o := c.options()
	o.Was, o.Recorder = m, recorder{s: s, course: c, session: e}
	return pins.Relock(ctx, m, l, c.resolver(e), o)
}

// plan is the course's, with a lock as far as it is known.
func (r recorder) plan(m *pins.Manifest, l *pins.Lock) (*buildplan.Plan, error) {
	return buildplan.New(m, l, l.Platforms[0], r.course.base)
}

// brought are the packages in the layer of a script that are neither locked nor the
// base's.
func (r recorder) brought(ctx context.Context, l *pins.Lock, layout string) (brought []pins.Pin, err error) {
	found, err := readLayer(ctx, layout, func(img *images.Image) ([]images.Package, error) { return img.Inventory(ctx) })
	if err != nil {
		return nil, err
	}
	known := map[pins.Pin]bool{}
	for _, p := range drift.LockPackages(l) {
		known[plain(p.Pin)] = true
	}
	found = drift.Lockable(found)
	if slices.ContainsFunc(found, func(p images.Package) bool { return p.Kind == pins.Deb }) {
		c := *r.course
		c.lock = l
		base, err := c.openBase(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, base.Close()) }()
		below, err := base.Inventory(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range below {
			known[plain(p.Pin)] = true
		}
	}
	for _, p := range found {
		if !known[plain(p.Pin)] {
			brought = append(brought, plain(p.Pin))
		}
	}
	return brought, nil
}

// plain is a pin without what its version does not say.
func plain(p pins.Pin) pins.Pin {
	p.Detail = pins.Detail{}
	return p
}

// varying runs a script once more, with what was recorded, and finds the paths that
// it writes otherwise.
func (r recorder) varying(ctx context.Context, m *pins.Manifest, l *pins.Lock, rec pins.Recording,
	work string) (paths []string, err error) {
	again := *l
	rec.Inputs = l.Base // not known yet, and no part of the run
	again.Recordings = append(slices.Clone(l.Recordings), rec)
	p, err := r.plan(m, &again)
	if err != nil {
		return nil, err
	}
	second := filepath.Join(work, "second")
	if err := (buildplan.Builder{Session: r.session}).Replay(ctx, p, rec.Script, second); err != nil {
		return nil, err
	}
	files := func(img *images.Image) (map[string]string, error) { return img.Files(ctx) }
	a, err := readLayer(ctx, filepath.Join(work, "first"), files)
	if err != nil {
		return nil, err
	}
	b, err := readLayer(ctx, second, files)
	if err != nil {
		return nil, err
	}
	for path, sum := range a {
		if b[path] != sum {
			paths = append(paths, path)
		}
	}
	for path := range b {
		if a[path] == "" {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// readLayer reads something of the image in a layout.
func readLayer[T any](ctx context.Context, layout string, read func(*images.Image) (T, error)) (out T, err error) {
	img, err := images.Open(ctx, pins.LayoutPrefix+layout, images.Options{})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	return read(img)
}
