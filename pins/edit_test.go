package pins_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestEdit(t *testing.T) {
	const file = `pins:
  pip:
    - {pin: "tornado==6.2.0", why: 6.2.0 is what data8 has}   # 6.2.0
    - numpy   # any
    - pandas>=1.4,<2 ; python_version>'3'
    - nbconvert[webpdf]==7.16.4
    - git+https://h.test/x.git@84765e1#egg=x
    - git+https://h.test/y.git
    - idna == 3.3
  apt: [git, curl=7.88.1-10]
  conda: ["xz[version='5.4.1']", "zstd=1.5.2=h3eb15da_6", "perl 5.32.1", "hdf5[build=h0]", "lz4[version='>=1,<2',build=h1]"]
`
	m, err := pins.ParseManifest("pins.yaml", []byte("base: oci-layout:x\n"+file))
	if err != nil {
		t.Fatal(err)
	}
	source := m.Sources[0].Data
	for _, test := range []struct{ spec, version, old, new string }{
		{"tornado==6.2.0", "6.3.3", `{pin: "tornado==6.2.0", why: 6.2.0`, `{pin: "tornado==6.3.3", why: 6.2.0`},
		{"numpy", "1.24.2", "- numpy   #", "- numpy==1.24.2   #"},
		{"pandas>=1.4,<2 ; python_version>'3'", "1.5.3", "pandas>=1.4,<2 ;", "pandas==1.5.3 ;"},
		{"nbconvert[webpdf]==7.16.4", "7.16.5", "[webpdf]==7.16.4", "[webpdf]==7.16.5"},
		{"git+https://h.test/x.git@84765e1#egg=x", "v2", "@84765e1#", "@v2#"},
		{"git+https://h.test/y.git", "main", "y.git\n", "y.git@main\n"},
		{"idna == 3.3", "3.4", "idna == 3.3", "idna == 3.4"},
		{"git", "1:2.39.2-1", "[git,", "[git=1:2.39.2-1,"},
		{"xz[version='5.4.1']", "5.4.2", "='5.4.1']", "='5.4.2']"},
		{"zstd=1.5.2=h3eb15da_6", "1.5.5", "zstd=1.5.2=h3eb15da_6", "zstd==1.5.5"},
		{"lz4[version='>=1,<2',build=h1]", "1.9.4", "lz4[version='>=1,<2',build=h1]", "lz4==1.9.4"},
		{"perl 5.32.1", "5.34.0", "perl 5.32.1", "perl 5.34.0"},
		{"hdf5[build=h0]", "1.12.2", "hdf5[build=h0]", "hdf5==1.12.2"},
		{"curl=7.88.1-10", "7.88.1-11", "curl=7.88.1-10]", "curl=7.88.1-11]"},
	} {
		for _, r := range m.Requests {
			if r.Spec != test.spec {
				continue
			}
			got, err := pins.Edit(source, r, test.version)
			if want := strings.Replace(string(source), test.old, test.new, 1); err != nil || string(got) != want {
				t.Errorf("%s: got\n%s\n%v", test.spec, got, err)
			}
		}
	}
	bad := m.Requests[0]
	for _, version := range []string{"", "not a version", "1; x", "1.0\n- evil"} {
		if got, err := pins.Edit(source, bad, version); err == nil {
			t.Errorf("%q: got\n%s", version, got)
		}
	}
	bad.At.Line = 99
	if _, err := pins.Edit(source, bad, "1"); err == nil || !strings.Contains(err.Error(), "pins.yaml:99") {
		t.Error(err)
	}
}

// Every pin of every real file can be bumped: only its version's bytes change,
// and it reads as the new one.
func TestEditCorpus(t *testing.T) {
	n := 0
	for _, dir := range allCourses(t) {
		m, _ := pins.ReadCourse(dir) // findings do not matter here
		for _, r := range m.Requests {
			if r.Kind == pins.R || strings.HasPrefix(r.Spec, "python-") {
				continue
			}
			source, err := os.ReadFile(r.At.File)
			if err != nil {
				t.Fatal(err)
			}
			version := "987.65.4"
			edited, err := pins.Edit(source, r, version)
			if err != nil {
				t.Error(err)
				continue
			}
			n++
			at := bytes.Index(edited, []byte(version))
			if at < 0 || bytes.Count(edited, []byte(version)) != 1 {
				t.Errorf("%s: the version stands %d times", r.At, bytes.Count(edited, []byte(version)))
				continue
			}
			before, after := edited[:at], edited[at+len(version):]
			if !bytes.HasPrefix(source, bytes.TrimRight(before, "=@")) || !bytes.HasSuffix(source, after) {
				t.Errorf("%s: more than the version has changed", r.At)
			}
		}
	}
	t.Logf("%d pins", n)
}

