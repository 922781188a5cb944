package pins_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/internal/golden"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// Every bad manifest is refused, by file and line.
func TestBadManifests(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = pins.ParseManifest("pins.yaml", data)
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "pins.yaml:") {
					t.Errorf("no file and line in %q", line)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows a password")
			}
			golden.Check(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func TestHugeManifest(t *testing.T) {
	data := bytes.Repeat([]byte("# ten megabytes of yaml\n"), 10<<20/24)
	if _, err := pins.ParseManifest("pins.yaml", data); err == nil || !strings.HasPrefix(err.Error(), "pins.yaml:1: ") {
		t.Errorf("got %v", err)
	}
	deep := []byte("course: " + strings.Repeat("[", 500_000))
	if _, err := pins.ParseManifest("pins.yaml", deep); err == nil {
		t.Error("half a million brackets were accepted")
	}
}

func TestParseManifest(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml", []byte(`
course: stat159
base: oci-layout:../base
as-of: 2023-03-17
pins:
  pip:
    - {pin: "Jupyter_Server == 2.2.1", need: hard, why: RTC, until: 2023-06-01}
    - tornado==6.2.0
    - "nbconvert[webpdf, qtpng]>=6,<7 ; python_version < '3.12'"
    - git+https://github.com/berkeley-dsep-infra/tmpystore.git@84765e1
  apt: [git, "curl=7.88.1-10+deb12u12"]
launch:
  files: {/etc/a.json: {b: 1}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2023, 3, 18, 0, 0, 0, 0, time.UTC); !m.AsOf.End.Equal(want) {
		t.Errorf("as-of ends at %v, want %v: the day counts", m.AsOf.End, want)
	}
	type brief struct {
		Kind             pins.Kind
		Name, Version    string
		Constraint, Need string
		Line             int
	}
	var got []brief
	for _, r := range m.Requests {
		got = append(got, brief{r.Kind, r.Name, r.Version, r.Constraint, string(r.Need), r.At.Line})
	}
	want := []brief{
		{pins.Pip, "jupyter-server", "2.2.1", "== 2.2.1", "hard", 7},
		{pins.Pip, "tornado", "6.2.0", "==6.2.0", "wanted", 8},
		{pins.Pip, "nbconvert", "", ">=6,<7", "wanted", 9},
		{pins.Pip, "", "", "", "wanted", 10},
		{pins.Deb, "git", "", "", "wanted", 11},
		{pins.Deb, "curl", "7.88.1-10+deb12u12", "", "wanted", 11},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if g := m.Requests[3].Git; g == nil || g.URL != "https://github.com/berkeley-dsep-infra/tmpystore.git" ||
		g.Ref != "84765e1" {
		t.Errorf("git: %+v", g)
	}
	if got := string(m.Launch.Files[0].Content); got != "{\n  \"b\": 1\n}\n" {
		t.Errorf("launch file: %q", got)
	}
}

// write makes files below a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const windowsRequirements = "\ufeff# the lab\r\njupyterlab==3.6.1  # real-time collaboration\r\n\r\n-r more/b.txt\r\n" +
	"numpy==1.23.5 \\\r\n  ; python_version > '3'\r\n"

// readCourseCases are the cases of TestReadCourse.
var readCourseCases = map[string]struct {
	files map[string]string
	want  []string
	errs  []string
	warns []string
}{
	"repo2docker": {
		files: map[string]string{"requirements.txt": windowsRequirements,
			"more/b.txt": "# because\n# of that\npandas\n\n# not this\n\nscipy\n",
			"apt.txt":    "git#the tool\n\tcurl # get\n# no\nzip"},
		want: []string{"pip jupyterlab 2 real-time collaboration", "pip pandas 3 because of that", "pip scipy 7 ",
			"pip numpy 5 ",
			"deb git 1 the tool", "deb curl 2 get", "deb zip 4 no"},
	},
	"include loop": {
		files: map[string]string{"pins.yaml": "include: [a.txt]\n", "a.txt": "numpy\n-r b.txt\n",
			"b.txt": "-r a.txt\n"},
		want: []string{"pip numpy 1 "},
		errs: []string{"b.txt:1: include \"a.txt\": it includes itself"},
	},
	"missing include": {
		files: map[string]string{"pins.yaml": "course: a\ninclude:\n  - requirements.txt\n  - /etc/passwd\n " +
			" - sub\n", "sub/x": ""},
		errs: []string{"pins.yaml:3: include \"requirements.txt\": ", "pins.yaml:4: include \"/etc/passwd\": ",
			"pins.yaml:5: include \"sub\": "},
	},
	"options": {
		files: map[string]string{"requirements.txt": "--index-url https://x\n-e .\n--hash=sha256:1\n" +
			"numpy==1\n-c x.txt\n"},
		want: []string{"pip numpy 4 "},
		errs: []string{"requirements.txt:1: --index-url", "requirements.txt:2: -e", "requirements.txt:3: --hash",
			"requirements.txt:5: -c"},
	},
	"not yet": {
		files: map[string]string{"environment.yml": "dependencies: [git]\n", "Project.toml": "[deps]\n",
			"requirements.txt": "numpy\n"},
		want:  []string{"conda git 1 "},
		errs:  []string{"Project.toml:1: "},
		warns: []string{"requirements.txt: nothing includes this file"},
	},
	"channels": {
		files: map[string]string{"environment.yml": "channels: [defaults, conda-forge, 'https://x.example/y']\n" +
			"dependencies: [git, 'other::tree']\n"},
		want: []string{"conda git 2 ", "conda tree 2 "},
		errs: []string{"environment.yml:1: channel \"https://x.example/y\": a lock holds no addresses",
			"environment.yml:1: channel defaults depends on the settings",
			"environment.yml:2: other::tree: its channel is not among the channels"},
	},
	"ghosts": {
		files: map[string]string{"pins.yaml": "pins: {pip: [numpy]}\n", "infra-requirements.txt": "pandas\n"},
		want:  []string{"pip numpy 1 "},
		warns: []string{"infra-requirements.txt: nothing includes this file"},
	},
}

func TestReadCourse(t *testing.T) {
	for name, test := range readCourseCases {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.files)
			m, err := pins.ReadCourse(dir)
			if m == nil {
				t.Fatal(err)
			}
			var got, errs, warns []string
			for _, r := range m.Requests {
				got = append(got, fmt.Sprintf("%s %s %d %s", r.Kind, r.Name, r.At.Line, r.Why))
			}
			for _, f := range m.Findings {
				text := strings.TrimPrefix(f.Error(), dir+"/")
				if f.Fatal {
					errs = append(errs, text)
				} else {
					warns = append(warns, text)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			prefixes(t, test.errs, errs)
			prefixes(t, test.warns, warns)
			if (err != nil) != (len(test.errs) > 0) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func prefixes(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("findings: want %q, got %q", want, got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("finding %d: want %q…, got %q", i, want[i], got[i])
		}
	}
}

func TestNoCourse(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/nonexistent", write(t, map[string]string{"pins.yaml/x": ""})} {
		if m, err := pins.ReadCourse(dir); err == nil || m != nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, %v", dir, m, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range append(files, "../testdata/courses/stat159/pins.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := pins.ParseManifest("pins.yaml", data)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "pins.yaml:") {
					t.Errorf("no file and line in %q", line)
				}
			}
			return
		}
		for _, r := range m.Requests {
			if r.At.Line < 1 || r.Name == "" && r.Git == nil {
				t.Errorf("a request without a place or a name: %+v", r)
			}
		}
	})
}

