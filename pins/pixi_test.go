package pins_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

const pixiToml = `[workspace]
name = "stat159"
channels = ["conda-forge", { channel = "extra", priority = 1 }]
platforms = ["linux-64", "osx-arm64"]

[tasks]
test = "pytest"

[dependencies]
python = "3.11.*"
# the course's maps need
# this very one
geopandas = "==0.12.1"   # until the map homework is rewritten
"jupyterlab" = { version = "3.6.1", build = "pyhd8ed1ab_0", channel = "conda-forge" }
git = "*"

[dependencies.numpy] # slow homework
version = ">=1.21,<2"

[target.linux-64.dependencies]
gcc = "*"

[target.osx-arm64.dependencies]
clang = "*"

[pypi-dependencies]
otter-grader = "==4.0.1"
dask = { version = ">=2023", extras = ["complete", "diagnostics"] }
tmpystore = { git = "https://github.com/x/tmpystore.git", rev = "84765e1" }

[feature.gpu.dependencies]
cuda = "*"
`

func TestPixi(t *testing.T) {
	m, err := pins.ReadCourse(write(t, map[string]string{"pixi.toml": pixiToml}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range m.Requests {
		asks := r.Requirement()
		if r.Kind == pins.Conda {
			asks = r.MatchSpec()
		} else if r.Git != nil {
			asks = r.Name + " " + r.Git.String()
		}
		got = append(got, fmt.Sprintf("%d %s %s %q %q", r.At.Line, r.Kind, asks, r.Version, r.Why))
	}
	want := []string{
		`10 conda python 3.11.* "" ""`,
		`13 conda geopandas ==0.12.1 "0.12.1" "until the map homework is rewritten"`,
		`14 conda conda-forge::jupyterlab 3.6.1 pyhd8ed1ab_0 "3.6.1" ""`,
		`15 conda git "" ""`,
		`21 conda gcc "" ""`,
		`27 pip otter-grader==4.0.1 "4.0.1" ""`,
		`28 pip dask[complete,diagnostics]>=2023 "" ""`,
		`29 pip tmpystore git+https://github.com/x/tmpystore.git@84765e1 "" ""`,
		`17 conda numpy >=1.21,<2 "" "slow homework"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if channels := strings.Join(m.CondaChannels(), " "); channels != "conda-forge extra" {
		t.Errorf("channels %s", channels)
	}
	if len(m.Findings) != 1 || !strings.Contains(m.Findings[0].Error(), "pixi.toml:32: feature.gpu.dependencies.cuda: only pixi's default environment") {
		t.Errorf("findings %v", m.Findings)
	}
}

func TestBadPixi(t *testing.T) {
	for text, want := range map[string]string{
		"[dependencies]\nx = \"1.\"\n":                         "pixi.toml:2: ",
		"[dependencies]\nx = {path = \"../x\"}\n":              "pixi.toml:2: x: a path",
		"[dependencies\n":                                      "pixi.toml:1: not valid TOML",
		"[pypi-dependencies]\na = \"1\"\n":                     "pixi.toml:2: ",
		"[workspace]\nchannels = [3]\n[dependencies]\na='*'\n": "pixi.toml:2: channel \"\": name it",
	} {
		_, err := pins.ReadCourse(write(t, map[string]string{"pixi.toml": text}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", text, err, want)
		}
	}
}
