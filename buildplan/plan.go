// Package buildplan says how a course's image is built, and builds it.
//
// A [Plan] is a value: [New] makes it from a manifest, its lock and the base's
// config, without a network and without a daemon, and equal inputs give equal
// plans. A [Builder] is where things happen: it resolves a course's requests
// inside the course's base (it is a pins.Resolver), and it turns a plan into
// LLB, BuildKit's build graph, and has an engine solve and export it.
//
// What a plan promises: every file that goes in is named by its sha256; no
// step that installs has a network; and the same plan gives the same layers
// and config anywhere, and with the same BuildKit the same manifest digest.
package buildplan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// planFormat counts changes to what this package does with a lock: another
// format, another plan digest.
const planFormat = 1

// A Plan is all that decides the bytes of an image.
type Plan struct {
	Format     int
	Course     string
	Platform   string
	LockDigest string
	Base       steps.Base
	Steps      string            // digest of the scripts that steps run
	BuildKit   string            // version
	Layering   map[string]string // how layers are compressed: the exporter's attributes
	Tools      []pins.Tool       // mounted into steps
	Python     []pins.Artifact   // debs the environment's Python needs
	ToolPython []pins.Artifact   `json:",omitempty"` // debs of the Python that conda's installer runs on
	Apt        []pins.Artifact   // debs that pins ask for
	Conda      []steps.Layer     `json:",omitempty"` // conda packages
	HeldPython string            `json:",omitempty"` // version of conda's Python in the base that they are added to
	// by conda package, the Python distributions in it that pip's stand for; behind a ?, if it has them
	Replaced  map[string][]string `json:",omitempty"`
	Layers    []steps.Layer       // pip packages
	Npm       []pins.Artifact     `json:",omitempty"`
	Scripts   []string            `json:",omitempty"` // of npm's packages, those whose scripts run
	Wheels    []steps.Wheel       // wheels that are built
	Compilers []pins.Artifact     `json:"Toolchain"` // debs the wheels are built with; another JSON name were another plan
	Files     []File
	Downloads []steps.Download `json:",omitempty"`
	PostLinks []steps.PostLink `json:",omitempty"`
	Cmd       []string
	Env       map[string]string
	Folder    *steps.Folder `json:",omitempty"` // the course's
	Start     string        `json:",omitempty"` // starts the container's command
	Recorded  []Recorded    `json:",omitempty"` // scripts that run in the image, in this order
	// Dockerfile builds the image, instead of all that is resolved.
	Dockerfile *Dockerfile `json:",omitempty"`

	dir    string // the course's folder
	copied pins.Folder
	// The day whose R packages are taken, where a mirror of CRAN has dated ones.
	cranDate string
	checks   []check
	sources  []pins.Source
	places   steps.Places
}

// A Recorded is a script of the course, and what it is given again when it runs.
type Recorded struct {
	Name      string
	Recording string // digest of what was recorded; empty if that is yet to be done
	Steps     string // digest of what runs it

	answers []pins.Answer
	at      pins.Position
}

// A check runs in the finished image: a command, or a notebook.
type check struct {
	pins.Text
	notebook []byte
}

// checksOf are a course's.
func checksOf(m *pins.Manifest) (all []check) {
	for _, c := range m.Checks {
		all = append(all, check{Text: c})
	}
	for _, n := range m.Notebooks {
		all = append(all, check{n.Text, n.Content})
	}
	return all
}