func FuzzParsePip(f *testing.F) {
	for _, s := range []string{"a==1", "a[b]>=1,<2; python_version<'3'", "git+https://h/x.git@v1#egg=a",
		"a @ git+ssh://git@h/x@y", "–a", "a(==1)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := pins.ParsePip(s)
		if err != nil || r.Git == nil {
			return
		}
		again, err := pins.ParsePip(r.Git.String())
		if err != nil || *again.Git != *r.Git {
			t.Errorf("%q: %+v becomes %+v, %v", s, r.Git, again.Git, err)
		}
	})
}

// A day that is over is told; other words are for people. A file that is not there is an
// error before anything is built.
func TestExpired(t *testing.T) {
	dir := write(t, map[string]string{"pins.yaml": "pins:\n  pip:\n    - {pin: a==1, until: 2023-06-01}\n    - {pin: b==1, until: the " +
		"next term}\nfiles: {x.json: /opt/x.json, sub: /opt/y}\nsync: {with: .., rules: [{same: [a], until: 2023-06-02}]}\n",
		"sub/z": ""})
	m, err := pins.ReadCourse(dir)
	if m == nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pins.yaml:5: x.json: there is no such file", "pins.yaml:5: sub is no regular file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for day, want := range map[string]int{"2023-06-01": 0, "2023-06-02": 1, "2023-06-03": 2} {
		now, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if found := m.Expired(now.Add(23 * time.Hour)); len(found) != want {
			t.Errorf("on %s: %v", day, found)
		}
	}
}
