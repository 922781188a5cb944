package resolve

import (
	"context"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// askHeld runs base-holds.py in the base; the state is what it writes.
func (r *resolution) askHeld(ctx context.Context) (gateway.Reference, llb.State, error) {
	out := r.base.State(r.query.Platform).Run(steps.Step("what the base's environment holds",
		[]string{r.base.Environment() + "/bin/python", "-IB", steps.Dir + "base-holds.py", "/out"},
		steps.Script("base-holds.py"), llb.AddMount("/out", llb.Scratch()))...).GetMount("/out")
	ref, err := r.talk.Solve(ctx, out)
	if err != nil {
		err = fmt.Errorf("base %s: asking the Python in %s what it holds: %w", r.base, r.base.Environment(), err)
	}
	return ref, out, err
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
	list := r.base.State(r.query.Platform).Run(steps.Step("list the conda packages in the base",
		[]string{"/bin/sh", "-ec", `cd "$1/conda-meta" 2>/dev/null && ls >/out/names || : >/out/names`, "sh", prefix},
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
		return fmt.Errorf("%s: the environment at %s in the base image %s is not conda's: conda pins can't be "+
			"added to it", r.query.Requests[0].At, prefix, r.base)
	}
	return nil
}

// heldOtherwise words that an extended base holds a package in another version
// than is asked for.
func (r *resolution) heldOtherwise(q *pins.Request, name, version string) error {
	return &pins.NoSolution{Held: true, Text: fmt.Sprintf("%s: the base image %s holds %s %s, and an image that "+
		"extends it can't change that: pin this version, or bump it in the base",
		q.At, r.base, name, version)}
}
