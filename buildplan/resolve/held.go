package resolve

import (
	"context"
	"fmt"
	"strings"

	"deps.dev/util/semver"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// askHeld runs base-holds.py in the base; the state is what it writes.
func (r *resolution) askHeld(ctx context.Context) (gateway.Reference, llb.State, error) {
	out := r.base.State(r.query.Platform).Run(steps.Step("what the base's environment holds", []string{r.base.Environment() + "/bin/python", "-IB", steps.Dir + "base-holds.py", "/out"},
		steps.Script("base-holds.py"), llb.AddMount("/out", llb.Scratch()))...).GetMount("/out")
	ref, err := r.talk.Solve(ctx, out)
	if err != nil {
		err = fmt.Errorf("base %s: asking the Python in %s what it holds: %w", r.base, r.base.Environment(), err)
	}
	return ref, out, err
}

// learnHeld finds out what the environment of an extended base holds: uv takes
// it for given. A pin of such a package has to allow the base's version.
func (p *pip) learnHeld(ctx context.Context) (err error) {
	ref, stand, err := p.r.askHeld(ctx)
	if err != nil {
		return err
	}
	table, err := session.ReadFile(ctx, ref, "/", "provides.tsv")
	if err != nil {
		return err
	}
	p.brought, p.stand = parseHeld(string(table)), stand
	for _, d := range p.brought {
		q := p.r.request(d.name)
		if q == nil {
			continue
		}
		if q.Replaces != "" {
			return fmt.Errorf("%s: replaces: the base image %s holds %s, and what it holds stays: replace it in the base", q.At, p.r.base, d.name)
		}
		// What hangs on markers or on pre-releases uv says.
		fits, err := pins.Pip.Scheme().Satisfies(d.version, q.Constraint)
		if v, bad := semver.PyPI.Parse(d.version); bad != nil || v.IsPrerelease() || q.Marker != "" || err != nil {
			fits = true
		}
		if q.Git != nil || !fits {
			return p.r.heldOtherwise(q, d.name, d.version)
		}
	}
	return nil
}

// parseHeld reads base-holds.py's table.
func parseHeld(table string) (found []distribution) {
	for _, line := range strings.Split(table, "\n") {
		name, version, _ := strings.Cut(line, "\t")
		if r, err := pins.ParsePip(name + "==" + version); err == nil && r.Version != "" {
			found = append(found, distribution{name: r.Name, version: r.Version})
		}
	}
	return found
}

// held are a lock's lines for those packages of an extended base that pins name
// or require.
func (p *pip) held(a *answer) (out []pins.Artifact) {
	if !p.r.base.Extended {
		return nil
	}
	for _, d := range p.brought {
		if art := p.r.heldArtifact(pins.Pip, d.name, d.version, a.by[d.name]); d.owner == "" && len(art.By)+len(art.Roots) > 0 {
			out = append(out, art)
		}
	}
	return out
}

// heldArtifact is a lock's line for a package of an extended base.
func (r *resolution) heldArtifact(kind pins.Kind, name, version string, by []string) pins.Artifact {
	a := pins.Artifact{Pin: pins.New(kind, name, version), Platform: r.query.Platform, File: pins.HeldFile,
		SHA256: strings.TrimPrefix(r.base.Digest, "sha256:"), Use: pins.Held, By: by}
	if r.request(name) != nil {
		a.Roots = []pins.Root{pins.PinRoot}
	}
	return a
}

// checkHeldConda refuses conda pins where the base's environment is not conda's,
// and those of what it holds in another version.
func (r *resolution) checkHeldConda(ctx context.Context) error {
	prefix := r.base.Environment()
	list := r.base.State(r.query.Platform).Run(steps.Step("what the base holds of conda's", []string{"/bin/sh", "-ec", `cd "$1/conda-meta" 2>/dev/null && ls >/out/names || : >/out/names`, "sh", prefix},
		llb.AddMount("/out", llb.Scratch()))...).GetMount("/out")
	ref, err := r.talk.Solve(ctx, list)
	if err != nil {
		return err
	}
	names, err := session.ReadFile(ctx, ref, "/", "names")
	if err != nil {
		return err
	}
	there := 0
	for _, file := range strings.Fields(string(names)) {
		words := strings.Split(strings.TrimSuffix(file, ".json"), "-") // NAME-VERSION-BUILD.json, CEP 34
		if len(words) < 3 || !strings.HasSuffix(file, ".json") {
			continue
		}
		there++
		name, version := strings.Join(words[:len(words)-2], "-"), words[len(words)-2]
		if q := r.request(name); q != nil {
			if fits, err := pins.Conda.Scheme().Satisfies(version, q.Constraint); err != nil || !fits {
				return r.heldOtherwise(q, name, version)
			}
		}
	}
	if there == 0 {
		return fmt.Errorf("%s: the environment at %s in the base image %s is not conda's: conda pins can't be added to it", r.query.Requests[0].At, prefix, r.base)
	}
	return nil
}

// heldOtherwise words that an extended base holds a package in another version
// than is asked for.
func (r *resolution) heldOtherwise(q *pins.Request, name, version string) error {
	return &pins.NoSolution{Held: true, Text: fmt.Sprintf("%s: the base image %s holds %s %s, and an image that extends it keeps that: ask for this version, or bump it in the base",
		q.At, r.base, name, version)}
}
