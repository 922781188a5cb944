package pins

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An Addition is a pin that a course is to ask for too.
type Addition struct {
	Request
	File string // that it goes into, as positions name it
}

// ParseAddition reads a pin as a person names it: [KIND:]SPEC, a kind being pip, conda,
// apt or npm; without one it is pip's.
func ParseAddition(text string) (Request, error) {
	kind, spec, named := strings.Cut(text, ":")
	switch {
	case named && kind == Conda.Key():
		return ParseConda(spec)
	case named && kind == Deb.Key():
		return ParseApt(spec)
	case named && kind == Npm.Key():
		return ParseNpm(spec)
	case named && kind == Pip.Key():
		return ParsePip(spec)
	}
	return ParsePip(text)
}

// Place is the addition of a pin to a course: to the file that has pins of its kind
// already, the last of them, else to the pins.yaml, or to the file that repo2docker reads
// for that. It is an error if there is none, or none that pins can be added to.
func (m *Manifest) Place(r Request) (Addition, error) {
	own := func(file string) bool { return path.Dir(file) == path.Clean(strings.ReplaceAll(m.Dir, "\\", "/")) }
	if m.Dockerfile.Value != "" {
		return Addition{}, fmt.Errorf("%s: the course is built by its Dockerfile: write the pin where that installs it",
			m.Dockerfile.At)
	}
	for _, q := range m.Requests {
		if r.Name != "" && q.Kind == r.Kind && q.Name == r.Name {
			return Addition{}, fmt.Errorf("%s: the course pins %s already: change its version with driftpin bump %s %s", q.At,
				q.Title(), m.Dir, q.Name)
		}
	}
	for _, q := range slices.Backward(m.Requests) {
		if q.Kind == r.Kind && own(q.At.File) && canAdd(q.At.File) && m.Reads(q.At.File) {
			return Addition{r, q.At.File}, nil
		}
	}
	names := map[Kind][]string{Pip: {ManifestName, "environment.yml", "requirements.txt"},
		Conda: {ManifestName, "environment.yml"}, Deb: {ManifestName, "apt.txt"}, Npm: {ManifestName}}[r.Kind]
	for _, name := range names {
		for _, s := range m.Sources {
			if path.Base(s.Name) == name && own(s.Name) {
				return Addition{r, s.Name}, nil
			}
		}
	}
	return Addition{}, fmt.Errorf("%s: the course has no file that %s pins can be added to: make an empty %s, or a pins.yaml with "+
		"driftpin adopt %s", m.Dir, r.Kind.Key(), names[len(names)-1], m.Dir)
}

// canAdd is whether a file is of a form that lines can be added to.
func canAdd(file string) bool {
	return slices.Contains([]string{".txt", ".yml", ".yaml"}, path.Ext(file))
}

// AddAll adds pins to files of a course; edited holds what is edited in them already. Only
// lines are added, or words within a list on one line.
func (m *Manifest) AddAll(additions []Addition, edited map[string][]byte) error {
	return m.eachFile(edited, len(additions), func(i int) string { return additions[i].File },
		func(text string, i int) (string, error) { return insert(additions[i], text) })
}

// RemoveAll takes pins out of files of a course, with their comments; edited holds what is
// edited in them already.
func (m *Manifest) RemoveAll(requests []Request, edited map[string][]byte) error {
	// From the last to the first, so that none moves another.
	requests = slices.SortedFunc(slices.Values(requests), func(a, b Request) int {
		if a.At.Line != b.At.Line {
			return b.At.Line - a.At.Line
		}
		return b.At.Column - a.At.Column
	})
	return m.eachFile(edited, len(requests), func(i int) string { return requests[i].At.File },
		func(text string, i int) (string, error) { return remove(requests[i], text) })
}