// Checked is a digest of the plan's checks; empty if there are none. They are no part of the
// plan's digest.
func (p *Plan) Checked() string {
	if len(p.checks) == 0 {
		return ""
	}
	h := sha256.New()
	for _, c := range p.checks {
		fmt.Fprintf(h, "%d %s %d %s", len(c.Value), c.Value, len(c.notebook), c.notebook)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// A File is written into the image as it is.
type File struct {
	Path       string
	Content    []byte
	Executable bool

	at pins.Position
}

// maxCopied is the most that the files of a course may hold together, in
// bytes: they travel inside the build graph.
const maxCopied = 4 << 20

// New returns the plan of a course's image for one of its lock's platforms.
func New(m *pins.Manifest, l *pins.Lock, platform string, base steps.Base) (*Plan, error) {
	if err := base.CheckEnvironment(); err != nil {
		return nil, err
	}
	p := &Plan{
		Format: planFormat, Course: m.Course, Platform: platform, LockDigest: l.Digest(), Base: base,
		Steps: steps.Digest(), BuildKit: engine.BuildKitVersion(), Layering: compression, Tools: l.Tools,
		Env: m.Launch.Env, checks: checksOf(m), sources: m.Sources, places: steps.NewPlaces(m, l),
	}
	for _, t := range m.Launch.Cmd {
		p.Cmd = append(p.Cmd, t.Value)
	}
	p.readReplaced(m, l)
	p.readDownloads(m, l)
	p.readPostLinks(l)
	p.readScripts(m, l)
	p.readDockerfile(m, l)
	if err := p.dealArtifacts(m, l); err != nil {
		return nil, err
	}
	return p, p.readFiles(m)
}

// readReplaced notes which Python distributions of conda's packages give way to pip's.
func (p *Plan) readReplaced(m *pins.Manifest, l *pins.Lock) {
	replace := func(conda, name string) {
		if p.Replaced == nil {
			p.Replaced = map[string][]string{}
		}
		p.Replaced[conda] = slices.Sorted(slices.Values(append(p.Replaced[conda], name)))
	}
	for _, r := range m.Requests {
		if r.Over != "" && l.Has(pins.Pip, r.Name, p.Platform) && l.Has(pins.Conda, r.Over, p.Platform) {
			replace(r.Over, "?"+r.Name) // conda's may bring none of that name
		} else if r.Replaces != "" {
			replace(r.Replaces, r.Name)
		}
	}
	for _, a := range l.Installed(p.Platform) {
		if a.Over != "" {
			replace(a.Over, a.Name)
		}
	}
}

// readPostLinks takes the scripts of conda packages that run into the plan, in the order
// in which conda installs the packages: what a package requires comes before it.
func (p *Plan) readPostLinks(l *pins.Lock) {
	var waiting []pins.Artifact
	for _, link := range l.PostLinks {
		if a, ok := l.Find(pins.Conda, link.Name, p.Platform); ok && link.Runs {
			waiting = append(waiting, a)
		}
	}
	reasons := pins.NewReasons(nil, l)
	for len(waiting) > 0 {
		i := max(0, slices.IndexFunc(waiting, func(a pins.Artifact) bool {
			return !slices.ContainsFunc(waiting, func(b pins.Artifact) bool { return reasons.Requires(pins.Conda, a.Name, b.Name) })
		}))
		a := waiting[i]
		waiting = slices.Delete(waiting, i, i+1)
		p.PostLinks = append(p.PostLinks, steps.PostLink{Name: a.Name, Version: a.Version, Build: a.Build,
			Steps: steps.RecordedDigest()})
	}
}

// readDownloads takes the course's downloads into the plan.
func (p *Plan) readDownloads(m *pins.Manifest, l *pins.Lock) {
	for _, d := range m.Downloads {
		for _, f := range l.Downloads {
			if f.URL == d.URL {
				p.Downloads = append(p.Downloads, steps.Download{SHA256: f.SHA256, To: d.To, Unpack: d.Unpack,
					Steps: steps.RecordedDigest(), URL: f.URL, Size: f.Size, At: d.At})
			}
		}
	}
}

// readScripts takes the course's folder and its scripts into the plan.
func (p *Plan) readScripts(m *pins.Manifest, l *pins.Lock) {
	if !m.Copied() {
		return
	}
	p.dir, p.copied = m.Dir, m.Folder()
	p.Folder = &steps.Folder{Dir: m.RepoDir.Value, SHA256: m.FolderSum, Executables: m.Executables()}
	if m.Start.Value != "" {
		p.Start = path.Join(m.RepoDir.Value, m.Start.Value)
	}
	p.cranDate = m.CRANDate
	if p.cranDate == "" && !m.AsOf.End.IsZero() {
		p.cranDate = m.AsOf.End.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	p.record(m, l)
}

// record takes what is recorded of the scripts into the plan.
func (p *Plan) record(m *pins.Manifest, l *pins.Lock) {
	for _, s := range m.Scripts {
		r := Recorded{Name: s.Name, Steps: steps.RecordedDigest(), at: s.At}
		if known := l.Recording(s.Name); known != nil {
			r.Recording, r.answers = known.Digest(), known.Answers
		}
		p.Recorded = append(p.Recorded, r)
	}
}

// dealArtifacts deals the lock's artifacts out to the steps that need them.
func (p *Plan) dealArtifacts(m *pins.Manifest, l *pins.Lock) error {
	var wheels, conda []pins.Artifact
	byFile := map[string]pins.Artifact{}
	for _, a := range l.Artifacts {
		if a.Platform != p.Platform {
			continue
		}
		byFile[a.File] = a
		switch {
		case a.Use == pins.Held: // it is in the base already
			p.HeldPython = cmp.Or(p.HeldPython, steps.HeldPython([]pins.Artifact{a}))
		case a.Kind == pins.Deb && a.Use == pins.BuildInput:
			if a.Is(pins.PythonRoot) {
				p.ToolPython = append(p.ToolPython, a)
			}
			if a.Is(pins.ToolchainRoot) || !a.Is(pins.PythonRoot) { // it may be of both
				p.Compilers = append(p.Compilers, a)
			}
		case a.Kind == pins.Deb && a.Is(pins.PythonRoot):
			p.Python = append(p.Python, a)
		case a.Kind == pins.Deb:
			p.Apt = append(p.Apt, a)
		case a.Kind == pins.Conda:
			conda = append(conda, a)
		case a.Kind == pins.Npm:
			p.Npm = append(p.Npm, a)
			if r := m.Request(a.Kind, a.Name, ""); r != nil && r.Scripts && a.Is(pins.PinRoot) {
				p.Scripts = append(p.Scripts, a.Name)
			}
		case a.Kind == pins.Pip && a.Use == pins.Install:
			wheels = append(wheels, a)
		case a.Kind != pins.Pip:
			return fmt.Errorf("the lock has %s %s: %s packages can't be built yet", a.Kind, a.Name, a.Kind)
		}
	}
	if err := p.planWheels(m, l, wheels, byFile); err != nil {
		return err
	}
	fixed := p.Base.Layers + 5 + min(1, len(p.Downloads)) // python, env, apt, npm, files
	if p.Folder != nil {
		fixed += 1 + len(p.Recorded)
	}
	p.Conda, p.Layers = steps.Deal(conda, wheels, fixed)
	return nil
}

// planWheels plans those of some wheels that are built; byFile are the lock's
// artifacts.
func (p *Plan) planWheels(m *pins.Manifest, l *pins.Lock, wheels []pins.Artifact, byFile map[string]pins.Artifact) error {
	for _, a := range wheels {
		if !a.Built() {
			continue
		}
		w := steps.Wheel{Artifact: a}
		if r := m.Request(a.Kind, a.Name, a.From); r != nil && r.Git != nil {
			w.Requested = r.Git.Ref
		}
		if file, ok := a.Sdist(); ok {
			source, ok := byFile[file]
			if !ok {
				return fmt.Errorf("the lock has no line for %s, from which %s is built; run driftpin lock "+
					"--upgrade %s to write it again", file, a.File, a.Name)
			}
			w.Source = &source
		}
		for _, b := range l.Artifacts {
			if b.Platform == p.Platform && b.Kind == pins.Pip && b.Use == pins.BuildInput &&
				b.File != w.SourceFile() && slices.Contains(b.By, a.Name) {
				w.Needs = append(w.Needs, b)
			}
		}
		p.Wheels = append(p.Wheels, w)
	}
	return nil
}

// ground is what the plan's steps stand on.
func (p *Plan) ground() steps.Ground {
	return steps.Ground{
		Base: p.Base, Platform: p.Platform, Python: p.Python, ToolPython: p.ToolPython, Compilers: p.Compilers,
		Conda: p.Conda, HeldPython: p.HeldPython, Replaced: p.Replaced, Places: p.places,
	}
}

// prefix is the environment's.
func (p *Plan) prefix() string { return p.ground().Prefix() }

// readFiles takes the course's files and those of launch into the plan.
func (p *Plan) readFiles(m *pins.Manifest) error {
	total := 0
	add := func(at pins.Position, f File) error {
		if total += len(f.Content); total > maxCopied {
			return fmt.Errorf("more than %d MiB in all: large data belongs in a package or a volume", maxCopied>>20)
		}
		f.at = at
		p.Files = append(p.Files, f)
		return nil
	}
	for _, f := range m.Files {
		if err := walk(m.Dir, f, add); err != nil {
			return fmt.Errorf("%s: files: %w", f.At, err)
		}
	}
	for _, f := range m.Launch.Files {
		if err := add(f.At, File{Path: f.Path, Content: f.Content}); err != nil {
			return fmt.Errorf("%s: files: %w", f.At, err)
		}
	}
	slices.SortStableFunc(p.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for i := 1; i < len(p.Files); i++ {
		if p.Files[i].Path == p.Files[i-1].Path {
			return fmt.Errorf("%s: files: two files have the target %s in the image: keep one", p.sources[0].Name,
				p.Files[i].Path)
		}
	}
	return nil
}

// walk adds the files that a source in the course's folder stands for. The
// folder can't be left, by symbolic links neither.
func walk(dir string, f pins.File, add func(pins.Position, File) error) error {
	root, err := os.OpenRoot(cmp.Or(dir, "."))
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), f.Source, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := root.Stat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a folder", name)
		}
		content, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		target := path.Join(f.Target, strings.TrimPrefix(strings.TrimPrefix(name, f.Source), "/"))
		return add(f.At, File{Path: target, Content: content, Executable: info.Mode()&0o100 != 0})
	})
}