// Any bytes as a file of pins are read without a panic; and a pin that can be
// bumped reads as the new version afterwards.
func FuzzFiles(f *testing.F) {
	files := []string{"environment.yml", "requirements.txt", "apt.txt", "runtime.txt", "pixi.toml", pins.ManifestName}
	for i, text := range []string{
		"channels: [a]\ndependencies:\n- python=3.9 # why\n- pip:\n  - -r x.txt\n  - a[b]==1 --hash=sha256:00\n",
		"# why\na==1 ; python_version > '3' \\\n  --hash=sha256:00\n-e .\ngit+https://h.test/x.git@v1\n",
		"git=1:2 # why\n",
		"python-3.9\nr-4.3-2023-08-01\n",
		"[workspace]\nchannels = ['a']\n[dependencies]\npython = '3.9' # why\nb = {version = '1', build = 'x'}\n" +
			"[pypi-dependencies.c]\nextras = ['d']\n",
		"pins: {pip: [{pin: a==1, why: b}], apt: [c]}\n",
	} {
		f.Add(uint8(i), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		file := files[int(which)%len(files)]
		for _, r := range pins.ReadAlone(file, []byte(text)) {
			if r.Kind == pins.R || strings.HasPrefix(r.Spec, "python-") {
				continue
			}
			edited, err := pins.Edit([]byte(text), r, "98.7")
			if err == nil && !bytes.Contains(edited, []byte("98.7")) {
				t.Errorf("%q: %q was not bumped", text, r.Spec)
			}
		}
	})
}

// What stands in other files than a pins.yaml is edited where it stands.
func TestEditFiles(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for name, test := range map[string]struct{ file, text, pin, version, old, new string }{
		"pixi": {"pixi.toml", "[pypi-dependencies]\nclick = \"==8.1.6\"        # as the hub has it\n",
			"click", "8.1.7", "8.1.6", "8.1.7"},
		"pixi, a table": {"pixi.toml", "[pypi-dependencies]\na = { version = \"==2.1.1\" }\n", "a", "2.1.2",
			"2.1.1", "2.1.2"},
		"pixi, its own": {"pixi.toml",
			"[dependencies.numpy]\nchannel = 'conda-forge'\nversion = '1.24.2'\n[workspace]\n" +
				"channels=['conda-forge']\n", "numpy", "1.24.3", "1.24.2", "1.24.3"},
		"pixi, inherited": {"pixi.toml",
			"[workspace.dependencies]\nnumpy = '1.26.*'\n[dependencies]\nnumpy = {workspace = true}\n", "numpy",
			"1.26.4", "1.26.*", "==1.26.4"},
		"pixi, any": {"pixi.toml", "[dependencies]\nnumpy = \"*\"\n", "numpy", "1.26.4", "*", "==1.26.4"},
		"pixi, git": {"pixi.toml", "[pypi-dependencies]\na = {git = 'https://h.test/a.git', rev = 'v1'}\n", "a",
			"v2", "'v1'", "'v2'"},
		"pixi, a build": {"pixi.toml", "[dependencies]\na = {build = 'h1_0', version = '1.0'}\n", "a", "1.1",
			"'h1_0', version = '1.0'", "'*', version = '1.1'"},
		"hashes": {"requirements.txt", "a==1.0 \\\n    --hash=sha256:" + sum + " \\\n    --hash=sha256:" +
			sum + "\nb==2\n", "a", "1.1", "a==1.0 \\\n    --hash=sha256:" + sum + " \\\n    --hash=sha256:" + sum,
			"a==1.1"},
		"hash, marker": {"requirements.txt", "a==1.0 ; python_version > '3' --hash=sha256:" + sum + "\n", "a",
			"1.1", "a==1.0 ; python_version > '3' --hash=sha256:" + sum, "a==1.1 ; python_version > '3'"},
		"twice": {"requirements.txt", "a==1.0\nb\na==1.0 # again\n", "a", "1.1", "a==1.0\nb\na==1.0",
			"a==1.1\nb\na==1.1"},
		"conda and build": {"environment.yml", "dependencies:\n  - a=1.0=h1_0 # exported\n", "a", "1.1",
			"a=1.0=h1_0", "a==1.1"},
		"CR line ends": {"requirements.txt", "b==1\ra==1.0\rc\r", "a", "1.1", "a==1.0", "a==1.1"},
		"UTF-16": {"requirements.txt", "\xff\xfea\x00=\x00=\x001\x00.\x000\x00\n\x00", "a", "1.1", "0\x00\n",
			"1\x00\n"},
		"form feed":       {"requirements.txt", "# section\fa==1.0\n", "a", "1.1", "a==1.0", "a==1.1"},
		"trailing comma":  {"requirements.txt", "a==1.0,\n", "a", "1.1", "a==1.0,", "a==1.1,"},
		"odd wildcard":    {"requirements.txt", "a>=2.7.*\n", "a", "2.8", "a>=2.7.*", "a==2.8"},
		"two on one line": {"apt.txt", "git curl=1.0\n", "curl", "1.1", "curl=1.0", "curl=1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := pins.ReadCourse(write(t, map[string]string{test.file: test.text}))
			if err != nil {
				t.Fatal(err)
			}
			requests := m.Pinned(test.pin)
			if len(requests) != 1 {
				t.Fatalf("%d requests", len(requests))
			}
			edited, err := m.EditAll([]pins.Bump{{Request: requests[0], Version: test.version}})
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range edited {
				if want := strings.Replace(test.text, test.old, test.new, 1); string(got) != want {
					t.Errorf("got\n%q, want\n%q", got, want)
				}
			}
		})
	}
}
