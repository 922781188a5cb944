package pins_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestExtends(t *testing.T) {
	dir := write(t, map[string]string{
		"all/pins.yaml": "base: oci-layout:base\nas-of: 2023-03-17\npins:\n  pip: [numpy==1.23.5, " +
			"pandas==1.5.3]\n  apt: [git]\nlaunch: {cmd: [a], env: {X: all, Y: all}}\nchecks: [true]\n",
		"stats/pins.yaml": "extends: ../all/pins.yaml\npins: {pip: [scipy==1.10.0, pandas==1.5.2]}\n",
		"course/pins.yaml": "extends: ../stats/pins.yaml\npins:\n  pip:\n    - NumPy==1.24.2 # the course's own\n" +
			"launch: {env: {X: own}}\n",
	})
	m, err := pins.ReadCourse(filepath.Join(dir, "course"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range m.Requests {
		got = append(got, r.Spec+" "+strings.TrimPrefix(r.At.String(), dir+"/"))
	}
	want := "NumPy==1.24.2 course/pins.yaml:4, scipy==1.10.0 stats/pins.yaml:2, pandas==1.5.2 stats/pins.yaml:2, " +
		"git all/pins.yaml:5"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if m.Base.Value != "oci-layout:../all/base" || m.AsOf.Text != "2023-03-17" || m.Launch.Env["X"] != "own" ||
		m.Launch.Env["Y"] != "all" || len(m.Launch.Cmd) != 1 || len(m.Checks) != 1 {
		t.Errorf("%+v", m)
	}
	edited, err := m.EditAll([]pins.Bump{{Request: m.Requests[2], Version: "1.5.4"}})
	if err != nil || !strings.Contains(string(edited[filepath.Join(dir, "stats/pins.yaml")]), "pandas==1.5.4") {
		t.Errorf("%q, %v", edited, err)
	}
}

// A fragment need say nothing of what the manifest says.
func TestExtendsLittle(t *testing.T) {
	dir := write(t, map[string]string{"f.yaml": "pins: {pip: [tornado==6.3.3]}\n",
		"pins.yaml": "extends: f.yaml\nlaunch: {env: {A: b}}\n"})
	m, err := pins.ReadCourse(dir)
	if err != nil || m.Launch.Env["A"] != "b" || len(m.Requests) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

// An image that is extended is the base; a fragment may name it too.
func TestExtendsImage(t *testing.T) {
	dir := write(t, map[string]string{"f.yaml": "extends: oci-layout:image\npins: {pip: [tornado==6.3.3]}\n",
		"c/pins.yaml": "extends: ../f.yaml\n", "d/pins.yaml": "base: own\nextends: ../f.yaml\n"})
	m, err := pins.ReadCourse(filepath.Join(dir, "c"))
	if err != nil || !m.Extends || m.Base.Value != "oci-layout:../image" || len(m.Requests) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = pins.ReadCourse(filepath.Join(dir, "d")); err != nil || m.Extends || m.Base.Value != "own" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestBadExtends(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"loop": {map[string]string{"c/pins.yaml": "extends: ../d/pins.yaml\n",
			"d/pins.yaml": "extends: ../c/pins.yaml\n"},
			"d/pins.yaml:1: extends \"../c/pins.yaml\": the manifest extends itself"},
		"missing": {map[string]string{"c/pins.yaml": "extends: ../d/pins.yaml\n"},
			"c/pins.yaml:1: extends \"../d/pins.yaml\": no such file"},
		"image": {map[string]string{"c/pins.yaml": "base: x\nextends: example.org/base:1\n"},
			"c/pins.yaml:2: extends \"example.org/base:1\": an image that is extended replaces the base: take base " +
				"(c/pins.yaml:1) out"},
		"rules": {map[string]string{"c/pins.yaml": "extends: f.yaml\n",
			"c/f.yaml": "sync: {rules: [{same: [a]}]}\n"}, "c/f.yaml:1: sync belongs"},
		"folder": {map[string]string{"c/pins.yaml": "extends: /etc/pins.yaml\n"},
			"c/pins.yaml:1: extends \"/etc/pins.yaml\": name a file relative"},
		"course": {map[string]string{"c/pins.yaml": "extends: f.yaml\n", "c/f.yaml": "course: x\n"},
			"c/f.yaml:1: course belongs"},
	} {
		dir := write(t, test.files)
		_, err := pins.ReadCourse(filepath.Join(dir, "c"))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), dir+"/", ""), test.want) {
			t.Errorf("%s: got %v, want …%s…", name, err, test.want)
		}
	}
}

// A pip pin that replaces what a conda package brings may stand beside a conda
// pin of that package; without that word it may not.
func TestReplaces(t *testing.T) {
	const manifest = "base: oci-layout:x\npins:\n  conda: [numpy=1.24, xz]\n  pip:\n    - {pin: numpy==1.24.2, " +
		"replaces: numpy}\n"
	m, err := pins.ParseManifest("pins.yaml", []byte(manifest))
	if err != nil || m.Requests[2].Replaces != "numpy" {
		t.Errorf("%+v, %v", m.Requests, err)
	}
	for old, want := range map[string]string{"replaces: numpy": "pins.yaml:5: numpy is pinned for pip",
		"[numpy=1.24, xz]": "pins.yaml:3: replaces: only a pip pin"} {
		bad := strings.Replace(manifest, old, map[string]string{"replaces: numpy": "replaces: xz",
			"[numpy=1.24, xz]": "[{pin: numpy=1.24, replaces: xz}]"}[old], 1)
		if _, err := pins.ParseManifest("pins.yaml", []byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want …%s…", bad, err, want)
		}
	}
}