// Digest identifies the image that the plan makes: sha256:HEX over the plan,
// without its checks.
func (p *Plan) Digest() string {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // a Plan has only plain fields
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Tag is a short name for the image: 12 digits of the plan's digest, and more
// until one is a letter, so that no YAML reader takes it for a number.
func (p *Plan) Tag() string {
	hex := strings.TrimPrefix(p.Digest(), "sha256:")
	for n := 12; n < len(hex); n++ {
		if strings.ContainsAny(hex[:n], "abcdf") { // 1e5 is a number too
			return hex[:n]
		}
	}
	return hex
}

// Config is the image's config, but for its layers.
func (p *Plan) Config() ocispecs.Image {
	created := pins.Epoch
	c := ocispecs.Image{Created: &created, Platform: steps.Platform(p.Platform)}
	c.RootFS.Type = "layers"
	c.Config = p.Base.Config.Config
	if !p.Base.Extended {
		c.Config.Entrypoint = nil
	}
	if p.Start != "" {
		c.Config.Entrypoint = []string{p.Start}
	}
	c.Config.User, c.Config.WorkingDir = "1000", "/home/jovyan"
	if len(p.Cmd) > 0 {
		c.Config.Cmd = p.Cmd
	}
	c.Config.ExposedPorts = map[string]struct{}{"8888/tcp": {}}
	c.Config.Env = p.environ()
	c.Config.Labels = maps.Clone(p.Base.Config.Config.Labels)
	if c.Config.Labels == nil {
		c.Config.Labels = map[string]string{}
	}
	maps.Copy(c.Config.Labels, p.labels())
	return c
}

// labels say what the image is.
func (p *Plan) labels() map[string]string {
	return map[string]string{pins.CourseLabel: p.Course, pins.LockLabel: p.LockDigest, pins.PlanLabel: p.Digest()}
}

// folder is the sha256 of the archive of the course's folder; empty if it is not
// needed.
func (p *Plan) folder() string {
	switch {
	case p.Dockerfile != nil:
		return p.Dockerfile.Folder
	case p.Folder != nil:
		return p.Folder.SHA256
	}
	return ""
}

// environ is the environment of the image: the base's, then driftpin's, then
// launch's; sorted, but for PATH, which comes first.
func (p *Plan) environ() []string {
	env := map[string]string{}
	for _, kv := range p.Base.Config.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	search := cmp.Or(env["PATH"], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	if !strings.HasPrefix(search+":", p.prefix()+"/bin:") {
		search = p.prefix() + "/bin:" + search
	}
	env["PATH"] = search
	env["NB_PYTHON_PREFIX"] = p.prefix()
	env["LANG"] = "C.UTF-8"
	env["NB_USER"], env["NB_UID"], env["HOME"] = "jovyan", "1000", "/home/jovyan"
	if len(p.Conda) > 0 {
		env["CONDA_PREFIX"] = p.prefix() // by which packages find their data
	}
	if p.Folder != nil { // what scripts that were written for repo2docker look at
		env["REPO_DIR"], env["CONDA_DIR"], env["KERNEL_PYTHON_PREFIX"] = p.Folder.Dir, p.prefix(), p.prefix()
	}
	maps.Copy(env, p.Env)
	out := []string{"PATH=" + env["PATH"]}
	delete(env, "PATH")
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

// mountedTools are those that the plan's steps use.
func (p *Plan) mountedTools() (tools []steps.Tool) {
	if len(p.Layers) > 0 {
		tools = append(tools, steps.UvTool)
	}
	if len(p.Conda) > 0 {
		tools = append(tools, steps.RattlerTool)
	}
	if len(p.Npm) > 0 {
		tools = append(tools, steps.NodeTool)
	}
	return tools
}

// query is one in whose place files of the plan are looked up.
func (p *Plan) query() pins.Query { return pins.Query{Platform: p.Platform, Below: p.below()} }

// below are the plan's artifacts that pip pins resolve on top of.
func (p *Plan) below() []pins.Artifact {
	out := slices.Concat(p.Python, p.ToolPython)
	for _, l := range p.Conda {
		out = append(out, l.Packages...)
	}
	return out
}

// fetched lists the artifacts of a plan that are fetched.
func (p *Plan) fetched() (out []pins.Artifact) {
	add := func(a pins.Artifact) {
		if !a.Built() {
			out = append(out, a)
		}
	}
	for _, list := range [][]pins.Artifact{p.Python, p.ToolPython, p.Apt, p.Compilers, p.Npm} {
		for _, a := range list {
			add(a)
		}
	}
	for _, l := range slices.Concat(p.Conda, p.Layers) {
		for _, a := range l.Packages {
			add(a)
		}
	}
	for _, w := range p.Wheels {
		for _, a := range w.Needs {
			add(a)
		}
		if w.Source != nil {
			add(*w.Source)
		}
	}
	return out
}

// compression is how new layers are compressed; it decides digests.
var compression = map[string]string{"compression": "gzip", "oci-mediatypes": "true"}
