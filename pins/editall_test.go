package pins_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestEditAll(t *testing.T) {
	const file = "base: oci-layout:x\nas-of: 2023-03-17  # spring\npins:\n  pip: [a==1, b==1, {pin: " +
		"Jupyter_Server==1, need: hard}, d]\n"
	m, err := pins.ParseManifest("pins.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	var bumps []pins.Bump
	for _, name := range []string{"a", "b", "jupyter-server"} {
		for _, r := range m.Pinned(name) {
			bumps = append(bumps, pins.Bump{Request: r, Version: "2.0.1"})
		}
	}
	edited, err := m.EditAll(bumps)
	if err != nil {
		t.Fatal(err)
	}
	m.EditDate(m.AsOf, "2024-01-01", edited)
	want := strings.NewReplacer("==1", "==2.0.1", "2023-03-17", "2024-01-01").Replace(file)
	if got := string(edited["pins.yaml"]); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := m.SuggestPin("jupyter_sever"); got != "jupyter-server" {
		t.Errorf("suggests %q", got)
	}
}
