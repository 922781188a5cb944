package buildplan

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/git"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"golang.org/x/sync/errgroup"
)

// An Output is where a built image goes; one of its fields is set.
type Output struct {
	Layout  string // a folder, which becomes an OCI layout with this image only
	Archive string // a file, which becomes an archive for docker load
	Docker  string // a name in the Docker Engine of this machine
	Push    string // a registry reference
}

// String is the output as ParseOutput reads it.
func (o Output) String() string {
	switch {
	case o.Layout != "":
		return pins.LayoutPrefix + o.Layout
	case o.Archive != "":
		return "docker-archive:" + o.Archive
	case o.Docker != "":
		return "docker:" + o.Docker
	}
	return o.Push
}

// ParseOutput reads oci-layout:DIR, docker-archive:FILE or docker:NAME.
func ParseOutput(s string) (Output, error) {
	kind, where, _ := strings.Cut(s, ":")
	switch {
	case where == "":
	case kind == "oci-layout":
		return Output{Layout: where}, nil
	case kind == "docker-archive":
		return Output{Archive: where}, nil
	case kind == "docker":
		if _, err := dockerName(where); err != nil {
			return Output{}, fmt.Errorf("output %s: %w", s, err)
		}
		return Output{Docker: where}, nil
	}
	return Output{}, fmt.Errorf("output %q: write oci-layout:DIR, docker-archive:FILE or docker:NAME, or use --push", s)
}

// A Result says what was built.
type Result struct {
	Manifest string // the image manifest's digest, where the output is a layout
	Digest   string // of what the output's name leads to
	Tag      string
	Checks   time.Duration // what the checks took
	Build    time.Duration // all but the checks: build and export
}

// compression is how new layers are compressed; it decides digests.
var compression = map[string]string{"compression": "gzip", "oci-mediatypes": "true"}

