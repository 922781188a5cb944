package resolve

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/owns"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
)

// buildSdist builds the wheel of a source distribution.
func (p *pip) buildSdist(ctx context.Context, sdist pins.Artifact) (*wheelBuild, error) {
	in := sdist
	in.Use, in.Roots, in.By = pins.BuildInput, []pins.Root{pins.SourceRoot}, []string{sdist.Name}
	w := steps.Wheel{Artifact: sdist, Source: &in}
	w.From = "sdist:" + sdist.File
	b, err := p.buildWheel(ctx, w)
	if err != nil {
		return nil, err
	}
	b.inputs = append(b.inputs, in)
	return b, nil
}

// gitWheels builds the wheels of git requirements, and returns all
// requirements as uv is to read them.
func (p *pip) gitWheels(ctx context.Context) ([]string, error) {
	var requirements []string
	for _, q := range p.r.query.Requests {
		if q.Git == nil {
			requirements = append(requirements, q.Requirement())
			continue
		}
		commit, known := p.r.query.Commits[*q.Git]
		if !known {
			var err error
			if commit, err = p.r.session.Git.Commit(ctx, *q.Git); err != nil {
				return nil, fmt.Errorf("%s: %w", q.At, err)
			}
		}
		locked := *q.Git
		locked.Ref = commit
		w := steps.Wheel{Artifact: pins.Artifact{Pin: pins.New(pins.Pip, q.Name, ""), Platform: p.r.query.Platform,
			Use: pins.Install, From: locked.String()}}
		w.Commit = commit
		var err error
		if w.Tree, err = p.r.session.Git.Tree(ctx, locked); err != nil {
			return nil, fmt.Errorf("%s: %w", q.At, err)
		}
		if w.Name == "" {
			w.Name = strings.TrimSuffix(locked.URL[strings.LastIndexByte(locked.URL, '/')+1:], ".git")
		}
		b, err := p.buildWheel(ctx, w)
		if err != nil {
			return nil, ofWheel(err, "%s: building %s", q.At, locked.String())
		}
		b.git, b.Commit = true, commit
		if i := slices.IndexFunc(p.brought, func(d distribution) bool { return d.name == b.Name }); i >= 0 {
			return nil, p.alreadyThere(&q, p.brought[i])
		}
		if p.built[b.Name] != nil {
			return nil, fmt.Errorf("%s: another git requirement builds %s too: keep one", q.At, b.Name)
		}
		if q.Name != "" && q.Name != b.Name {
			return nil, fmt.Errorf("%s: the repository holds %s, not %s", q.At, b.Name, q.Name)
		}
		p.built[b.Name] = b
		extras := ""
		if len(q.Extras) > 0 {
			extras = "[" + strings.Join(q.Extras, ",") + "]"
		}
		requirement := fmt.Sprintf("%s%s @ file://%s%s", b.Name, extras, steps.WheelsDir, b.File)
		if q.Marker != "" {
			requirement += " ; " + q.Marker
		}
		requirements = append(requirements, requirement)
	}
	return requirements, nil
}

// fromLock builds a wheel with what the last lock built it with, on the same
// Python; nil if that lock did not, or if its files can't be had any more, or
// make another wheel.
func (p *pip) fromLock(ctx context.Context, w steps.Wheel) *wheelBuild {
	last := p.r.query.Last
	i := slices.IndexFunc(last, func(a pins.Artifact) bool {
		return a.Kind == pins.Pip && a.Use == pins.Install && a.From == w.From
	})
	if i < 0 || !samePython(last, p.r.query.Below) {
		return nil
	}
	var tools []pins.Artifact
	for _, a := range last {
		switch {
		case a.Platform != p.r.query.Platform || a.Use != pins.BuildInput:
		case a.Is(pins.ToolchainRoot):
			tools = append(tools, a)
		case w.Source != nil && a.File == w.Source.File && a.SHA256 != w.Source.SHA256:
			return nil
		case a.Kind == pins.Pip && slices.Contains(a.By, last[i].Name) && a.File != w.SourceFile():
			w.Needs = append(w.Needs, a)
		default:
			continue
		}
		p.r.session.Files.Expect(a.SHA256, path.Base(a.File), a.Size)
	}
	if p.tools != nil && !slices.EqualFunc(p.tools, tools,
		func(a, b pins.Artifact) bool { return a.SHA256 == b.SHA256 }) {
		return nil
	}
	inputs := append(slices.Clone(tools), w.Needs...)
	if w.Source != nil {
		inputs = append(inputs, *w.Source)
	}
	if !p.canFetch(ctx, inputs) {
		return nil
	}
	b, err := p.describe(ctx, p.ground(tools), w)
	if err != nil || b.SHA256 != last[i].SHA256 {
		return nil
	}
	p.tools = tools
	return b
}

