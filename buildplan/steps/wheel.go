package steps

import (
	"encoding/json"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
)

// buildEnv is where a wheel's build requirements are installed.
const buildEnv = "/opt/build"

// sourceDir is where a build step finds what it builds, and treeFile the name
// of an archive of a git commit's files.
const (
	sourceDir = "/run/driftpin/source"
	treeFile  = "tree.tar"
)

// Build are the states of a wheel's build: its environment, and a state
// that holds nothing but the wheel.
type Build struct{ Env, Wheel llb.State }

// Wheel is a state that holds a locked wheel, built offline from locked
// inputs. If the wheel's bytes are not the locked ones, solving it fails.
func (g Ground) Wheel(w Wheel) llb.State {
	st := g.Build(w)
	check := `cd /run/driftpin/built && got=$(sha256sum *.whl) && [ "$got" = "$1  $2" ] || {
	echo "the wheel built from $3 is not the locked one"
	echo "  locked: $1  $2"
	echo "  built:  $got"
	echo "What it was built with has changed, or its build is not reproducible: driftpin lock --upgrade $4"
	exit 1
} >&2
cp "$2" /out/`
	return st.Env.Run(Step("check the wheel of "+w.Name, []string{"/bin/sh", "-ec", check, "sh", w.SHA256, w.File,
		w.From, w.Name},
		llb.AddMount("/out", llb.Scratch()), llb.AddMount("/run/driftpin/built", st.Wheel, llb.Readonly),
		g.Places.Of(w.Artifact))...).GetMount("/out")
}

// Build builds a wheel, whatever its bytes turn out to be.
func (g Ground) Build(w Wheel) Build {
	python := g.WithEnvironmentPython()
	builder := python
	if len(g.Compilers) > 0 {
		builder = g.InstallDebs(python, "compilers: "+pins.Count(len(g.Compilers), "package"), g.Compilers).Root()
	}
	env := builder.Run(Step("environment for building "+w.Name, []string{"/bin/sh", Dir + "env.sh", g.Interpreter(),
		buildEnv}, Script("env.sh"))...).Root()
	if len(w.Needs) > 0 {
		options := Step("build requirements of "+w.Name, []string{buildEnv + "/bin/python", "-B",
			Dir + "pip-install.py", UvPath, WheelsDir},
			Script("pip-install.py"), g.Uv(python), g.Places.Of(w.Artifact))
		for _, n := range w.Needs {
			options = append(options, llb.AddMount(WheelsDir+n.File, g.Fetch(n), llb.SourcePath("/"+n.File),
				llb.Readonly))
		}
		env = env.Run(options...).Root()
	}
	run := env.Run(g.WheelStep("build the wheel of "+w.Name, "wheel", w)...)
	return Build{env, run.GetMount("/out")}
}

// WheelStep runs build-wheel.py on a wheel's source.
func (g Ground) WheelStep(name, mode string, w Wheel) []llb.RunOption {
	python := buildEnv + "/bin/python"
	if mode == "requires" {
		python = g.Interpreter()
	}
	source, mount := g.source(w)
	git, _ := w.Git()
	return Step(name, []string{python, "-B", Dir + "build-wheel.py", mode, source, git.Subdirectory, "/out"},
		Script("build-wheel.py"), mount, llb.AddMount("/out", llb.Scratch()), llb.AddMount("/build", llb.Scratch()),
		g.Places.Of(w.Artifact))
}

// source mounts what a wheel is built from, and says where.
func (g Ground) source(w Wheel) (string, llb.RunOption) {
	if w.Source != nil {
		file := sourceDir + "/" + w.Source.File
		return file, llb.AddMount(file, g.Fetch(*w.Source), llb.SourcePath("/"+w.Source.File), llb.Readonly)
	}
	file := sourceDir + "/" + treeFile
	return file, llb.AddMount(file, g.file(treeFile, w.Tree, w.Artifact), llb.SourcePath("/"+treeFile), llb.Readonly)
}

// DirectURL mounts the record of a wheel's origin (PEP 610) beside it.
func DirectURL(wheel string, git pins.Git, requested string) llb.RunOption {
	info := map[string]any{"vcs": "git", "commit_id": git.Ref}
	if requested != "" {
		info["requested_revision"] = requested
	}
	record := map[string]any{"url": git.URL, "vcs_info": info}
	if git.Subdirectory != "" {
		record["subdirectory"] = git.Subdirectory
	}
	data, err := json.Marshal(record)
	if err != nil {
		panic(err) // only strings
	}
	name := wheel + ".direct_url.json"
	st := llb.Scratch().File(llb.Mkfile("/"+name, 0o644, data, llb.WithCreatedTime(pins.Epoch)),
		llb.WithCustomName("origin of "+wheel))
	return llb.AddMount(WheelsDir+name, st, llb.SourcePath("/"+name), llb.Readonly)
}

// WithEnvironmentPython is the base with the Python that the environment runs on.
func (g Ground) WithEnvironmentPython() llb.State {
	st, _ := g.WithPython()
	return g.OnConda(st)
}
