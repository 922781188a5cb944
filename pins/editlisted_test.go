package pins_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

const digestA = "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// editedDockerfiles are the cases of TestEditListed.
var editedDockerfiles = map[string]struct {
	text, pin, version string
	want               string // the line that changes; empty: it has to be edited by hand
}{
	"tag":             {"FROM rocker/geospatial:4.1.2 AS r\n", "rocker/geospatial", "4.4.1", "FROM rocker/geospatial:4.4.1 AS r"},
	"no tag":          {"FROM debian\nRUN x\n", "debian", "12", "FROM debian:12"},
	"port":            {"FROM localhost:5000/a\n", "localhost:5000/a", "2", "FROM localhost:5000/a:2"},
	"digest":          {"FROM a:1" + digestA + "\n", "a", "2", "FROM a:2"},
	"digest alone":    {"FROM a" + digestA + "\n", "a", "2", "FROM a:2"},
	"platform":        {"FROM --platform=linux/amd64 a:1\n", "a", "2", "FROM --platform=linux/amd64 a:2"},
	"variable tag":    {"ARG TAG=1\nFROM a:${TAG} AS b\n", "a", "2", "ARG TAG=2"},
	"quoted variable": {"ARG TAG=\"1\"\nFROM a:$TAG\n", "a", "2", "ARG TAG=\"2\""},
	"variable image":  {"ARG X=0 BASE=a:1\nFROM $BASE\n", "a", "2", "ARG X=0 BASE=a:2"},
	"variable name":   {"ARG BASE=a\nFROM $BASE\n", "a", "2", "ARG BASE=a:2"},
	"two variables":   {"ARG A=a\nARG B=1\nFROM $A:$B\n", "a", "2", ""},
	"default":         {"ARG A\nFROM a:${A:-1}\n", "a", "2", ""},
	"second stage":    {"FROM a:1\nFROM b:1\n", "b", "2", "FROM b:2"},
	"argument":        {"FROM a\nARG X=1 JULIA_VERSION=1.9.2\n", "JULIA_VERSION", "1.10.0", "ARG X=1 JULIA_VERSION=1.10.0"},
	"environment":     {"FROM a\nENV R_VERSION 4.1\n", "R_VERSION", "4.4", "ENV R_VERSION 4.4"},
	"continued": {"FROM a\nENV A=b \\\n    QUARTO_VERSION=\"1.3.450\" \\\n    C=d\n", "QUARTO_VERSION", "1.4",
		"    QUARTO_VERSION=\"1.4\" \\"},
	"apt": {"FROM a\nRUN apt-get update && \\\n    apt-get install -y unless less=1.2 && x\n", "less", "1.3",
		"    apt-get install -y unless less=1.3 && x"},
	"apt behind its own name": {"FROM a\nRUN git --version || apt-get install -y git || true\n", "git", "1:2.39",
		"RUN git --version || apt-get install -y git=1:2.39 || true"},
	"apt in front of a redirection": {"FROM a\nRUN apt-get install -y libgit2-dev git>/dev/null\n", "git", "9.9",
		"RUN apt-get install -y libgit2-dev git=9.9>/dev/null"},
	"apt of a release": {"FROM a\nRUN apt-get install -y libfoo-dev foo/bookworm\n", "foo", "9.9",
		"RUN apt-get install -y libfoo-dev foo=9.9"},
	"apt in quotes":       {"FROM a\nRUN apt-get install \\\n  -y \"foo\"\n", "foo", "9.9", "  -y \"foo=9.9\""},
	"a digit of a name":   {"FROM a\nARG PYTHON3_VERSION=3\n", "PYTHON3_VERSION", "4", "ARG PYTHON3_VERSION=4"},
	"image of one letter": {"FROM --platform=a a AS b\n", "a", "2", "FROM --platform=a a:2 AS b"},
	"apt without a version": {"FROM a\nRUN apt-get update && \\\n    apt-get install -y unless less && x\n", "less", "1.3",
		"    apt-get install -y unless less=1.3 && x"},
}

