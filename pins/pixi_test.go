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
		`17 conda numpy >=1.21,<2 "" "slow homework"`,
		`21 conda gcc "" ""`,
		`27 pip otter-grader==4.0.1 "4.0.1" ""`,
		`28 pip dask[complete,diagnostics]>=2023 "" ""`,
		`29 pip tmpystore git+https://github.com/x/tmpystore.git@84765e1 "" ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if channels := strings.Join(m.CondaChannels(), " "); channels != "extra conda-forge" {
		t.Errorf("channels %s", channels)
	}
	found := m.Findings.Error()
	for _, told := range []string{"pixi.toml:6: tasks: nothing of it is in the image",
		"pixi.toml:23: target.osx-arm64: it is for other platforms",
		"pixi.toml:31: feature.gpu.dependencies: pixi's environment default is read"} {
		if len(m.Findings) != 3 || !strings.Contains(found, told) {
			t.Errorf("findings %s; want %s", found, told)
		}
	}
}

func TestBadPixi(t *testing.T) {
	for text, want := range map[string]string{
		"[dependencies]\nx = \"1.\"\n":            "pixi.toml:2: ",
		"[dependencies]\nx = {path = \"../x\"}\n": "pixi.toml:2: x: a path",
		"[dependencies\n":                         "pixi.toml:1: not valid TOML",
		"[pypi-dependencies]\na = \"1\"\n":        "pixi.toml:2: ",
		"[dependancies]\nx = '*'\n": "pixi.toml:1: pixi knows no table " +
			"\"dependancies\": did you mean dependencies?",
		"[dependencies]\nx = 1.24\n":                        "pixi.toml:2: x: its version must be a text",
		"[dependencies]\nx = true\n":                        "pixi.toml:2: x: its version must be a text",
		"dependencies = {x = {version = '1', md5 = 'a'}}\n": "pixi.toml:1: x: driftpin can't lock by md5: use",
		"[dependencies]\nx = {workspace = true}\n": "pixi.toml:2: x: its version comes from " +
			"workspace.dependencies",
		"[constraints]\nnumpy = '<2'\n": "pixi.toml:2: constraints.numpy: pixi " +
			"uses this setting",
		"[pypi-options]\nindex-url = 'https://x'\n": "pixi.toml:2: pypi-options.index-url: pixi " +
			"uses this setting",
		"[pypi-dependencies]\na = {version='==1', index='x'}\n": "pixi.toml:2: a: driftpin can't lock by index: use",
		"[pypi-dependencies]\na = 'v1.0'\n":                     "pixi.toml:2: a: \"v1.0\" is not a version specifier",
		"[workspace]\nplatforms = ['win-64']\n":                 "pixi.toml:2: the list of platforms lacks linux-64",
		"[dependencies]\nnumpy = '1.26.*'\nNumpy = '1.25.*'\n": "pixi.toml:3: Numpy is pinned twice, as Numpy " +
			"here and as numpy at",
		"[pypi-dependencies]\nFoo_Bar='==1'\nfoo-bar='==2'\n": "pixi.toml:3: foo-bar is pinned twice",
		"[dependencies]\na='1.26.*'\n[feature.x.dependencies]\na='1.24.*'\n[environments]\ndefault=['x']\n": "a " +
			"is pinned twice",
		"[feature.x]\nplatforms=['osx-64']\n[environments]\n" +
			"default=['x']\n": "pixi.toml:2: the list of platforms lacks linux-64",
		"[target.nowhere.dependencies]\na = " +
			"'*'\n": "pixi.toml:1: target.nowhere: driftpin can't tell",
		"[workspace]\nchannels = [3]\n[dependencies]\n" +
			"a='*'\n": "pixi.toml:2: channel \"\": a lock holds no addresses",
	} {
		_, err := pins.ReadCourse(write(t, map[string]string{"pixi.toml": text}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", text, err, want)
		}
	}
}

// What a key takes from another table, what the default environment has, and what
// a target says, is what is asked for.
func TestPixiInherits(t *testing.T) {
	for text, want := range map[string]string{
		"[workspace.dependencies]\nnumpy = '1.26.*'\n[dependencies]\nnumpy = { workspace = true " +
			"}\n": "conda numpy 1.26.*",
		"[workspace.dependencies]\nnumpy = '1.26.*'\n[dependencies]\nnumpy.workspace " +
			"= true\n": "conda numpy 1.26.*",
		"dependencies = { numpy = '1.26.*' " +
			"}\n": "conda numpy 1.26.*",
		"target = { linux-64 = { dependencies = { numpy = '1.26.*' } " +
			"} }\n": "conda numpy 1.26.*",
		"[dependencies]\nnumpy = '1.25.*'\n[target.linux-64.dependencies]\nnumpy " +
			"= '1.26.*'\n": "conda numpy 1.26.*",
		"[dependencies]\nnumpy = '1.25.*'\n[target.linux-aarch64.dependencies]\nnumpy = " +
			"'1.26.*'\n": "conda numpy 1.25.*",
		"[dependencies]\nnumpy = '1.25.*'\n[build-dependencies]\nnumpy = " +
			"'1.26.*'\n": "conda numpy 1.26.*",
		"[dependencies]\nnumpy.version = '1.26.*'\nnumpy.build = " +
			"'py*'\n": "conda numpy 1.26.* py*",
		"[environments]\ndefault = ['t']\n[feature.t.dependencies]\nnumpy = " +
			"'1.26.*'\n": "conda numpy 1.26.*",
		"[environments]\ndefault = {features = ['t'], no-default-feature = true}\n[feature.t.dependencies]\na = " +
			"'1.*'\n[dependencies]\nb='*'\n": "conda a 1.*",
		"[pypi-dependencies]\na = {version = '==1.0', env-markers = " +
			"\"sys_platform=='linux'\"}\n": "pip a==1.0 ; sys_platform=='linux'",
		"[pypi-dependencies]\na = {git = 'https://h.test/a.git', rev = 'v1', extras " +
			"= ['x']}\n": "pip a[x] git+https://h.test/a.git@v1",
	} {
		m, err := pins.ReadCourse(write(t, map[string]string{"pixi.toml": text}))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for _, r := range m.Requests {
			asks := r.Requirement()
			if r.Kind == pins.Conda {
				asks = r.MatchSpec()
			} else if r.Git != nil {
				asks += " " + r.Git.String()
			}
			got = append(got, string(r.Kind)+" "+asks)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%q asks for %q, not %q", text, got, want)
		}
	}
}
