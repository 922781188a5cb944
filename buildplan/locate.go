package buildplan

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// locate looks up the addresses of the plan's artifacts that are not
// remembered: a lock that comes from another machine tells hashes only. What
// no index has any more stays unknown; it may still be at hand.
func (b *Builder) locate(ctx context.Context, p *Plan) error {
	var tools []steps.Tool
	for t, needed := range map[*steps.Tool]bool{&steps.UvTool: len(p.Layers) > 0, &steps.RattlerTool: len(p.Conda) > 0, &steps.NodeTool: len(p.Npm) > 0} {
		if needed && !b.known(t.Artifact(p.Platform).SHA256) {
			tools = append(tools, *t)
		}
	}
	return b.locateFiles(ctx, pins.Query{Platform: p.Platform, Below: p.below()}, p.fetched(), tools...)
}

// locateFiles looks up the addresses of files, and of tools, that are not
// remembered, in the place of a query.
func (b *Builder) locateFiles(ctx context.Context, q pins.Query, files []pins.Artifact, tools ...steps.Tool) error {
	return b.lookUp(ctx, q, slices.DeleteFunc(slices.Clone(files), func(a pins.Artifact) bool {
		b.files.Expect(a.SHA256, path.Base(a.File), a.Size)
		return b.known(a.SHA256)
	}), tools...)
}

// Locate looks up where the files of a plan can be fetched, at hand or not, as
// far as that is not remembered.
func (b *Builder) Locate(ctx context.Context, p *Plan) error {
	var files []pins.Artifact
	for _, a := range p.fetched() {
		if _, ok := b.files.Address(a.SHA256); !ok {
			files = append(files, a)
		}
	}
	if err := b.lookUp(ctx, pins.Query{Platform: p.Platform, Below: p.below()}, files); err != nil {
		return explain(err)
	}
	return nil
}

// lookUp asks where files and tools are, in the place of a query.
func (b *Builder) lookUp(ctx context.Context, q pins.Query, files []pins.Artifact, tools ...steps.Tool) error {
	debs, condas, npms, wheels := byKind(files)
	if len(debs)+len(condas)+len(npms)+len(wheels)+len(tools) == 0 {
		return nil
	}
	_, err := b.run(ctx, client.SolveOpt{}, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		if err := b.learn(ctx, c, q.Platform); err != nil {
			return nil, err
		}
		r := &resolution{Builder: b, gateway: c, query: q}
		if len(debs) > 0 {
			if err := r.locateDebs(ctx, debs); err != nil {
				return nil, err
			}
		}
		for _, t := range tools {
			if err := r.stepSolve().locateTool(ctx, t); err != nil {
				return nil, err
			}
		}
		if len(condas) > 0 {
			if err := r.locateConda(ctx, condas); err != nil {
				return nil, err
			}
		}
		if len(npms) > 0 {
			if err := r.locateNpm(ctx, npms); err != nil {
				return nil, err
			}
		}
		if len(wheels) > 0 {
			if err := r.newPipSolve().locateWheels(ctx, wheels); err != nil {
				return nil, err
			}
		}
		return gateway.NewResult(), nil
	})
	return err
}

// locateBelow sees to it that what a query resolves on top of can be fetched: a
// lock that comes from another machine tells hashes only.
func (r *resolution) locateBelow(ctx context.Context) error {
	var debs, condas []pins.Artifact
	for _, a := range r.query.Below {
		if a.Use == pins.Held {
			continue
		}
		r.files.Expect(a.SHA256, path.Base(a.File), a.Size)
		switch {
		case r.known(a.SHA256):
		case a.Kind == pins.Deb:
			debs = append(debs, a)
		case a.Kind == pins.Conda:
			condas = append(condas, a)
		}
	}
	if len(debs) > 0 {
		if err := r.locateDebs(ctx, debs); err != nil {
			return err
		}
	}
	if len(condas) > 0 {
		return r.locateConda(ctx, condas)
	}
	return nil
}

// known reports whether a file is at hand, or an address of it.
func (b *Builder) known(sha256 string) bool {
	_, ok := b.files.Address(sha256)
	return ok || b.files.Has(sha256)
}

