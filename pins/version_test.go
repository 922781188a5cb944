package pins_test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// The pairs are in ascending order, or equal.
func TestCompareVersions(t *testing.T) {
	for _, test := range []struct {
		kind  pins.Kind
		a, b  string
		want  int
		level pins.Level
	}{
		{pins.Pip, "6.2", "6.2.0", 0, pins.Build},
		{pins.Pip, "1.0.dev1", "1.0a1", -1, pins.Patch},
		{pins.Pip, "1.0rc1", "1.0", -1, pins.Patch},
		{pins.Pip, "1.0", "1.0.post1", -1, pins.Patch},
		{pins.Pip, "1.9", "1.10", -1, pins.Minor},
		{pins.Pip, "3.6.3", "4.0.11", -1, pins.Major},
		{pins.Pip, "2022.8.1", "2023.1.1", -1, pins.Major},
		{pins.Pip, "2!1.0", "1!3.0", 1, pins.Major},
		{pins.Pip, "1.0", "1.0+local", -1, pins.Patch},
		{pins.Pip, "v1.0", "1", 0, pins.Build},
		{pins.Npm, "1.2.3", "1.2.10", -1, pins.Patch},
		{pins.Npm, "1.2.3-beta.2", "1.2.3-beta.10", -1, pins.Patch},
		{pins.Npm, "1.2.3", "1.3.0", -1, pins.Minor},
		{pins.Npm, "1.2.3", "2.0.0-rc.1", -1, pins.Major},
		{pins.Deb, "1:2.39.5-0+deb12u1", "1:2.39.5-0+deb12u2", -1, pins.Patch},
		{pins.Deb, "1.0~rc1-1", "1.0-1", -1, pins.Patch},
		{pins.Deb, "2.36-9", "2.37-1", -1, pins.Minor},
		{pins.Deb, "9.9", "1:0.1", -1, pins.Major},
		{pins.R, "1.0.9", "1.0.10", -1, pins.Patch},
		{pins.R, "1.3-1", "1.3-2", -1, pins.Patch},
	} {
		t.Run(fmt.Sprintf("%s %s %s", test.kind, test.a, test.b), func(t *testing.T) {
			if got := pins.CompareVersions(test.kind, test.a, test.b); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if got := pins.CompareVersions(test.kind, test.b, test.a); got != -test.want {
				t.Errorf("reversed: got %d, want %d", got, -test.want)
			}
			if got := pins.LevelOf(test.kind, test.a, test.b); got != test.level {
				t.Errorf("level %s, want %s", got, test.level)
			}
		})
	}
}

// dpkg itself is the judge of the order of Debian's versions.
func TestCompareWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip(err)
	}
	versions := []string{"0", "0.1", "0~", "1", "1-0", "1-1", "1-1~bpo1", "1-1+b1", "1.0", "1.0-1", "1.00", "1.0a", "1.0+", "1.0~~", "1.0~a", "1.0~", "1:0", "1:1.0-1", "2a", "2A", "2.", "10", "1.2.3-4.5", "1.2-3-4", "01", "1+dfsg-1", "1+dfsg1-1"}
	for _, a := range versions {
		for _, b := range versions {
			got := pins.CompareVersions(pins.Deb, a, b)
			op := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[got]
			if err := exec.Command("dpkg", "--compare-versions", a, op, b).Run(); err != nil {
				t.Errorf("dpkg does not think that %s %s %s", a, op, b)
			}
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1.0", "1.0.0")
	f.Add("1:2-3", "~")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, k := range []pins.Kind{pins.Pip, pins.Deb, pins.Npm, pins.R, pins.Conda} {
			if pins.CompareVersions(k, a, b) != -pins.CompareVersions(k, b, a) {
				t.Errorf("%s: %q and %q have no order", k, a, b)
			}
			if pins.CompareVersions(k, a, a) != 0 {
				t.Errorf("%s: %q is not itself", k, a)
			}
			pins.LevelOf(k, a, b)
		}
	})
}

func TestSuggestName(t *testing.T) {
	for name, want := range map[string]string{"boken": "bokeh", "numpi": "numpy", "Jupyter_Sever": "jupyter-server", "padnas": "pandas", "xyzzyplugh": ""} {
		if got := pins.SuggestName(pins.Pip, name, nil); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func ExampleParsePip() {
	r, err := pins.ParsePip("Jupyter_Server==2.2.1")
	fmt.Println(r.Name, r.Version, err)
	// Output: jupyter-server 2.2.1 <nil>
}
