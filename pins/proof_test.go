package pins_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// provenManifest asks for what provenLock holds.
const provenManifest = `course: proven
pins:
  channels: [main]
  conda: [python=3.11, hello=1.0]
  pip:
    - tabulate==0.9.0
    - {pin: "click>=8,<9 ; python_version > '3.8'"}
    - {pin: "typing_extensions ; python_version < '3.8'"}
    - docopt
    - git+https://git.example.org/x/tmpystore.git@8888888
  apt: [git]
  npm: [speak@^1.0]
`

func provenLock() *pins.Lock {
	line := func(kind pins.Kind, name, version, file string, use pins.Use, roots []pins.Root,
		by ...string) pins.Artifact {
		return pins.Artifact{Pin: pins.New(kind, name, version), Platform: "linux/amd64", File: file, SHA256: hashA,
			Size: 7, Use: use, Roots: roots, By: by}
	}
	pin := []pins.Root{pins.PinRoot}
	docopt := line(pins.Pip, "docopt", "0.6.2", "docopt-0.6.2-py2.py3-none-any.whl", pins.Install, pin)
	docopt.From = "sdist:docopt-0.6.2.tar.gz"
	store := line(pins.Pip, "tmpystore", "0.0.1", "tmpystore-0.0.1-py3-none-any.whl", pins.Install, pin)
	store.From = "git+https://git.example.org/x/tmpystore.git@" + strings.Repeat("8", 40)
	l := &pins.Lock{
		Course: "proven", Base: "sha256:" + hashA, Platforms: []string{"linux/amd64"}, Inputs: map[pins.Kind]string{},
		Artifacts: []pins.Artifact{
			line(pins.Conda, "python", "3.11.2", "main/linux-64/python-3.11.2-0_cpython.conda", pins.Install,
				[]pins.Root{pins.PinRoot, pins.PythonRoot}, "hello"),
			line(pins.Conda, "hello", "1.0", "main/noarch/hello-1.0-h1_0.conda", pins.Install, pin),
			line(pins.Conda, "libffi", "3.4.2", "main/linux-64/libffi-3.4.2-h7_5.conda", pins.Install, nil, "python"),
			line(pins.Pip, "tabulate", "0.9.0", "tabulate-0.9.0-py3-none-any.whl", pins.Install, pin),
			line(pins.Pip, "click", "8.1.7", "click-8.1.7-py3-none-any.whl", pins.Install, pin),
			docopt, store,
			line(pins.Pip, "docopt", "0.6.2", "docopt-0.6.2.tar.gz", pins.BuildInput, []pins.Root{pins.SourceRoot},
				"docopt"),
			line(pins.Pip, "setuptools", "67.6.0", "setuptools-67.6.0-py3-none-any.whl", pins.BuildInput,
				[]pins.Root{pins.SourceRoot}, "docopt", "tmpystore"),
			line(pins.Deb, "python3", "3.11.2-1+b1", "pool/main/p/python3-defaults/python3_3.11.2-1+b1_amd64.deb",
				pins.BuildInput, []pins.Root{pins.PythonRoot}),
			line(pins.Deb, "gcc", "4:12.2.0-3", "pool/main/g/gcc-defaults/gcc_12.2.0-3_amd64.deb", pins.BuildInput,
				[]pins.Root{pins.ToolchainRoot}),
			line(pins.Deb, "git", "1:2.39.5-0", "pool/main/g/git/git_2.39.5-0_amd64.deb", pins.Install, pin),
			line(pins.Deb, "git-man", "1:2.39.5-0", "pool/main/g/git/git-man_2.39.5-0_all.deb", pins.Install, nil,
				"git"),
			line(pins.Npm, "speak", "1.0.0", "node_modules/speak/speak-1.0.0.tgz", pins.Install, pin),
			line(pins.Npm, "pad", "2.0.0", "node_modules/pad/pad-2.0.0.tgz", pins.Install, nil, "speak"),
		},
	}
	l.Sort()
	return l
}

