package buildplan

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A graph turns a plan into LLB. It is pure: the same plan gives the same
// bytes. Files are named by their hash: the engine asks this machine for those
// that it lacks.
//
//	python = base + the Python's debs             env = python + user + empty /opt/env
//	apt    = Diff(env, env.Run(install debs))     pip i = Diff(env, env.Run(install wheels of i))
//	files  = Diff(env, env.Run(place files))      image = Merge(env, apt, pip 1 … pip n, files)
//
// In a course with conda pins the Python is conda's:
//
//	conda i = what conda's installer, on a Python of its own, lays out in /opt/env
//	on      = Merge(env, the layers of conda's Python)
//	pip i   = Diff(on, on.Run(install wheels of i))
//	image   = Merge(env, apt, conda 1 … conda m, pip 1 … pip n, files)
//
// On a base that is extended env is the base with a user: the environment is
// the one that lies there, and pip i holds what it adds to that.
type graph struct {
	plan       *Plan
	sourceMaps map[string]*llb.SourceMap
}

// An image is a plan's graph.
type image struct {
	root    llb.State // the whole file system
	steps   []installStep
	checks  []llb.State // each fails to solve if its check fails
	history []ocispecs.History
}

// An installStep is one that installs packages. The larger their size, in bytes,
// the longer it takes.
type installStep struct {
	state llb.State
	size  int64
}

func newGraph(p *Plan) *graph {
	g := &graph{plan: p, sourceMaps: map[string]*llb.SourceMap{}}
	for _, s := range p.sources {
		g.sourceMaps[s.Name] = llb.NewSourceMap(nil, s.Name, "", s.Data)
	}
	return g
}

// image returns the graph of the whole image.
func (g *graph) image() image {
	var img image
	for range max(1, g.plan.Base.Layers) {
		img.history = append(img.history, event("base "+g.plan.Base.Digest))
	}
	env := g.env(&img)
	parts := []llb.State{env}
	if len(g.plan.Apt) > 0 {
		run := g.installDebs(env, fmt.Sprintf("apt: %d packages", len(g.plan.Apt)), g.plan.Apt)
		img.steps = append(img.steps, installStep{run.Root(), total(g.plan.Apt)})
		parts = append(parts, llb.Diff(env, run.Root(), llb.WithCustomName("layer apt")))
		img.history = append(img.history, event(fmt.Sprintf("apt: %d packages", len(g.plan.Apt))))
	}
	for _, l := range g.plan.Conda {
		run := g.installConda(l)
		img.steps = append(img.steps, installStep{run.GetMount(layerDir), total(l.Packages)})
		parts = append(parts, run.GetMount(layerDir))
		img.history = append(img.history, event(l.title()))
	}
	on := g.onConda(env)
	for _, l := range g.plan.Layers {
		run := g.installWheels(on, l)
		img.steps = append(img.steps, installStep{run.Root(), total(l.Packages)})
		parts = append(parts, llb.Diff(on, run.Root(), llb.WithCustomName("layer "+l.Name)))
		img.history = append(img.history, event(l.title()))
	}
	if len(g.plan.Npm) > 0 {
		run := g.installNpm()
		img.steps = append(img.steps, installStep{run.GetMount(layerDir), total(g.plan.Npm)})
		parts = append(parts, run.GetMount(layerDir))
		img.history = append(img.history, event(npmTitle(g.plan.Npm)))
	}
	if len(g.plan.Files) > 0 {
		parts = append(parts, llb.Diff(env, g.placeFiles(env), llb.WithCustomName("layer files")))
		img.history = append(img.history, event(fmt.Sprintf("files: %d", len(g.plan.Files))))
	}
	img.root = llb.Merge(parts, llb.WithCustomName("image "+g.plan.Course))
	for _, c := range g.plan.checks {
		img.checks = append(img.checks, g.check(img.root, c))
	}
	return img
}

func event(by string) ocispecs.History {
	created := pins.Epoch
	return ocispecs.History{Created: &created, CreatedBy: by, Comment: "driftpin"}
}

