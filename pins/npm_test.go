package pins_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestParseNpm(t *testing.T) {
	for _, test := range []struct{ spec, name, version, constraint string }{
		{"myst-cli", "myst-cli", "", ""},
		{"configurable-http-proxy@4.5.6", "configurable-http-proxy", "4.5.6", "4.5.6"},
		{"@jupyterlab/services@^7.0", "@jupyterlab/services", "", "^7.0"},
		{"x@1", "x", "", "1"},
		{"x@>=1.2 <2 || 3.x", "x", "", ">=1.2 <2 || 3.x"},
		{"x@=1.2.3-rc.1", "x", "1.2.3-rc.1", "=1.2.3-rc.1"},
	} {
		r, err := pins.ParseNpm(test.spec)
		if got := [3]string{r.Name, r.Version, r.Constraint}; err != nil || got != [3]string{test.name, test.version,
			test.constraint} {
			t.Errorf("%q: got %q, %v", test.spec, got, err)
		}
	}
	for spec, want := range map[string]string{
		"x@latest": "is a tag, which moves", "X@1.0.0": "in lower case", "x@>=4.1,<5": "is not part of an npm range",
		"x@!=4.1": "is not part of an npm range", "x@=>4": "is not part of an npm range",
		"x@4.17.021": "is not part of an npm range", "x@": "there is no version after the @",
		"": "is not an npm package", "x@1.2.": "not a range",
		"x@npm:y@1": "an alias", "git+https://x.test/y": "an address", "@scope@1": "is not an npm package",
		"x–y@1": "typographic dash",
	} {
		if _, err := pins.ParseNpm(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", spec, err, want)
		}
	}
}

func TestNpmManifest(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("pins:\n  apt: [nodejs]\n  npm:\n    - {pin: 'x@1.0.0', scripts: true}\n    - y\n"))
	if err != nil || len(m.Findings) > 0 || !m.Requests[1].Scripts || m.Requests[2].Scripts {
		t.Errorf("%+v, %v", m, err)
	}
	m, err = pins.ParseManifest("pins.yaml", []byte("pins:\n  npm: [y]\n"))
	if err != nil || len(m.Findings) != 1 || !strings.Contains(m.Findings[0].Error(),
		"pins.yaml:2: npm packages need node") {
		t.Errorf("%v, %v", m.Findings, err)
	}
	_, err = pins.ParseManifest("pins.yaml", []byte("pins:\n  pip:\n    - {pin: x==1, scripts: true}\n"))
	if err == nil || !strings.Contains(err.Error(), "pins.yaml:3: scripts: only packages of npm and conda") {
		t.Error(err)
	}
}

// Editing an npm pin changes the version's bytes and nothing else.
func TestEditNpm(t *testing.T) {
	const text = "pins:\n  apt: [nodejs]\n  npm:\n    - \"@s/x@1.0.0\" # why\n    - y@^1.0\n    - z\n"
	m, err := pins.ParseManifest("pins.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int][2]string{1: {"x@1.0.0\"", "x@2.0.0\""}, 2: {"y@^1.0", "y@2.0.0"},
		3: {"- z", "- z@2.0.0"}} {
		got, err := pins.Edit([]byte(text), m.Requests[i], "2.0.0")
		if err != nil || string(got) != strings.Replace(text, want[0], want[1], 1) {
			t.Errorf("%s: %q, %v", m.Requests[i].Spec, got, err)
		}
	}
}

func FuzzParseNpm(f *testing.F) {
	f.Add("@s/x@^1.0 || 2.x")
	f.Add("x@=1.2.3")
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := pins.ParseNpm(spec)
		if err == nil && r.Constraint != "" {
			if _, err := pins.Npm.Scheme().Satisfies("1.2.3", r.Constraint); err != nil {
				t.Errorf("%q: %v", spec, err)
			}
		}
	})
}

// Of several copies the pinned one is meant, and a range has no comma.
func TestNpmCopies(t *testing.T) {
	text := "driftpin-lock 1\ncourse a\nbase sha256:" + hashA + "\nplatform linux/amd64\nartifacts 2\n" +
		"npm semver 5.7.3 linux/amd64 node_modules/other/node_modules/semver/semver-5.7.3.tgz sha256:" + hashA +
		" 9 install by:other\n" +
		"npm semver 7.0.0 linux/amd64 node_modules/semver/semver-7.0.0.tgz sha256:" + hashB + " 9 install pin\n"
	l, err := pins.ParseLock("pins.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := l.Find(pins.Npm, "semver", "linux/amd64"); !ok || a.Version != "7.0.0" {
		t.Errorf("found %s", a.Version)
	}
	for _, place := range []string{"semver", "node_modules/", "node_modules/a/b"} {
		if _, err := pins.ParseLock("pins.lock", []byte(strings.Replace(text, "node_modules/semver/", place+"/",
			1))); err == nil {
			t.Errorf("%s was accepted", place)
		}
	}
}
