package steps

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// A folder is not taken for a registry's image.
func TestOpenBaseFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := layout.Write(filepath.Join(dir, "base"), empty.Index); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"../x", "./x", "/x", ".", "base"} {
		if _, err := OpenBase(ref, dir, "linux/amd64"); err == nil ||
			!strings.Contains(err.Error(), "is a folder, and no registry reference: write oci-layout:"+ref) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if b, err := OpenBase("debian", dir, "linux/amd64"); err != nil || b.Ref == "" {
		t.Errorf("a registry's: %+v, %v", b, err)
	}
}

// The environment of an extended image is where its config says.
func TestEnvironment(t *testing.T) {
	for env, want := range map[string]string{
		"": "", "CONDA_DIR=/opt/conda": "/opt/conda",
		"CONDA_PREFIX=/a NB_PYTHON_PREFIX=/srv/conda/envs/notebook": "/srv/conda/envs/notebook",
		"VIRTUAL_ENV=venv": "", "CONDA_DIR=/": "", "CONDA_DIR=/opt/../x VIRTUAL_ENV=/venv": "/venv",
	} {
		b := Base{Extended: true}
		b.Config.Config.Env = strings.Fields(env)
		if got := b.Environment(); got != want || (b.CheckEnvironment() == nil) != (want != "") {
			t.Errorf("%s: got %q, want %q", env, got, want)
		}
		if b.Extended = false; b.Environment() != pins.Env {
			t.Errorf("%s: of a base that is not extended it is %q", env, b.Environment())
		}
	}
}