// byKind deals files out to those who know where they are.
func byKind(files []pins.Artifact) (debs, condas, npms, wheels []pins.Artifact) {
	for _, a := range files {
		switch a.Kind {
		case pins.Deb:
			debs = append(debs, a)
		case pins.Conda:
			condas = append(condas, a)
		case pins.Npm:
			npms = append(npms, a)
		default:
			wheels = append(wheels, a)
		}
	}
	return debs, condas, npms, wheels
}

// below are the plan's artifacts that pip pins resolve on top of.
func (p *Plan) below() []pins.Artifact {
	out := slices.Concat(p.Python, p.ToolPython)
	for _, l := range p.Conda {
		out = append(out, l.Packages...)
	}
	return out
}

// fetched lists the artifacts of a plan that are fetched.
func (p *Plan) fetched() (out []pins.Artifact) {
	add := func(a pins.Artifact) {
		if !a.Built() {
			out = append(out, a)
		}
	}
	for _, list := range [][]pins.Artifact{p.Python, p.ToolPython, p.Apt, p.Compilers, p.Npm} {
		for _, a := range list {
			add(a)
		}
	}
	for _, l := range slices.Concat(p.Conda, p.Layers) {
		for _, a := range l.Packages {
			add(a)
		}
	}
	for _, w := range p.Wheels {
		for _, a := range w.Needs {
			add(a)
		}
		if w.Source != nil {
			add(*w.Source)
		}
	}
	return out
}

// locateDebs asks the base's apt for the addresses of packages.
func (r *resolution) locateDebs(ctx context.Context, debs []pins.Artifact) error {
	var specs strings.Builder
	for _, d := range debs {
		fmt.Fprintf(&specs, "%s=%s\n", d.Name, d.Version)
	}
	in := llb.Scratch().File(llb.Mkfile("/specs", 0o644, []byte(specs.String())))
	options := steps.Step(fmt.Sprintf("find %d packages of apt", len(debs)), []string{"/bin/sh", steps.Dir + "apt-locate.sh", "/run/driftpin/specs", "/out"},
		steps.Script("apt-locate.sh"), steps.Uncached(), llb.AddMount("/out", llb.Scratch()),
		llb.AddMount("/run/driftpin/specs", in, llb.SourcePath("/specs"), llb.Readonly))
	ref, err := solve(ctx, r.gateway, r.Base.State(r.query.Platform).Run(append(options, r.host.Online()...)...).GetMount("/out"), r.query.Platform)
	if err != nil {
		return fmt.Errorf("asking apt in the base for addresses: %w", err)
	}
	table, err := readFile(ctx, ref, "/", "addresses.tsv")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(table), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 3 {
			continue
		}
		if err := r.files.Remember(f[0], f[1]); err != nil {
			return err
		}
		for _, d := range debs {
			if d.Name+"="+d.Version == f[2] && d.SHA256 != f[0] {
				r.others[d.SHA256] = f[0]
			}
		}
	}
	return nil
}

// locateWheels asks uv for the addresses of wheels and source distributions.
func (s *pipSolve) locateWheels(ctx context.Context, files []pins.Artifact) error {
	if err := s.locateTool(ctx, steps.UvTool); err != nil {
		return err
	}
	// A name has one version a question: a wheel's build requirement may be
	// installed in another version.
	for len(files) > 0 {
		var requirements, options []string
		var later []pins.Artifact
		asked := map[string]bool{}
		options = append(options, "--no-deps")
		for _, f := range files {
			if asked[f.Name] {
				later = append(later, f)
				continue
			}
			asked[f.Name] = true
			requirements = append(requirements, f.Name+"=="+f.Version)
			if !strings.HasSuffix(f.File, ".whl") {
				options = append(options, "--no-binary", f.Name)
			} else {
				options = append(options, "--only-binary", f.Name)
			}
		}
		if err := s.rememberThere(ctx, requirements, options, files); err != nil {
			return err
		}
		files = later
	}
	return nil
}