// canFetch looks up the addresses of files that are not known on this machine,
// and reports whether all are known then.
func (p *pip) canFetch(ctx context.Context, files []pins.Artifact) bool {
	var debs, wheels []pins.Artifact
	for _, a := range files {
		switch {
		case p.r.known(a.SHA256):
		case a.Kind == pins.Deb:
			debs = append(debs, a)
		default:
			wheels = append(wheels, a)
		}
	}
	if len(debs) > 0 && p.r.locateDebs(ctx, debs) != nil || len(wheels) > 0 && p.uv.locateWheels(ctx, wheels) != nil {
		return false
	}
	return !slices.ContainsFunc(files, func(a pins.Artifact) bool { return !p.r.known(a.SHA256) })
}

// samePython reports whether two lists of artifacts have the same Python for
// the environment.
func samePython(a, b []pins.Artifact) bool {
	files := func(artifacts []pins.Artifact) (sums []string) {
		for _, a := range artifacts {
			if a.Use == pins.Install && (a.Kind == pins.Deb && a.Is(pins.PythonRoot) || a.Kind == pins.Conda &&
				a.Name == steps.CondaPython) {
				sums = append(sums, a.SHA256)
			}
		}
		slices.Sort(sums)
		return sums
	}
	return slices.Equal(files(a), files(b))
}

