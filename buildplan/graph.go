package buildplan

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
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
	steps.Ground
	plan  *Plan
	trees map[string]string // of the wheels that are built from git, by file, the sha256 of the commit's files
}

// An imageGraph is a plan's graph.
type imageGraph struct {
	root    llb.State // the whole file system
	steps   []installStep
	scripts []llb.State // what each of the course's scripts changes
	checks  []llb.State // each fails to solve if its check fails
	history []ocispecs.History
	// The configs of the image and of its base, as JSON, where the plan does not say all.
	config, baseConfig []byte
}

// An installStep is one that installs packages. The larger their size, in bytes,
// the longer it takes.
type installStep struct {
	state llb.State
	size  int64
}

func newGraph(p *Plan, trees map[string]string) *graph { return &graph{p.ground(), p, trees} }

// build returns the graph of the whole image, by whom it is described.
func (g *graph) build(ctx context.Context, t session.Talk) (imageGraph, error) {
	if g.plan.Dockerfile != nil {
		return g.fromDockerfile(ctx, t)
	}
	return g.image(), nil
}

// image returns the graph of the whole image.
func (g *graph) image() imageGraph {
	var img imageGraph
	for range max(1, g.plan.Base.Layers) {
		img.history = append(img.history, steps.Event("base "+g.plan.Base.Digest))
	}
	env, history := g.env()
	img.history = append(img.history, history...)
	img.steps = append(img.steps, installStep{env, 0})
	parts := []llb.State{env}
	if len(g.plan.Apt) > 0 {
		run := g.InstallDebs(env, "apt: "+pins.Count(len(g.plan.Apt), "package"), g.plan.Apt)
		img.steps = append(img.steps, installStep{run.Root(), total(g.plan.Apt)})
		parts = append(parts, llb.Diff(env, run.Root(), llb.WithCustomName("layer apt")))
		img.history = append(img.history, steps.Event("apt: "+pins.Count(len(g.plan.Apt), "package")))
	}
	for _, l := range g.plan.Conda {
		run := g.InstallConda(l)
		img.steps = append(img.steps, installStep{run.GetMount(steps.LayerDir), total(l.Packages)})
		parts = append(parts, run.GetMount(steps.LayerDir))
		img.history = append(img.history, steps.Event(l.Title()))
	}
	on := g.OnConda(env)
	for _, l := range g.plan.Layers {
		run := g.installWheels(on, l)
		img.steps = append(img.steps, installStep{run.Root(), total(l.Packages)})
		parts = append(parts, llb.Diff(on, run.Root(), llb.WithCustomName("layer "+l.Name)))
		img.history = append(img.history, steps.Event(l.Title()))
	}
	if len(g.plan.Npm) > 0 {
		run := g.installNpm()
		img.steps = append(img.steps, installStep{run.GetMount(steps.LayerDir), total(g.plan.Npm)})
		parts = append(parts, run.GetMount(steps.LayerDir))
		img.history = append(img.history, steps.Event(npmTitle(g.plan.Npm)))
	}
	parts = append(parts, g.placed(env, &img)...)
	img.root = llb.Merge(parts, llb.WithCustomName("image "+g.plan.Course))
	if len(g.plan.PostLinks) > 0 {
		img.root = g.RunPostLinks(img.root, g.plan.PostLinks).Root()
		img.history = append(img.history, steps.Event(steps.PostLinksTitle(g.plan.PostLinks)))
	}
	for _, r := range g.plan.Recorded {
		after := g.script(img.root, r)
		img.scripts, img.root = append(img.scripts, llb.Diff(img.root, after)), after
		img.history = append(img.history, steps.Event(r.Name))
	}
	folder := "/home/jovyan"
	if g.plan.Folder != nil {
		folder = g.plan.Folder.Dir
	}
	for _, c := range g.plan.checks {
		img.checks = append(img.checks, g.check(img.root, c, ocispecs.ImageConfig{Env: g.plan.environ(), User: "1000",
			WorkingDir: "/home/jovyan"}, folder))
	}
	return img
}

