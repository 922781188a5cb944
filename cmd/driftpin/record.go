package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
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
		err = fmt.Errorf("the file at %s has the sha256 %s, and downloads asks for %s: one of the two is wrong", d.URL, sum,
			d.SHA256)
	}
	return pins.Fetched{URL: d.URL, SHA256: sum, Size: size}, err
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
	if err := r.changes(ctx, l, first, &out); err != nil {
		return out, err
	}
	r.warn(m, l, script, run, out)
	if r.twice {
		out.Varying, err = r.varying(ctx, m, l, out, work)
	}
	return out, err
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
		for _, b := range rec.Brought {
			if b.Kind == p.Kind && b.Name == p.Name && b.Where == p.Where {
				say("it replaces %s %s%s with %s", p.Name, p.Version, at, b.Version)
			}
		}
		if slices.Contains(rec.Removed, plain(p.Pin)) {
			say("it removes %s %s%s", p.Name, p.Version, strings.TrimSuffix(at, ","))
		}
	}
}

// changes are the packages in the layer of a script that are neither locked nor the
// base's, and the locked ones that it took away.
func (r recorder) changes(ctx context.Context, l *pins.Lock, layout string, rec *pins.Recording) error {
	type contents struct {
		packages []images.Package
		files    map[string]string
	}
	layer, err := readLayer(ctx, layout, func(img *images.Image) (c contents, err error) {
		if c.packages, err = img.Inventory(ctx); err == nil {
			c.files, err = img.Files(ctx)
		}
		return c, err
	})
	if err != nil {
		return err
	}
	found, known := drift.Lockable(layer.packages), map[pins.Pin]bool{}
	for _, p := range drift.LockPackages(l) {
		known[plain(p.Pin)] = true
		if removed(p.Pin, layer.files) && !slices.ContainsFunc(found, func(f images.Package) bool {
			return f.Kind == p.Kind && f.Name == p.Name && f.Where == p.Where
		}) {
			rec.Removed = append(rec.Removed, plain(p.Pin))
		}
	}
	if slices.ContainsFunc(found, func(p images.Package) bool { return p.Kind == pins.Deb }) {
		below, err := r.below(ctx, l)
		if err != nil {
			return err
		}
		for _, p := range below {
			known[plain(p.Pin)] = true
		}
	}
	for _, p := range found {
		if !known[plain(p.Pin)] {
			rec.Brought = append(rec.Brought, plain(p.Pin))
		}
	}
	return nil
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
	added, err := readLayer(ctx, layout, func(img *images.Image) ([]images.Package, error) { return img.Inventory(ctx) })
	if err != nil {
		return err
	}
	base, err := r.below(ctx, l)
	if err != nil {
		return err
	}
	left := map[pins.Pin]bool{} // packages of the image of which no script is known
	for _, f := range drift.Lockable(added) {
		left[plain(f.Pin)] = f.Owner == nil
	}
	for _, b := range base {
		delete(left, plain(b.Pin))
	}
	for i := range l.Recordings {
		rec := &l.Recordings[i]
		rec.Brought = slices.DeleteFunc(rec.Brought, func(p pins.Pin) bool {
			mine := left[p]
			delete(left, p)
			return !mine
		})
	}
	last := &l.Recordings[len(l.Recordings)-1]
	for p, ours := range left {
		if ours {
			last.Brought = append(last.Brought, p)
		}
	}
	l.Sort()
	return nil
}

// below are the packages of the course's base.
func (r recorder) below(ctx context.Context, l *pins.Lock) (found []images.Package, err error) {
	c := *r.course
	c.lock = l
	base, err := c.openBase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	return base.Inventory(ctx)
}

// removed reports whether a layer takes away what says that a Python or conda package
// is installed: its whiteouts (OCI's image specification, "Whiteouts") name it.
func removed(p pins.Pin, files map[string]string) bool {
	for file := range files {
		dir, base := path.Split(file)
		gone, ok := strings.CutPrefix(base, ".wh.")
		if !ok || !strings.HasPrefix(dir, p.Where+"/") {
			continue
		}
		stem, isPython := strings.CutSuffix(gone, ".dist-info")
		if isPython && p.Kind == pins.Pip {
			name, version, _ := strings.Cut(stem, "-")
			if pins.CanonicalName(pins.Pip, name) == p.Name && version == p.Version {
				return true
			}
		}
		if p.Kind == pins.Conda && strings.HasSuffix(dir, "/conda-meta/") &&
			strings.HasPrefix(gone, p.Name+"-"+p.Version+"-") {
			return true
		}
	}
	return false
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
