package buildplan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/errgroup"
)

// A Result says what was built.
type Result struct {
	Manifest string // the image manifest's digest, where the output is a layout
	Digest   string // of what the output's name leads to
	Tag      string
	Checks   time.Duration // what the checks took together, with the laying out of the image
	Checked  []Checked     // each of them
	Build    time.Duration // all but the checks: build and export
	New      int           // layers that were made
	Reused   int           // layers that the engine had

	layers map[string]bool // the names of the steps that make them
}

// Build builds a plan, runs its checks, and exports the image. If a step or a
// check fails nothing is exported, and the error points at the manifest's line.
//
// An address that is remembered may lead nowhere by now: if a file can't be
// fetched for that, the addresses of all that is not at hand are looked up
// anew, once.
func (b Builder) Build(ctx context.Context, p *Plan, out Output) (*Result, error) {
	res, others, err := b.connected(ctx, p, out)
	if session.Moved(err) && ctx.Err() == nil {
		for _, a := range p.fetched() {
			if !b.Session.Files.Has(a.SHA256) {
				b.Session.Files.Forget(a.SHA256)
			}
		}
		res, others, err = b.connected(ctx, p, out)
	}
	if errors.As(err, new(*ScriptError)) {
		return nil, explain(err)
	}
	if session.Gone(err) && slices.ContainsFunc(p.Downloads, func(d steps.Download) bool {
		return !b.Session.Files.Has(d.SHA256)
	}) {
		return nil, fmt.Errorf("%w: name another address in downloads, or ask who keeps the server", explain(err))
	}
	if session.Gone(err) || errors.As(err, new(*missingError)) {
		return nil, b.goneError(p, err, others)
	}
	if err != nil {
		return nil, explain(err)
	}
	return res, nil
}

