package owns

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

// npmFile is a package of npm's that holds files with these names, and a
// package.json.
func npmFile(t testing.TB, manifest string, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	add := func(name, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		add("package/"+name, "")
	}
	if manifest != "" {
		add("package/package.json", manifest)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The programs are those that npm links to.
func TestReadNpm(t *testing.T) {
	for manifest, want := range map[string]map[string]string{
		`{"name":"@jupyter/builder","bin":"./lib/main.js"}`: {
			"bin/builder": "runs @jupyter/builder/lib/main.js",
		},
		`{"name":"typescript","bin":{"tsc":"bin/tsc","tsserver":"./b"}}`: {"bin/tsc": "runs typescript/bin/tsc",
			"bin/tsserver": "runs typescript/b"},
		`{"name":"x","bin":{"../../evil":"a","ba\td":"b"}}`: {"bin/evil": "runs x/a"},
		`{"name":"x","directories":{"bin":"./programs"}}`: {"bin/one": "runs x/programs/one",
			"bin/two": "runs x/programs/two"},
		"\ufeff" + `{"name":"x","directories":[],"bin":"x"}`:        {"bin/x": "runs x/x"},
		`{"name":"none","bin":{},"directories":{"bin":"programs"}}`: {},
		`{"name":"none"}`: {},
	} {
		got, err := readNpm(bytes.NewReader(npmFile(t, manifest, "programs/one", "programs/two", "other")))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", manifest, diff)
		}
	}
	for _, bad := range [][]byte{npmFile(t, ""), npmFile(t, "["), []byte("PK"), npmFile(t, "{}")[:40]} {
		if _, err := readNpm(bytes.NewReader(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// A program of npm's over one of pip's, two of npm's, and a folder that conda's
// node has already: each is found. What lies inside of another package is not in
// anybody's way.
func TestOverlapsOfNpm(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("base: oci-layout:x\npins:\n  npm:\n    - tool@1.0.0\n    - npm@9.0.0\n  pip:\n    - tool==1\n"))
	if err != nil {
		t.Fatal(err)
	}
	of := func(kind pins.Kind, name, file string) pins.Artifact {
		return pins.Artifact{Pin: pins.New(kind, name, "1"), Platform: "linux/amd64", File: file, SHA256: name + file,
			Use: pins.Install, Roots: []pins.Root{pins.PinRoot}}
	}
	l := &pins.Lock{Platforms: []string{"linux/amd64"}, Artifacts: []pins.Artifact{
		of(pins.Conda, "nodejs", "main/linux-64/nodejs-1-0.conda"), of(pins.Npm, "npm", "node_modules/npm/npm-1.tgz"),
		of(pins.Npm, "npm", "node_modules/tool/node_modules/npm/npm-1.tgz"),
		of(pins.Npm, "tool", "node_modules/tool/tool-1.tgz"), of(pins.Pip, "tool", "tool-1.whl"),
	}}
	packages := InEnvironment(l, "linux/amd64")
	owned := []map[string]string{
		{"lib/node_modules/npm/package.json": "sha256=x"},
		atTop(packages[1], map[string]string{"bin/npx": "runs npm/a"}),
		atTop(packages[2], map[string]string{"bin/tool": "runs tool/b", "bin/npx": "runs tool/npx"}),
		{"bin/tool": "calls tool:main"},
	}
	var got []string
	for _, f := range Clashes(m, l, packages, owned) {
		got = append(got, f.Position.String()+": "+f.Message[:strings.Index(f.Message, ", with")])
	}
	want := []string{
		"pins.yaml: conda's nodejs 1 and npm's npm 1 both own lib/node_modules/npm/package.json",
		"pins.yaml:5: npm 1 and tool 1 both own bin/npx",
		"pins.yaml:4: npm's tool 1 and pip's tool 1 both own bin/tool",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadNpm(f *testing.F) {
	f.Add(npmFile(f, `{"name":"a","bin":{"b":"c"}}`, "x"), []byte(`{"name":"a","bin":"b"}`))
	f.Fuzz(func(t *testing.T, archive, manifest []byte) {
		_, _ = readNpm(bytes.NewReader(archive))
		owned, _ := npmPrograms(manifest, []string{"a/b", ""})
		for p, runs := range owned { // they are kept as lines
			if strings.ContainsAny(p+runs, "\t\n\r") || strings.Count(p, "/") != 1 {
				t.Errorf("%q: %q", p, runs)
			}
		}
	})
}
