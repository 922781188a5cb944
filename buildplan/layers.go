package buildplan

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

const (
	ownLayer  = 512 << 10 // bytes from which a wheel has a layer of its own
	buckets   = 24        // layers that smaller packages of a kind share
	maxLayers = 110       // that an image should have; overlayfs ends at 127
)

// deal deals packages out to layers: small ones to buckets, and as many more as
// the number of layers wants.
func (p *Plan) deal(conda, wheels []pins.Artifact, fixed int) {
	runtime := pythonRuntime(conda)
	for threshold := int64(ownLayer); ; threshold *= 2 {
		p.Conda, p.Layers = layers(conda, threshold, runtime), layers(wheels, threshold, nil)
		n := len(p.Conda) + len(p.Layers)
		if fixed+n <= maxLayers || threshold > 1<<40 {
			return
		}
	}
}

// layers deals packages of one kind out to layers. Which bucket a package falls
// into hangs on its name alone, so it is the same after a bump and in every
// course. What conda's Python runs on has buckets of its own.
func layers(packages []pins.Artifact, threshold int64, runtime map[string]bool) []Layer {
	byName := map[string]*Layer{}
	for _, a := range packages {
		name, python := a.Name, runtime[a.Name]
		if a.Size < threshold {
			name = fmt.Sprintf("small packages %02d", bucket(a.Name))
			if python {
				name = "small packages of Python"
			}
		}
		if byName[name] == nil {
			byName[name] = &Layer{Name: name, Python: python}
		}
		byName[name].Packages = append(byName[name].Packages, a)
	}
	out := make([]Layer, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out
}

// pythonRuntime names the packages that conda's Python needs to run: itself and
// what it requires. Packages for every platform are not among them: they hold no
// programs.
func pythonRuntime(conda []pins.Artifact) map[string]bool {
	runtime := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for _, a := range conda {
			needed := a.Name == condaPython || slices.ContainsFunc(a.By, func(by string) bool { return runtime[by] })
			if needed && !runtime[a.Name] && !a.Noarch() {
				runtime[a.Name], grown = true, true
			}
		}
	}
	return runtime
}

// condaPython is conda's package of Python.
const condaPython = "python"

// condaPython reports whether the environment's Python is conda's.
func (p *Plan) condaPython() bool {
	return slices.ContainsFunc(p.Conda, func(l Layer) bool { return l.Python })
}

func bucket(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name)) // a hash's Write returns no error
	return h.Sum32() % buckets
}

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
	for kind, layers := range map[string][]Layer{"conda": p.Conda, "pip": p.Layers} {
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
