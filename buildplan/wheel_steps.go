package buildplan

import (
	"encoding/json"
	"fmt"

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

// wheelStates are the states of a wheel's build: its environment, and a state
// that holds nothing but the wheel.
type wheelStates struct{ env, wheel llb.State }

// buildWheel is a state that holds a locked wheel, built offline from locked
// inputs. If the wheel's bytes are not the locked ones, solving it fails.
func (g Ground) buildWheel(w Wheel) llb.State {
	st := g.wheelStates(w)
	check := `cd /run/driftpin/built && got=$(sha256sum *.whl) && [ "$got" = "$1  $2" ] || {
	echo "the wheel built from $3 is not the locked one"
	echo "  locked: $1  $2"
	echo "  built:  $got"
	echo "What it was built with has changed, or its build is not reproducible: driftpin lock --upgrade $4"
	exit 1
} >&2
cp "$2" /out/`
	return st.env.Run(step("check the wheel of "+w.Name, []string{"/bin/sh", "-ec", check, "sh", w.SHA256, w.File, w.From, w.Name},
		llb.AddMount("/out", llb.Scratch()), llb.AddMount("/run/driftpin/built", st.wheel, llb.Readonly), g.Places.Of(w.Artifact))...).GetMount("/out")
}

// wheelStates builds a wheel, whatever its bytes turn out to be.
func (g Ground) wheelStates(w Wheel) wheelStates {
	python := g.environmentPython()
	builder := python
	if len(g.Compilers) > 0 {
		builder = g.InstallDebs(python, fmt.Sprintf("compilers: %d packages", len(g.Compilers)), g.Compilers).Root()
	}
	env := builder.Run(step("environment for building "+w.Name, []string{"/bin/sh", stepsDir + "env.sh", g.interpreter(), buildEnv}, script("env.sh"))...).Root()
	if len(w.Needs) > 0 {
		options := step("build requirements of "+w.Name, []string{buildEnv + "/bin/python", "-B", stepsDir + "pip-install.py", uvPath, wheelsDir},
			script("pip-install.py"), g.uv(python), g.Places.Of(w.Artifact))
		for _, n := range w.Needs {
			options = append(options, llb.AddMount(wheelsDir+n.File, g.fetch(n), llb.SourcePath("/"+n.File), llb.Readonly))
		}
		env = env.Run(options...).Root()
	}
	run := env.Run(g.wheelStep("build the wheel of "+w.Name, "wheel", w)...)
	return wheelStates{env, run.GetMount("/out")}
}

// wheelStep runs build-wheel.py on a wheel's source.
func (g Ground) wheelStep(name, mode string, w Wheel) []llb.RunOption {
	python := buildEnv + "/bin/python"
	if mode == "requires" {
		python = g.interpreter()
	}
	source, mount := g.source(w)
	git, _ := w.Git()
	return step(name, []string{python, "-B", stepsDir + "build-wheel.py", mode, source, git.Subdirectory, "/out"},
		script("build-wheel.py"), mount, llb.AddMount("/out", llb.Scratch()), llb.AddMount("/build", llb.Scratch()), g.Places.Of(w.Artifact))
}

// source mounts what a wheel is built from, and says where.
func (g Ground) source(w Wheel) (string, llb.RunOption) {
	if w.Source != nil {
		file := sourceDir + "/" + w.Source.File
		return file, llb.AddMount(file, g.fetch(*w.Source), llb.SourcePath("/"+w.Source.File), llb.Readonly)
	}
	file := sourceDir + "/" + treeFile
	return file, llb.AddMount(file, g.file(treeFile, w.Tree, w.Artifact), llb.SourcePath("/"+treeFile), llb.Readonly)
}

// directURL mounts the record of a wheel's origin (PEP 610) beside it.
func directURL(wheel string, git pins.Git, requested string) llb.RunOption {
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
	st := llb.Scratch().File(llb.Mkfile("/"+name, 0o644, data, llb.WithCreatedTime(pins.Epoch)), llb.WithCustomName("origin of "+wheel))
	return llb.AddMount(wheelsDir+name, st, llb.SourcePath("/"+name), llb.Readonly)
}

// environmentPython is the base with the Python that the environment runs on.
func (g Ground) environmentPython() llb.State {
	st, _ := g.WithPython()
	return g.onConda(st)
}
