package pins

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Edit returns a file with one of its requests asking for another version, or
// another commit, branch or tag of git. Nothing but the version's bytes changes: a
// request without a version gets one, and in place of a range comes the one
// version. What goes with a version goes with it: see Request.Loses. It is an
// error if the request can't be found where it says, or can't be read again
// afterwards.
func Edit(source []byte, r Request, version string) ([]byte, error) {
	text, err := decode(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.At, err)
	}
	edited, err := r.edit(text, version)
	if err != nil {
		return nil, err
	}
	return recode(edited, source), nil
}

// edit is Edit for a file's characters.
func (r Request) edit(text, version string) (string, error) {
	if r.Kind == FromImage && version == r.Version {
		return text, nil // it is the image that is another by now
	}
	if r.Where.At.File != "" {
		return r.editWhere(text, version)
	}
	if specHead[r.Kind] == nil || r.Kind == FromImage && strings.HasPrefix(r.Spec, LayoutPrefix) {
		return "", fmt.Errorf("%s: %s has no version there that could be changed: edit the line by hand", r.At, r.Title())
	}
	start, err := offset(text, r.At, r.Spec)
	if err != nil {
		return "", err
	}
	from, to, instead := r.replace(version)
	spec := r.Spec[:from] + instead + r.Spec[to:]
	again, err := r.parseAgain(spec)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.At, err)
	}
	if got := again.asksFor(); got != version {
		return "", fmt.Errorf("%s: %q can't be changed to version %s: edit the pin by hand", r.At, r.Spec, version)
	}
	rest := text[start+len(r.Spec):]
	if len(r.Hashes) > 0 {
		rest = rest[len(hashOptions.FindString(rest)):]
	}
	return text[:start] + spec + rest, nil
}

// hashOptions are the --hash options behind a requirement, on lines of their own
// or not.
var hashOptions = regexp.MustCompile(`^(?:(?:[ \t]|\\\r?\n)+--hash(?:=|[ \t]+)\S+)+`)

// Loses says what a request does not ask for any more once it asks for another
// version: a build, or hashes, which are of the version that goes. It is empty if
// there is nothing of that.
func (r Request) Loses() string {
	switch {
	case r.Kind == Conda && r.Build != "" && r.Build != "*":
		return "build " + r.Build
	case len(r.Hashes) > 0:
		return "--hash"
	}
	return ""
}

// editWhere edits a version that stands apart from the name.
func (r Request) editWhere(text, version string) (string, error) {
	words := version
	if r.Git == nil {
		words = "==" + version
		if i := strings.Index(r.Where.Value, r.Version); r.Version != "" && i >= 0 && exactly(r.Where.Value[:i]) {
			words = r.Where.Value[:i] + version + r.Where.Value[i+len(r.Version):]
		}
	}
	switch r.Kind {
	case R, Variable:
		words = version
	case Deb: // of a Dockerfile's RUN
		words = r.Name + "=" + version
	case FromImage:
		words = imageWith(r, version)
	}
	type edit struct {
		Text
		words string
	}
	edits := []edit{{r.Where, words}}
	if r.WhereBuild.At.File != "" {
		edits = append(edits, edit{r.WhereBuild, "*"})
	}
	slices.SortFunc(edits, func(a, b edit) int { // from the last, so that none moves another
		return cmp.Or(cmp.Compare(b.At.Line, a.At.Line), cmp.Compare(b.At.Column, a.At.Column))
	})
	edited := text
	for _, e := range edits {
		start, err := offset(edited, e.At, e.Value)
		if err != nil {
			return "", err
		}
		edited = edited[:start] + e.words + edited[start+len(e.Value):]
	}
	for _, again := range ReadAlone(r.At.File, []byte(edited)) {
		if again.Kind == r.Kind && again.Name == r.Name && again.At.Line == r.At.Line && again.asksFor() == version {
			return edited, nil
		}
	}
	return "", fmt.Errorf("%s: %q can't be changed to version %s: edit the pin by hand", r.At, r.Where.Value, version)
}

// imageWith is what names an image of another version, in the place of what a Dockerfile
// has: the whole reference, or the tag alone.
func imageWith(r Request, version string) string {
	switch value := r.Where.Value; {
	case value == r.Spec || strings.HasPrefix(value, r.Name+":") || value == r.Name:
		return r.Name + ":" + version
	case r.Version != "":
		return strings.TrimSuffix(value, r.Version) + version
	default:
		return value + ":" + version
	}
}

// offset is where some words begin in a file.
func offset(text string, at Position, words string) (int, error) {
	start := 0
	for range at.Line - 1 {
		i := strings.IndexByte(text[start:], '\n')
		if i < 0 {
			return 0, fmt.Errorf("%s: the file no longer has this line: run the command again", at)
		}
		start += i + 1
	}
	line, _, _ := strings.Cut(text[start:], "\n")
	column := min(max(at.Column-1, 0), len(line))
	i := strings.Index(line[column:], words)
	if i < 0 {
		return 0, fmt.Errorf("%s: %q is not written there in one piece: edit the line by hand", at, words)
	}
	return start + column + i, nil
}

// asksFor is the one version, or the git reference, that a request asks for.
func (r Request) asksFor() string {
	if r.Git != nil {
		return r.Git.Ref
	}
	return r.Version
}

