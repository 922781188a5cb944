package drift_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
)

// Of some inventories that is left which all of them can tell; of two as of three.
func TestMask(t *testing.T) {
	at := func(kind pins.Kind, name, where, commit string) installed.Package {
		p := pkg(kind, name, "1", where)
		p.Commit = commit
		return p
	}
	image := drift.Inventory{Name: "image", Knows: drift.OfImage, Packages: []installed.Package{
		at(pins.Deb, "libc6", "", ""), at(pins.Deb, "git", "", ""), at(pins.Pip, "a", "/opt/env", "c0ffee"),
		at(pins.Pip, "a", "/usr", ""), at(pins.LabExtension, "l", "/opt/env", "")}}
	lock := drift.Inventory{Name: "lock", Knows: drift.OfLock,
		Packages: []installed.Package{at(pins.Deb, "git", "", ""), at(pins.Pip, "a", "/opt/env", "c0ffee")}}
	empty := drift.Inventory{Name: "empty lock", Knows: drift.OfLock}
	sbom := drift.Inventory{Name: "sbom", Knows: drift.Knowledge{Kinds: drift.Locked},
		Packages: []installed.Package{at(pins.Deb, "libc6", "", ""), at(pins.Pip, "a", "", "")}}
	for name, test := range map[string]struct {
		list []drift.Inventory
		want []string // of each, its packages
	}{
		"an image": {[]drift.Inventory{image}, []string{"libc6 git a:/opt/env@c0ffee a:/usr l:/opt/env"}},
		"an image and a lock": {[]drift.Inventory{image, lock}, []string{"git a:/opt/env@c0ffee a:/usr",
			"git a:/opt/env@c0ffee"}},
		"a lock and an image": {[]drift.Inventory{lock, image}, []string{"git a:/opt/env@c0ffee",
			"git a:/opt/env@c0ffee a:/usr"}},
		"an image and an empty lock": {[]drift.Inventory{image, empty}, []string{"a:/opt/env@c0ffee a:/usr", ""}},
		"two locks": {[]drift.Inventory{lock, lock}, []string{"git a:/opt/env@c0ffee",
			"git a:/opt/env@c0ffee"}},
		"an image and an SBOM": {[]drift.Inventory{image, sbom}, []string{"git libc6 a", "libc6 a"}},
		"an image, lock, SBOM": {[]drift.Inventory{image, lock, sbom}, []string{"git a", "git a", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(test.list[0].Packages)
			for i, v := range drift.Mask(test.list) {
				var got []string
				for _, p := range v.Packages {
					text := p.Name
					if p.Where != "" {
						text += ":" + p.Where
					}
					if p.Commit != "" {
						text += "@" + p.Commit
					}
					got = append(got, text)
				}
				if strings.Join(got, " ") != test.want[i] {
					t.Errorf("%s: got %v, want %s", v.Name, got, test.want[i])
				}
			}
			if len(test.list[0].Packages) != before {
				t.Error("what is masked was changed")
			}
		})
	}
}
