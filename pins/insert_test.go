package pins_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// additions are what comes of a file to which a pin is added.
var additions = map[string]struct{ file, before, pin, why, after string }{
	"a block": {"pins.yaml",
		"pins:\n  pip:\n    - six==1.0\n    - {pin: a==1,\n       why: x}   # both\n\n# launch\nlaunch: {}\n",
		"idna==3.4", "",
		"pins:\n  pip:\n    - six==1.0\n    - {pin: a==1,\n       why: x}   # both\n    - idna==3.4\n\n# launch\nlaunch: {}\n"},
	"a mapping as an item": {"pins.yaml", "pins:\n  pip:\n  - pin: six==1.0\n    why: x\n  apt: [git]\n", "idna==3.4",
		"so that: it works",
		"pins:\n  pip:\n  - pin: six==1.0\n    why: x\n  - {pin: idna==3.4, why: 'so that: it works'}\n  apt: [git]\n"},
	"brackets": {"pins.yaml", "pins: {pip: [six==1.0, 'a==1']}\n", "idna==3.4", "",
		"pins: {pip: [six==1.0, 'a==1', idna==3.4]}\n"},
	"brackets over lines": {"pins.yaml", "pins:\n  pip: [six==1.0,\n        a==1,   # ]\n  ]\n", "idna==3.4", "",
		"pins:\n  pip: [six==1.0,\n        a==1, idna==3.4   # ]\n  ]\n"},
	"empty brackets": {"pins.yaml", "pins: {pip: []}\n", "idna==3.4", "", "pins: {pip: [idna==3.4]}\n"},
	"another kind": {"pins.yaml", "pins:\n  pip:\n    - six==1.0\nchecks: []\n", "apt:git", "",
		"pins:\n  pip:\n    - six==1.0\n  apt:\n    - git\nchecks: []\n"},
	"another kind, in braces": {"pins.yaml", "pins: {pip: [six==1.0]}\n", "npm:@a/b@1.0.0", "",
		"pins: {pip: [six==1.0], npm: ['@a/b@1.0.0']}\n"},
	"no pins": {"pins.yaml", "course: x\nbase: y", "idna==3.4", "",
		"course: x\nbase: y\npins:\n  pip:\n    - idna==3.4\n"},
	"null": {"pins.yaml", "pins:\n  pip:   # none yet\n  apt: [git]\n", "idna==3.4", "",
		"pins:\n  pip:   # none yet\n    - idna==3.4\n  apt: [git]\n"},
	"no end": {"requirements.txt", "six==1.0", "idna==3.4", "it is asked for",
		"six==1.0\nidna==3.4  # it is asked for\n"},
	"nothing": {"requirements.txt", "", "idna==3.4", "", "idna==3.4\n"},
	"apt":     {"apt.txt", "git\n", "apt:curl", "", "git\ncurl\n"},
	"environment": {"environment.yml", "dependencies:\n  - numpy=1.0\n  - pip:\n      - six==1.0\n", "idna==3.4",
		"", "dependencies:\n  - numpy=1.0\n  - pip:\n      - six==1.0\n      - idna==3.4\n"},
	"conda": {"environment.yml", "dependencies:\n- numpy=1.0\n- pip:\n  - six==1.0\n", "conda:scipy=1.1", "",
		"dependencies:\n- numpy=1.0\n- pip:\n  - six==1.0\n- scipy=1.1\n"},
	"the first pip": {"environment.yml", "dependencies:\n  - numpy=1.0\nprefix: /x\n", "idna==3.4", "",
		"dependencies:\n  - numpy=1.0\n  - pip: [idna==3.4]\nprefix: /x\n"},
	"other letters": {"pins.yaml", "pins: {pip: [{pin: six==1.0, why: für ä}]}\n", "idna==3.4", "",
		"pins: {pip: [{pin: six==1.0, why: für ä}, idna==3.4]}\n"},
}

func TestAdd(t *testing.T) {
	for name, test := range additions {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{test.file: test.before})
			m, _ := pins.ReadCourse(dir)
			r, err := pins.ParseAddition(test.pin)
			if err != nil {
				t.Fatal(err)
			}
			r.Why = test.why
			a, err := m.Place(r)
			if err != nil {
				t.Fatal(err)
			}
			edited := map[string][]byte{}
			if err := m.AddAll([]pins.Addition{a}, edited); err != nil {
				t.Fatal(err)
			}
			after := string(edited[filepath.ToSlash(filepath.Join(dir, test.file))])
			if diff := cmp.Diff(test.after, after); diff != "" {
				t.Error(diff)
			}
			again, _ := pins.ReadCourseWith(dir, pins.ReadOptions{Edited: edited})
			q := again.Request(r.Kind, r.Name, "")
			if q == nil || len(again.Requests) != len(m.Requests)+1 || q.Spec != r.Spec || test.why != "" && q.Why != test.why {
				t.Fatalf("it is read as %+v", again.Requests)
			}
			// What is added can be taken out, and then all is as it was.
			back := map[string][]byte{}
			if err := again.RemoveAll([]pins.Request{*q}, back); err != nil {
				t.Fatal(err)
			}
			last, _ := pins.ReadCourseWith(dir, pins.ReadOptions{Edited: back})
			if specs(last) != specs(m) {
				t.Errorf("after it was taken out: %s\nwant %s", specs(last), specs(m))
			}
		})
	}
}

