package steps

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

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