// Build builds a plan, runs its checks, and exports the image. If a step or a
// check fails nothing is exported, and the error points at the manifest's line.
//
// An address that is remembered may lead nowhere by now: if a file can't be
// fetched for that, the addresses of all that is not at hand are looked up
// anew, once.
func (b *Builder) Build(ctx context.Context, p *Plan, out Output) (*Result, error) {
	res, err := b.build(ctx, p, out)
	if moved(err) && ctx.Err() == nil {
		for _, a := range p.fetched() {
			if !b.files.Has(a.SHA256) {
				b.files.Forget(a.SHA256)
			}
		}
		res, err = b.build(ctx, p, out)
	}
	if gone(err) || errors.As(err, new(*missingError)) {
		return nil, b.goneError(p, err)
	}
	if err != nil {
		return nil, explain(err)
	}
	return res, nil
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
func (b *Builder) goneError(p *Plan, err error) error {
	e := &GoneError{error: explain(err), Missing: b.missing(p), Others: map[string]string{}}
	var fetch *fetchError
	if errors.As(err, &fetch) {
		for _, a := range p.fetched() { // its address is known, and leads nowhere
			if path.Base(a.File) == fetch.cause.File && !b.files.Has(a.SHA256) {
				e.Missing = append(e.Missing, a)
			}
		}
	}
	said := ""
	for _, a := range e.Missing {
		if other := b.others[a.SHA256]; other != "" {
			e.Others[a.SHA256] = other
			said += fmt.Sprintf("\nThe index has a %s with the sha256 %s, and the lock says %s: one of the two was changed. If nobody edited the lock, ask who keeps the index; driftpin lock --upgrade COURSE %s takes what the index has",
				path.Base(a.File), other, a.SHA256, a.Name)
		}
	}
	if said == "" {
		said = "\nNo index that this machine's settings name has it any more: driftpin build --relock-missing, or driftpin lock --upgrade COURSE NAME, locks what they have"
	}
	e.error = fmt.Errorf("%w%s", e.error, said)
	return e
}

// missing are the files of a plan that are neither at hand nor known to be
// anywhere.
func (b *Builder) missing(p *Plan) (out []pins.Artifact) {
	for _, a := range p.fetched() {
		if !b.known(a.SHA256) && !slices.ContainsFunc(out, func(m pins.Artifact) bool { return m.SHA256 == a.SHA256 }) {
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
func (b *Builder) whole(p *Plan) error {
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

// moved reports whether a file could not be fetched, and may be elsewhere.
func moved(err error) bool {
	var fetch *fetchError
	return errors.As(err, &fetch) && fetch.cause.Moved
}

// gone reports whether a file is nowhere that we know of.
func gone(err error) bool {
	var fetch *fetchError
	return errors.As(err, &fetch) && fetch.cause.Gone
}

// build is Build, once, with the engine's own errors.
func (b *Builder) build(ctx context.Context, p *Plan, out Output) (*Result, error) {
	if err := b.locate(ctx, p); err != nil {
		return nil, err
	}
	if err := b.whole(p); err != nil {
		return nil, err
	}
	trees, err := b.gitTrees(ctx, p)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	export, err := exporter(ctx, p, out)
	if err != nil {
		return nil, err
	}
	defer export.abandon()
	res := &Result{Tag: p.Tag()}
	resp, err := b.run(ctx, client.SolveOpt{Exports: []client.ExportEntry{export.entry}}, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		return b.image(ctx, c, newGraph(p, trees), res)
	})
	if err != nil {
		return nil, err
	}
	res.Digest = resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	if res.Manifest, err = export.finish(resp); err != nil {
		return nil, err
	}
	res.Build = time.Since(start) - res.Checks
	return res, nil
}

// Check builds a plan and runs its checks, and exports nothing.
func (b *Builder) Check(ctx context.Context, p *Plan) error {
	err := b.locate(ctx, p)
	if err == nil {
		err = b.whole(p)
	}
	var trees map[string]string
	if err == nil {
		trees, err = b.gitTrees(ctx, p)
	}
	if err != nil {
		return explain(err)
	}
	_, err = b.run(ctx, client.SolveOpt{}, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		if _, err := b.image(ctx, c, newGraph(p, trees), &Result{}); err != nil {
			return nil, err
		}
		return gateway.NewResult(), nil
	})
	if err != nil {
		return explain(err)
	}
	return nil
}

// image solves a graph, with its checks.
func (b *Builder) image(ctx context.Context, c gateway.Client, g *graph, res *Result) (*gateway.Result, error) {
	p, img := g.plan, g.image()
	if err := b.install(ctx, c, p, img); err != nil {
		return nil, err
	}
	def, err := marshal(ctx, img.root, p.Platform)
	if err != nil {
		return nil, err
	}
	root, err := solveDefinition(ctx, c, def, false)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for _, check := range img.checks { // in order: they are a person's list
		if _, err := solve(ctx, c, check, p.Platform); err != nil {
			return nil, err
		}
	}
	res.Checks = time.Since(start)
	return describeImage(p, img, root)
}

// describeImage puts together what the exporter needs to know.
func describeImage(p *Plan, img image, root gateway.Reference) (*gateway.Result, error) {
	config := p.Config()
	config.History = img.history
	res := gateway.NewResult()
	res.SetRef(root)
	for key, v := range map[string]any{exptypes.ExporterImageConfigKey: config, exptypes.ExporterImageBaseConfigKey: p.Base.Config} {
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
func (b *Builder) install(ctx context.Context, c gateway.Client, p *Plan, img image) error {
	steps := slices.SortedStableFunc(slices.Values(img.steps), func(a, b installStep) int { return cmp.Compare(b.size, a.size) })
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(maxSteps)
	for _, s := range steps {
		def, err := marshal(ctx, s.state, p.Platform)
		if err != nil {
			return err
		}
		group.Go(func() error {
			_, err := solveDefinition(gctx, c, def, true)
			return err
		})
	}
	return group.Wait()
}

// An export is where a build goes: what the engine is told, what is done when
// it has ended well, and what if it has not.
type export struct {
	entry   client.ExportEntry
	finish  func(*client.SolveResponse) (manifest string, err error)
	abandon func() // does nothing after finish
}

func exporter(ctx context.Context, p *Plan, out Output) (export, error) {
	e := export{
		finish:  func(*client.SolveResponse) (string, error) { return "", nil },
		abandon: func() {},
	}
	var err error
	switch {
	case out.Layout != "":
		attrs := maps.Clone(compression)
		attrs["name"] = p.Course + ":" + p.Tag()
		e.entry, err = engine.LayoutExport(out.Layout, attrs)
		e.abandon = func() {
			_ = engine.AbandonLayout(out.Layout) // the next export there does it too
		}
		e.finish = func(resp *client.SolveResponse) (string, error) {
			index, err := engine.FinishLayout(out.Layout, resp, p.Tag())
			if err != nil {
				return "", err
			}
			return engine.ManifestDigest(out.Layout, index, steps.Platform(p.Platform))
		}
	case out.Archive != "":
		err = e.toArchive(p, out.Archive)
	case out.Docker != "":
		err = e.toDocker(ctx, out.Docker)
	case out.Push != "":
		e.entry = client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"name": out.Push, "push": "true"}}
		maps.Copy(e.entry.Attrs, compression)
	default:
		err = errors.New("where is it to go?")
	}
	if err != nil {
		err = fmt.Errorf("output %s: %w", out, err)
	}
	return e, err
}

// toArchive writes an archive.
func (e *export) toArchive(p *Plan, file string) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return errors.New("it is a folder: name a file")
	}
	tmp, err := whole.Create(file, 0o644)
	if err != nil {
		return err
	}
	e.entry = client.ExportEntry{
		Type:   client.ExporterDocker,
		Attrs:  map[string]string{"name": p.Course + ":" + p.Tag()},
		Output: func(map[string]string) (io.WriteCloser, error) { return keptOpen{tmp}, nil },
	}
	e.finish = func(*client.SolveResponse) (string, error) { return "", tmp.Commit() }
	e.abandon = tmp.Abandon
	return nil
}

// A keptOpen is closed by who made it, not by who writes to it.
type keptOpen struct{ io.Writer }

// Close implements io.Closer.
func (keptOpen) Close() error { return nil }

// explain words an error of the engine so that it begins with the line of the
// manifest that it is about, and shows that line.
func explain(err error) error {
	text := err
	var exit *gatewaypb.ExitError
	var fetch *fetchError
	if errors.As(err, &fetch) {
		text = fetch.cause
	} else if errors.As(err, &exit) {
		// The engine's own words repeat the whole command.
		text = fmt.Errorf("the step failed with exit status %d", exit.ExitCode)
		var said *stepError
		if errors.As(err, &said) {
			text = fmt.Errorf("%w:\n%s", text, said.tail)
		}
		var wheel *wheelError
		if errors.As(err, &wheel) {
			return fmt.Errorf("%s: %w\n%s", wheel.of, text, wheel.with)
		}
	}
	for _, s := range errdefs.Sources(err) {
		if s.Info == nil || len(s.Ranges) == 0 || s.Ranges[0].Start == nil {
			continue
		}
		var excerpt bytes.Buffer
		if s.Print(&excerpt) != nil {
			excerpt.Reset()
		}
		return fmt.Errorf("%s:%d: %w\n%s", s.Info.Filename, s.Ranges[0].Start.Line, text, strings.TrimSpace(excerpt.String()))
	}
	return text
}

// gitTrees sees to the files of all commits that wheels of a plan are built
// from; it returns the sha256 of their archives by the wheel's file.
func (b *Builder) gitTrees(ctx context.Context, p *Plan) (map[string]string, error) {
	trees := map[string]string{}
	for _, w := range p.Wheels {
		g, ok := w.Git()
		if !ok {
			continue
		}
		tree, err := b.kept().Tree(ctx, g)
		if err != nil {
			if at, known := p.places.At(w.Artifact); known {
				err = fmt.Errorf("%s: %w", at, err)
			}
			return nil, err
		}
		trees[w.File] = tree
	}
	return trees, nil
}

func (b *Builder) kept() git.Kept { return git.Kept{Home: b.home, Files: b.files} }

// commit returns the full commit that a git requirement means, and goes on
// saying so as long as the builder lives: several solves are to agree.
func (b *Builder) commit(ctx context.Context, g pins.Git) (string, error) {
	if known, ok := b.commits[g]; ok {
		return known, nil
	}
	found, err := git.Commit(ctx, b.home, g)
	if err == nil {
		b.commits[g] = found
	}
	return found, err
}