// A pin that a Dockerfile, or a file that it copies, asks for is edited where it
// stands, and nothing else.
func TestEditListed(t *testing.T) {
	for name, test := range editedDockerfiles {
		t.Run(name, func(t *testing.T) {
			edited(t, map[string]string{"Dockerfile": test.text}, "Dockerfile", test.pin, test.version, test.want)
		})
	}
	for name, test := range map[string]struct{ file, text, pin, version, want string }{
		"pip":   {"requirements.txt", "# x\nidna==3.3\n", "idna", "3.4", "idna==3.4"},
		"conda": {"environment.yml", "dependencies:\n  - numpy=1.2.3\n", "numpy", "1.3", "  - numpy=1.3"},
		"R": {"install.R", "x <- 1\nremotes::install_version('a', '1.2-3')\n", "a", "1.3",
			"remotes::install_version('a', '1.3')"},
		"R pairs":     {"install.R", "class_libs_install_version('x', c(\n 'b', '1',\n 'a', '1'\n))\n", "a", "2", " 'a', '2'"},
		"R elsewhere": {"install.R", "v <- '1'\ninstall_version('a', v)\n", "a", "2", "v <- '2'"},
		"R unversed":  {"install.R", "install.packages('a')\n", "a", "2", ""},
		"github":      {"install.R", "install_github('o/r@v1')\n", "r", "v2", "install_github('o/r@v2')"},
		"github ref":  {"install.R", "install_github('o/r', ref = 'v1')\n", "r", "v2", "install_github('o/r', ref = 'v2')"},
		"renv": {"renv.lock", `{"R": {"Version": "4.1"}, "Packages": {
  "b": {"Package": "b", "Requirements": ["a", "R"], "Version": "1.0"},
  "a": {
    "Package": "a", "Source": "Repository",
    "Version": "1.0"
  }}}`, "a", "1.1", `    "Version": "1.1"`},
		"description": {"DESCRIPTION", "Package: p\nImports:\n    a (>= 1.0),\n    b\nSuggests: c\n", "a", "2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			edited(t, map[string]string{"Dockerfile": "FROM x\nCOPY " + test.file + " /tmp/\n", test.file: test.text}, test.file, test.pin,
				test.version, test.want)
		})
	}
}

// edited edits a pin of a course, and holds the file against what it should be.
func edited(t *testing.T, files map[string]string, file, pin, version, want string) {
	dir := write(t, files)
	m, err := pins.ReadCourse(dir)
	if err != nil {
		t.Fatal(err)
	}
	requests := m.Pinned(pin)
	if len(requests) != 1 || len(m.Requests) > 0 || !m.Lists(requests[0]) {
		t.Fatalf("%s is asked for as %v of %v", pin, requests, m.Asked())
	}
	after, err := m.EditAll([]pins.Bump{{Request: requests[0], Version: version}})
	if want == "" {
		if err == nil || !strings.Contains(err.Error(), "by hand") {
			t.Errorf("edited to %q: %v", after, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var wrote []string
	was := strings.Split(files[file], "\n")
	for i, line := range strings.Split(string(after[dir+"/"+file]), "\n") {
		if line != was[i] {
			wrote = append(wrote, line)
		}
	}
	if diff := cmp.Diff([]string{want}, wrote); diff != "" {
		t.Error(diff)
	}
}

// What files of R list, with the lines.
func TestListedR(t *testing.T) {
	for file, test := range map[string]struct{ text, want string }{
		"DESCRIPTION": {"Package: p\nDepends: R (>= 4.0), methods\nImports:\n    a (>= 1.0),\n    b.c\nSuggests: d\nImports2: e\n",
			"2 methods, 4 a (>= 1.0), 5 b.c"},
		"renv.lock": {"{\"Packages\": {\"a\": {\"Version\": \"1\"},\n\"b\": {}}, \"x\": {\"c\": {\"Version\": \"2\"}}}", "1 a@1, 2 b"},
	} {
		var got []string
		for _, r := range pins.ReadAlone(file, []byte(test.text)) {
			got = append(got, strings.TrimPrefix(r.At.String(), file+":")+" "+r.Spec)
		}
		if diff := cmp.Diff(test.want, strings.ReplaceAll(strings.Join(got, ", "), ":1 ", " ")); diff != "" {
			t.Error(file, diff)
		}
	}
}

// Whatever a file of R holds, what it lists stands where it says.
func FuzzListedR(f *testing.F) {
	f.Add("renv.lock", "{\"Packages\": {\"a\": {\"Version\": \"1\"}}}")
	f.Add("DESCRIPTION", "Imports: a (>= 1),\n b\n")
	f.Add("install.R", "install_version('a', '1')")
	f.Add("Dockerfile", "ARG V=1\nFROM a:${V}\nENV X_VERSION=\"1.2\" \\\n Y_VERSION 2")
	f.Fuzz(func(t *testing.T, file, text string) {
		if file != "renv.lock" && file != "DESCRIPTION" && file != "install.R" && file != "Dockerfile" {
			return
		}
		for i, r := range pins.ReadAlone(file, []byte(text)) {
			if i == 20 {
				break // each of many would be edited
			}
			if r.Name == "" || r.At.Line < 1 || r.At.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%q at %s", r.Name, r.At)
			}
			after, err := pins.Edit([]byte(text), r, "9.9")
			if err != nil {
				continue
			}
			if !slices.ContainsFunc(pins.ReadAlone(file, after), func(q pins.Request) bool {
				return q.Kind == r.Kind && q.Name == r.Name && q.At.Line == r.At.Line && q.Version == "9.9"
			}) {
				t.Errorf("%q of %q edited is %q", r.Spec, text, after)
			}
		}
	})
}
