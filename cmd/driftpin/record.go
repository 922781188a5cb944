package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
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

// fetch brings a course's download here.
func (r recorder) fetch(ctx context.Context, d pins.Download) (pins.Fetched, error) {
	if d.SHA256 != "" && r.session.Files.Has(d.SHA256) {
		file, err := r.session.Files.File(ctx, d.SHA256)
		if err != nil {
			return pins.Fetched{}, err
		}
		info, err := os.Stat(file)
		if err != nil {
			return pins.Fetched{}, err
		}
		return pins.Fetched{URL: d.URL, SHA256: d.SHA256, Size: info.Size()}, nil
	}
	sum, size, err := r.session.Files.Learn(ctx, d.URL)
	if err == nil && d.SHA256 != "" && sum != d.SHA256 {
		err = fmt.Errorf("the file at %s has the sha256 %s, and %s is asked for: one of the two is wrong", d.URL, sum, d.SHA256)
	}
	return pins.Fetched{URL: d.URL, SHA256: sum, Size: size}, err
}

// Record implements pins.Recorder.
func (r recorder) Record(ctx context.Context, m *pins.Manifest, l *pins.Lock, script pins.Script,
	earlier pins.Remembered) (out pins.Recording, err error) {
	work, release, err := r.session.Files.Work()
	if err != nil {
		return out, err
	}
	defer release()
	first := filepath.Join(work, "first")
	run, err := r.run(ctx, m, l, script, earlier, first)
	if err != nil {
		return out, err
	}
	out = pins.Recording{Script: script.Name, Answers: run.Answers}
	if err := r.changes(ctx, l, first, &out); err != nil {
		return out, err
	}
	r.warn(m, l, script, run, out)
	if r.twice {
		out.Varying, err = r.varying(ctx, m, l, out, work)
	}
	return out, err
}

// run runs a script, and writes what it changes into a layout: with what it was told
// before and nothing else, if that is enough; else with that and what servers say; else
// with what they say alone.
func (r recorder) run(ctx context.Context, m *pins.Manifest, l *pins.Lock, script pins.Script, earlier pins.Remembered,
	layout string) (run *buildplan.RecordedRun, err error) {
	known := earlier.Answers
	if earlier.Own != nil && !r.twice {
		run, err = r.replay(ctx, m, l, *earlier.Own, layout)
		if err == nil && !run.Told { // the engine knows what comes of it
			run.Answers = earlier.Own.Answers
		}
		switch {
		case errors.As(err, new(*buildplan.ScriptError)):
			fmt.Fprintf(r.s.err, "%s: it needs more than what is recorded: servers are asked\n", script.At)
		case r.stale(script, err):
			known = nil
		default:
			return run, err
		}
	}
	p, err := r.plan(m, l)
	if err != nil {
		return nil, err
	}
	builder := buildplan.Builder{Session: r.session}
	for {
		if err := os.RemoveAll(layout); err != nil {
			return nil, err
		}
		run, err = builder.Record(ctx, p, known, layout)
		if ctx.Err() != nil || !r.stale(script, err) {
			return run, err
		}
		known = nil
	}
}

// stale reports whether a script may have failed because of what was recorded before, and
// says so.
func (r recorder) stale(script pins.Script, err error) bool {
	var remembered *buildplan.RememberedError
	if !errors.As(err, &remembered) {
		return false
	}
	fmt.Fprintf(r.s.err, "%s: it failed with %d answers of the old recording, such as lists of packages of that day: it is run "+
		"once more, and all is asked anew\n", script.At, remembered.N)
	return true
}

// replay runs a script with what a recording has, and nothing else.
func (r recorder) replay(ctx context.Context, m *pins.Manifest, l *pins.Lock, rec pins.Recording,
	layout string) (*buildplan.RecordedRun, error) {
	with := *l
	rec.Inputs = l.Base // not known yet, and no part of the run
	with.Recordings = append(slices.Clone(l.Recordings), rec)
	p, err := r.plan(m, &with)
	if err != nil {
		return nil, err
	}
	return buildplan.Builder{Session: r.session}.Replay(ctx, p, rec.Script, layout)
}

