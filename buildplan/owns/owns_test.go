package owns

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

func wheelOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadOwned(t *testing.T) {
	wheel := wheelOf(t, "a-1.dist-info/RECORD", `a/__init__.py,sha256=x,1
a-1.data/scripts/run,sha256=y,1
a-1.data/data/share/jupyter/k.json,sha256=z,1
a-1.data/purelib/b.py,sha256=w,1
a-1.data/headers/a.h,sha256=h,1
"with, comma.py",sha256=c,1
../../escape.py,sha256=e,1
a/__pycache__/x.pyc,sha256=p,1
a-1.dist-info/RECORD,,
`, "a-1.dist-info/entry_points.txt", "[console_scripts]\ntool = a.cli : main\n# x = y\n\n[other]\nthing = a\n",
		"vendored/b-1.dist-info/RECORD", "b.py,sha256=v,1\n")
	got, err := readOwned(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"site-packages/a/__init__.py": "sha256=x", "bin/run": "sha256=y", "share/jupyter/k.json": "sha256=z",
		"site-packages/b.py": "sha256=w",
		"include/a/a.h":      "sha256=h", "site-packages/with, comma.py": "sha256=c",
		"site-packages/escape.py": "sha256=e", "bin/tool": "calls a.cli:main",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Different bytes on one path are found, the same bytes are fine, and so is
// what the manifest allows.
func TestOverlaps(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("base: oci-layout:x\npins:\n  pip:\n    - a==1\n    - b==1\n    - c==1\noverlaps: [tests/*, bin/t]\n"))
	if err != nil {
		t.Fatal(err)
	}
	var wheels []pins.Artifact
	for _, name := range []string{"a", "b", "c"} {
		wheels = append(wheels, pins.Artifact{Pin: pins.New(pins.Pip, name, "1"), Use: pins.Install,
			Roots: []pins.Root{pins.PinRoot}})
	}
	l := &pins.Lock{Artifacts: wheels}
	got := Clashes(m, l, wheels, []map[string]string{
		{"site-packages/x.py": "1", "site-packages/same.py": "1", "site-packages/tests/__init__.py": "1", "bin/t": "1"},
		{"site-packages/same.py": "1", "site-packages/y.py": "1"},
		{"site-packages/x.py": "2", "site-packages/same.py": "1", "site-packages/tests/__init__.py": "2",
			"bin/t": "2", "site-packages/y.py": "1"},
	})
	if len(got) != 1 || got[0].Line != 4 || !strings.HasPrefix(got[0].Message,
		"a 1 and c 1 both own site-packages/x.py, with different bytes") {
		t.Errorf("got %v", got)
	}
}

// A file of one package where another has a folder.
func TestFileAgainstFolder(t *testing.T) {
	got := clashes([]map[string]string{{"site-packages/fd": "1"}, {"site-packages/fd/__init__.py": "2",
		"site-packages/fd/x/y.py": "3"}})
	if diff := cmp.Diff(map[pair][]string{{0, 1}: {"site-packages/fd"}}, got, cmp.AllowUnexported(pair{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadOwned(f *testing.F) {
	f.Add(wheelOf(f, "a-1.dist-info/RECORD", "a.py,sha256=x,1\n", "a-1.dist-info/entry_points.txt",
		"[console_scripts]\na=b:c\n"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		owned, err := readOwned(bytes.NewReader(data), int64(len(data)))
		for p := range owned {
			if err == nil && (strings.HasPrefix(p, "/") || strings.Contains(p, "\n")) {
				t.Errorf("owns %q", p)
			}
		}
	})
}