// placed are the layers of what is copied into the image: the course's files, its
// downloads and its folder.
func (g *graph) placed(env llb.State, img *imageGraph) (parts []llb.State) {
	if len(g.plan.Files) > 0 {
		parts = append(parts, llb.Diff(env, g.placeFiles(env), llb.WithCustomName("layer files")))
		img.history = append(img.history, steps.Event(fmt.Sprintf("files: %d", len(g.plan.Files))))
	}
	if n := len(g.plan.Downloads); n > 0 {
		parts = append(parts, llb.Diff(env, g.PlaceDownloads(env, g.plan.Downloads).Root(),
			llb.WithCustomName("layer downloads")))
		img.history = append(img.history, steps.Event(fmt.Sprintf("downloads: %d", n)))
	}
	if f := g.plan.Folder; f != nil {
		parts = append(parts, llb.Diff(env, g.CopyFolder(env, *f, g.Places.Lines()).Root(),
			llb.WithCustomName("layer folder")))
		img.history = append(img.history, steps.Event("folder "+f.Dir))
	}
	return parts
}

func total(artifacts []pins.Artifact) (size int64) {
	for _, a := range artifacts {
		size += a.Size
	}
	return size
}

// env is the base with a Python, the image's user and an empty environment, and
// what its layers say in the image's history.
func (g *graph) env() (llb.State, []ocispecs.History) {
	st, history := g.WithPython()
	prefix := ""
	if len(g.plan.Layers) > 0 && !g.OnCondaPython() && !g.plan.Base.Extended {
		prefix = pins.Env
	}
	return st.Run(steps.Step("user jovyan, "+g.Prefix(), []string{"/bin/sh", steps.Dir + "env.sh", "python3",
		prefix}, steps.Script("env.sh"))...).Root(), append(history, steps.Event("user jovyan, "+g.Prefix()))
}

