package steps

import (
	"cmp"
	"path"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Ground is what the steps of a course stand on: its base, and the Pythons and
// compilers that are installed there. A plan makes one, and so does a
// resolution, from what was resolved so far. The graph is built upwards from it:
//
//	python = base + the Python's debs            conda i = what conda's installer lays out in the environment
//	on     = Merge(st, the layers of conda's Python)
type Ground struct {
	Base       Base
	Platform   string
	Python     []pins.Artifact     // debs of the environment's Python
	ToolPython []pins.Artifact     // debs of the Python that conda's installer runs on
	Compilers  []pins.Artifact     // debs that wheels are built with
	Conda      []Layer             // conda's packages
	HeldPython string              // version of conda's Python in the base that they are added to
	Replaced   map[string][]string // by conda package, the Python distributions in it that give way to pip's
	Places     Places              // of the pins that brought the artifacts
}

// Prefix is the environment's.
func (g Ground) Prefix() string { return cmp.Or(g.Base.Environment(), pins.Env) }

// WithPython is the base with the Python of the environment, unless that is
// conda's; history says what the layers on the base are.
func (g Ground) WithPython() (st llb.State, history []ocispecs.History) {
	st = g.Base.State(g.Platform)
	if len(g.Python) == 0 {
		return st, nil
	}
	title := "python: " + pins.Count(len(g.Python), "package")
	return g.InstallDebs(st, title, g.Python).Root(), []ocispecs.History{Event(title)}
}

// debsDir and wheelsDir are where steps find their artifacts.
const (
	debsDir   = "/run/driftpin/debs/"
	WheelsDir = "/run/driftpin/wheels/"
	UvPath    = "/run/driftpin/uv"
)

// InstallDebs installs packages that are all at hand.
func (g Ground) InstallDebs(st llb.State, name string, debs []pins.Artifact) llb.ExecState {
	options := Step(name, []string{"/bin/sh", Dir + "apt-install.sh", debsDir}, Script("apt-install.sh"),
		g.Places.Of(debs...))
	for _, d := range debs {
		options = append(options, llb.AddMount(debsDir+path.Base(d.File), g.Fetch(d),
			llb.SourcePath("/"+path.Base(d.File)), llb.Readonly))
	}
	return st.Run(options...)
}

// Fetch is a state that holds an artifact's file.
func (g Ground) Fetch(a pins.Artifact) llb.State {
	return g.file(path.Base(a.File), a.SHA256, a)
}

// FilesID names the store of files to the engine.
const FilesID = "files"

// file is a state that holds one file, by its hash, under a name.
func (g Ground) file(name, sha256 string, a pins.Artifact) llb.State {
	return llb.OCILayoutBlob("driftpin.invalid/files@sha256:"+sha256, llb.ImageBlobOCIStore("", FilesID),
		llb.Filename(name), llb.Chmod(0o644),
		llb.WithCustomName("fetch "+name), llb.ProgressGroup("fetch", "fetch packages", true), g.Places.Of(a))
}

// Uv mounts pip's installer.
func (g Ground) Uv(python llb.State) llb.RunOption {
	wheel := UvTool.Artifact(g.Platform)
	return MountUv(g.Unpack(python, g.Interpreter(), g.Fetch(wheel), wheel))
}

// MountUv shows uv to a step, from its unpacked wheel.
func MountUv(unpacked llb.State) llb.RunOption {
	return llb.AddMount(UvPath, unpacked, llb.SourcePath("/uv-"+UvTool.Version+".data/scripts/uv"), llb.Readonly)
}

// Unpack unpacks a tool's wheel with a Python.
func (g Ground) Unpack(python llb.State, interpreter string, wheel llb.State, a pins.Artifact) llb.State {
	return python.Run(Step("unpack "+a.Name, []string{"/bin/sh", "-ec",
		`"$2" -m zipfile -e "$1" /out && chmod -R a+rX /out && { chmod 755 /out/*.data/scripts/* /out/*/bin/* ` +
			`2>/dev/null || :; } && find /out -exec touch -d "@$SOURCE_DATE_EPOCH" {} +`,
		"sh", WheelsDir + a.File, interpreter},
		llb.AddMount("/out", llb.Scratch()), llb.AddMount(WheelsDir+a.File, wheel, llb.SourcePath("/"+a.File),
			llb.Readonly))...).GetMount("/out")
}

// Event is a history entry of an image that was built: what made a layer.
func Event(by string) ocispecs.History {
	created := pins.Epoch
	return ocispecs.History{Created: &created, CreatedBy: by, Comment: "driftpin"}
}

// StepGround has the Pythons that steps run on, of what is resolved below pip's
// packages.
func StepGround(base Base, platform string, below []pins.Artifact) Ground {
	return Ground{Base: base, Platform: platform, Python: pythonDebs(below, pins.Install),
		ToolPython: pythonDebs(below, pins.BuildInput)}
}

// EnvironmentGround has the environment's Python too, of what is resolved below
// pip's packages, and compilers.
func EnvironmentGround(base Base, platform string, below, compilers []pins.Artifact) Ground {
	g := StepGround(base, platform, below)
	g.Compilers, g.HeldPython = compilers, HeldPython(below)
	g.Conda, _ = Deal(CondaPackages(below), nil, 0)
	return g
}

func pythonDebs(below []pins.Artifact, use pins.Use) []pins.Artifact {
	return slices.DeleteFunc(slices.Clone(below), func(a pins.Artifact) bool {
		return a.Kind != pins.Deb || a.Use != use || !a.Is(pins.PythonRoot)
	})
}

// CondaPackages are conda's packages that are installed.
func CondaPackages(below []pins.Artifact) []pins.Artifact {
	return slices.DeleteFunc(slices.Clone(below),
		func(a pins.Artifact) bool { return a.Kind != pins.Conda || a.Use == pins.Held })
}

// HeldPython is the version of conda's Python in an extended base, if packages
// of conda's that are added run on it.
func HeldPython(artifacts []pins.Artifact) string {
	for _, a := range artifacts {
		if a.Kind == pins.Conda && a.Name == CondaPython && a.Use == pins.Held {
			return a.Version
		}
	}
	return ""
}

// OnCondaPython reports whether the environment's Python is conda's.
func (g Ground) OnCondaPython() bool {
	return slices.ContainsFunc(g.Conda, func(l Layer) bool { return l.Python })
}

// Interpreter is the Python by which wheels are unpacked and built.
func (g Ground) Interpreter() string {
	if g.OnCondaPython() {
		return g.Prefix() + "/bin/python"
	}
	return g.StepInterpreter()
}

// StepInterpreter is the Python that steps run on which have none of the
// environment's: Debian's, or the one that an extended base has.
func (g Ground) StepInterpreter() string {
	if g.Base.Extended {
		return g.Prefix() + "/bin/python"
	}
	return "python3"
}

// OnConda is a state with conda's Python laid over it, where the environment's
// Python is conda's.
func (g Ground) OnConda(st llb.State) llb.State {
	if !g.OnCondaPython() {
		return st
	}
	parts := []llb.State{st}
	for _, l := range g.Conda {
		if l.Python && !slices.ContainsFunc(l.Packages, pins.Artifact.Noarch) {
			parts = append(parts, g.InstallConda(l).GetMount(LayerDir))
		}
	}
	return llb.Merge(parts, llb.WithCustomName("conda's Python"))
}
