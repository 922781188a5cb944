package main

import (
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// Of two pins of a package with markers, the one that is locked holds.
func TestEffective(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml", []byte("base: oci-layout:x\npins:\n  pip:\n    - numpy==1.21.6; python_version<'3.8'\n    - numpy==1.24.2; python_version>='3.8'\n    - pandas==1.5.3; python_version>='3.8'\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &course{manifest: m, lock: &pins.Lock{Platforms: []string{"linux/amd64"}, Artifacts: []pins.Artifact{
		{Pin: pins.New(pins.Pip, "numpy", "1.24.2"), Platform: "linux/amd64", Use: pins.Install}, {Pin: pins.New(pins.Pip, "pandas", "1.5.2"), Platform: "linux/amd64", Use: pins.Install}}}}
	got := c.effective(m.Requests)
	if len(got) != 2 || got[0].Version != "1.24.2" || got[1].Name != "pandas" {
		t.Errorf("got %v", got)
	}
}
