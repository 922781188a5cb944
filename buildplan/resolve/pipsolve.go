package resolve

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// pip resolves what is asked of pip. No code of a package runs with a network:
// uv is told to build nothing. A package that has only a source distribution
// is first taken to require nothing; then its wheel is built, offline, and uv
// solves again with what the wheel's metadata says, until nothing new is said.
func (r *resolution) pip(ctx context.Context) ([]pins.Artifact, error) {
	if len(r.query.Requests) == 0 {
		return nil, nil
	}
	p := &pip{
		r: r, uv: r.uvForEnvironment(), condas: steps.CondaPackages(r.query.Below), built: map[string]*wheelBuild{},
		stand: llb.Scratch(),
	}
	if err := p.uv.locateTool(ctx, steps.UvTool); err != nil {
		return nil, err
	}
	if err := p.learnBrought(ctx); err != nil {
		return nil, err
	}
	requirements, err := p.gitWheels(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := p.solve(ctx, requirements, r.query.Prefer)
	if errors.As(err, new(*pins.NoSolution)) && r.query.Over {
		var gives bool
		if gives, err = p.giveWay(ctx, requirements, err); gives {
			answer, err = p.solve(ctx, requirements, r.query.Prefer)
		}
	}
	if err != nil {
		return nil, err
	}
	return p.artifacts(ctx, answer)
}

// solve has uv solve, and builds the wheels that it finds none of, until nothing new is
// said.
func (p *pip) solve(ctx context.Context, requirements []string, prefer []pins.Artifact) (*answer, error) {
	sources := map[string]*source{}
	for {
		answer, missing, err := p.ask(ctx, requirements, sources, prefer)
		if err != nil {
			return nil, err
		}
		if missing != "" {
			sources[missing] = &source{}
			continue
		}
		more, err := p.buildSources(ctx, answer, sources)
		if err != nil || !more {
			return answer, err
		}
	}
}

// giveWay finds out which of the distributions that conda's packages bring have to give
// way to others, so that what is asked of pip can be had: those that uv takes in other
// versions where it may, though it prefers conda's. why says that nothing can be had with
// all of them; it is returned if that is so without them too.
func (p *pip) giveWay(ctx context.Context, requirements []string, why error) (bool, error) {
	all, stand := p.brought, p.stand
	prefer := slices.Clone(p.r.query.Prefer)
	p.brought = nil
	for _, d := range all {
		if d.owner == "" {
			return false, why // an extended base, which no folder has
		}
		prefer = append(prefer, pins.Artifact{Pin: pins.New(pins.Pip, d.name, d.version), Use: pins.Install})
	}
	p.stand = llb.Scratch()
	free, err := p.solve(ctx, requirements, prefer)
	p.brought, p.stand = all, stand
	if errors.As(err, new(*pins.NoSolution)) {
		return false, why
	}
	if err != nil {
		return false, err
	}
	p.over = map[string]string{}
	var names []string
	for _, d := range all {
		i := slices.IndexFunc(free.packages, func(c candidate) bool { return c.Name == d.name })
		if i < 0 || p.r.query.Kind.Scheme().Compare(free.packages[i].Version, d.version) == 0 {
			continue
		}
		if !d.recorded {
			return false, fmt.Errorf("%w\npip's %s %s can't take the place of conda's %s %s, which has no RECORD of its files", why,
				d.name, free.packages[i].Version, d.owner, d.version)
		}
		p.over[d.name], names = d.owner, append(names, d.name)
	}
	if len(names) == 0 {
		return false, why
	}
	for _, q := range p.r.query.Requests {
		if q.Replaces != "" {
			names = append(names, q.Name)
		}
	}
	_, p.stand, err = p.condaProvides(ctx, p.condas, names)
	p.brought = slices.DeleteFunc(slices.Clone(all), func(d distribution) bool { return p.over[d.name] != "" })
	return true, err
}

// buildSources builds the wheels of the answer's source distributions, and
// reports whether one of them said something new.
func (p *pip) buildSources(ctx context.Context, a *answer, sources map[string]*source) (more bool, err error) {
	for _, c := range a.packages {
		if !c.sdist {
			continue
		}
		if err := p.r.session.Files.Remember(c.SHA256, c.url); err != nil {
			return false, err
		}
		known := sources[c.Name]
		if known == nil {
			known = &source{}
			sources[c.Name] = known
		}
		if w := p.built[c.Name]; w == nil || w.Version != c.Version {
			w, err := p.buildSdist(ctx, c.Artifact)
			if err != nil {
				return false, ofWheel(err, "%s%s: building it from %s", p.placeOf(a, c.Name), c.Name, c.File)
			}
			p.built[c.Name] = w
		}
		if w := p.built[c.Name]; known.version != c.Version || !slices.Equal(known.requires, w.requires) {
			known.version, known.requires = c.Version, w.requires
			more = true
		}
	}
	return more, nil
}

// artifacts turns the last answer into a lock's lines.
func (p *pip) artifacts(ctx context.Context, a *answer) ([]pins.Artifact, error) {
	var out []pins.Artifact
	for _, c := range a.packages {
		art := c.Artifact
		if w := p.built[c.Name]; w != nil {
			art.File, art.SHA256, art.Size, art.From, art.Commit = w.File, w.SHA256, w.Size, w.From, w.Commit
			art.Version = w.Version
			out = append(out, w.inputs...)
		} else if err := p.r.session.Files.Remember(c.SHA256, c.url); err != nil {
			return nil, err
		}
		art.By, art.Over = a.by[c.Name], p.over[c.Name]
		if p.asked(art) {
			art.Roots = []pins.Root{pins.PinRoot}
		}
		out = append(out, art)
	}
	out = append(out, p.held(a)...)
	if len(p.built) > 0 {
		out = append(out, p.tools...)
	}
	return mergeInputs(out), nil
}

// mergeInputs makes one line of build requirements that several wheels share.
func mergeInputs(artifacts []pins.Artifact) []pins.Artifact {
	type id struct {
		name, file string
		use        pins.Use
	}
	at := map[id]int{}
	var out []pins.Artifact
	for _, a := range artifacts {
		key := id{a.Name, a.File, a.Use}
		if i, ok := at[key]; ok {
			out[i].By = append(out[i].By, a.By...)
			continue
		}
		at[key] = len(out)
		out = append(out, a)
	}
	return out
}
