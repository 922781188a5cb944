package pins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Adopt writes what a manifest that was read from repo2docker's files asks for
// as a pins.yaml. Reasons come along; what the files have and a pins.yaml has
// no words for is said in comments.
func Adopt(m *Manifest, base string) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	set(root, "course", text(m.Course))
	if base != "" {
		set(root, "base", text(base))
	}
	set(root, "pins", adoptedPins(m))
	if launch := adoptedLaunch(m); len(launch.Content) > 0 {
		set(root, "launch", launch)
	}
	if downloads := adoptedDownloads(m); len(downloads.Content) > 0 {
		set(root, "downloads", downloads)
	}
	if len(m.Files) > 0 {
		files := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range m.Files {
			set(files, f.Source, text(f.Target))
		}
		set(root, "files", files)
	}
	if m.Copied() {
		set(root, "repo-dir", text(m.RepoDir.Value))
	}
	if len(m.Scripts) > 0 {
		run := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range m.Scripts {
			run.Content = append(run.Content, text(s.Name))
		}
		set(root, "run", run)
	}
	var out bytes.Buffer
	for _, name := range m.PinFiles() {
		fmt.Fprintf(&out, "# adopted from %s\n", strings.TrimPrefix(name, strings.TrimSuffix(m.Dir, "/")+"/"))
	}
	for _, f := range NotAdopted(m) {
		fmt.Fprintf(&out, "# not adopted: %s\n", strings.ReplaceAll(f.Error(), "\n", " "))
	}
	data, err := yaml.Dump(root)
	if err != nil {
		return nil, err
	}
	out.Write(data)
	if _, err := ParseManifest(ManifestName, out.Bytes()); err != nil {
		return nil, fmt.Errorf("the files can't be put together in one %s: %w", ManifestName, err)
	}
	return out.Bytes(), nil
}

// adoptedPins are the pins, by their kinds.
func adoptedPins(m *Manifest) *yaml.Node {
	pinned := &yaml.Node{Kind: yaml.MappingNode}
	if len(m.requestsOf(Conda)) > 0 {
		channels := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, c := range m.CondaChannels() {
			channels.Content = append(channels.Content, text(c))
		}
		set(pinned, "channels", channels)
	}
	for _, k := range []Kind{Conda, Pip, Npm, Deb} { // R can't be locked yet: that is a finding
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, r := range m.requestsOf(k) {
			if !m.conda(r) {
				list.Content = append(list.Content, adopted(r))
			}
		}
		if len(list.Content) > 0 {
			set(pinned, k.Key(), list)
		}
	}
	return pinned
}

// set adds a key to a mapping.
func set(n *yaml.Node, key string, value *yaml.Node) { n.Content = append(n.Content, text(key), value) }

// adoptedLaunch is how the image is started.
func adoptedLaunch(m *Manifest) *yaml.Node {
	launch := &yaml.Node{Kind: yaml.MappingNode}
	if m.Start.Value != "" {
		set(launch, "start", text(m.Start.Value))
	}
	if len(m.Launch.Env) > 0 {
		env := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range slices.Sorted(maps.Keys(m.Launch.Env)) {
			value := text(m.Launch.Env[name])
			value.Style = yaml.DoubleQuotedStyle // ON and 1 are texts here
			set(env, name, value)
		}
		set(launch, "env", env)
	}
	if len(m.Launch.Files) > 0 {
		files := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range m.Launch.Files {
			set(files, f.Path, fileNode(f.Content))
		}
		set(launch, "files", files)
	}
	return launch
}

// fileNode is a file's content: as what its JSON means, else as a text.
func fileNode(content []byte) *yaml.Node {
	var document yaml.Node
	if json.Valid(content) && yaml.Unmarshal(content, &document) == nil && len(document.Content) == 1 {
		blockStyle(document.Content[0])
		return document.Content[0]
	}
	return text(string(content))
}

// blockStyle writes mappings that were JSON as YAML is mostly written.
func blockStyle(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		n.Style = 0
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			c.Style = 0
		}
		blockStyle(c)
	}
}

// adoptedDownloads are the downloads of a course.
func adoptedDownloads(m *Manifest) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, d := range m.Downloads {
		n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		set(n, "url", text(d.URL))
		if d.SHA256 != "" {
			set(n, "sha256", text(d.SHA256))
		}
		set(n, "to", text(d.To))
		list.Content = append(list.Content, n)
	}
	return list
}

// PinFiles are the files that the manifest's pins were read from: its sources
// without its programs.
func (m *Manifest) PinFiles() (names []string) {
	for _, s := range m.Sources {
		program := slices.ContainsFunc(m.Scripts, func(p Script) bool { return p.At.File == s.Name }) ||
			m.Start.At.File == s.Name
		if !program {
			names = append(names, s.Name)
		}
	}
	return names
}

// NotAdopted are the files, keys and lines of a course that Adopt leaves out, each
// with why.
func NotAdopted(m *Manifest) (left Findings) {
	for _, f := range m.Findings {
		if slices.Contains([]string{"unsupported", "ghost", "no-effect", "unknown-key"}, f.Rule) {
			left = append(left, f)
		}
	}
	for _, r := range m.Requests {
		if r.Kind == Npm {
			left.warn(r.At, "npm-scripts", "%s: npm install runs install scripts, and a pin does not: write {pin: …, "+
				"scripts: true} if the package needs its own", r.Spec)
		}
		if len(r.Hashes) > 0 {
			left.warn(r.At, "hashes", "the hashes of %s: not needed, since the lock has a hash for every file", r.Name)
		}
		for _, also := range r.Also {
			left.warn(also.At, "duplicate", "%s: pinned twice: taken only once, from %s", also.Spec, r.At)
		}
		if m.conda(r) {
			left.warn(r.At, "two-ecosystems", "%s is pinned for pip and for conda: only conda's package is taken", r.Spec)
		}
	}
	return left
}

// conda reports whether a request of pip's is met by what conda is asked for.
func (m *Manifest) conda(r Request) bool {
	if r.Over == "" {
		return false
	}
	i := slices.IndexFunc(m.Requests, func(c Request) bool { return c.Kind == Conda && c.Name == r.Over })
	return i >= 0 && strings.HasPrefix(whose(r, m.Requests[i]), "conda's is taken, once")
}

// adopted is a pin as a pins.yaml has it.
func adopted(r Request) *yaml.Node {
	spec := r.Whole()
	if r.Kind == Conda && path.Base(r.At.File) == "runtime.txt" {
		spec = r.MatchSpec()
	}
	if fixed, odd := lenient(spec); r.Kind == Pip && odd != "" {
		spec = fixed
	}
	if r.Kind == Conda && strings.HasSuffix(spec, ".") {
		spec += "*"
	}
	n := text(spec)
	needed := r.Need == Hard || r.Need == Solver
	if r.Why == "" && r.Over == "" && !needed {
		return n
	}
	pin := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{text("pin"), n}}
	if needed {
		pin.Content = append(pin.Content, text("need"), text(string(r.Need)))
	}
	if r.Over != "" {
		pin.Content = append(pin.Content, text("replaces"), text(r.Over))
	}
	if r.Why != "" {
		pin.Content = append(pin.Content, text("why"), text(r.Why))
	}
	return pin
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
