package pins_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// asksFor is what a folder asks for, a line for each request, and its findings as
// SEVERITY RULE.
func asksFor(t *testing.T, files map[string]string) (requests, findings []string) {
	t.Helper()
	m, err := pins.ReadCourse(write(t, files))
	if m == nil {
		return nil, []string{err.Error()}
	}
	for _, r := range m.Requests {
		line := r.Kind.Key() + " " + r.Requirement()
		switch {
		case r.Git != nil:
			line = r.Kind.Key() + " " + r.Requirement() + " " + r.Git.String()
		case r.Kind == pins.Conda:
			line = "conda " + r.MatchSpec()
		case r.Kind == pins.Deb:
			line = "apt " + r.Spec
		}
		if r.Over != "" {
			line += " over " + r.Over
		}
		requests = append(requests, line)
	}
	for _, f := range m.Findings {
		findings = append(findings, string(f.Severity)+" "+f.Rule)
	}
	return requests, findings
}

var hashOfA = strings.Repeat("a", 64)

// readersCases are the cases of TestReaders.
var readersCases = map[string]struct {
	files    map[string]string
	requests string // by "; "
	findings string
}{
	"a comment does not go on": {map[string]string{"requirements.txt": "# data in D:\\courses\\\n" +
		"numpy==1.26.4\npandas==2.2.2 \\\n# a remark \\\nrequests==2.32.3\n"},
		"pip numpy==1.26.4; pip pandas==2.2.2; pip requests==2.32.3", ""},
	"an indented comment": {map[string]string{"requirements.txt": "   # old \\\nscipy==1\nx==1\n"},
		"pip scipy==1; pip x==1", ""},
	"a line that goes on": {map[string]string{"requirements.txt": "numpy \\\n  ==1.2\n"},
		"pip numpy==1.2", ""},
	"all ends of lines": {
		map[string]string{"requirements.txt": "a # why\rb\vc\fd\x1ce\u0085f\u2028g\r\nh"},
		"pip a; pip b; pip c; pip d; pip e; pip f; pip g; pip h", "",
	},
	"UTF-16": {map[string]string{"requirements.txt": "\xff\xfea\x00\n\x00"}, "pip a", ""},
	"UTF-16, YAML": {map[string]string{"environment.yml": "\xff\xfe" +
		utf16le("dependencies: [numpy]\n")}, "conda numpy", ""},
	"UTF-8 with a mark": {map[string]string{"requirements.txt": "\xef\xbb\xbfa\n"}, "pip a", ""},
	"latin-1": {map[string]string{"requirements.txt": "a # caf\xe9\n"}, "",
		"error encoding"},
	"another coding": {map[string]string{"requirements.txt": "# -*- coding: rot13 -*-\na\n"},
		"", "error encoding"},
	"any name behind -r": {map[string]string{"requirements.txt": "-r sub/apt.txt\n-r 'more " +
		"reqs.txt'\n-rbase.in # x\n", "sub/apt.txt": "pandas==1\n", "more reqs.txt": "b", "base.in": "c"},
		"pip pandas==1; pip b; pip c", ""},
	"a local wheel": {
		map[string]string{"requirements.txt": "numpy-1.24.2-cp311-cp311-manylinux_2_17_x86_64.whl\nfoo.tar.gz\n"},
		"", "error unsupported; error unsupported",
	},
	"variables of the machine": {map[string]string{"requirements.txt": "a==${VERSION}\n"}, "",
		"error unsupported"},
	"git, extras and marker": {
		map[string]string{"requirements.txt": "b[x] @ git+https://h.test/b@main ; python_version>'3'\n"},
		"pip b[x] ; python_version>'3' git+https://h.test/b@main", "",
	},
	"git without a reference": {map[string]string{"requirements.txt": "git+https://h.test/b.git " +
		"; python_version>'3'\n"}, "pip  ; python_version>'3' git+https://h.test/b.git", ""},
	"a name counts more than egg": {
		map[string]string{"requirements.txt": "c @ git+https://h.test/b@1#egg=b\n"},
		"pip c git+https://h.test/b@1", "",
	},
	"quoted hashes": {map[string]string{"requirements.txt": "a==1 --hash='sha256:" + hashOfA +
		"'\n"}, "pip a==1", ""},
	"weak hashes": {map[string]string{"requirements.txt": "a==1 --hash=md5:abc\n"}, "",
		"error pin"},
	"odd markers": {map[string]string{"requirements.txt": "a ; hello world\nb ; foo=='x'\n" +
		"c ; (python_version<'3.9'\n"}, "", "error pin; error pin; error pin"},
	"odd specifiers": {map[string]string{"requirements.txt": "a (==1.0\nb~=1\nc<2.0+abc\nd[a " +
		"b]\n"}, "", "error pin; error pin; error pin; error pin"},
	"of pip's own day": {map[string]string{"requirements.txt": "tensorflow>=2.7.*\n" +
		"line_profiler>-3.4.0\na==1,\n"}, "pip tensorflow>=2.7; pip line-profiler; pip a==1",
		"warning specifier; warning specifier; warning specifier"},
	"apt, several on a line": {map[string]string{"apt.txt": "git curl # both\n# x \\\ntree\n"},
		"apt git; apt curl; apt tree", "warning several"},
	"apt, what removes": {map[string]string{"apt.txt": "git-\n-t xx\ngit/bookworm\ng++\n"},
		"apt xx; apt g++", "error unsupported; error unsupported; warning several; error unsupported"},
	"runtime.txt, a date": {map[string]string{"runtime.txt": "python-3.11-2023-01-01\n",
		"requirements.txt": "a\n"}, "pip a; conda python =3.11", "warning runtime"},
	"runtime.txt, a comment": {map[string]string{"runtime.txt": "# c\npython-3.11\n"}, "",
		"error runtime"},
	"runtime.txt, no minor": {map[string]string{"runtime.txt": "python-3\n"}, "conda python =3.10",
		"warning runtime"},
	"runtime.txt, R": {map[string]string{"runtime.txt": "r-4.3-2023-08-01\n",
		"environment.yml": "dependencies: [a]\n", "requirements.txt": "b\n"}, "conda a; pip b; conda r-base =4.3",
		""},
	"runtime.txt, R of Debian's": {map[string]string{"runtime.txt": "r-4.3-2023-08-01\n", "requirements.txt": "b\n"},
		"pip b; apt r-base-core", "warning runtime"},
	"runtime.txt, R that apt.txt names": {map[string]string{"runtime.txt": "r-4.3-2023-08-01\n", "apt.txt": "r-base\n"},
		"apt r-base", "warning runtime"},
	"runtime.txt beside environment": {map[string]string{"runtime.txt": "python-3.9\n",
		"environment.yml": "dependencies: [a]\n"}, "conda a", "warning no-effect"},
	"setup.py beside environment": {map[string]string{"setup.py": "",
		"environment.yml": "dependencies: [python=3.11, numpy=1.26.4]\n"},
		"conda python =3.11; conda numpy =1.26.4", "warning no-effect"},
	"setup.py alone": {map[string]string{"setup.py": ""}, "", "error unsupported"},
	"setup.py beside requirements": {map[string]string{"setup.py": "", "requirements.txt": "a"}, "pip a",
		"error unsupported"},
	"a pyproject.toml of tools": {map[string]string{"pyproject.toml": "[tool.ruff]\n",
		"requirements.txt": "a"}, "pip a", ""},
	"a pyproject.toml of a package": {map[string]string{"pyproject.toml": "[project]\nname='x'\n" +
		"[build-system]\n", "requirements.txt": "a"}, "pip a", "error unsupported"},
	"Pipfile beside environment": {map[string]string{"Pipfile": "",
		"environment.yml": "dependencies: [a]\n"}, "conda a", "warning no-effect"},
	"Pipfile beside requirements": {map[string]string{"Pipfile": "", "requirements.txt": "a"}, "pip a",
		"error unsupported"},
	"install.R, and nothing of R": {map[string]string{"install.R": "", "requirements.txt": "a"}, "pip a",
		"warning no-effect"},
	"JuliaProject.toml": {map[string]string{"JuliaProject.toml": "", "requirements.txt": "a"},
		"pip a", "error unsupported"},
	"binder": {map[string]string{"binder/requirements.txt": "a",
		"requirements.txt": "b", "setup.py": "", "start": ""}, "pip a",
		"warning no-effect; warning no-effect; warning no-effect"},
	".binder": {map[string]string{".binder/environment.yml": "dependencies: [a]\n"},
		"conda a", ""},
	"binder twice": {map[string]string{"binder/apt.txt": "a1", ".binder/apt.txt": "b1"},
		"apt a1", "error repo2docker"},
	"environment.yaml is the second": {map[string]string{"environment.yml": "dependencies: [a]\n",
		"environment.yaml": "dependencies: [b]\n"}, "conda a", "warning no-effect"},
	"pixi.toml and requirements.txt": {map[string]string{"pixi.toml": "[dependencies]\na='*'\n",
		"requirements.txt": "b"}, "conda a", "warning no-effect"},
	"numbers are no packages": {map[string]string{"environment.yml": "dependencies:\n  - 3.10\n  - " +
		"pip:\n    - 3.5\n"}, "", "error type; error type"},
	"a comment in a pip item": {map[string]string{"environment.yml": "dependencies:\n  - pip:\n    " +
		"- 'a==1 # why'\n"}, "pip a==1", ""},
	"a version that ends with a dot": {map[string]string{"environment.yml": "dependencies: [scipy=1.11.]\n"},
		"conda scipy =1.11.*", "warning specifier"},
	"a pin twice": {map[string]string{"requirements.txt": "a==1.0\na==1.0.0\n"},
		"pip a==1.0", "warning duplicate"},
	"a pin with and without": {map[string]string{"requirements.txt": "a\na==1.0\na[x]\n"},
		"pip a[x]==1.0", "warning duplicate; warning duplicate"},
	"two pins": {map[string]string{"requirements.txt": "a==1.0\na==2.0\n"}, "pip a==1.0",
		"error duplicate"},
	"a pin and a range": {map[string]string{"requirements.txt": "a>=1\na==1.5\n"}, "pip a==1.5",
		"warning duplicate"},
	"two ranges": {map[string]string{"requirements.txt": "a>=1\na<2\n"}, "pip a>=1,<2",
		"warning duplicate"},
	"a pin outside of a range": {map[string]string{"requirements.txt": "a>=2\na==1.5\n"}, "pip a>=2",
		"error duplicate"},
	"ranges that exclude each other": {map[string]string{"requirements.txt": "a>=2\na<1\n"}, "pip a>=2",
		"error duplicate"},
	"ranges with a gap for one": {map[string]string{"requirements.txt": "a>=2\na!=2\na!=2.0.1\na<3\n"},
		"pip a>=2,!=2,!=2.0.1,<3", "warning duplicate; warning duplicate; warning duplicate"},
	"two commits": {map[string]string{"requirements.txt": "git+https://h.test/c@v1\n" +
		"git+https://h.test/c@v2\n"}, "pip  git+https://h.test/c@v1", "error duplicate"},
	"apt, with and without a version": {map[string]string{"apt.txt": "git\ngit=1:2.39\n"}, "apt git=1:2.39",
		"warning duplicate"},
	"apt, two versions": {map[string]string{"apt.txt": "git=1:2.39\ngit=1:2.40\n"},
		"apt git=1:2.39", "error duplicate"},
	"conda's = is a prefix": {map[string]string{"environment.yml": "dependencies: ['a=1.21', " +
		"'a<1.21.3', 'b=1.3', 'b=1.3.5', 'c=1.2', 'c==1.2']\n"},
		"conda a =1.21,<1.21.3; conda b =1.3,=1.3.5; conda c ==1.2",
		"warning duplicate; warning duplicate; warning duplicate"},
	"conda's = contradicts": {map[string]string{"environment.yml": "dependencies: [a=1.26.*, " +
		"a=1.24.*]\n"}, "conda a =1.26.*", "error duplicate"},
	"conda's builds and channels": {map[string]string{"environment.yml": "channels: [c, d]\ndependencies: " +
		"['a=1=py39_0', 'a=1=py39_*', 'c::b=1', 'b=1', 'c::e=1', 'd::e=1']\n"},
		"conda a ==1 py39_0; conda c::b =1; conda c::e =1",
		"warning duplicate; warning duplicate; error duplicate"},
	"conda's and pip's": {map[string]string{"environment.yml": "dependencies: [a=1.0, {pip: " +
		"[a==1.0, b]}]\n"}, "conda a =1.0; pip a==1.0 over a; pip b", "warning two-ecosystems"},
	"conda's and pip's differ": {map[string]string{"environment.yml": "dependencies: [a=1.0, {pip: " +
		"[a==2.0]}]\n"}, "conda a =1.0; pip a==2.0 over a", "warning two-ecosystems"},
	"conda's and pip's, in a manifest": {map[string]string{"pins.yaml": "pins: {conda: [a=1.0], pip: " +
		"[a==2.0]}\n"}, "conda a =1.0; pip a==2.0", "error two-ecosystems"},
	"a merge that git left": {map[string]string{"requirements.txt": "a\n<<<<<<< HEAD\nb==1\n" +
		"=======\nb==2\n>>>>>>> x\n"}, "", "error conflict"},
	"pins.yml": {map[string]string{"pins.yml": "pins: {}", "requirements.txt": "a"},
		"pip a", "error ghost"},
}