// recorded is a lock of a course with its scripts recorded, where they are not yet as
// the lock has it.
func (c *course) recorded(ctx context.Context, s streams, e *session.Session, m *pins.Manifest,
	l *pins.Lock) (*pins.Lock, error) {
	if len(m.Scripts)+len(m.Downloads) == 0 {
		return l, nil
	}
	o := c.options()
	r := recorder{s: s, course: c, session: e}
	o.Was, o.Recorder, o.Fetch = m, r, r.fetch
	return pins.Relock(ctx, m, l, c.resolver(e), o)
}

// plan is the course's, with a lock as far as it is known.
func (r recorder) plan(m *pins.Manifest, l *pins.Lock) (*buildplan.Plan, error) {
	return buildplan.New(m, l, l.Platforms[0], r.course.base)
}

// warn tells what a user may not expect of a recorded script.
func (r recorder) warn(m *pins.Manifest, l *pins.Lock, script pins.Script, run *buildplan.RecordedRun,
	rec pins.Recording) {
	say := func(format string, args ...any) {
		fmt.Fprintf(r.s.err, "%s: warning: %s\n", script.At, report.Clean(fmt.Sprintf(format, args...)))
	}
	if run.Bypassed > 0 {
		say("it tried to open connections past the proxy, which were blocked")
	}
	if run.Left > 0 {
		say("it left programs running (%d), which were ended: what they had not written yet is missing", run.Left)
	}
	for _, a := range run.Replaced {
		say("what was recorded of %s can't be had any more; the server was asked anew", a.URL)
	}
	for _, p := range drift.LockPackages(l) {
		at := ""
		if q := m.Request(p.Kind, p.Name, ""); q != nil {
			at = fmt.Sprintf(", which %s asks for,", q.At)
		}
		same := func(q pins.Pin) bool { return q.Kind == p.Kind && q.Name == p.Name && q.Where == p.Where }
		if i := slices.IndexFunc(rec.Brought, same); i >= 0 {
			say("it replaces %s %s%s with %s", p.Name, p.Version, at, rec.Brought[i].Version)
		}
		if slices.ContainsFunc(rec.Removed, same) {
			say("it removes %s %s%s", p.Name, p.Version, strings.TrimSuffix(at, ","))
		}
	}
}

// changes notes what a script changed, by the layer that it made.
func (r recorder) changes(ctx context.Context, l *pins.Lock, layout string, rec *pins.Recording) error {
	return r.withBase(ctx, l, layout, func(layer, base *images.Image) (err error) {
		rec.Brought, rec.Removed, err = images.Brought(ctx, layer, base, l)
		return err
	})
}

// Settle implements pins.Recorder.
func (r recorder) Settle(ctx context.Context, m *pins.Manifest, l *pins.Lock) error {
	if m.Dockerfile.Value == "" {
		return nil
	}
	work, release, err := r.session.Files.Work()
	if err != nil {
		return err
	}
	defer release()
	p, err := r.plan(m, l)
	if err != nil {
		return err
	}
	layout := filepath.Join(work, "image")
	if err := (buildplan.Builder{Session: r.session}).Added(ctx, p, layout); err != nil {
		return err
	}
	return r.withBase(ctx, l, layout, func(added, base *images.Image) error {
		return images.Settle(ctx, added, base, l)
	})
}

// withBase opens the image in a layout, and the course's base.
func (r recorder) withBase(ctx context.Context, l *pins.Lock, layout string, f func(img, base *images.Image) error) error {
	c := *r.course
	c.lock = l
	base, err := c.openBase(ctx)
	if err != nil {
		return err
	}
	err = withLayout(ctx, layout, func(img *images.Image) error { return f(img, base) })
	return errors.Join(err, base.Close())
}

// withLayout opens the image in a layout.
func withLayout(ctx context.Context, layout string, f func(*images.Image) error) error {
	img, err := images.Open(ctx, pins.LayoutPrefix+layout, images.Options{})
	if err != nil {
		return err
	}
	return errors.Join(f(img), img.Close())
}

// varying runs a script once more, with what was recorded, and finds the paths that
// it writes otherwise.
func (r recorder) varying(ctx context.Context, m *pins.Manifest, l *pins.Lock, rec pins.Recording,
	work string) (paths []string, err error) {
	second := filepath.Join(work, "second")
	if _, err := r.replay(ctx, m, l, rec, second); err != nil {
		return nil, err
	}
	err = withLayout(ctx, filepath.Join(work, "first"), func(a *images.Image) error {
		return withLayout(ctx, second, func(b *images.Image) error {
			paths, err = images.Varying(ctx, a, b)
			return err
		})
	})
	return paths, err
}
