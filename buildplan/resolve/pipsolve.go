package resolve

import (
	"context"
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
	sources := map[string]*source{}
	for {
		answer, missing, err := p.ask(ctx, requirements, sources, r.query.Prefer)
		if err != nil {
			return nil, err
		}
		if missing != "" {
			sources[missing] = &source{}
			continue
		}
		more, err := p.buildSources(ctx, answer, sources)
		if err != nil {
			return nil, err
		}
		if !more {
			return p.artifacts(ctx, answer)
		}
	}
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
		art.By = a.by[c.Name]
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
