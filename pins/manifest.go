package pins

import (
	_ "embed"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ManifestName is the file that makes a folder a course of driftpin's own.
const ManifestName = "pins.yaml"

// DefaultPlatform is the platform of courses that name none.
const DefaultPlatform = "linux/amd64"

// A Manifest is what a course asks for, read from its pins.yaml, from
// repo2docker's files, or from both. Positions name the file and line that
// each thing was asked on.
type Manifest struct {
	Dir       string // the course's folder
	Course    string // the course's name; the folder's, unless pins.yaml says
	Base      Text   // registry reference, or oci-layout:DIR
	Extends   bool   // pins are added to the environment that the base has, whose packages stay as they are
	AsOf      Date   // nothing newer is resolved; zero means today
	Platforms []string
	Channels  []Text // conda's, in order of priority
	// Environment is the one of a pixi.toml that is read; empty: default.
	Environment Text
	Requests    []Request
	Files       []File
	Launch      Launch
	Downloads   []Download
	// Dockerfile is the file that the course is built by, if it is one: then nothing is
	// resolved. Images are those that it uses, and Listed what it and the files that it
	// copies ask for, which its instructions install.
	Dockerfile Text
	Images     []Text
	Listed     []Request
	RepoDir    Text     // where the course's folder lies in the image; empty if it is not copied
	Ignored    []string // patterns of its files that are left out
	FolderSum  string   // sha256 of its archive, as Folder.Write writes it
	Scripts    []Script // that run while the image is built, in this order
	CRANDate   string   // the day whose R packages are taken, where a mirror of CRAN has dated ones; empty: as-of's
	Start      Text     // the program of the folder that the container's command is started by; empty if there is none
	Checks     []Text
	Notebooks  []Notebook // that are executed as checks, after those
	Overlaps   []Text     // paths, or globs, that several packages may own
	Accounts   Accounts
	Sync       Sync
	Sources    []Source          // the files read, pins.yaml first
	Edited     map[string][]byte // other contents of some files, which the manifest was read with
	Findings   Findings
	Workspace  *Workspace // the driftpin.yaml above the course; nil if there is none

	pixiLock string // a pixi.lock beside the pixi.toml
	includes []Text
	extends  Text
	runs     []Text
	start    Text
	checked  []Text // notebooks
}

// A File is copied from the course's folder into the image.
type File struct {
	Source string // relative to the course's folder
	Target string // absolute, in the image
	At     Position
}

// Launch is how the image is started on a hub.
type Launch struct {
	Cmd   []Text
	Env   map[string]string
	EnvAt map[string]Position // where each is set
	Files []LaunchFile        // sorted by path
	At    Position
}

// A LaunchFile is a file that launching needs, with its content.
type LaunchFile struct {
	Path    string
	Content []byte
	At      Position
}

// A Notebook is one of Jupyter's, in the course's folder.
type Notebook struct {
	Text    // its file
	Content []byte
}

// Sync says what a course and another must have in common.
type Sync struct {
	With  Text
	Rules []SyncRule
}

// A SyncRule is one rule over packages; Patterns are names, or globs.
type SyncRule struct {
	Rule     string // same, may-differ, not-older or forbidden
	Patterns []string
	Why      string
	Until    string
	At       Position
}

// A Source is a file that a manifest was read from, as it was.
type Source struct {
	Name string
	Data []byte
}

// ParseManifest reads a pins.yaml. The manifest holds all that could be read;
// what is wrong is in its Findings, of which the fatal ones are also the error.
// Includes are not followed: ReadCourse does that. name is what findings call
// the file.
func ParseManifest(name string, data []byte) (*Manifest, error) {
	m := &Manifest{Sources: []Source{{name, data}}}
	m.parse(name, data)
	m.lint()
	m.Findings.Sort()
	return m, m.Findings.Err()
}

func (m *Manifest) parse(name string, data []byte) {
	r := yamlReader{name, &m.Findings}
	root := r.parse(data)
	if root == nil {
		return
	}
	m.Platforms = []string{DefaultPlatform}
	r.mapping(root, ManifestName,
		field{"course", func(n *yaml.Node) { m.readCourseName(r, n) }},
		field{"base", func(n *yaml.Node) { m.Base = r.positioned(n, "base") }},
		field{"as-of", func(n *yaml.Node) { m.AsOf = r.date(n, "as-of") }},
		field{"platforms", func(n *yaml.Node) { m.readPlatforms(r, n) }},
		field{"extends", func(n *yaml.Node) { m.extends = r.positioned(n, "extends") }},
		field{"include", func(n *yaml.Node) {
			r.list(n, "include", func(n *yaml.Node) { m.includes = append(m.includes, r.positioned(n, "an include")) })
		}},
		field{"pins", func(n *yaml.Node) { m.readPins(r, n) }},
		field{"files", func(n *yaml.Node) { m.readFiles(r, n) }},
		field{"launch", func(n *yaml.Node) { m.readLaunch(r, n) }},
		field{"downloads", func(n *yaml.Node) {
			r.list(n, "downloads", func(n *yaml.Node) { m.readDownload(r, n) })
		}},
		field{"pixi-environment", func(n *yaml.Node) { m.Environment = r.positioned(n, "pixi-environment") }},
		field{"repo-dir", func(n *yaml.Node) { m.readRepoDir(r, n) }},
		field{"run", func(n *yaml.Node) {
			r.list(n, "run", func(n *yaml.Node) { m.runs = append(m.runs, r.positioned(n, "a script")) })
		}},
		field{"checks", func(n *yaml.Node) {
			r.list(n, "checks", func(n *yaml.Node) { m.readCheck(r, n) })
		}},
		field{"overlaps", func(n *yaml.Node) {
			r.list(n, "overlaps", func(n *yaml.Node) { m.readOverlap(r, n) })
		}},
		field{"accounts", func(n *yaml.Node) { m.readAccounts(r, n) }},
		field{"sync", func(n *yaml.Node) { m.readSync(r, n) }},
	)
}

// MayOverlap reports whether the manifest allows that several packages own a
// path of the environment. A path in site-packages is named without that.
func (m *Manifest) MayOverlap(p string) bool {
	return slices.ContainsFunc(m.Overlaps, func(t Text) bool {
		whole, _ := path.Match(t.Value, p) // the pattern has been looked at
		short, _ := path.Match(t.Value, strings.TrimPrefix(p, "site-packages/"))
		return whole || short
	})
}

// Asked is all that the manifest asks for: what is resolved, and what scripts and a
// Dockerfile's instructions install.
func (m *Manifest) Asked() []Request { return slices.Concat(m.Requests, m.Listed) }

// Lists reports whether a request is one that is not resolved: a script, or a
// Dockerfile's instruction, installs it.
func (m *Manifest) Lists(r Request) bool {
	return slices.ContainsFunc(m.Listed, func(q Request) bool { return q.At == r.At && q.Kind == r.Kind && q.Name == r.Name })
}

// Pinned returns what a manifest asks for of a package, of all kinds: a name
// is any ecosystem's. It is empty if the manifest does not ask for it.
func (m *Manifest) Pinned(name string) []Request {
	return slices.DeleteFunc(m.Asked(), func(r Request) bool {
		if r.Kind == FromImage || r.Kind == Variable { // every letter counts
			return r.Name != name && r.Spec != name
		}
		return r.Name == "" || CanonicalName(Pip, r.Name) != CanonicalName(Pip, name)
	})
}

// SuggestPin returns the pin of a manifest whose name is nearest to one that it
// does not ask for; empty if none is near.
func (m *Manifest) SuggestPin(name string) string {
	var names []string
	for _, r := range m.Asked() {
		names = append(names, r.Name)
	}
	return nearest(CanonicalName(Pip, name), names)
}

// Reads reports whether the manifest was read from a file, by the name that
// positions give it.
func (m *Manifest) Reads(file string) bool {
	_, ok := m.Source(file)
	return ok
}

// Source is the content of a file that the manifest was read from, by the name
// that positions give it.
func (m *Manifest) Source(name string) ([]byte, bool) {
	for _, s := range m.Sources {
		if s.Name == name {
			return s.Data, true
		}
	}
	return nil, false
}

// With is a manifest that asks for other things, pin by pin.
func (m *Manifest) With(change func(Request) Request) *Manifest {
	other := *m
	other.Requests = slices.Clone(m.Requests)
	for i, r := range other.Requests {
		other.Requests[i] = change(r)
	}
	return &other
}

// Request returns what the manifest asks for under a canonical name, or nil. A
// git requirement whose name the manifest does not tell is found by the
// repository that the wheel was built from.
func (m *Manifest) Request(kind Kind, name, from string) *Request {
	i := slices.IndexFunc(m.Requests, func(r Request) bool { return r.Kind == kind && r.Name == name })
	if i < 0 {
		built, ok := Artifact{From: from}.Git()
		i = slices.IndexFunc(m.Requests, func(r Request) bool {
			return ok && r.Kind == kind && r.Git != nil && r.Name == "" && r.Git.URL == built.URL &&
				r.Git.Subdirectory == built.Subdirectory
		})
	}
	if i < 0 {
		return nil
	}
	return &m.Requests[i]
}

func (m *Manifest) requestsOf(k Kind) []Request {
	return slices.DeleteFunc(slices.Clone(m.Requests), func(r Request) bool { return r.Kind != k })
}

// kinds are those that a lock of the manifest resolves, each on top of those
// before it.
func (m *Manifest) kinds() []Kind {
	if m.Dockerfile.Value != "" {
		return nil
	}
	kinds := []Kind{Deb}
	if len(m.requestsOf(Conda)) > 0 {
		kinds = append(kinds, Conda)
	}
	kinds = append(kinds, Pip)
	if len(m.requestsOf(Npm)) > 0 {
		kinds = append(kinds, Npm)
	}
	return kinds
}

// python says what a kind has to provide a Python for: pip's packages run on
// conda's Python where there are conda pins, else on Debian's. Tools come as
// wheels, so steps need one where the image has none of Debian's.
func (m *Manifest) python(k Kind) Use {
	if m.Extends {
		return "" // the base has one
	}
	conda, pip := len(m.requestsOf(Conda)) > 0, len(m.requestsOf(Pip)) > 0
	switch {
	case k == Deb && pip && !conda || k == Conda && pip:
		return Install
	case k == Deb && (conda || len(m.requestsOf(Npm)) > 0):
		return BuildInput
	}
	return ""
}

// CondaChannels are the names of the channels that conda packages come from, in
// order of priority.
func (m *Manifest) CondaChannels() (names []string) {
	for _, c := range m.Channels {
		if c.Value != "nodefaults" && !slices.Contains(names, c.Value) {
			names = append(names, c.Value)
		}
	}
	if len(names) == 0 {
		return []string{defaultChannel}
	}
	return names
}
