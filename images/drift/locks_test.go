package drift_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// aLock is a lock of packages, each KIND NAME VERSION PLATFORM FILE HASH.
func aLock(base string, platforms string, packages ...string) *pins.Lock {
	l := &pins.Lock{Course: "c", Base: "sha256:" + strings.Repeat(base, 64), Platforms: strings.Fields(platforms)}
	for _, p := range packages {
		f := strings.Fields(p)
		l.Artifacts = append(l.Artifacts, pins.Artifact{Pin: pins.New(pins.Kind(f[0]), f[1], f[2]), Platform: f[3], File: f[4],
			SHA256: strings.Repeat(f[5], 64), Size: 1, Use: pins.Install})
	}
	return l
}

// What two locks say besides the versions on their first platform is drift too.
func TestBetweenLocks(t *testing.T) {
	const amd, arm = "linux/amd64", "linux/arm64"
	a := aLock("0", amd+" "+arm, "pip idna 3.4 "+amd+" a.whl a", "pip idna 3.4 "+arm+" a.whl a", "deb tree 1 "+amd+" pool/x.deb b")
	for name, c := range map[string]struct {
		b    *pins.Lock
		want []string
	}{
		"the same": {aLock("0", amd+" "+arm, "pip idna 3.4 "+amd+" a.whl a", "pip idna 3.4 "+arm+" a.whl a",
			"deb tree 1 "+amd+" pool/x.deb b"), nil},
		"another base": {aLock("1", amd+" "+arm, "pip idna 3.4 "+amd+" a.whl a", "pip idna 3.4 "+arm+" a.whl a",
			"deb tree 1 "+amd+" pool/x.deb b"), []string{"setting base"}},
		"a file elsewhere": {aLock("0", amd+" "+arm, "pip idna 3.4 "+amd+" a.whl a", "pip idna 3.4 "+arm+" a.whl a",
			"deb tree 1 "+amd+" other/x.deb b"), nil},
		"another file": {aLock("0", amd+" "+arm, "pip idna 3.4 "+amd+" a.whl a", "pip idna 3.4 "+arm+" a.whl c",
			"deb tree 1 "+amd+" pool/x.deb b"), []string{"setting file of pip idna 3.4 on linux/arm64"}},
		"the other platform": {aLock("0", amd+" "+arm, "pip idna 3.4 "+amd+" a.whl a", "pip idna 3.6 "+arm+" a.whl d",
			"deb tree 1 "+amd+" pool/x.deb b"), []string{"idna 3.4 3.6 linux/arm64"}},
		"one platform, which was the second": {aLock("0", arm, "pip idna 3.6 "+arm+" a.whl d"),
			[]string{"idna 3.4 3.6 ", "setting platforms"}},
	} {
		d := drift.BetweenLocks("a", "b", drift.Reason{Lock: a}, drift.Reason{Lock: c.b})
		var got []string
		for _, p := range d.Packages {
			got = append(got, fmt.Sprintf("%s %s %s %s", p.Name, *p.A, *p.B, p.Platform))
		}
		if alone := drift.CompareLocks(a, c.b); len(alone) != len(got) {
			t.Errorf("%s: lock and bump show %d changes, drift %d", name, len(alone), len(got))
		}
		for _, s := range d.Config {
			got = append(got, "setting "+s.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// dpkg records no licences, so what moves to pip has no other one; and sizes that are not told are not counted.
func TestAboutOfChanges(t *testing.T) {
	at := func(kind pins.Kind, name, version string, about installed.About) installed.Package {
		return installed.Package{Pin: pins.New(kind, name, version), About: about}
	}
	changes := drift.Compare(
		[]installed.Package{at(pins.Deb, "python3-idna", "1", installed.About{Size: 5}),
			at(pins.Pip, "six", "1", installed.About{Size: 10, License: "MIT"}), at(pins.Pip, "gone", "1", installed.About{Size: 7})},
		[]installed.Package{at(pins.Deb, "python3-idna", "2", installed.About{Size: 9, License: "MIT"}),
			at(pins.Pip, "six", "2", installed.About{Size: 30, License: "GPL-3.0"}), at(pins.Npm, "x", "1", installed.About{})})
	d := drift.New("a", "b", changes, nil)
	if diff := cmp.Diff(&drift.Sizes{More: 24, Less: 7, Unknown: 1}, d.Summary.Sizes); diff != "" || d.Summary.Licenses != 1 {
		t.Errorf("%d licences, sizes (-want +got):\n%s", d.Summary.Licenses, diff)
	}
}
