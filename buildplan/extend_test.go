package buildplan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// The environment of an extended image is where its config says.
func TestEnvironment(t *testing.T) {
	for env, want := range map[string]string{
		"": "", "CONDA_DIR=/opt/conda": "/opt/conda", "CONDA_PREFIX=/a NB_PYTHON_PREFIX=/srv/conda/envs/notebook": "/srv/conda/envs/notebook",
		"VIRTUAL_ENV=venv": "", "CONDA_DIR=/": "", "CONDA_DIR=/opt/../x VIRTUAL_ENV=/venv": "/venv",
	} {
		b := Base{Extended: true}
		b.Config.Config.Env = strings.Fields(env)
		if got := b.Environment(); got != want || (b.checkEnvironment() == nil) != (want != "") {
			t.Errorf("%s: got %q, want %q", env, got, want)
		}
		if b.Extended = false; b.Environment() != Env {
			t.Errorf("%s: of a base that is not extended it is %q", env, b.Environment())
		}
	}
}

// What a package would lay over those of an extended base is found; what lies
// within the base is its own affair.
func TestOverlapsOfBase(t *testing.T) {
	home, digest := t.TempDir(), "sha256:"+strings.Repeat("a", 64)
	if err := os.MkdirAll(filepath.Join(home, "records"), 0o755); err != nil {
		t.Fatal(err)
	}
	const table = "pip\tjwt\t1.0\tsite-packages/jwt/__init__.py\tsha256=x\npip\tother\t1.0\tsite-packages/jwt/__init__.py\tsha256=y\nnot a line\n"
	if err := os.WriteFile(heldMemory(home, digest), []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := pins.ParseManifest("pins.yaml", []byte("pins:\n  pip:\n    - pyjwt==2\nbase: oci-layout:x\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := pins.Artifact{Pin: pins.New(pins.Pip, "pyjwt", "2"), Platform: "linux/amd64", File: "p.whl", Use: pins.Install, Roots: []pins.Root{pins.PinRoot}}
	l := &pins.Lock{Base: digest, Artifacts: []pins.Artifact{a}}
	for _, extends := range []bool{false, true} {
		m.Extends = extends
		got := overlapsIn(home, m, l, "linux/amd64", []pins.Artifact{a}, []map[string]string{{"site-packages/jwt/__init__.py": "sha256=z"}})
		if want := map[bool]int{true: 2}[extends]; len(got) != want {
			t.Fatalf("found %v", got)
		}
		if extends && !strings.HasPrefix(got[0].Error(), "pins.yaml:3: pyjwt 2 and jwt 1.0, of the base image, both own site-packages/jwt/__init__.py") {
			t.Errorf("found %v", got)
		}
	}
}

// Of a host conda's solver knows one login.
func TestChannelLogins(t *testing.T) {
	for second, want := range map[string]bool{"https://u:s3cret@x.test/b": true, "https://v:s3cret@x.test/b": false, "https://v:s3cret@y.test/b": true, "https://x.test/b": true} {
		h := Host{Conda: condarc{Alias: "https://z.test", Custom: map[string]string{"a": "https://u:s3cret@x.test/a", "b": second}}}
		settings, logins, err := h.condaSecrets()
		if (err == nil) != want || strings.Contains(string(settings), "s3cret") || !strings.Contains(string(logins), "s3cret") || err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %s, %v", second, settings, err)
		}
	}
}
