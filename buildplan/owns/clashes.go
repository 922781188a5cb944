package owns

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// InEnvironment are the packages that a lock installs into the environment; of
// npm's, which have a folder each, those that others can get in the way of.
func InEnvironment(l *pins.Lock, platform string) []pins.Artifact {
	return slices.DeleteFunc(l.Installed(platform), func(a pins.Artifact) bool {
		return a.Kind != pins.Pip && a.Kind != pins.Conda && !topNpm(a)
	})
}

// A pair are two packages, by their places in a list.
type pair struct{ a, b int }

// clashes finds the paths that two packages both own with different bytes, or
// that are a file of one and a folder of the other.
func clashes(owned []map[string]string) map[pair][]string {
	first := map[string]int{}
	found := map[pair][]string{}
	add := func(i, j int, p string) {
		k := pair{min(i, j), max(i, j)}
		if !slices.Contains(found[k], p) {
			found[k] = append(found[k], p)
		}
	}
	for i := range owned {
		for p, sum := range owned[i] {
			if j, ok := first[p]; !ok {
				first[p] = i
			} else if owned[j][p] != sum {
				add(j, i, p)
			}
		}
	}
	for i := range owned {
		for p := range owned[i] {
			for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
				if j, ok := first[dir]; ok && i != j {
					add(i, j, dir)
				}
			}
		}
	}
	return found
}

// Clashes finds the paths that several packages own, with different bytes, but
// for what the manifest allows; owned are those of packages, in their order.
// Each pair of packages is a finding, at the pin that brings the first.
func Clashes(m *pins.Manifest, l *pins.Lock, packages []pins.Artifact, owned []map[string]string) pins.Findings {
	found := clashes(owned)
	maps.DeleteFunc(found, func(k pair, paths []string) bool {
		if packages[k.a].Use == pins.Held { // two of the base: its own affair
			return true
		}
		replaced := replaces(m, packages[k.a], packages[k.b]) || replaces(m, packages[k.b], packages[k.a])
		found[k] = slices.DeleteFunc(paths, func(p string) bool {
			return m.MayOverlap(p) || replaced &&
				(strings.HasPrefix(p, "site-packages/") || strings.HasPrefix(p, "bin/"))
		})
		return len(found[k]) == 0
	})
	var out pins.Findings
	for _, k := range slices.SortedFunc(maps.Keys(found), func(x, y pair) int { return cmp.Or(x.a-y.a, x.b-y.b) }) {
		a, b, paths := packages[k.a], packages[k.b], found[k]
		slices.Sort(paths)
		f := pins.Finding{Position: pins.Position{File: m.Sources[0].Name}, Rule: "overlap"}
		if chain, _ := pins.Why(m, l, a.Kind, a.Name); len(chain) > 0 && chain[0].Request != nil {
			f.Position = chain[0].Request.At
		}
		more := ""
		if len(paths) > 3 {
			paths, more = paths[:3], fmt.Sprintf(" and %d more", len(paths)-3)
		}
		one, other := a.Name+" "+a.Version, b.Name+" "+b.Version
		if a.Kind != b.Kind {
			one, other = string(a.Kind)+"'s "+one, string(b.Kind)+"'s "+other
		}
		if b.Use == pins.Held {
			other += ", of the base image,"
		}
		f.Message = fmt.Sprintf("%s and %s both own %s%s, with different bytes, and only one of the two files is "+
			"installed; if that does no harm, list the path under overlaps:",
			one, other, strings.Join(paths, ", "), more)
		f.Subject = fmt.Sprintf("%s %s, %s %s: %s", a.Kind, a.Name, b.Kind, b.Name, strings.Join(paths, ", "))
		out = append(out, f)
	}
	return out
}

// replaces reports whether a pip pin stands for what a conda package brings.
func replaces(m *pins.Manifest, a, b pins.Artifact) bool {
	if a.Over != "" && b.Kind == pins.Conda && a.Over == b.Name {
		return true
	}
	r := m.Request(a.Kind, a.Name, a.From)
	return r != nil && b.Kind == pins.Conda && (r.Replaces == b.Name || r.Over == b.Name)
}
