package bump

import (
	"path"
	"slices"

	"github.com/driftpin/driftpin/pins"
)

// Carry returns the versions that pins of a manifest would take from another
// course, whose lock may be nil: those of the packages that are named, or that a
// sync rule says must be the same, or of all if there is no such rule.
func Carry(from *pins.Manifest, lock *pins.Lock, to *pins.Manifest, names []string) (out []Target) {
	wanted := wantedBy(to, names)
	for _, r := range to.Requests {
		if r.Name == "" || !wanted(r.Name) || r.Version == "" && r.Git == nil && len(names) == 0 {
			continue // a range is somebody's wish: it is given up only by name
		}
		v := VersionIn(from, lock, r)
		if v != "" && v != r.Version && (r.Git != nil || r.Version == "" ||
			r.Kind.Scheme().Compare(v, r.Version) != 0) {
			out = append(out, Target{r.Kind, r.Name, v})
		}
	}
	return out
}

// wantedBy tells the names of packages that are to be carried to a manifest.
func wantedBy(m *pins.Manifest, names []string) func(string) bool {
	if len(names) > 0 {
		return func(name string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return samePackage(n, name) })
		}
	}
	var patterns []string
	for _, rule := range m.Sync.Rules {
		if rule.Rule == "same" {
			patterns = append(patterns, rule.Patterns...)
		}
	}
	return func(name string) bool {
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
			fits, _ := path.Match(p, name) // the pattern has been looked at
			return fits || samePackage(p, name)
		})
	}
}

// VersionIn is what a course has of what another asks for: what is locked, else
// what is pinned; of a git requirement the reference. It is empty if the course
// has none that the other could take.
func VersionIn(m *pins.Manifest, lock *pins.Lock, r pins.Request) string {
	q := m.Request(r.Kind, r.Name, "")
	switch {
	case r.Git != nil:
		if q != nil && q.Git != nil && q.Git.URL == r.Git.URL && q.Git.Ref != r.Git.Ref {
			return q.Git.Ref
		}
		return ""
	case lock != nil:
		a, _ := lock.Find(r.Kind, r.Name, lock.Platforms[0])
		if a.Commit != "" {
			return ""
		}
		return a.Version
	case q != nil:
		return q.Version
	}
	return ""
}