// What the tools that own these files make of them is what is read. Each line was
// held against pip 26.3's own parser, jupyter-repo2docker 2026.4, conda or apt-get.
func TestReaders(t *testing.T) {
	for name, test := range readersCases {
		t.Run(name, func(t *testing.T) {
			requests, findings := asksFor(t, test.files)
			slices.Sort(findings)
			want := strings.Split(test.findings, "; ")
			slices.Sort(want)
			if strings.Join(requests, "; ") != test.requests ||
				strings.Join(findings, "; ") != strings.Join(want, "; ") {
				t.Errorf("%q, %q; want %q, %q", requests, findings, test.requests, test.findings)
			}
		})
	}
}

func utf16le(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteString(string([]byte{byte(r), byte(r >> 8)}))
	}
	return b.String()
}

// The variables of an environment file are the image's; adopt takes them along.
func TestVariables(t *testing.T) {
	m, err := pins.ReadCourse(write(t, map[string]string{"environment.yml": "dependencies: [gdal=3.8.4]\n" +
		"variables:\n  PROJ_NETWORK: \"ON\"\n  STEALING: \"false\"\n"}))
	if err != nil || m.Launch.Env["PROJ_NETWORK"] != "ON" || m.Launch.Env["STEALING"] != "false" {
		t.Fatalf("%v, %v", m.Launch.Env, err)
	}
	text, err := pins.Adopt(m, "")
	if err != nil || !strings.Contains(string(text), "PROJ_NETWORK: \"ON\"") {
		t.Errorf("%s, %v", text, err)
	}
	m, err = pins.ReadCourse(write(t, map[string]string{"pins.yaml": "include: [environment.yml]\nlaunch: {env: " +
		"{A: mine}}\n", "environment.yml": "dependencies: [a]\nvariables: {A: theirs}\n"}))
	if err != nil || m.Launch.Env["A"] != "mine" {
		t.Errorf("%v, %v", m.Launch.Env, err)
	}
}

