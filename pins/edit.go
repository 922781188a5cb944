package pins

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Edit returns a file with one of its requests asking for another version, or
// another commit, branch or tag of git. Nothing but the version's bytes
// changes: a request without a version gets one, and in place of a range comes
// the one version. It is an error if the request can't be found where it says,
// or can't be read again afterwards.
func Edit(source []byte, r Request, version string) ([]byte, error) {
	start, err := offset(source, r)
	if err != nil {
		return nil, err
	}
	from, to, text := r.replace(version)
	edited := r.Spec[:from] + text + r.Spec[to:]
	again, err := r.parseAgain(edited)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.At, err)
	}
	if got := again.asksFor(); got != version {
		return nil, fmt.Errorf("%s: %q can't be made to ask for %s: write it by hand", r.At, r.Spec, version)
	}
	out := bytes.Clone(source[:start])
	out = append(out, edited...)
	return append(out, source[start+len(r.Spec):]...), nil
}

// offset is where a request's words begin in its file.
func offset(source []byte, r Request) (int, error) {
	start := 0
	for range r.At.Line - 1 {
		i := bytes.IndexByte(source[start:], '\n')
		if i < 0 {
			return 0, fmt.Errorf("%s: the file has no such line any more", r.At)
		}
		start += i + 1
	}
	line, _, _ := bytes.Cut(source[start:], []byte("\n"))
	column := min(max(r.At.Column-1, 0), len(line))
	i := bytes.Index(line[column:], []byte(r.Spec))
	if i < 0 {
		return 0, fmt.Errorf("%s: %q does not stand there in one piece: edit it by hand", r.At, r.Spec)
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
	}
	return ParsePip(spec)
}

var (
	gitAt         = regexp.MustCompile(`^(.*?://[^/]*/[^@#]*)(@[^#]*)?`)
	specHead      = map[Kind]*regexp.Regexp{Pip: regexp.MustCompile(`^\s*[A-Za-z0-9._-]+\s*(?:\[[^\]]*\])?`), Conda: regexp.MustCompile(`^\s*(?:[^ =<>!~\[]+::)?[^ =<>!~\[]+`), Deb: regexp.MustCompile(`^[^=]+`), Npm: regexp.MustCompile(`^@?[^@]+`)}
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