// errNotThere is wrapped by the error for files that the index does not have.
var errNotThere = errors.New("the index does not have them")

// rememberThere asks for files of which some may be gone: one that is makes uv
// refuse all, so halves are asked for then, and what is refused alone is gone.
func (s *pipSolve) rememberThere(ctx context.Context, requirements, options []string, files []pins.Artifact) error {
	err := s.rememberFiles(ctx, requirements, options, files)
	if err == nil || !errors.Is(err, errNotThere) {
		return err
	}
	if len(requirements) == 1 {
		return nil
	}
	half := len(requirements) / 2
	if err := s.rememberThere(ctx, requirements[:half], options, files); err != nil {
		return err
	}
	return s.rememberThere(ctx, requirements[half:], options, files)
}

// rememberFiles asks uv for files and remembers where they are. uv must not
// build, so what it is told of packages without wheels is that they require
// nothing.
func (s *pipSolve) rememberFiles(ctx context.Context, requirements, options []string, files []pins.Artifact) error {
	var known strings.Builder
	for _, f := range files {
		if !strings.HasSuffix(f.File, ".whl") {
			fmt.Fprintf(&known, "[[dependency-metadata]]\nname = %q\nrequires-dist = []\n", f.Name)
		}
	}
	text, failure, err := s.runUv(ctx, uvQuestion{requirements: requirements, options: options, known: known.String()})
	if err != nil {
		return err
	}
	switch said := s.host.Scrub(tidy(failure)); {
	case said == "":
	case unreachable.MatchString(said):
		return s.uvFailure(failure)
	default:
		return fmt.Errorf("finding the locked files in the index: %s (%w)", said, errNotThere)
	}
	found, err := pylockFiles([]byte(text["pylock.toml"]))
	if err != nil {
		return err
	}
	for _, there := range found {
		sum := there.Hashes["sha256"]
		if err := s.files.Remember(sum, there.URL); err != nil {
			return err
		}
		for _, f := range files {
			if f.File == there.file() && f.SHA256 != sum {
				s.others[f.SHA256] = sum
			}
		}
	}
	return nil
}

// stepSolve is a solve on a Python for steps: for tools that come before the
// environment's Python is known.
func (r *resolution) stepSolve() *pipSolve {
	g := r.stepGround()
	return &pipSolve{resolution: r, python: g.WithStepPython(), interpreter: g.StepInterpreter(), built: map[string]*wheelBuild{}}
}

// stepGround has a Python for steps.
func (r *resolution) stepGround() steps.Ground {
	return steps.StepGround(r.Base, r.query.Platform, r.query.Below)
}

// locateTool sees to it that a tool's own wheel can be fetched. The first time
// uv comes by way of pip, which the base's apt has; that uv then says where its
// wheel lies, and where others' do.
func (s *pipSolve) locateTool(ctx context.Context, t steps.Tool) error {
	wheel := t.Artifact(s.query.Platform)
	if wheel.File == "" {
		return fmt.Errorf("driftpin has no %s for %s", t.Name, s.query.Platform)
	}
	if s.known(wheel.SHA256) {
		return nil
	}
	if t.Name != steps.UvTool.Name {
		if err := s.locateTool(ctx, steps.UvTool); err != nil {
			return err
		}
		return s.rememberFiles(ctx, []string{t.Name + "==" + t.Version}, []string{"--no-deps", "--only-binary", ":all:"}, nil)
	}
	options := steps.Step("fetch uv, the first time by pip", []string{"/bin/sh", steps.Dir + "uv-fetch.sh", t.Version, wheel.SHA256, "/out"},
		steps.Script("uv-fetch.sh"), llb.AddMount("/out", llb.Scratch()))
	fetched := s.python.Run(append(options, s.host.Online()...)...).GetMount("/out")
	s.uvMount = steps.MountUv(s.ground(nil).Unpack(s.python, s.interpreter, fetched, wheel))
	defer func() { s.uvMount = nil }()
	return s.rememberFiles(ctx, []string{t.Name + "==" + t.Version}, []string{"--no-deps", "--only-binary", ":all:"}, nil)
}