// Nothing outside of a course's repository is read, or quoted.
func TestOutside(t *testing.T) {
	top := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.txt")
	course := filepath.Join(top, "repo", "courses", "a")
	layout := filepath.Join(top, "layout")
	for _, dir := range []string{course, filepath.Join(top, "repo", ".git"), filepath.Join(top, "repo", "common"),
		layout} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(secret, "s3cr3t==1 s3cr3t\n")
	put(filepath.Join(top, "outside.yaml"), "pins: {pip: [s3cr3t==1]}\n")
	put(filepath.Join(top, "repo", "common", "reqs.txt"), "b\n")
	link := func(to, name string) {
		t.Helper()
		os.Remove(name)
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		make func()
		want string // in the findings; empty for none
	}{
		"a link": {func() { link(secret, filepath.Join(course, "requirements.txt")) },
			"lies outside of the course's git repository"},
		"a link to a link": {func() {
			link("../..", filepath.Join(course, "up"))
			put(filepath.Join(course, "pins.yaml"), "include: [up/../secret.txt]\n")
			link(secret, filepath.Join(course, "secret.txt"))
		}, "lies outside of"},
		"a folder that leads": {func() {
			link(filepath.Dir(secret), filepath.Join(course, "dir"))
			put(filepath.Join(course, "pins.yaml"), "include: [dir/secret.txt]\n")
		}, "lies outside of"},
		"an include": {func() {
			put(filepath.Join(course, "pins.yaml"), "include: [../../../outside.txt]\n")
			link(secret, filepath.Join(top, "outside.txt"))
		}, "lies outside of"},
		"extends": {func() {
			put(filepath.Join(course, "pins.yaml"), "extends: ../../../outside.yaml\n")
		}, "lies outside of"},
		"a layout": {func() {
			put(filepath.Join(course, "pins.yaml"), "base: oci-layout:../../../layout\n")
		}, "pins.yaml:1: oci-layout:../../../layout lies outside of"},
		"within the repository": {func() {
			put(filepath.Join(course, "pins.yaml"), "include: [../../common/reqs.txt]\n")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) { outside(t, course, test.make, test.want) })
	}
}

