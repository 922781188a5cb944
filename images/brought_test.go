package images_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// debs is a dpkg status with some packages, NAME VERSION each.
func debs(packages ...string) node {
	var b strings.Builder
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n\n", name, version)
	}
	return node{"var/lib/dpkg/status", b.String()}
}

func gone(name, version string) node {
	return node{site + ".wh." + name + "-" + version + ".dist-info", ""}
}

// opened opens an image of some layers.
func opened(t *testing.T, layers ...[]node) *images.Image {
	t.Helper()
	img, err := images.Open(t.Context(), saved(t, image(t, layers...)), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// locked is a lock of Python packages, NAME VERSION each.
func locked(packages ...string) *pins.Lock {
	l := &pins.Lock{Course: "c", Platforms: []string{"linux/amd64"}}
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		l.Artifacts = append(l.Artifacts, pins.Artifact{Pin: pins.New(pins.Pip, name, version), Platform: "linux/amd64",
			File: name + ".whl", Use: pins.Install, Roots: []pins.Root{pins.PinRoot}})
	}
	return l
}

func named(all []pins.Pin) string {
	var out []string
	for _, p := range all {
		out = append(out, strings.TrimSpace(fmt.Sprint(p.Kind, " ", p.Name, " ", p.Version, " ", p.Where)))
	}
	return strings.Join(out, ", ")
}

// What a script's layer says of packages: what came, what replaced another, and what is
// gone; of Debian's, what the base has not.
func TestBrought(t *testing.T) {
	base := opened(t, []node{debs("bash 1", "curl 2")})
	for name, test := range map[string]struct {
		layer         []node
		came, removed string
	}{
		"nothing":   {[]node{{"home/x", "y"}}, "", ""},
		"came":      {[]node{dist("six", "1.16.0")}, "pip six 1.16.0 /opt/env", ""},
		"replaced":  {[]node{gone("idna", "3.3"), dist("idna", "3.4")}, "pip idna 3.4 /opt/env", ""},
		"removed":   {[]node{gone("idna", "3.3")}, "", "pip idna 3.3 /opt/env"},
		"the same":  {[]node{dist("idna", "3.3")}, "", ""},
		"no record": {[]node{gone("idna_other", "3.3"), gone("idna", "3.2")}, "", ""},
		"Debian's":  {[]node{debs("bash 1", "curl 3", "tree 4")}, "deb curl 3, deb tree 4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			came, removed, err := images.Brought(t.Context(), opened(t, test.layer), base, locked("idna 3.3", "pip 1"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.came, test.removed}, []string{named(came), named(removed)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Of what scripts brought, what the image does not hold came in another stage; what it
// holds besides is the last script's.
func TestSettle(t *testing.T) {
	at := func(name, version string) pins.Pin {
		p := pins.New(pins.Pip, name, version)
		p.Where = pins.Env
		return p
	}
	l := locked()
	l.Recordings = []pins.Recording{{Script: "a", Brought: []pins.Pin{at("here", "1"), at("elsewhere", "1")}},
		{Script: "b", Brought: []pins.Pin{at("here", "1")}}}
	added := opened(t, []node{dist("here", "1"), dist("copied", "2"), debs("bash 1", "tree 4")})
	if err := images.Settle(t.Context(), added, opened(t, []node{debs("bash 1")}), l); err != nil {
		t.Fatal(err)
	}
	want := []string{"pip here 1 /opt/env", "deb tree 4, pip copied 2 /opt/env"}
	if diff := cmp.Diff(want, []string{named(l.Recordings[0].Brought), named(l.Recordings[1].Brought)}); diff != "" {
		t.Error(diff)
	}
}

func TestVarying(t *testing.T) {
	a := opened(t, []node{{"same", "x"}, {"other", "x"}, {"gone", "x"}, {"link", "->x"}})
	b := opened(t, []node{{"same", "x"}, {"other", "y"}, {"new", "x"}, {"link", "->y"}})
	got, err := images.Varying(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/gone", "/link", "/new", "/other"}, got); diff != "" {
		t.Error(diff)
	}
}
