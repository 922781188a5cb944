package pins

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Bump asks for another version of a pin.
type Bump struct {
	Request Request
	Version string
}

// Pinned returns what a manifest asks for of a package, of all kinds: a name
// is any ecosystem's. It is empty if the manifest does not ask for it.
func (m *Manifest) Pinned(name string) []Request {
	return slices.DeleteFunc(slices.Clone(m.Requests), func(r Request) bool {
		return r.Name == "" || CanonicalName(Pip, r.Name) != CanonicalName(Pip, name)
	})
}

// SuggestPin returns the pin of a manifest whose name is nearest to one that it
// does not ask for; empty if none is near.
func (m *Manifest) SuggestPin(name string) string {
	var names []string
	for _, r := range m.Requests {
		names = append(names, r.Name)
	}
	return nearest(CanonicalName(Pip, name), names)
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
		return cmp.Or(cmp.Compare(a.Request.At.File, b.Request.At.File), b.Request.At.Line-a.Request.At.Line, b.Request.At.Column-a.Request.At.Column)
	})
	edited := map[string][]byte{}
	for _, b := range bumps {
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

// Free is the request with any version.
func (r Request) Free() Request {
	r.Version, r.Constraint, r.Build, r.Hashes = "", "", "", nil
	if r.Kind == Deb {
		r.Spec = r.Name
	}
	return r
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

// Loosened is a manifest in which pins may move: all that ask for one version
// and are not named in keep ask for any; hard ones only if hardToo. An old lock
// then says which are preferred.
func (m *Manifest) Loosened(keep []string, hardToo bool) *Manifest {
	return m.With(func(r Request) Request {
		if r.Need == Hard && !hardToo || r.Version == "" || slices.ContainsFunc(keep, func(n string) bool { return CanonicalName(Pip, n) == CanonicalName(Pip, r.Name) }) {
			return r
		}
		return r.Free()
	})
}

// Within is a manifest in which one request may move up: by any step for
// latest, within its major version for minor, within its minor version for
// patch. apt has no constraints, so its pins go to the latest only.
func (m *Manifest) Within(r Request, step string) (*Manifest, error) {
	if r.Version == "" {
		return nil, fmt.Errorf("%s: %s pins no one version: name the version to take", r.At, r.Spec)
	}
	lowest := r.Version
	if r.Kind == Pip {
		lowest, _, _ = strings.Cut(lowest, "+") // no range names a local version (PEP 440)
	}
	constraint := ">=" + lowest
	n := map[string]int{"minor": 1, "patch": 2}[step]
	if n > 0 {
		and := ","
		if r.Kind == Npm {
			and = " "
		}
		constraint += and + "<" + r.Kind.Scheme().Above(r.Version, n)
	}
	if r.Kind == Deb {
		if n > 0 {
			return nil, fmt.Errorf("%s: apt takes the latest version or the one that is named: --to %s can't be asked of it", r.At, step)
		}
		constraint = ""
	}
	return m.With(func(q Request) Request {
		if q.At != r.At {
			return q
		}
		q = q.Free()
		q.Constraint = constraint
		return q
	}), nil
}

// Below are the lock's artifacts of Debian's and conda's: what pip pins resolve
// on top of.
func (l *Lock) Below() []Artifact {
	return slices.DeleteFunc(slices.Clone(l.Artifacts), func(a Artifact) bool { return a.Kind != Deb && a.Kind != Conda })
}

// Find returns the artifact of a package that a lock installs on a platform. Of
// npm's, which may lie in several places, it is the one that is pinned, or else
// the one at the top.
func (l *Lock) Find(kind Kind, name, platform string) (found Artifact, ok bool) {
	for _, a := range l.Present(platform) {
		if a.Kind == kind && a.Name == CanonicalName(kind, name) && (!ok || a.before(found)) {
			found, ok = a, true
		}
	}
	return found, ok
}

// Has reports whether a lock installs a package on a platform.
func (l *Lock) Has(kind Kind, name, platform string) bool {
	a, ok := l.Find(kind, name, platform)
	return ok && a.Use == Install
}

// before reports whether an artifact is the one that is meant by its name,
// rather than another copy, which lies deeper.
func (a Artifact) before(b Artifact) bool {
	return a.Is(PinRoot) || len(a.File) < len(b.File) && !b.Is(PinRoot)
}
