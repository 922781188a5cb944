package steps

import (
	"fmt"
	"slices"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

func wheels(n int, size int64) []pins.Artifact {
	var out []pins.Artifact
	for i := range n {
		out = append(out, pins.Artifact{Pin: pins.New(pins.Pip, fmt.Sprintf("p%d", i), "1"), Size: size})
	}
	return out
}

// dealt is how wheels are dealt out beside some layers.
func dealt(wheels []pins.Artifact, fixed int) []Layer {
	_, layers := Deal(nil, wheels, fixed)
	return layers
}

func TestLayers(t *testing.T) {
	mixed := append(wheels(30, OwnLayer), pins.Artifact{Pin: pins.New(pins.Pip, "small", "1"), Size: OwnLayer - 1})
	if got := len(dealt(mixed, 5)); got != 31 {
		t.Errorf("%d layers for 30 large wheels and a small one", got)
	}
	bumped := slices.Clone(mixed)
	bumped[30].Version, bumped[30].Size = "2", 10
	before, after := dealt(mixed, 5), dealt(bumped, 5)
	for i := range before {
		if before[i].Name != after[i].Name {
			t.Errorf("a bump moved %s to %s", before[i].Name, after[i].Name)
		}
	}
	for _, n := range []int{100, 400, 5000} {
		for _, fixed := range []int{5, 80, 120} {
			if got := len(dealt(wheels(n, 100<<20), fixed)); got > max(MaxLayers-fixed, Buckets) {
				t.Errorf("%d wheels on %d layers make %d", n, fixed, got)
			}
		}
	}
	if got := len(dealt(wheels(400, 1), 5)); got != Buckets {
		t.Errorf("400 small wheels make %d layers", got)
	}
}

// What conda's Python runs on has layers of its own, since pip's layers lie on
// them; packages for every platform are compiled by it, so they come after.
func TestCondaLayers(t *testing.T) {
	conda := func(name, subdir string, size int64, by ...string) pins.Artifact {
		return pins.Artifact{Pin: pins.New(pins.Conda, name, "1"), File: "c/" + subdir + "/" + name + "-1-0.conda",
			Size: size, By: by}
	}
	layers, _ := Deal([]pins.Artifact{
		conda("python", "linux-64", OwnLayer, "numpy", "idna"), conda("openssl", "linux-64", OwnLayer, "python"),
		conda("zlib", "linux-64", 1, "openssl"),
		conda("tzdata", "noarch", 1, "python"), conda("numpy", "linux-64", OwnLayer), conda("idna", "noarch", 1),
		conda("r-base", "linux-64", OwnLayer),
	}, nil, 5)
	var got []string
	for _, l := range layers {
		got = append(got, fmt.Sprintf("%s %t", l.Title(), l.Python))
	}
	want := []string{"conda: numpy 1 false", "conda: openssl 1 true", "conda: python 1 true", "conda: r-base 1 false",
		"conda: tzdata 1 false", "conda: idna 1 false", "conda: zlib 1 true"}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !(Ground{Conda: layers}).OnCondaPython() {
		t.Error("conda's Python was not seen")
	}
}
