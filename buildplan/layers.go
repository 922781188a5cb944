package buildplan

import (
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
)

// layers are the layers of packages, by name, with what is in each.
func (p *Plan) layers() map[string]string {
	found := map[string]string{}
	add := func(name string, artifacts []pins.Artifact) {
		var sums []string
		for _, a := range artifacts {
			sums = append(sums, a.SHA256)
		}
		if len(sums) > 0 {
			found[name] = strings.Join(sums, " ")
		}
	}
	add("python", p.Python)
	add("apt", p.Apt)
	add("npm", p.Npm)
	for kind, layers := range map[string][]steps.Layer{"conda": p.Conda, "pip": p.Layers} {
		for _, l := range layers {
			add(kind+" "+l.Name, l.Packages)
		}
	}
	return found
}

// Rebuilt returns the names of the layers of packages that are not as in
// another plan, and how many there are in all.
func (p *Plan) Rebuilt(other *Plan) (names []string, all int) {
	before, after := other.layers(), p.layers()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	return names, len(after)
}
