package version_test

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/driftpin/driftpin/pins/version"
)

// The pairs are in ascending order, or equal.
func TestCompareVersions(t *testing.T) {
	for _, test := range []struct {
		kind  version.Scheme
		a, b  string
		want  int
		level version.Level
	}{
		{version.PEP440, "6.2", "6.2.0", 0, version.Build},
		{version.PEP440, "1.0.dev1", "1.0a1", -1, version.Patch},
		{version.PEP440, "1.0rc1", "1.0", -1, version.Patch},
		{version.PEP440, "1.0", "1.0.post1", -1, version.Patch},
		{version.PEP440, "1.9", "1.10", -1, version.Minor},
		{version.PEP440, "3.6.3", "4.0.11", -1, version.Major},
		{version.PEP440, "2022.8.1", "2023.1.1", -1, version.Major},
		{version.PEP440, "2!1.0", "1!3.0", 1, version.Major},
		{version.PEP440, "1.0", "1.0+local", -1, version.Patch},
		{version.PEP440, "v1.0", "1", 0, version.Build},
		{version.Semver, "1.2.3", "1.2.10", -1, version.Patch},
		{version.Semver, "1.2.3-beta.2", "1.2.3-beta.10", -1, version.Patch},
		{version.Semver, "1.2.3", "1.3.0", -1, version.Minor},
		{version.Semver, "1.2.3", "2.0.0-rc.1", -1, version.Major},
		{version.Dpkg, "1:2.39.5-0+deb12u1", "1:2.39.5-0+deb12u2", -1, version.Patch},
		{version.Dpkg, "1.0~rc1-1", "1.0-1", -1, version.Patch},
		{version.Dpkg, "2.36-9", "2.37-1", -1, version.Minor},
		{version.Dpkg, "9.9", "1:0.1", -1, version.Major},
		{version.Parts, "1.0.9", "1.0.10", -1, version.Patch},
		{version.Parts, "1.3-1", "1.3-2", -1, version.Patch},
	} {
		t.Run(fmt.Sprintf("%s %s %s", test.kind, test.a, test.b), func(t *testing.T) {
			if got := test.kind.Compare(test.a, test.b); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if got := test.kind.Compare(test.b, test.a); got != -test.want {
				t.Errorf("reversed: got %d, want %d", got, -test.want)
			}
			if got := test.kind.LevelOf(test.a, test.b); got != test.level {
				t.Errorf("level %s, want %s", got, test.level)
			}
		})
	}
}

// All versions of Python's are in one order, whatever they are written with: the
// order of the packaging library.
func TestOrderOfPEP440(t *testing.T) {
	ordered := []string{"nonsense", "1.dev0", "1.0a1.dev1", "1.0a1.dev1+x", "1.0a1", "1.0a1+x", "1.0a1.post0",
		"1.0a1.post1", "1.0A2", "1.0b1", "1.0c1", "1.0-rc.2", "1", "1.0+X", "1+x.1", "1.0+x.2", "1+1", "1+1.1", "1+2",
		"1.post0.dev1", "1-0", "1.0.post1+a", "1.0.post1+b", "1.1.dev20240101123456789012", "1.1", "2024",
		"18446744073709551616", "300!0", "2024!1.0rc1", "v2024!1.0"}
	for i, a := range ordered {
		for k, b := range ordered {
			if got := version.PEP440.Compare(a, b); got != cmp.Compare(i, k) {
				t.Errorf("%s and %s: got %d", a, b, got)
			}
		}
	}
	for _, same := range [][2]string{{"1.0+ubuntu-1", "1.0+UBUNTU.1"}, {"1RC1", "1.0.preview-1"}, {" 1.0", "1"},
		{"1.0-1", "1.0.rev1"}, {"1.0a", "1.0alpha0"}} {
		if version.PEP440.Compare(same[0], same[1]) != 0 {
			t.Errorf("%s is not %s", same[0], same[1])
		}
	}
}

// Specifiers allow what the packaging library allows by them, with pre-releases.
func TestSatisfiesPEP440(t *testing.T) {
	for _, test := range []struct {
		version, specifiers string
		want                bool
	}{
		{"2.6.0.dev20241112+cu121", "==2.6.0.dev20241112+cpu", false},
		{"2.7.4.post1", "==2.7.4.post1+cu12torch2.6", false},
		{"2.7.4.post1+cu12torch2.6", "==2.7.4.post1", true},
		{"1.0+X", "==1.0+x", true},
		{"1.0a1.post0", "!=1.0a1,>=1.0a0", true},
		{"1RC1", ">=1,>=0rc1", false},
		{"1.7.post1", ">1.7", false},
		{"1.7.dev1", "<1.7,>=1.6a1", false},
		{"1.7+local", ">1.7", false},
		{"1.7+local", "<=1.7", true},
		{"1.10", "==1.1.*", false},
		{"1.1.post3", "==1.1.*", true},
		{"2.2.post3", "~=2.2", true},
		{"3.0", "~=2.2", false},
		{"2.3", "~=2.2.0", false},
		{"20240101", ">300!1.0", false},
		{"1.0", "== 1.0 ,", true},
		{"weird", "===WEIRD", true},
		{"1.0", "===1.0.0", false},
	} {
		if got, err := version.PEP440.Satisfies(test.version, test.specifiers); err != nil || got != test.want {
			t.Errorf("%s of %s: got %t, %v", test.version, test.specifiers, got, err)
		}
	}
	for _, bad := range []string{"==1.0.post1.*", "==1.0+x.*", "==1.0a1.*", ">=1.*", "~=1", ">=1.7+local", "==", "=1",
		"==1.0,,<2"} {
		if got, err := version.PEP440.Satisfies("1.0", bad); err == nil {
			t.Errorf("%s: %t", bad, got)
		}
	}
}

// dpkg itself is the judge of the order of Debian's versions.
func TestCompareWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	versions := []string{"0", "0.1", "0~", "1", "1-0", "1-1", "1-1~bpo1", "1-1+b1", "1.0", "1.0-1", "1.00", "1.0a",
		"1.0+", "1.0~~", "1.0~a", "1.0~", "1:0", "1:1.0-1", "2a", "2A", "2.", "10", "1.2.3-4.5", "1.2-3-4", "01",
		"1+dfsg-1", "1+dfsg1-1"}
	for _, a := range versions {
		for _, b := range versions {
			got := version.Dpkg.Compare(a, b)
			op := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[got]
			if err := exec.Command("dpkg", "--compare-versions", a, op, b).Run(); err != nil {
				t.Errorf("dpkg does not think that %s %s %s", a, op, b)
			}
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1.0", "1.0.0", "1RC1")
	f.Add("1:2-3", "~", "256!1.0")
	f.Add("1.0a1.dev1+x", "18446744073709551616", "v1!1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, k := range []version.Scheme{version.PEP440, version.Dpkg, version.Semver, version.Parts, version.Conda} {
			if k.Compare(a, b) != -k.Compare(b, a) {
				t.Errorf("%s: %q and %q have no order", k, a, b)
			}
			if k.Compare(a, a) != 0 {
				t.Errorf("%s: %q is not itself", k, a)
			}
			if k != version.Parts && k.Compare(a, b) <= 0 && k.Compare(b, c) <= 0 && k.Compare(a, c) > 0 {
				t.Errorf("%s: %q, %q and %q have no order", k, a, b, c)
			}
			k.LevelOf(a, b)
		}
	})
}
