package steps

import (
	"encoding/json"
	"path"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// Where a step that uses conda's installer finds what it needs, and leaves what
// it makes.
const (
	CondaDir   = "/run/driftpin/conda/"
	rattlerDir = "/run/driftpin/rattler"
	LayerDir   = "/run/driftpin/layer"
)

// WithToolPython is the base with the Python that conda's installer runs on. It is
// no part of the image.
func (g Ground) WithToolPython() llb.State {
	st := g.Base.State(g.Platform)
	if len(g.ToolPython) == 0 {
		return st
	}
	return g.InstallDebs(st, "Python for steps: "+pins.Count(len(g.ToolPython), "package"), g.ToolPython).Root()
}

// Rattler returns the options of a step that uses conda's installer.
func (g Ground) Rattler() []llb.RunOption {
	wheel := RattlerTool.Artifact(g.Platform)
	unpacked := g.Unpack(g.WithToolPython(), g.StepInterpreter(), g.Fetch(wheel), wheel)
	return []llb.RunOption{llb.AddMount(rattlerDir, unpacked, llb.Readonly), llb.AddEnv("PYTHONPATH", rattlerDir)}
}

// InstallConda lays out the packages of a layer at LayerDir, as if they were
// installed in the environment.
func (g Ground) InstallConda(l Layer) llb.ExecState {
	options := append(Step(l.Title(), []string{g.StepInterpreter(), "-B", Dir + "conda-install.py", CondaDir,
		g.Prefix(), LayerDir},
		Script("conda-install.py"), llb.AddMount(LayerDir, llb.Scratch()), g.Places.Of(l.Packages...)), g.Rattler()...)
	options = append(options, g.CondaFiles(l.Packages)...)
	if slices.ContainsFunc(l.Packages, pins.Artifact.Noarch) && g.OnCondaPython() {
		options = append(options, llb.AddMount(g.Prefix(), g.OnConda(llb.Scratch()), llb.SourcePath(g.Prefix()),
			llb.Readonly))
	}
	return g.WithToolPython().Run(options...)
}

// CondaFiles mounts packages' files, with what the installer is told of them.
func (g Ground) CondaFiles(packages []pins.Artifact) (options []llb.RunOption) {
	lock := struct {
		Python   string              `json:"python"`
		Channels map[string]string   `json:"channels"`
		Replaced map[string][]string `json:"replaced,omitempty"`
	}{Python: g.HeldPython, Channels: map[string]string{}, Replaced: map[string][]string{}}
	for _, l := range g.Conda {
		for _, a := range l.Packages {
			if a.Name == CondaPython {
				lock.Python = a.Version
			}
		}
	}
	for _, a := range packages {
		file := path.Base(a.File)
		lock.Channels[file] = a.Channel
		if names := g.Replaced[a.Name]; len(names) > 0 {
			lock.Replaced[file] = names
		}
		options = append(options, llb.AddMount(CondaDir+file, g.Fetch(a), llb.SourcePath("/"+file), llb.Readonly))
	}
	data, err := json.Marshal(lock)
	if err != nil {
		panic(err) // only strings
	}
	st := llb.Scratch().File(llb.Mkfile("/lock.json", 0o644, data, llb.WithCreatedTime(pins.Epoch)),
		llb.WithCustomName("what is locked of "+packages[0].Name))
	return append(options, llb.AddMount(CondaDir+"lock.json", st, llb.SourcePath("/lock.json"), llb.Readonly))
}