func (r Request) parseAgain(spec string) (Request, error) {
	switch r.Kind {
	case Conda:
		return ParseConda(spec)
	case Deb:
		return ParseApt(spec)
	case Npm:
		return ParseNpm(spec)
	case FromImage:
		return ParseImage(spec)
	}
	fixed, _ := lenient(spec)
	return ParsePip(fixed)
}

var (
	gitAt    = regexp.MustCompile(`^(.*?://[^/]*/[^@#]*)(@[^#]*)?`)
	specHead = map[Kind]*regexp.Regexp{Pip: regexp.MustCompile(`^\s*[A-Za-z0-9._-]+\s*(?:\[[^\]]*\])?`),
		Conda: regexp.MustCompile(`^\s*(?:[^ =<>!~\[]+::)?[^ =<>!~\[]+`), Deb: regexp.MustCompile(`^[^=]+`),
		Npm: regexp.MustCompile(`^@?[^@]+`), FromImage: regexp.MustCompile(`^[^@]+`)}
	operatorBlank = regexp.MustCompile(`^\s*(?:\[\s*version\s*=\s*["']?)?[@v=\s(]*`)
)

// replace says which bytes of a request's words become what.
func (r Request) replace(version string) (from, to int, text string) {
	if r.Git != nil {
		m := gitAt.FindStringSubmatchIndex(r.Spec)
		if m == nil {
			return 0, 0, ""
		}
		if m[4] >= 0 {
			return m[4] + 1, m[5], version
		}
		return m[3], m[3], "@" + version
	}
	if r.Kind == Conda && (r.Build != "" || strings.Contains(r.Spec, "[") && r.Version == "") {
		text = r.Name + "==" + version
		if r.Channel != "" {
			text = r.Channel + "::" + text
		}
		return 0, len(r.Spec), text
	}
	if r.Kind == FromImage {
		return len(r.Name), len(r.Spec), ":" + version
	}
	head := len(specHead[r.Kind].FindString(r.Spec))
	if r.Version != "" {
		if i := strings.Index(r.Spec[head:], r.Version); i >= 0 && exactly(r.Spec[head:head+i]) {
			return head + i, head + i + len(r.Version), version
		}
	}
	equals := "=="
	switch r.Kind {
	case Deb:
		equals = "="
	case Npm:
		equals = "@"
	}
	end := len(r.Spec)
	if i := strings.IndexAny(r.Spec[head:], ";["); i >= 0 {
		end = head + i
	}
	end = head + len(strings.TrimRight(r.Spec[head:end], " \t"))
	return len(strings.TrimRight(r.Spec[:head], " \t")), end, equals + version
}

// exactly reports whether what stands between a name and its version says
// that it is that version.
func exactly(between string) bool { return operatorBlank.FindString(between) == between }

// A Bump asks for another version of a pin.
type Bump struct {
	Request Request
	Version string
}

// written is where the version of a request is written.
func (r Request) written() Position {
	if r.Where.At.File != "" {
		return r.Where.At
	}
	return r.At
}

// EditAll returns the files of a course that bumps change, by the names that
// positions give them, with nothing changed but the versions.
func (m *Manifest) EditAll(bumps []Bump) (map[string][]byte, error) {
	for _, b := range bumps {
		for _, also := range b.Request.Also {
			if also.asksFor() != "" { // a line without a version says no other
				bumps = append(bumps[:len(bumps):len(bumps)], Bump{also, b.Version})
			}
		}
	}
	// From the last to the first, so that an edit moves no other.
	bumps = slices.SortedFunc(slices.Values(bumps), func(a, b Bump) int {
		x, y := a.Request.written(), b.Request.written()
		return cmp.Or(cmp.Compare(x.File, y.File), y.Line-x.Line, y.Column-x.Column)
	})
	edited := map[string][]byte{}
	for i, b := range bumps {
		if i > 0 && b.Request.Where.At.File != "" && b.Request.written() == bumps[i-1].Request.written() {
			if before := bumps[i-1]; before.Version != b.Version {
				return nil, fmt.Errorf("%s: the versions of %s and of %s are written there: they can only be bumped to one",
					b.Request.Where.At, before.Request.Title(), b.Request.Title())
			}
			continue // the text that both hang on is edited
		}
		file := b.Request.At.File
		source, ok := edited[file]
		if !ok {
			if source, ok = m.Source(file); !ok {
				return nil, fmt.Errorf("%s: the file was not read", b.Request.At)
			}
		}
		var err error
		if edited[file], err = Edit(source, b.Request, b.Version); err != nil {
			return nil, err
		}
	}
	return edited, nil
}

// EditDate puts another date in place of an as-of of a file that the manifest
// was read from; edited holds what is edited in it already.
func (m *Manifest) EditDate(old Date, date string, edited map[string][]byte) {
	at := old.At
	source, ok := edited[at.File]
	if !ok {
		source, _ = m.Source(at.File)
	}
	lines := bytes.SplitAfter(source, []byte("\n"))
	line := lines[at.Line-1]
	column := min(max(at.Column-1, 0), len(line))
	lines[at.Line-1] = append(line[:column:column], bytes.Replace(line[column:], []byte(old.Text), []byte(date), 1)...)
	edited[at.File] = bytes.Join(lines, nil)
}
