package bump

import (
	"testing"

	"github.com/driftpin/driftpin/pins"
)

func TestWithin(t *testing.T) {
	for _, test := range []struct{ spec, step, want string }{
		{"a==3.6.1", "patch", ">=3.6.1,<3.7"}, {"a==3.9.1", "patch", ">=3.9.1,<3.10"},
		{"a==3.6.1", "minor", ">=3.6.1,<4"},
		{"a==9.1", "minor", ">=9.1,<10"}, {"a==3.6.1", "latest", ">=3.6.1"},
		{"a==2023.3", "patch", ">=2023.3,<2023.4"}, {"a==1", "patch", ">=1,<2"},
	} {
		m, err := pins.ParseManifest("pins.yaml", []byte("base: oci-layout:x\npins: {pip: ["+test.spec+"]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		loose, err := within(m, m.Requests[0], test.step)
		if err != nil || loose.Requests[0].Constraint != test.want {
			t.Errorf("%s %s: got %q, %v, want %q", test.spec, test.step, loose.Requests[0].Constraint, err, test.want)
		}
	}
}

func TestWithinNpm(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("base: oci-layout:x\npins: {apt: [nodejs], npm: [semver@7.0.0]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := within(m, m.Requests[1], Minor)
	if err != nil || got.Requests[1].Constraint != ">=7.0.0 <8" {
		t.Errorf("%+v, %v", got.Requests, err)
	}
	if _, err := within(m, m.Requests[0], Minor); err == nil {
		t.Error("apt has no ranges, and was asked for one")
	}
}

// What may move is free; hard pins only where that is wanted, and what is kept
// never.
func TestLoosened(t *testing.T) {
	m, err := pins.ParseManifest("pins.yaml",
		[]byte("base: oci-layout:x\npins: {pip: [a==1, b==1, {pin: c==1, need: hard}, d]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for hardToo, want := range map[bool]string{false: "1,,1,", true: "1,,,"} {
		got := ""
		for i, r := range loosened(m, []string{"a"}, hardToo).Requests {
			if i > 0 {
				got += ","
			}
			got += r.Version
		}
		if got != want {
			t.Errorf("hard too: %t: versions %s, want %s", hardToo, got, want)
		}
	}
	if m.Requests[1].Version != "1" {
		t.Error("the manifest itself was changed")
	}
}
