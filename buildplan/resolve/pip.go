package resolve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	// over are distributions, by their names, whose conda packages' give way, though no
	// pin says so: the packages.
	over  map[string]string
	tools []pins.Artifact // the compilers, once they are needed
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
func (p *pip) ask(ctx context.Context, requirements []string, sources map[string]*source,
	prefer []pins.Artifact) (*answer, string, error) {
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
		requirements: requirements, options: options, before: p.r.query.Before, known: known.String(),
		preferences: preferences.String(),
		given:       p.brought, stand: p.stand, wheels: p.gitWheelStates(),
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

// asked reports whether the manifest itself asks for an artifact.
func (p *pip) asked(a pins.Artifact) bool {
	w := p.built[a.Name]
	return w != nil && w.git || p.r.request(a.Name) != nil
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = fmt.Sprintf("%q", t)
	}
	return strings.Join(quoted, ", ")
}

// A wheelBuild is a wheel that was built while resolving.
type wheelBuild struct {
	pins.Artifact
	git      bool
	state    llb.State
	requires []string
	inputs   []pins.Artifact // its source and its build requirements
}

// gitWheelStates are the states that hold the wheels of git requirements, by file.
func (p *pip) gitWheelStates() map[string]llb.State {
	states := map[string]llb.State{}
	for _, w := range p.built {
		if w.git {
			states[w.File] = w.state
		}
	}
	return states
}
