package resolve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// A pip is a query for pip pins being answered: solves by uv, and the wheels that
// have to be built for them.
type pip struct {
	r  *resolution
	uv *uv // on the Python that the environment will run on
	// condas are conda's packages; brought are the distributions that they, or an
	// extended base, bring, and stand the wheels that stand for those while uv
	// solves.
	condas  []pins.Artifact
	brought []distribution
	stand   llb.State
	// built are the wheels made so far: of git requirements, and of packages
	// that have only a source distribution.
	built map[string]*wheelBuild
	tools []pins.Artifact // the compilers, once they are needed
}

// pip resolves what is asked of pip. No code of a package runs with a network:
// uv is told to build nothing. A package that has only a source distribution
// is first taken to require nothing; then its wheel is built, offline, and uv
// solves again with what the wheel's metadata says, until nothing new is said.
func (r *resolution) pip(ctx context.Context) ([]pins.Artifact, error) {
	if len(r.query.Requests) == 0 {
		return nil, nil
	}
	p := &pip{
		r: r, uv: r.uvForEnvironment(), condas: steps.CondaPackages(r.query.Below), built: map[string]*wheelBuild{}, stand: llb.Scratch(),
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

// A source is what is known of a package that has only a source distribution.
type source struct {
	version  string
	requires []string
}

// An answer is uv's.
type answer struct {
	packages []candidate
	by       map[string][]string
}

// ask has uv solve. If it finds that a package has no wheel, that package is
// returned as missing.
func (p *pip) ask(ctx context.Context, requirements []string, sources map[string]*source, prefer []pins.Artifact) (*answer, string, error) {
	options := []string{"--only-binary", ":all:"}
	var known strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		options = append(options, "--no-binary", name)
		fmt.Fprintf(&known, "[[dependency-metadata]]\nname = %q\n", name)
		if sources[name].version != "" {
			fmt.Fprintf(&known, "version = %q\n", sources[name].version)
		}
		fmt.Fprintf(&known, "requires-dist = [%s]\n", quoteAll(sources[name].requires))
	}
	var preferences strings.Builder
	for _, p := range prefer {
		if p.Kind == pins.Pip && p.Use == pins.Install && p.Commit == "" {
			fmt.Fprintf(&preferences, "%s==%s\n", p.Name, p.Version)
		}
	}
	text, failure, err := p.uv.run(ctx, uvQuestion{
		requirements: requirements, options: options, before: p.r.query.Before, known: known.String(), preferences: preferences.String(),
		given: p.brought, stand: p.stand, wheels: p.gitWheelStates(),
	})
	if err != nil {
		return nil, "", err
	}
	if failure != "" {
		if m := noWheel.FindStringSubmatch(failure); m != nil && sources[m[1]] == nil {
			return nil, pins.CanonicalName(pins.Pip, m[1]), nil
		}
		return nil, "", p.uv.failure(failure)
	}
	packages, err := parsePylock([]byte(text["pylock.toml"]), p.r.query.Platform, p.allowed)
	packages = slices.DeleteFunc(packages, func(c candidate) bool {
		return slices.ContainsFunc(p.brought, func(d distribution) bool { return d.name == c.Name })
	})
	var none *noFileError
	if errors.As(err, &none) {
		err = p.r.at(none.name, "%w", err)
	}
	if err != nil {
		return nil, "", err
	}
	return &answer{packages, parseVia(text["requirements.txt"])}, "", nil
}

// allowed reports whether a file of a package may be taken: where a requirement
// has hashes, its file has one of them (pip's documentation, "Secure installs").
// Files are known by sha256, so a hash by another algorithm allows none.
func (p *pip) allowed(name, sha256 string) bool {
	q := p.r.request(name)
	return q == nil || len(q.Hashes) == 0 || slices.Contains(q.Hashes, "sha256:"+sha256)
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

// placeOf is the place of the pin that a package is there for, and what leads from
// that to it; empty if no pin does.
func (p *pip) placeOf(a *answer, name string) string {
	next := map[string]string{name: ""}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		if q := p.r.request(queue[0]); q != nil {
			place := q.At.String() + ": "
			for at := queue[0]; at != name; at = next[at] {
				place += at + " → "
			}
			return place
		}
		for _, by := range a.by[queue[0]] {
			if _, seen := next[by]; !seen {
				next[by] = queue[0]
				queue = append(queue, by)
			}
		}
	}
	return ""
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

// asked reports whether the manifest itself asks for an artifact.
func (p *pip) asked(a pins.Artifact) bool {
	w := p.built[a.Name]
	return w != nil && w.git || p.r.request(a.Name) != nil
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

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = fmt.Sprintf("%q", t)
	}
	return strings.Join(quoted, ", ")
}