func total(artifacts []pins.Artifact) (size int64) {
	for _, a := range artifacts {
		size += a.Size
	}
	return size
}

// title says what a layer holds.
func (l Layer) title() string {
	names := make([]string, len(l.Packages))
	for i, a := range l.Packages {
		names[i] = a.Name + " " + a.Version
	}
	return string(l.Packages[0].Kind) + ": " + strings.Join(names, ", ")
}

// python is the base with a Python.
func (g *graph) python(img *image) llb.State {
	st := g.plan.Base.state(g.plan.Platform)
	if len(g.plan.Python) == 0 {
		return st
	}
	run := g.installDebs(st, fmt.Sprintf("python: %d packages", len(g.plan.Python)), g.plan.Python)
	img.history = append(img.history, event(fmt.Sprintf("python: %d packages", len(g.plan.Python))))
	return run.Root()
}

// env is the python with the image's user and an empty environment.
func (g *graph) env(img *image) llb.State {
	st := g.python(img)
	prefix := ""
	if len(g.plan.Layers) > 0 && !g.plan.condaPython() && !g.plan.Base.Extended {
		prefix = pins.Env
	}
	img.history = append(img.history, event("user jovyan, "+g.plan.prefix()))
	made := st.Run(step("user jovyan, "+g.plan.prefix(), []string{"/bin/sh", stepsDir + "env.sh", "python3", prefix}, script("env.sh"))...).Root()
	img.steps = append(img.steps, installStep{made, 0})
	return made
}

// debsDir and wheelsDir are where steps find their artifacts.
const (
	debsDir   = "/run/driftpin/debs/"
	wheelsDir = "/run/driftpin/wheels/"
	uvPath    = "/run/driftpin/uv"
)

// installDebs installs packages that are all at hand.
func (g *graph) installDebs(st llb.State, name string, debs []pins.Artifact) llb.ExecState {
	options := step(name, []string{"/bin/sh", stepsDir + "apt-install.sh", debsDir}, script("apt-install.sh"), g.location(debs...))
	for _, d := range debs {
		options = append(options, llb.AddMount(debsDir+path.Base(d.File), g.fetch(d), llb.SourcePath("/"+path.Base(d.File)), llb.Readonly))
	}
	return st.Run(options...)
}

// installWheels installs the wheels of a layer into the environment, without
// their dependencies.
func (g *graph) installWheels(env llb.State, l Layer) llb.ExecState {
	options := step(l.title(), []string{g.plan.prefix() + "/bin/python", "-B", stepsDir + "pip-install.py", uvPath, wheelsDir},
		script("pip-install.py"), g.uv(env), g.location(l.Packages...))
	for _, w := range l.Packages {
		options = append(options, llb.AddMount(wheelsDir+w.File, g.wheel(w), llb.SourcePath("/"+w.File), llb.Readonly))
		if git, ok := w.Git(); ok {
			options = append(options, directURL(w.File, git, g.requested(w)))
		}
	}
	return env.Run(options...)
}

