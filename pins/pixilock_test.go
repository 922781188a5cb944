package pins_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-cmp/cmp"
)

const pixiLock = `version: 6
environments:
  default:
    channels:
    - url: https://conda.test/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.test/conda-forge/linux-64/numpy-1.10-py311h8e6699e_0.conda
      - pypi: https://files.test/idna-3.10-py3-none-any.whl
      - pypi: git+https://h.test/a.git?rev=v1#0123
  gpu:
    packages:
      linux-64:
      - conda: https://conda.test/conda-forge/noarch/ca-certificates-2024.2.2-hbcca054_0.tar.bz2
      osx-arm64:
      - conda: https://conda.test/conda-forge/osx-arm64/numpy-1.10-0.conda
packages:
- conda: https://conda.test/conda-forge/linux-64/numpy-1.10-py311h8e6699e_0.conda
  sha256: aaaa
  md5: bbbb
- conda: https://conda.test/conda-forge/noarch/ca-certificates-2024.2.2-hbcca054_0.tar.bz2
  sha256: cccc
- pypi: https://files.test/idna-3.10-py3-none-any.whl
  name: idna
  version: 3.10
  sha256: dddd
- pypi: git+https://h.test/a.git?rev=v1#0123
  name: a
  version: '1.0'
`

// Up to format 5 packages tell their kinds, names and versions apart.
const olderPixiLock = `version: 5
environments:
  default:
    packages:
      linux-64:
      - conda: https://conda.test/conda-forge/linux-64/numpy-1.10-0.conda
      - pypi: https://files.test/idna-3.4-py3-none-any.whl
packages:
- kind: conda
  name: numpy
  version: '1.10'
  url: https://conda.test/conda-forge/linux-64/numpy-1.10-0.conda
  sha256: aaaa
- kind: pypi
  name: idna
  version: '3.4'
  url: https://files.test/idna-3.4-py3-none-any.whl
  sha256: dddd
`

func TestPixiLock(t *testing.T) {
	for name, test := range map[string]struct{ text, environment, want string }{
		"default": {pixiLock, "default", "conda numpy 1.10 py311h8e6699e_0 aaaa, pip idna 3.10  dddd"},
		"gpu":     {pixiLock, "gpu", "conda ca-certificates 2024.2.2 hbcca054_0 cccc"},
		"none":    {pixiLock, "other", ""},
		"older":   {olderPixiLock, "default", "conda numpy 1.10 0 aaaa, pip idna 3.4  dddd"},
	} {
		all, err := pins.ParsePixiLock([]byte(test.text), test.environment, "linux/amd64")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range all {
			got = append(got, fmt.Sprintf("%s %s %s %s %s", a.Kind, a.Name, a.Version, a.Build, a.SHA256))
		}
		if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
			t.Error(name, diff)
		}
	}
	for _, text := range []string{"version: 3\n", "x: [", "version: six\n", ""} {
		if _, err := pins.ParsePixiLock([]byte(text), "default", "linux/amd64"); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// The environment that is named is read, with its features, and no other.
func TestPixiEnvironment(t *testing.T) {
	const text = "[dependencies]\nnumpy = '*'\n[feature.gpu.dependencies]\ncuda = '*'\n[feature.docs.dependencies]\nsphinx = '*'\n" +
		"[environments]\ngpu = ['gpu']\ndocs = {features = ['docs'], no-default-feature = true}\n" +
		"bad = ['nosuch']\n"
	for name, test := range map[string]struct {
		manifest, environment string
		want                  string // names, or the finding
	}{
		"default":      {"", "", "numpy"},
		"gpu":          {"", "gpu", "numpy cuda"},
		"docs":         {"", "docs", "sphinx"},
		"default said": {"", "default", "numpy"},
		"none":         {"", "other", "pixi.toml:1: DIR/pixi.toml has no environment other: it has default, gpu, docs, bad"},
		"no feature":   {"", "bad", "pixi.toml:10: there is no feature nosuch: write [feature.nosuch.…], or take it out"},
		"of pins.yaml": {"include: [pixi.toml]\npixi-environment: docs\n", "gpu", "sphinx"},
		"none read":    {"pixi-environment: docs\n", "", "pins.yaml:1: pixi-environment has no effect: no pixi.toml is included"},
		"none of pins.yaml": {"pixi-environment: x\ninclude: [pixi.toml]\n", "",
			"pins.yaml:1: DIR/pixi.toml has no environment x: it has default, gpu, docs, bad"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"pixi.toml": text}
			if test.manifest != "" {
				files["pins.yaml"] = test.manifest
			}
			if strings.Contains(name, "none read") {
				delete(files, "pixi.toml")
			}
			dir := write(t, files)
			m, err := pins.ReadCourseWith(dir, pins.ReadOptions{Environment: test.environment})
			var names []string
			for _, r := range m.Requests {
				names = append(names, r.Name)
			}
			got := strings.Join(names, " ")
			if err != nil {
				got = strings.ReplaceAll(strings.TrimPrefix(err.Error(), dir+"/"), dir, "DIR")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzPixiLock(f *testing.F) {
	f.Add([]byte(pixiLock))
	f.Add([]byte(olderPixiLock))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := pins.ParsePixiLock(data, "default", "linux/amd64")
		for _, a := range all {
			if err != nil || a.Name == "" || a.Version == "" {
				t.Errorf("%+v, %v", a, err)
			}
		}
	})
}