// connected is build, with what the plan's scripts reach.
func (b Builder) connected(ctx context.Context, p *Plan, out Output) (res *Result, others map[string]string, err error) {
	n, err := b.connect(p, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	defer n.close(b)
	res, others, err = b.build(ctx, p, out)
	return res, others, n.explain(err)
}

// A GoneError says that locked files can't be had any more.
type GoneError struct {
	error
	Missing []pins.Artifact   // what is neither at hand nor known to be anywhere
	Others  map[string]string // of those, by sha256, that of what an index has under their names
}

// Unwrap returns the error of the file that was fetched.
func (e *GoneError) Unwrap() error { return e.error }

// goneError words what has become of the files that can't be had.
func (b Builder) goneError(p *Plan, err error, others map[string]string) error {
	e := &GoneError{error: session.Explain(err), Missing: b.missing(p), Others: map[string]string{}}
	var fetch *session.FetchError
	if errors.As(err, &fetch) {
		for _, a := range p.fetched() { // its address is known, and leads nowhere
			if path.Base(a.File) == fetch.Cause.File && !b.Session.Files.Has(a.SHA256) {
				e.Missing = append(e.Missing, a)
			}
		}
	}
	said := ""
	for _, a := range e.Missing {
		if other := others[a.SHA256]; other != "" {
			e.Others[a.SHA256] = other
			said += fmt.Sprintf("\nThe index has a %s with the sha256 %s, and the lock says %s: one of the two was "+
				"changed. If nobody edited the lock, ask who keeps the index; driftpin lock --upgrade COURSE %s "+
				"takes what the index has",
				path.Base(a.File), other, a.SHA256, a.Name)
		}
	}
	if said == "" {
		said = "\nNone of the configured indexes has the file any more: lock what they have with driftpin build " +
			"--relock-missing, or with driftpin lock --upgrade COURSE NAME"
	}
	e.error = fmt.Errorf("%w%s", e.error, said)
	return e
}

// A CheckError says that one of the course's checks failed: nothing was exported.
type CheckError struct{ Err error }

// Error is the cause's.
func (e *CheckError) Error() string { return e.Err.Error() }

// Unwrap returns the engine's error, or that in a person's words.
func (e *CheckError) Unwrap() error { return e.Err }

// missing are the files of a plan that are neither at hand nor known to be
// anywhere.
func (b Builder) missing(p *Plan) (out []pins.Artifact) {
	for _, a := range p.fetched() {
		if !b.Session.Files.Known(a.SHA256) && !slices.ContainsFunc(out,
			func(m pins.Artifact) bool { return m.SHA256 == a.SHA256 }) {
			out = append(out, a)
		}
	}
	return out
}

// A missingError says that files are nowhere to be had: nothing was built.
type missingError struct{ lines []string }

// Error returns a line for each.
func (e *missingError) Error() string { return strings.Join(e.lines, "\n") }

// whole sees to it that all files of a plan can be had, as far as can be told
// before they are fetched.
func (b Builder) whole(p *Plan) error {
	var e missingError
	for _, a := range b.missing(p) {
		line := fmt.Sprintf("this machine can't fetch %s: no address of it is known", path.Base(a.File))
		if at, known := p.places.At(a); known {
			line = at.String() + ": " + line
		}
		e.lines = append(e.lines, line)
	}
	if len(e.lines) > 0 {
		return &e
	}
	return nil
}

// build is Build, once, with the engine's own errors.
func (b Builder) build(ctx context.Context, p *Plan, out Output) (res *Result, others map[string]string, err error) {
	trees, others, err := b.gather(ctx, p)
	if err != nil {
		return nil, others, err
	}
	start := time.Now()
	export, err := exporter(ctx, p, out)
	if err != nil {
		return nil, others, err
	}
	defer export.abandon()
	res = &Result{Tag: p.Tag()}
	job := session.Job{Base: p.Base, Platform: p.Platform, Exports: []client.ExportEntry{export.entry}, Caches: b.Caches}
	resp, err := b.Session.Run(ctx, job,
		func(ctx context.Context, t session.Talk) (*gateway.Result, error) {
			return image(ctx, t, newGraph(p, trees), res)
		})
	if err != nil {
		return nil, others, err
	}
	res.Digest = resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	if res.Manifest, err = export.finish(resp.SolveResponse); err != nil {
		return nil, others, err
	}
	res.Build = time.Since(start) - res.Checks
	res.count(resp.Cached)
	return res, others, nil
}

// count notes how many of the image's layers were made; cached says of each step whether
// it was.
func (r *Result) count(cached map[string]bool) {
	for name, was := range cached {
		switch {
		case !r.layers[name] && !strings.HasPrefix(name, "["): // as the frontend of Dockerfiles names its steps
		case was:
			r.Reused++
		default:
			r.New++
		}
	}
}

// gather sees to it, as far as can be told before, that all files of a plan can
// be had. It returns the archives of commits that wheels are built from, by the
// wheels' files.
func (b Builder) gather(ctx context.Context, p *Plan) (trees, others map[string]string, err error) {
	if others, err = b.locate(ctx, p); err != nil {
		return nil, others, err
	}
	if err := b.whole(p); err != nil {
		return nil, others, err
	}
	if err := b.keepFolder(p); err != nil {
		return nil, others, err
	}
	for _, d := range p.Downloads {
		b.Session.Files.Expect(d.SHA256, path.Base(d.URL), d.Size)
		if err := b.Session.Files.Remember(d.SHA256, d.URL); err != nil {
			return nil, others, err
		}
	}
	trees, err = b.gitTrees(ctx, p)
	return trees, others, err
}

// Check builds a plan and runs its checks, and exports nothing.
func (b Builder) Check(ctx context.Context, p *Plan) error {
	n, err := b.connect(p, nil, nil)
	if err != nil {
		return err
	}
	defer n.close(b)
	trees, _, err := b.gather(ctx, p)
	if err == nil {
		_, err = b.Session.Run(ctx, session.Job{Base: p.Base, Platform: p.Platform, Caches: session.Caches{From: b.Caches.From}},
			func(ctx context.Context, t session.Talk) (*gateway.Result, error) {
				_, err := image(ctx, t, newGraph(p, trees), &Result{})
				return gateway.NewResult(), err
			})
	}
	return explain(n.explain(err))
}

// image solves a graph, with its checks.
func image(ctx context.Context, t session.Talk, g *graph, res *Result) (*gateway.Result, error) {
	p := g.plan
	img, err := g.build(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := install(ctx, t, img); err != nil {
		return nil, err
	}
	def, err := t.Marshal(ctx, img.root)
	if err != nil {
		return nil, err
	}
	root, err := t.SolveDefinition(ctx, def, false)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if res.Checked, err = runChecks(ctx, t, p, img.checks); err != nil {
		return nil, err
	}
	res.Checks = time.Since(start)
	res.layers = map[string]bool{}
	for _, event := range img.history {
		res.layers[event.CreatedBy] = true
	}
	return describeImage(p, img, root)
}

// describeImage puts together what the exporter needs to know.
func describeImage(p *Plan, img imageGraph, root gateway.Reference) (*gateway.Result, error) {
	config := p.Config()
	config.History = img.history
	res := gateway.NewResult()
	res.SetRef(root)
	if img.config != nil {
		res.AddMeta(exptypes.ExporterImageConfigKey, img.config)
		res.AddMeta(exptypes.ExporterImageBaseConfigKey, img.baseConfig)
		return res, nil
	}
	for key, v := range map[string]any{exptypes.ExporterImageConfigKey: config,
		exptypes.ExporterImageBaseConfigKey: p.Base.Config} {
		data, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		res.AddMeta(key, data)
	}
	return res, nil
}

// maxSteps is how many installing steps run at once: enough for some to fetch
// while others work. More would only want more memory, about 50 MB each.
var maxSteps = max(12, 2*runtime.NumCPU())

// install solves the steps that install, the large ones first: together with
// the image they would all begin at once.
func install(ctx context.Context, t session.Talk, img imageGraph) error {
	steps := slices.SortedStableFunc(slices.Values(img.steps),
		func(a, b installStep) int { return cmp.Compare(b.size, a.size) })
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(maxSteps)
	for _, s := range steps {
		def, err := t.Marshal(ctx, s.state)
		if err != nil {
			return err
		}
		group.Go(func() error {
			_, err := t.SolveDefinition(gctx, def, true)
			return err
		})
	}
	return group.Wait()
}