// reseal is a lock whose text was changed by who knows to write a checksum.
func reseal(t testing.TB, text string) *pins.Lock {
	t.Helper()
	lines := slices.DeleteFunc(strings.Split(text, "\n"),
		func(l string) bool { return strings.HasPrefix(l, "checksum ") })
	l, err := pins.ParseLock("pins.lock", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	l.Unsealed = false
	return l
}

func TestProve(t *testing.T) {
	m := manifest(t, provenManifest)
	text := provenLock().String()
	if found := pins.Prove("pins.lock", m, reseal(t, text)); len(found) > 0 {
		t.Fatalf("a good lock: %v", found)
	}
	drop := func(start string) string { return dropLine(t, text, start) }
	edit := func(old, new string) string { return editOnce(t, text, old, new) }
	const wheel = "tabulate 0.9.0 linux/amd64 tabulate-0.9.0-py3-none-any.whl"
	for name, test := range map[string]struct{ text, want string }{
		"version": {edit(wheel, "tabulate 0.9.1 linux/amd64 tabulate-0.9.0-py3-none-any.whl"),
			"pins.lock:20: pip tabulate 0.9.1: its file tabulate-0.9.0-py3-none-any.whl is of version 0.9.0"},
		"file": {edit(wheel, "tabulate 0.9.0 linux/amd64 tabulate-0.8.10-py3-none-any.whl"),
			"pip tabulate 0.9.0: its file tabulate-0.8.10-py3-none-any.whl is of version 0.8.10"},
		"version and file": {edit(wheel, "tabulate 0.8.10 linux/amd64 tabulate-0.8.10-py3-none-any.whl"),
			"pins.yaml:6: tabulate==0.9.0: the lock has 0.8.10, at pins.lock:20: that does not meet the pin"},
		"range": {edit("click 8.1.7 linux/amd64 click-8.1.7", "click 9.0 linux/amd64 click-9.0"),
			"pins.yaml:7: click>=8,<9 ; python_version > '3.8': the lock has 9.0"},
		"another's wheel": {edit(wheel, "tabulate 0.9.0 linux/amd64 click-0.9.0-py3-none-any.whl"),
			"its file click-0.9.0-py3-none-any.whl is of another package"},
		"other machine": {edit(wheel,
			"tabulate 0.9.0 linux/amd64 tabulate-0.9.0-cp311-cp311-manylinux_2_17_aarch64.whl"),
			"is not for linux/amd64"},
		"a pin is gone": {drop("pip tabulate "), "pins.yaml:6: tabulate==0.9.0: the lock has no such package"},
		"a git pin is gone": {drop("pip tmpystore "),
			"pins.yaml:10: git+https://git.example.org/x/tmpystore.git@8888888: the lock has no such package"},
		"an apt pin is gone":  {drop("deb git "), "pins.yaml:11: git: the lock has no such package"},
		"a conda pin is gone": {drop("conda hello "), "pins.yaml:4: hello=1.0: the lock has no such package"},
		"an npm pin is gone":  {drop("npm speak "), "pins.yaml:12: speak@^1.0: the lock has no such package"},
		"a source is gone": {drop("pip docopt 0.6.2 linux/amd64 docopt-0.6.2.tar.gz"),
			"pip docopt 0.6.2: the lock has no docopt-0.6.2.tar.gz, from which it is built"},
		"another commit":     {edit(strings.Repeat("8", 40), strings.Repeat("9", 40)), "it is of commit 9999"},
		"another repository": {edit("x/tmpystore.git@", "y/tmpystore.git@"), "the lock has no such package"},
		"deb version": {edit("git 1:2.39.5-0 ", "git 1:2.39.6-0 "),
			"deb git 1:2.39.6-0: its file git_2.39.5-0_amd64.deb is of another version"},
		"deb architecture": {edit("git_2.39.5-0_amd64.deb", "git_2.39.5-0_arm64.deb"), "is not for linux/amd64"},
		"conda platform": {edit("main/linux-64/libffi", "main/linux-aarch64/libffi"),
			"its file main/linux-aarch64/libffi-3.4.2-h7_5.conda is for linux-aarch64"},
		"npm version": {edit("pad 2.0.0 ", "pad 2.0.1 "),
			"npm pad 2.0.1: its file node_modules/pad/pad-2.0.0.tgz is not pad-2.0.1.tgz"},
		"npm range": {edit("speak 1.0.0 linux/amd64 node_modules/speak/speak-1.0.0.tgz",
			"speak 2.0.0 linux/amd64 node_modules/speak/speak-2.0.0.tgz"),
			"pins.yaml:12: speak@^1.0: the lock has 2.0.0"},
		"no such requirer": {edit("install by:speak", "install by:shout"),
			"npm pad 2.0.0: it is there because of shout, which the lock does not have"},
		"by itself": {edit("install by:speak", "install by:pad"), "npm pad 2.0.0: no pin requires it"},
		"false pin": {edit("install by:speak", "install pin"), "npm pad 2.0.0: no pin asks for it"},
		"twice": {strings.Replace(strings.Replace(text, "pip tabulate",
			"pip tabulate 0.8.10 linux/amd64 tabulate-0.8.10-py3-none-any.whl sha256:"+hashA+
				" 7 install pin\npip tabulate", 1), "artifacts 15", "artifacts 16", 1),
			"pip tabulate 0.9.0: the lock installs 0.8.10 as well"},
	} {
		t.Run(name, func(t *testing.T) {
			found := pins.Prove("pins.lock", m, reseal(t, test.text))
			if !strings.Contains(found.Error(), test.want) {
				t.Errorf("found %v, want …%s…", found, test.want)
			}
		})
	}
}

// dropLine is a lock of 15 artifacts without the line that begins with a text.
func dropLine(t *testing.T, text, start string) string {
	t.Helper()
	lines := strings.Split(text, "\n")
	n := len(lines)
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, start) })
	if len(lines) != n-1 {
		t.Fatalf("%q is %d lines", start, n-len(lines))
	}
	return strings.Replace(strings.Join(lines, "\n"), "artifacts 15", "artifacts 14", 1)
}