// requested is the revision that the manifest's pin names.
func (g *graph) requested(w pins.Artifact) string {
	for _, built := range g.plan.Wheels {
		if built.File == w.File {
			return built.Requested
		}
	}
	return ""
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

// wheel is a state that holds a wheel, fetched or built.
func (g *graph) wheel(a pins.Artifact) llb.State {
	if !a.Built() {
		return g.fetch(a)
	}
	i := slices.IndexFunc(g.plan.Wheels, func(w Wheel) bool { return w.File == a.File })
	return g.buildWheel(g.plan.Wheels[i])
}

// fetch is a state that holds an artifact's file.
func (g *graph) fetch(a pins.Artifact) llb.State {
	return g.file(path.Base(a.File), a.SHA256, a)
}

// filesID names the store of files to the engine.
const filesID = "files"

// file is a state that holds one file, by its hash, under a name.
func (g *graph) file(name, sha256 string, a pins.Artifact) llb.State {
	return llb.OCILayoutBlob("driftpin.invalid/files@sha256:"+sha256, llb.ImageBlobOCIStore("", filesID), llb.Filename(name), llb.Chmod(0o644),
		llb.WithCustomName("fetch "+name), llb.ProgressGroup("fetch", "fetch packages", true), g.location(a))
}

// uv mounts pip's installer.
func (g *graph) uv(python llb.State) llb.RunOption {
	wheel := uv.artifact(g.plan.Platform)
	return mountUv(g.unpack(python, g.interpreter(), g.fetch(wheel), wheel))
}

// mountUv shows uv to a step, from its unpacked wheel.
func mountUv(unpacked llb.State) llb.RunOption {
	return llb.AddMount(uvPath, unpacked, llb.SourcePath("/uv-"+uv.version+".data/scripts/uv"), llb.Readonly)
}

// unpack unpacks a tool's wheel with a Python.
func (g *graph) unpack(python llb.State, interpreter string, wheel llb.State, a pins.Artifact) llb.State {
	return python.Run(step("unpack "+a.Name, []string{"/bin/sh", "-ec",
		`"$2" -m zipfile -e "$1" /out && chmod -R a+rX /out && { chmod 755 /out/*.data/scripts/* /out/*/bin/* 2>/dev/null || :; } && find /out -exec touch -d "@$SOURCE_DATE_EPOCH" {} +`,
		"sh", wheelsDir + a.File, interpreter},
		llb.AddMount("/out", llb.Scratch()), llb.AddMount(wheelsDir+a.File, wheel, llb.SourcePath("/"+a.File), llb.Readonly))...).GetMount("/out")
}

// placeFiles writes the course's files into st.
func (g *graph) placeFiles(st llb.State) llb.State {
	in := llb.Scratch()
	args := []string{"/bin/sh", stepsDir + "files.sh"}
	var places []pins.Position
	for i, f := range g.plan.Files {
		mode := os.FileMode(0o644)
		if f.Executable {
			mode = 0o755
		}
		in = in.File(llb.Mkfile(fmt.Sprintf("/%04d", i), mode, f.Content, llb.WithCreatedTime(pins.Epoch)), llb.WithCustomName("file "+f.Path))
		args = append(args, f.Path)
		places = append(places, f.at)
	}
	return st.Run(step(fmt.Sprintf("files: %d", len(g.plan.Files)), args, script("files.sh"),
		llb.AddMount("/run/driftpin/files", in, llb.Readonly), g.lines(places...))...).Root()
}

// check runs a command in the finished image, as its user.
func (g *graph) check(root llb.State, c pins.Text) llb.State {
	options := []llb.RunOption{
		llb.Args([]string{"/bin/sh", "-ec", c.Value}), llb.Network(pb.NetMode_NONE), llb.Dir("/home/jovyan"), llb.User("1000"),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()), llb.WithCustomName("check: " + firstLine(c.Value)), g.lines(c.At),
	}
	for _, kv := range g.plan.environ() {
		k, v, _ := strings.Cut(kv, "=")
		options = append(options, llb.AddEnv(k, v))
	}
	return root.Run(options...).Root()
}

func firstLine(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 100 {
		line, more = line[:100], true
	}
	if more {
		line += " …"
	}
	return line
}

// location points at the manifest's lines that the artifacts are there for.
func (g *graph) location(artifacts ...pins.Artifact) llb.ConstraintsOpt {
	var places []pins.Position
	for _, a := range artifacts {
		if at, ok := g.plan.at[string(a.Kind)+" "+a.Name]; ok && !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	return g.lines(places...)
}

// lines points at places in the first of the files that they lie in: one
// vertex can point at one file.
func (g *graph) lines(places ...pins.Position) llb.ConstraintsOpt {
	if len(places) == 0 {
		return g.sourceMaps[""].Location(nil) // a nil map: says nothing
	}
	var ranges []*pb.Range
	for _, at := range places {
		if at.File == places[0].File {
			line := &pb.Position{Line: int32(at.Line)}
			ranges = append(ranges, &pb.Range{Start: line, End: line})
		}
	}
	return g.sourceMaps[places[0].File].Location(ranges)
}