// eachFile edits files of a course, one after the other.
func (m *Manifest) eachFile(edited map[string][]byte, n int, file func(int) string,
	edit func(text string, i int) (string, error)) error {
	for i := range n {
		name := file(i)
		source, ok := edited[name]
		if !ok {
			if source, ok = m.Source(name); !ok {
				return fmt.Errorf("%s: the file was not read", name)
			}
		}
		text, err := decode(source)
		if err == nil {
			text, err = edit(text, i)
		}
		if err != nil {
			return err
		}
		edited[name] = recode(text, source)
	}
	return nil
}

// insert adds a pin to a file's text.
func insert(a Addition, text string) (string, error) {
	if path.Ext(a.File) == ".txt" {
		line := a.Spec
		if a.Why != "" {
			line += "  # " + oneLine(a.Why)
		}
		return withEnd(text) + line + "\n", nil
	}
	doc, wrong := LoadYAML(a.File, []byte(text), maxFileSize)
	if wrong != nil {
		return "", Findings{*wrong}
	}
	e := yamlEditor{a.File, text}
	if path.Base(a.File) == ManifestName {
		return e.addTo(doc, []string{"pins", a.Kind.Key()}, a.item())
	}
	if a.Kind == Pip {
		return e.addToPip(doc, a.Spec)
	}
	return e.addTo(doc, []string{"dependencies"}, yamlText(a.Spec))
}

// item is a pin as an item of a pins.yaml.
func (a Addition) item() string {
	if a.Why == "" && a.Need == "" {
		return yamlText(a.Spec)
	}
	words := "{pin: " + yamlText(a.Spec)
	if a.Need != "" {
		words += ", need: " + string(a.Need)
	}
	if a.Why != "" {
		words += ", why: " + yamlText(a.Why)
	}
	return words + "}"
}

// yamlText is a text as a scalar within a flow collection.
func yamlText(s string) string {
	data, err := yaml.Dump(&yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{text(oneLine(s))}})
	if err != nil {
		return fmt.Sprintf("%q", s)
	}
	words := strings.TrimSpace(string(data))
	return strings.TrimSuffix(strings.TrimPrefix(words, "["), "]")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// withEnd is a text whose last line ends.
func withEnd(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// remove takes a pin out of a file's text.
func remove(r Request, text string) (string, error) {
	if _, err := offset(text, r.At, ""); err != nil {
		return "", err
	}
	e := yamlEditor{r.At.File, text}
	switch ext := path.Ext(r.At.File); {
	case !canAdd(r.At.File):
		return "", fmt.Errorf("%s: %s can't be taken out of a %s: edit the file by hand", r.At, r.Spec, path.Base(r.At.File))
	case ext == ".txt":
		lines := strings.SplitAfter(text, "\n")
		from, to := r.At.Line-1, r.At.Line
		for to < len(lines) && strings.HasSuffix(strings.TrimRight(lines[to-1], "\r\n"), "\\") {
			to++
		}
		return strings.Join(slices.Delete(lines, e.reason(lines, from), to), ""), nil
	}
	doc, wrong := LoadYAML(r.At.File, []byte(text), maxFileSize)
	if wrong != nil {
		return "", Findings{*wrong}
	}
	return e.removeAt(doc, r)
}

// Changes looks whether a manifest asks for what another does, but for what was added and
// removed: an edit that came out otherwise is an error.
func (m *Manifest) Changes(before *Manifest, added, removed []Request) error {
	count := map[string]int{}
	key := func(r Request) string { return string(r.Kind) + " " + r.Name + " " + r.Spec }
	for _, r := range m.Requests {
		count[key(r)]++
	}
	for _, r := range removed {
		count[key(r)]++
	}
	for _, r := range before.Requests {
		count[key(r)]--
	}
	for _, r := range added {
		count[key(r)]--
	}
	for words, n := range count {
		if n != 0 {
			return fmt.Errorf("%s: the files can't be edited so that nothing else changes (%s): edit them by hand", m.Dir, words)
		}
	}
	return nil
}
