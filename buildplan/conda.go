package buildplan

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// Where a step that uses conda's installer finds what it needs, and leaves what
// it makes.
const (
	condaDir   = "/run/driftpin/conda/"
	rattlerDir = "/run/driftpin/rattler"
	layerDir   = "/run/driftpin/layer"
)

// toolPython is the base with the Python that conda's installer runs on. It is
// no part of the image.
func (g Ground) toolPython() llb.State {
	st := g.Base.state(g.Platform)
	if len(g.ToolPython) == 0 {
		return st
	}
	return g.InstallDebs(st, fmt.Sprintf("Python for steps: %d packages", len(g.ToolPython)), g.ToolPython).Root()
}

// rattler returns the options of a step that uses conda's installer.
func (g Ground) rattler() []llb.RunOption {
	wheel := rattler.artifact(g.Platform)
	unpacked := g.unpack(g.toolPython(), g.stepInterpreter(), g.fetch(wheel), wheel)
	return []llb.RunOption{llb.AddMount(rattlerDir, unpacked, llb.Readonly), llb.AddEnv("PYTHONPATH", rattlerDir)}
}

// installConda lays out the packages of a layer at layerDir, as if they were
// installed in the environment.
func (g Ground) installConda(l Layer) llb.ExecState {
	options := append(step(l.title(), []string{g.stepInterpreter(), "-B", stepsDir + "conda-install.py", condaDir, g.Prefix(), layerDir},
		script("conda-install.py"), llb.AddMount(layerDir, llb.Scratch()), g.Places.Of(l.Packages...)), g.rattler()...)
	options = append(options, g.condaFiles(l.Packages)...)
	if slices.ContainsFunc(l.Packages, pins.Artifact.Noarch) && g.onCondaPython() {
		options = append(options, llb.AddMount(g.Prefix(), g.onConda(llb.Scratch()), llb.SourcePath(g.Prefix()), llb.Readonly))
	}
	return g.toolPython().Run(options...)
}

// condaFiles mounts packages' files, with what the installer is told of them.
func (g Ground) condaFiles(packages []pins.Artifact) (options []llb.RunOption) {
	lock := struct {
		Python   string              `json:"python"`
		Channels map[string]string   `json:"channels"`
		Replaced map[string][]string `json:"replaced,omitempty"`
	}{Python: g.HeldPython, Channels: map[string]string{}, Replaced: map[string][]string{}}
	for _, l := range g.Conda {
		for _, a := range l.Packages {
			if a.Name == condaPython {
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
		options = append(options, llb.AddMount(condaDir+file, g.fetch(a), llb.SourcePath("/"+file), llb.Readonly))
	}
	data, err := json.Marshal(lock)
	if err != nil {
		panic(err) // only strings
	}
	st := llb.Scratch().File(llb.Mkfile("/lock.json", 0o644, data, llb.WithCreatedTime(pins.Epoch)), llb.WithCustomName("what is locked of "+packages[0].Name))
	return append(options, llb.AddMount(condaDir+"lock.json", st, llb.SourcePath("/lock.json"), llb.Readonly))
}

// onConda is a state with conda's Python laid over it, where the environment's
// Python is conda's.
func (g Ground) onConda(st llb.State) llb.State {
	if !g.onCondaPython() {
		return st
	}
	parts := []llb.State{st}
	for _, l := range g.Conda {
		if l.Python && !slices.ContainsFunc(l.Packages, pins.Artifact.Noarch) {
			parts = append(parts, g.installConda(l).GetMount(layerDir))
		}
	}
	return llb.Merge(parts, llb.WithCustomName("conda's Python"))
}

// interpreter is the Python by which wheels are unpacked and built.
func (g Ground) interpreter() string {
	if g.onCondaPython() {
		return g.Prefix() + "/bin/python"
	}
	return g.stepInterpreter()
}

// stepInterpreter is the Python that steps run on which have none of the
// environment's: Debian's, or the one that an extended base has.
func (g Ground) stepInterpreter() string {
	if g.Base.Extended {
		return g.Prefix() + "/bin/python"
	}
	return "python3"
}
