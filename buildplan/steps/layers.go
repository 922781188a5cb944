package steps

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

const (
	OwnLayer  = 512 << 10 // bytes from which a wheel has a layer of its own
	Buckets   = 24        // layers that smaller packages of a kind share
	MaxLayers = 110       // that an image should have; overlayfs ends at 127
)

// A Layer is a layer of the image that holds one package, or a bucket of small
// ones of one kind.
type Layer struct {
	Name     string
	Packages []pins.Artifact `json:"Wheels"`     // another JSON name were another plan
	Python   bool            `json:",omitempty"` // conda's Python, or what it runs on
}

// A Wheel is one that is built, and what it is built from and with.
type Wheel struct {
	pins.Artifact
	Source    *pins.Artifact  // the source distribution; nil for git
	Requested string          // the revision that the manifest names, for direct_url.json
	Needs     []pins.Artifact // build requirements
	Tree      string          `json:"-"` // sha256 of an archive of the commit's files; the commit decides it
}

// SourceFile is the name of the source distribution that the wheel is built from;
// empty for git.
func (w Wheel) SourceFile() string {
	if w.Source == nil {
		return ""
	}
	return w.Source.File
}

// Title says what a layer holds.
func (l Layer) Title() string {
	names := make([]string, len(l.Packages))
	for i, a := range l.Packages {
		names[i] = a.Name + " " + a.Version
	}
	return string(l.Packages[0].Kind) + ": " + strings.Join(names, ", ")
}

// Deal deals conda's packages and wheels out to layers: small ones to buckets,
// and as many more as keeps the image, which has fixed layers besides, below
// maxLayers.
func Deal(conda, wheels []pins.Artifact, fixed int) (condaLayers, wheelLayers []Layer) {
	runtime := pythonRuntime(conda)
	for threshold := int64(OwnLayer); ; threshold *= 2 {
		condaLayers, wheelLayers = layers(conda, threshold, runtime), layers(wheels, threshold, nil)
		if n := len(condaLayers) + len(wheelLayers); fixed+n <= MaxLayers || threshold > 1<<40 {
			return condaLayers, wheelLayers
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
			needed := a.Name == CondaPython || slices.ContainsFunc(a.By, func(by string) bool { return runtime[by] })
			if needed && !runtime[a.Name] && !a.Noarch() {
				runtime[a.Name], grown = true, true
			}
		}
	}
	return runtime
}

// CondaPython is conda's package of Python.
const CondaPython = "python"

func bucket(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name)) // a hash's Write returns no error
	return h.Sum32() % Buckets
}
