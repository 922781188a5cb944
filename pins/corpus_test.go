package pins_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/internal/golden"
	"github.com/driftpin/driftpin/pins"
	gocmp "github.com/google/go-cmp/cmp"
)

// forms are courses of our own, which have each form that real pin files were seen
// to have.
const forms = "testdata/forms"

// corpus is where real pin files of two dates lie; empty if there are none.
// DRIFTPIN_CORPUS says where, or they lie beside the repository.
func corpus(t testing.TB) string {
	dir := corpusPlace()
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("DRIFTPIN_CORPUS") != "" {
			t.Fatal(err)
		}
		t.Skip("the corpus is not here; DRIFTPIN_CORPUS can say where it is")
	}
	return dir
}

// corpusPlace is as WalkDir writes paths, so that it is a prefix of them.
func corpusPlace() string {
	return filepath.Clean(cmp.Or(os.Getenv("DRIFTPIN_CORPUS"), "../../shared/corpus"))
}

// allCourses are those of our own forms, and of the corpus if it is here.
func allCourses(t testing.TB) []string {
	dirs := coursesIn(t, forms)
	if _, err := os.Stat(corpusPlace()); err == nil {
		dirs = append(dirs, coursesIn(t, corpus(t))...)
	}
	return dirs
}

// coursesIn lists the course folders below a folder.
func coursesIn(t testing.TB, top string) (dirs []string) {
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !slices.Contains(dirs, filepath.Dir(path)) {
			dirs = append(dirs, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// Each form is read as its owner reads it, or is a finding.
func TestForms(t *testing.T) {
	var text strings.Builder
	for _, dir := range coursesIn(t, forms) {
		m, _ := pins.ReadCourse(dir)
		if m == nil {
			t.Fatalf("%s can't be read", dir)
		}
		fmt.Fprintf(&text, "%s\n", strings.TrimPrefix(dir, forms+"/"))
		for _, r := range m.Requests {
			fmt.Fprintf(&text, "  %s: %s %s %q", strings.TrimPrefix(r.At.String(), dir+"/"), r.Kind.Key(), r.Name,
				r.Spec)
			if r.Why != "" {
				fmt.Fprintf(&text, " why: %s", r.Why)
			}
			text.WriteString("\n")
		}
		for _, f := range m.Findings {
			fmt.Fprintf(&text, "  %s: %s %s\n", strings.TrimPrefix(f.Position.String(), dir+"/"), f.Severity, f.Rule)
		}
	}
	golden.Check(t, "testdata/forms.txt", text.String())
}

// Every real course is read; what is found in them is goldened as counts.
func TestCorpus(t *testing.T) {
	top := corpus(t)
	counts := map[string]int{}
	for _, dir := range coursesIn(t, top) {
		m, err := pins.ReadCourse(dir)
		if m == nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		date, _, _ := strings.Cut(strings.TrimPrefix(dir, top+"/"), "/")
		for _, r := range m.Requests {
			counts[date+" pins "+string(r.Kind)]++
			if r.Why != "" {
				counts[date+" reasons"]++
			}
		}
		for _, f := range m.Findings {
			counts[date+" findings "+f.Rule]++
		}
	}
	var lines []string
	for what, n := range counts {
		lines = append(lines, fmt.Sprintf("%s: %d\n", what, n))
	}
	slices.Sort(lines)
	golden.Check(t, "testdata/corpus.txt", strings.Join(lines, ""))
}

// reference reads pins with PyYAML and packaging, as conda and pip see them: a
// list of file, kind, name and specifier.
const reference = `
import json, os, sys, yaml
from packaging.requirements import InvalidRequirement, Requirement
out = []
def pip(file, line):
    line = line.split(" #")[0].strip()
    if not line or line.startswith(("#", "-")):
        return
    if line.startswith("git+"):
        out.append([file, "pip", "", line]); return
    try:
        r = Requirement(line)
    except InvalidRequirement:
        return
    out.append([file, "pip", r.name.lower().replace("_", "-").replace(".", "-"), str(r.specifier)])
for folder, _, files in os.walk(sys.argv[1]):
    for f in files:
        path = os.path.join(folder, f)
        if f.endswith("requirements.txt"):
            for line in open(path): pip(path, line)
        elif f == "apt.txt":
            for line in open(path):
                name = line.partition("#")[0].strip()
                if name: out.append([path, "deb", name, ""])
        elif f == "environment.yml":
            for d in yaml.safe_load(open(path)).get("dependencies") or []:
                if isinstance(d, dict):
                    for line in d["pip"] or []: pip(path, line)
                elif d and not d.endswith("."): # =1.11. is a finding
                    out.append([path, "conda", d.replace(" ", ""), ""])
json.dump(out, sys.stdout)
`

// Each file of the corpus, and of our own forms, holds the pins that PyYAML and
// packaging read from it.
func TestAgainstPython(t *testing.T) {
	t.Run("forms", func(t *testing.T) { againstPython(t, forms) })
	t.Run("corpus", func(t *testing.T) { againstPython(t, corpus(t)) })
}

func againstPython(t *testing.T, top string) {
	python := "python3"
	knows := func() bool { return exec.Command(python, "-c", "import yaml, packaging").Run() == nil }
	if !knows() {
		python = "/usr/bin/python3" // for which make testdeps installs them
	}
	if !knows() {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			t.Fatal("PyYAML and packaging are not installed: make testdeps installs Debian's")
		}
		t.Skip("PyYAML and packaging are not here")
	}
	out, err := exec.Command(python, "-c", reference, top).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var rows [][4]string
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, r := range rows {
		want[r[0]] = append(want[r[0]], r[1]+" "+r[2]+r[3])
	}
	for file := range want {
		m := readAlone(t, file)
		var got []string
		var all []pins.Request
		for _, r := range m.Requests {
			all = append(append(all, r), r.Also...)
		}
		for _, r := range all {
			if slices.Contains([]string{"tensorflow>=2.7.*", "line_profiler>-3.4.0", "scipy=1.11."}, r.Spec) {
				continue // each with a warning; packaging and conda of today refuse them
			}
			line := string(r.Kind) + " " + r.Name
			switch {
			case r.Git != nil:
				line = "pip " + r.Spec
			case r.Kind == pins.Conda:
				line = "conda " + strings.ReplaceAll(r.Spec, " ", "")
			case r.Kind == pins.Pip:
				line += normalSpecifiers(r.Constraint)
			}
			got = append(got, line)
		}
		expected := slices.Clone(want[file])
		for i, line := range expected {
			if rest, ok := strings.CutPrefix(line, "pip "); ok && !strings.HasPrefix(rest, "git+") {
				name := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz0123456789-"))]
				expected[i] = "pip " + name + normalSpecifiers(rest[len(name):])
			}
		}
		slices.Sort(got)
		slices.Sort(expected)
		if diff := gocmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (-python +driftpin):\n%s", file, diff)
		}
	}
}

// readAlone reads one file, without what it includes.
func readAlone(t *testing.T, file string) *pins.Manifest {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Base(file)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, name), data, 0o644),
		os.WriteFile(filepath.Join(dir, pins.ManifestName), []byte("base: oci-layout:x\ninclude: ["+name+"]\n"),
			0o644)); err != nil {
		t.Fatal(err)
	}
	m, _ := pins.ReadCourse(dir) // includes are missing
	if m == nil {
		t.Fatalf("%s can't be read", file)
	}
	return m
}

func normalSpecifiers(s string) string {
	list := strings.Split(strings.ReplaceAll(s, " ", ""), ",")
	slices.Sort(list)
	return strings.Join(list, ",")
}

func BenchmarkCorpus(b *testing.B) {
	dirs := slices.DeleteFunc(coursesIn(b, corpus(b)),
		func(d string) bool { return !strings.Contains(d, "2024-08-27") })
	for b.Loop() {
		for _, dir := range dirs {
			if m, err := pins.ReadCourse(dir); m == nil {
				b.Fatal(err)
			}
		}
	}
}
