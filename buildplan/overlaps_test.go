package buildplan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/pins"
)

// What a package would lay over those of an extended base is found; what lies
// within the base is its own affair.
func TestOverlapsOfBase(t *testing.T) {
	home, digest := t.TempDir(), "sha256:"+strings.Repeat("a", 64)
	if err := os.MkdirAll(filepath.Join(home, "records"), 0o755); err != nil {
		t.Fatal(err)
	}
	const table = "pip\tjwt\t1.0\tsite-packages/jwt/__init__.py\tsha256=x\n" +
		"pip\tother\t1.0\tsite-packages/jwt/__init__.py\tsha256=y\nnot a line\n"
	if err := session.OwnedIn(home).KeepBase(digest, []byte(table)); err != nil {
		t.Fatal(err)
	}
	m, err := pins.ParseManifest("pins.yaml", []byte("pins:\n  pip:\n    - pyjwt==2\nbase: oci-layout:x\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := pins.Artifact{Pin: pins.New(pins.Pip, "pyjwt", "2"), Platform: "linux/amd64", File: "p.whl",
		Use: pins.Install, Roots: []pins.Root{pins.PinRoot}}
	l := &pins.Lock{Base: digest, Artifacts: []pins.Artifact{a}}
	for _, extends := range []bool{false, true} {
		m.Extends = extends
		got := overlapsIn(session.OwnedIn(home), m, l, "linux/amd64", []pins.Artifact{a},
			[]map[string]string{{"site-packages/jwt/__init__.py": "sha256=z"}})
		if want := map[bool]int{true: 2}[extends]; len(got) != want {
			t.Fatalf("found %v", got)
		}
		if extends && !strings.HasPrefix(got[0].Error(),
			"pins.yaml:3: pyjwt 2 and jwt 1.0, of the base image, both own site-packages/jwt/__init__.py") {
			t.Errorf("found %v", got)
		}
	}
}
