package pins_test

import (
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestEditAll(t *testing.T) {
	const file = "base: oci-layout:x\nas-of: 2023-03-17  # spring\npins:\n  pip: [a==1, b==1, {pin: Jupyter_Server==1, need: hard}, d]\n"
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
	loose := m.Loosened([]string{"a"}, false)
	if loose.Requests[0].Version != "1" || loose.Requests[1].Version != "" || loose.Requests[2].Version != "1" || m.Requests[1].Version != "1" {
		t.Errorf("loosened to %v", loose.Requests)
	}
}

func TestWithin(t *testing.T) {
	for _, test := range []struct{ spec, step, want string }{
		{"a==3.6.1", "patch", ">=3.6.1,<3.7"}, {"a==3.9.1", "patch", ">=3.9.1,<3.10"}, {"a==3.6.1", "minor", ">=3.6.1,<4"},
		{"a==9.1", "minor", ">=9.1,<10"}, {"a==3.6.1", "latest", ">=3.6.1"}, {"a==2023.3", "patch", ">=2023.3,<2023.4"}, {"a==1", "patch", ">=1,<2"},
	} {
		m, err := pins.ParseManifest("pins.yaml", []byte("base: oci-layout:x\npins: {pip: ["+test.spec+"]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		loose, err := m.Within(m.Requests[0], test.step)
		if err != nil || loose.Requests[0].Constraint != test.want {
			t.Errorf("%s %s: got %q, %v, want %q", test.spec, test.step, loose.Requests[0].Constraint, err, test.want)
		}
	}
}