func specs(m *pins.Manifest) string {
	var all []string
	for _, r := range m.Requests {
		all = append(all, r.Kind.Key()+" "+r.Spec+" "+r.Why)
	}
	return strings.Join(all, "; ")
}

func TestRemove(t *testing.T) {
	for name, test := range map[string]struct{ file, before, pin, after string }{
		"a line": {"requirements.txt", "six==1.0\nidna==3.4  # x\na==1\n", "idna", "six==1.0\na==1\n"},
		"a line with hashes": {"requirements.txt", "idna==3.4 \\\n    --hash=sha256:" + strings.Repeat("a",
			64) + "\na==1\n", "idna", "a==1\n"},
		"its comment": {"requirements.txt", "six==1.0\n\n# for x\n# and y\nidna==3.4\n\na==1\n", "idna",
			"six==1.0\n\n\na==1\n"},
		"a group's comment": {"requirements.txt", "six==1.0\n# for x\nidna==3.4\na==1\n", "idna",
			"six==1.0\n# for x\na==1\n"},
		"an item": {"pins.yaml",
			"pins:\n  pip:\n    - six==1.0\n    - {pin: idna==3.4,\n       why: x}\n    - a==1\n", "idna",
			"pins:\n  pip:\n    - six==1.0\n    - a==1\n"},
		"the only item": {"pins.yaml", "pins:\n  pip:\n    - idna==3.4\n  apt: [git]\n", "idna",
			"pins:\n  pip:\n  apt: [git]\n"},
		"a mapping": {"pins.yaml", "pins:\n  pip:\n    - pin: idna==3.4\n      why: x\n    - a==1\n",
			"idna", "pins:\n  pip:\n    - a==1\n"},
		"in brackets": {"pins.yaml", "pins: {pip: [six==1.0, {pin: idna==3.4, why: x}, a==1]}\n", "idna",
			"pins: {pip: [six==1.0, a==1]}\n"},
		"the last in brackets": {"pins.yaml", "pins: {pip: [six==1.0, 'idna==3.4']}\n", "idna", "pins: {pip: [six==1.0]}\n"},
		"the only in brackets": {"pins.yaml", "pins: {pip: [idna==3.4], apt: [git]}\n", "idna",
			"pins: {pip: [], apt: [git]}\n"},
		"one of an environment": {"environment.yml",
			"dependencies:\n  - numpy=1.0  # x\n  - pip:\n      - idna==3.4\n      - six==1.0\n", "idna",
			"dependencies:\n  - numpy=1.0  # x\n  - pip:\n      - six==1.0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{test.file: test.before})
			m, _ := pins.ReadCourse(dir)
			edited := map[string][]byte{}
			found := m.Pinned(test.pin)
			if len(found) != 1 {
				t.Fatalf("found %v", found)
			}
			if err := m.RemoveAll(found, edited); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.after, string(edited[filepath.ToSlash(filepath.Join(dir, test.file))])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where nothing can be added to, it is said.
func TestPlace(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		pin   string
		want  string
	}{
		"no such file": {map[string]string{"requirements.txt": "six\n"}, "apt:git",
			"no file that apt pins can be added to: make an empty apt.txt"},
		"pinned": {map[string]string{"requirements.txt": "six==1.0\n"}, "six",
			"requirements.txt:1: the course pins six already"},
		"a Dockerfile": {map[string]string{"Dockerfile": "FROM a\n"}, "six", "built by its Dockerfile"},
	} {
		m, _ := pins.ReadCourse(write(t, test.files))
		r, err := pins.ParseAddition(test.pin)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := m.Place(r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

// FuzzAdd adds a pin to files of any bytes, and takes it out again. That all other pins are
// as they were, bump looks before it writes.
func FuzzAdd(f *testing.F) {
	for _, test := range additions {
		f.Add(test.before)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		write1(t, dir, "pins.yaml", text)
		m, err := pins.ReadCourse(dir)
		if m == nil || err != nil {
			return
		}
		r, err := pins.ParseAddition("apt:git")
		if err != nil {
			t.Fatal(err)
		}
		a, err := m.Place(r)
		if err != nil {
			return
		}
		edited := map[string][]byte{}
		if m.AddAll([]pins.Addition{a}, edited) != nil {
			return
		}
		again, err := pins.ReadCourseWith(dir, pins.ReadOptions{Edited: edited})
		if err != nil || again.Changes(m, []pins.Request{r}, nil) != nil {
			return
		}
		back := map[string][]byte{}
		if again.RemoveAll([]pins.Request{*again.Request(pins.Deb, "git", "")}, back) != nil {
			return
		}
		_, _ = pins.ReadCourseWith(dir, pins.ReadOptions{Edited: back})
	})
}