// installWheels installs the wheels of a layer into the environment, without
// their dependencies.
func (g *graph) installWheels(env llb.State, l steps.Layer) llb.ExecState {
	options := steps.Step(l.Title(), []string{g.Prefix() + "/bin/python", "-B", steps.Dir + "pip-install.py",
		steps.UvPath, steps.WheelsDir},
		steps.Script("pip-install.py"), g.Uv(env), g.Places.Of(l.Packages...))
	for _, w := range l.Packages {
		options = append(options, llb.AddMount(steps.WheelsDir+w.File, g.wheel(w), llb.SourcePath("/"+w.File),
			llb.Readonly))
		if git, ok := w.Git(); ok {
			options = append(options, steps.DirectURL(w.File, git, g.requested(w)))
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

// wheel is a state that holds a wheel, fetched or built.
func (g *graph) wheel(a pins.Artifact) llb.State {
	if !a.Built() {
		return g.Fetch(a)
	}
	i := slices.IndexFunc(g.plan.Wheels, func(w steps.Wheel) bool { return w.File == a.File })
	w := g.plan.Wheels[i]
	w.Tree = g.trees[w.File]
	return g.Wheel(w)
}

// script runs one of the course's scripts in the image as it is built so far.
func (g *graph) script(root llb.State, r Recorded) llb.State {
	return g.RunScript(root, steps.ScriptRun{Name: r.Name, Dir: g.plan.Folder.Dir, Env: g.plan.environ(),
		Recorded: r.Recording, At: g.Places.Lines(r.at)}).Root()
}

// placeFiles writes the course's files into st.
func (g *graph) placeFiles(st llb.State) llb.State {
	in := llb.Scratch()
	args := []string{"/bin/sh", steps.Dir + "files.sh"}
	var places []pins.Position
	for i, f := range g.plan.Files {
		mode := os.FileMode(0o644)
		if f.Executable {
			mode = 0o755
		}
		in = in.File(llb.Mkfile(fmt.Sprintf("/%04d", i), mode, f.Content, llb.WithCreatedTime(pins.Epoch)),
			llb.WithCustomName("file "+f.Path))
		args = append(args, f.Path)
		places = append(places, f.at)
	}
	return st.Run(steps.Step(fmt.Sprintf("files: %d", len(g.plan.Files)), args, steps.Script("files.sh"),
		llb.AddMount("/run/driftpin/files", in, llb.Readonly), g.Places.Lines(places...))...).Root()
}

// check runs a command, or a notebook, in the finished image, as its config says.
func (g *graph) check(root llb.State, c check, config ocispecs.ImageConfig, folder string) llb.State {
	options := []llb.RunOption{
		llb.Network(pb.NetMode_NONE), llb.Dir(cmp.Or(config.WorkingDir, "/")), llb.User(config.User),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()), llb.WithCustomName("check: " + caption(c.Value)),
		g.Places.Lines(c.At),
	}
	if c.notebook == nil {
		options = append(options, llb.Args([]string{"/bin/sh", "-ec", c.Value}))
	} else {
		options = append(options, steps.Notebook(c.Value, c.notebook, folder)...)
	}
	for _, kv := range config.Env {
		k, v, _ := strings.Cut(kv, "=")
		options = append(options, llb.AddEnv(k, v))
	}
	return root.Run(options...).Root()
}

// caption is the first line of a text, of at most 100 bytes.
func caption(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 100 {
		line, more = strings.ToValidUTF8(line[:100], ""), true
	}
	if more {
		line += " …"
	}
	return line
}

// An npmPlace is what npm-install.js is told of a package.
type npmPlace struct {
	File    string `json:"file"`
	Place   string `json:"place"`
	Pinned  bool   `json:"pinned"`
	Scripts bool   `json:"scripts"`
}

// installNpm lays out npm's packages at layerDir, as if they were installed in
// the environment; its /out tells what lies there then.
func (g *graph) installNpm() llb.ExecState {
	packages := g.plan.Npm
	options := steps.Step(npmTitle(packages), []string{steps.NodePath, steps.Dir + "npm-install.js", steps.NpmPath,
		steps.PackagesDir, g.Prefix(), steps.LayerDir},
		steps.Script("npm-install.js"), g.Npm(), llb.AddMount(steps.LayerDir, llb.Scratch()), g.Places.Of(packages...))
	var lock []npmPlace
	mounted := map[string]bool{}
	for _, a := range packages {
		file := a.SHA256 + ".tgz" // a package may lie in several places
		lock = append(lock, npmPlace{file, path.Dir(a.File), a.Is(pins.PinRoot),
			slices.Contains(g.plan.Scripts, a.Name) && a.Is(pins.PinRoot)})
		if !mounted[file] {
			mounted[file] = true
			options = append(options, llb.AddMount(steps.PackagesDir+file, g.Fetch(a),
				llb.SourcePath("/"+path.Base(a.File)), llb.Readonly))
		}
	}
	data := steps.JSON(lock)
	st := llb.Scratch().File(llb.Mkfile("/lock.json", 0o644, data, llb.WithCreatedTime(pins.Epoch)),
		llb.WithCustomName("what is locked of npm's"))
	options = append(options, llb.AddMount(steps.PackagesDir+"lock.json", st, llb.SourcePath("/lock.json"),
		llb.Readonly))
	return g.WithStepPython().Run(options...)
}

// npmTitle says what npm's layer holds: the pins, and how many more.
func npmTitle(packages []pins.Artifact) string {
	var names []string
	for _, a := range packages {
		if a.Is(pins.PinRoot) {
			names = append(names, a.Name+" "+a.Version)
		}
	}
	title := "npm: " + strings.Join(names, ", ")
	if more := len(packages) - len(names); more > 0 {
		title += fmt.Sprintf(" and %d more", more)
	}
	return title
}