// editOnce replaces a text that is there once.
func editOnce(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is there %d times", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}

// No single word of a lock's lines can be changed without being found, unless the
// lock stays the same.
func FuzzLockEdits(f *testing.F) {
	m := manifest(f, provenManifest)
	text := provenLock().String()
	for i, word := range []string{"0.9.1", "pip", "by:git", "linux/arm64", "sha256:" + hashB, "8", "build", "99",
		hashA, "docopt"} {
		f.Add(i*3, i, word)
	}
	f.Fuzz(func(t *testing.T, line, field int, word string) {
		lines := strings.Split(text, "\n")
		at := max(line, -(line+1)) % (len(lines) - 1)
		words := strings.Split(lines[at], " ")
		words[max(field, -(field+1))%len(words)] = word
		lines[at] = strings.Join(words, " ")
		edited := strings.Join(lines, "\n")
		l, err := pins.ParseLock("pins.lock", []byte(edited))
		if err == nil && len(pins.Prove("pins.lock", m, l)) == 0 && edited != text {
			t.Errorf("%q was taken for line %d", lines[at], at+1)
		}
	})
}

// The locks that are committed prove themselves.
func TestProveCommitted(t *testing.T) {
	for _, course := range []string{"stat159", "data100"} {
		dir := filepath.Join("../testdata/courses", course)
		m, err := pins.ReadCourse(dir)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, pins.LockName))
		if err != nil {
			t.Fatal(err)
		}
		l, err := pins.ParseLock(course, data)
		if err != nil {
			t.Fatal(err)
		}
		if found := pins.Prove(course, m, l); len(found) > 0 {
			t.Error(found)
		}
	}
}

func TestFindConflicts(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want pins.Conflicts
	}{
		"merge": {"a\n<<<<<<< HEAD\nb\nc\n=======\nd\n>>>>>>> other\ne\n",
			pins.Conflicts{{File: "f", Ours: [2]int{3, 4}, Theirs: [2]int{6, 6}}}},
		"diff3": {"<<<<<<< HEAD\nb\n||||||| 1a2b\nx\n=======\n>>>>>>> other\n",
			pins.Conflicts{{File: "f", Ours: [2]int{2, 2}, Theirs: [2]int{6, 5}}}},
		"CRLF": {"<<<<<<< HEAD\r\nb\r\n=======\r\nd\r\n>>>>>>> other\r\n",
			pins.Conflicts{{File: "f", Ours: [2]int{2, 2}, Theirs: [2]int{4, 4}}}},
		"a heading": {"a title\n=======\ntext\n", nil},
		"unended":   {"<<<<<<< HEAD\nb\n", nil},
		"longer":    {"<<<<<<<<< a\n=======\n>>>>>>>\n", nil},
	} {
		if got := pins.FindConflicts("f", []byte(test.text)); !slices.EqualFunc(got, test.want,
			func(a, b pins.Conflict) bool { return a == b }) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMergedArtifacts(t *testing.T) {
	lines := strings.SplitAfter(exampleLock().String(), "\n")
	last := len(lines) - 2
	other := strings.Replace(lines[last], "6.2", "6.3", 1)
	merged := strings.Join(lines[:last], "") + "<<<<<<< HEAD\n" + lines[last] + "=======\n" + other + ">>>>>>> theirs\n"
	var versions []string
	for _, a := range pins.MergedArtifacts([]byte(merged)) {
		if a.Name == "tornado" {
			versions = append(versions, a.Version)
		}
	}
	if want := []string{"6.2", "6.3"}; !slices.Equal(versions, want) {
		t.Errorf("versions %v", versions)
	}
	if _, err := pins.ParseLock("pins.lock", []byte(merged)); err == nil ||
		!strings.Contains(err.Error(), "git could not merge this") {
		t.Error(err)
	}
}

func BenchmarkProve(b *testing.B) {
	dir := "../testdata/courses/stat159"
	m, err := pins.ReadCourse(dir)
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, pins.LockName))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, err := pins.ParseLock(pins.LockName, data)
		if err != nil || len(pins.Prove(pins.LockName, m, l)) > 0 {
			b.Fatal(err)
		}
	}
}