// buildWheel finds out what a wheel is built with, and builds it; as the last
// lock did, where it can.
func (p *pip) buildWheel(ctx context.Context, w steps.Wheel) (*wheelBuild, error) {
	if b := p.fromLock(ctx, w); b != nil {
		return b, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if p.tools == nil {
		tools, err := p.compilers(ctx)
		if err != nil {
			return nil, err
		}
		p.tools = tools
	}
	b, err := p.makeWheel(ctx, &w)
	var exit *gatewaypb.ExitError
	if errors.As(err, &exit) {
		err = &session.StepContext{Err: err, With: p.builtWith(w)}
	}
	return b, err
}

// ofWheel notes in an error of a step that was to build a wheel which wheel that
// is; of any other it is the beginning.
func ofWheel(err error, format string, args ...any) error {
	var failed *session.StepContext
	if errors.As(err, &failed) {
		failed.Of = fmt.Sprintf(format, args...)
		return err
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// builtWith says what a wheel was built with that could not be, and what can be
// done.
func (p *pip) builtWith(w steps.Wheel) string {
	var with []string
	for _, a := range w.Needs {
		with = append(with, a.Name+" "+a.Version)
	}
	for _, a := range p.tools {
		if a.Name == "gcc" || a.Name == "g++" || a.Name == "python3-dev" {
			with = append(with, a.Name+" "+a.Version)
		}
	}
	text := "It was built on " + path.Base(p.uv.interpreter)
	if len(with) > 0 {
		text += " with " + strings.Join(with, ", ")
	}
	return text + ". What can be done: ask for a version that has a wheel for this Python; ask for an older " +
		"Python, or for an earlier as-of, which brings older build requirements; or add the library whose header " +
		"is missing (lib…-dev) to the base."
}

// makeWheel finds out what a wheel is built with, which it notes in w, and builds
// it.
func (p *pip) makeWheel(ctx context.Context, w *steps.Wheel) (*wheelBuild, error) {
	g := p.ground(p.tools)
	var requires, more []string
	if err := p.r.talk.ReadJSON(ctx, p.uv.python.Run(g.WheelStep("build requirements of "+w.Name, "requires",
		*w)...).GetMount("/out"), "requires.json", &requires); err != nil {
		return nil, err
	}
	for {
		needs, err := p.buildRequirements(ctx, w.Name, requires)
		if err != nil {
			return nil, err
		}
		w.Needs = needs
		env := g.Build(*w).Env
		if err := p.r.talk.ReadJSON(ctx,
			env.Run(g.WheelStep("more build requirements of "+w.Name, "hook", *w)...).GetMount("/out"),
			"requires.json", &more); err != nil {
			return nil, err
		}
		more = slices.DeleteFunc(more, func(r string) bool { return slices.Contains(requires, r) })
		if len(more) == 0 {
			break
		}
		requires = append(requires, more...)
	}
	return p.describe(ctx, g, *w)
}

// describe builds the wheel and reads what it is.
func (p *pip) describe(ctx context.Context, g steps.Ground, w steps.Wheel) (*wheelBuild, error) {
	st := g.Build(w)
	var d struct {
		File, SHA256, Name, Version string
		Size                        int64
		Requires                    []string
	}
	run := p.uv.python.Run(steps.Step("read the wheel of "+w.Name, []string{p.uv.interpreter, "-B",
		steps.Dir + "build-wheel.py", "describe", "/run/driftpin/built", "/out"},
		steps.Script("build-wheel.py"), llb.AddMount("/run/driftpin/built", st.Wheel, llb.Readonly),
		llb.AddMount("/out", llb.Scratch()))...)
	if err := p.r.talk.ReadJSON(ctx, run.GetMount("/out"), "wheel.json", &d); err != nil {
		return nil, err
	}
	b := &wheelBuild{Artifact: w.Artifact, requires: d.Requires, state: st.Wheel}
	b.Pin = pins.New(pins.Pip, d.Name, d.Version)
	b.File, b.SHA256, b.Size = d.File, d.SHA256, d.Size
	if err := p.recallBuilt(ctx, b); err != nil {
		return nil, err
	}
	for _, n := range w.Needs {
		n.By = []string{b.Name}
		b.inputs = append(b.inputs, n)
	}
	return b, nil
}

// recallBuilt notes what a wheel that was built here owns.
func (p *pip) recallBuilt(ctx context.Context, b *wheelBuild) error {
	if _, ok := p.r.session.Owned.Recall(b.SHA256); ok {
		return nil
	}
	ref, err := p.r.talk.Solve(ctx, b.state)
	if err != nil {
		return err
	}
	owned, err := owns.Read(b.Artifact, session.ReaderAt(ctx, ref, "/"+b.File, b.Size), b.Size)
	if err != nil {
		return fmt.Errorf("%s: %w", b.File, err)
	}
	return p.r.session.Owned.Keep(b.SHA256, owned)
}

// buildRequirements locks what a wheel is built with: wheels only, of the
// course's date.
func (p *pip) buildRequirements(ctx context.Context, name string, requires []string) ([]pins.Artifact, error) {
	if len(requires) == 0 {
		return nil, nil
	}
	files, failure, err := p.uv.run(ctx, uvQuestion{requirements: requires,
		options: []string{"--only-binary", ":all:"}, before: p.r.query.Before})
	if err != nil {
		return nil, err
	}
	if failure != "" {
		return nil, fmt.Errorf("its build requirements (%s) can't be met with wheels: %s",
			strings.Join(requires, ", "), p.r.session.Host.Scrub(tidy(failure)))
	}
	found, err := parsePylock([]byte(files["pylock.toml"]), p.r.query.Platform, nil)
	if err != nil {
		return nil, err
	}
	var needs []pins.Artifact
	for _, c := range found {
		if err := p.r.session.Files.Remember(c.SHA256, c.url); err != nil {
			return nil, err
		}
		c.Use, c.Roots, c.By = pins.BuildInput, []pins.Root{pins.SourceRoot}, []string{name}
		needs = append(needs, c.Artifact)
	}
	return needs, nil
}

// compilers resolves the compilers, on top of the Python; those of the last lock
// stay, where the Python is the same and they can be had.
func (p *pip) compilers(ctx context.Context) ([]pins.Artifact, error) {
	last := slices.DeleteFunc(slices.Clone(p.r.query.Compilers),
		func(a pins.Artifact) bool { return a.Platform != p.r.query.Platform })
	for i := range last { // they may be of the Python for steps too
		last[i].Roots = []pins.Root{pins.ToolchainRoot}
	}
	if len(last) > 0 && samePython(p.r.query.Prefer, p.r.query.Below) && p.canFetch(ctx, last) {
		return last, nil
	}
	wanted := compilerDebs
	if len(p.condas) == 0 {
		wanted = append(slices.Clone(wanted), headerDebs...)
	}
	answers, err := p.r.askApt(ctx, p.uv.python, "apt, for building wheels", "", wanted)
	if err != nil {
		return nil, err
	}
	for i := range answers[0] {
		d := &answers[0][i]
		d.Use = pins.BuildInput
		d.Roots = []pins.Root{pins.ToolchainRoot}
	}
	return answers[0], nil
}

// ground has the environment's Python, and compilers.
func (p *pip) ground(compilers []pins.Artifact) steps.Ground {
	g := p.uv.ground
	g.Compilers = compilers
	return g
}