// outside reads a course that make has made, and wants a text in its findings.
func outside(t *testing.T, course string, make func(), want string) {
	t.Helper()
	for _, file := range []string{"pins.yaml", "requirements.txt", "secret.txt", "up", "dir"} {
		os.Remove(filepath.Join(course, file))
	}
	make()
	m, err := pins.ReadCourse(course)
	if m == nil {
		t.Fatal(err)
	}
	said := m.Findings.Error()
	if !strings.Contains(said, want) || (want == "") != (err == nil) ||
		strings.Contains(said, "s3cr3t") || len(m.Requests) > 0 && want != "" {
		t.Errorf("findings %v, requests %v", m.Findings, m.Requests)
	}
	if m, err = pins.ReadCourseWith(course, pins.ReadOptions{Outside: true}); want != "" && m != nil &&
		strings.Contains(m.Findings.Error(), "lies outside of") {
		t.Errorf("with leave: %v", err)
	}
}

func TestCourseNames(t *testing.T) {
	top := t.TempDir()
	for folder, want := range map[string]string{
		"deployments/stat159/image": "stat159", "deployments/dev/images/default": "dev",
		"deployments/dev/images/secondary": "secondary",
		"a11y":                             "a11y", "Data 8/binder": "data-8", "x/.binder": "x",
	} {
		dir := filepath.Join(top, folder)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "apt.txt"), []byte("git\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if m, err := pins.ReadCourse(dir); err != nil || m.Course != want {
			t.Errorf("%s is called %s, %v", folder, m.Course, err)
		}
	}
	if _, err := pins.ReadCourse(filepath.Join(top, "deployments", "stat159")); err == nil ||
		!strings.Contains(err.Error(), "did you mean "+filepath.Join(top, "deployments/stat159/image")+"?") {
		t.Error(err)
	}
}
