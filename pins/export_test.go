package pins_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// A lock with a wheel, a wheel built from a source distribution and one built
// from git, for other tools.
func TestExport(t *testing.T) {
	data, err := os.ReadFile("../buildplan/testdata/small/pins.lock")
	if err != nil {
		t.Fatal(err)
	}
	l, err := pins.ParseLock("pins.lock", data)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pins.WriteRequirements(&b, l, l.Platforms[0]); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/export/requirements.txt", b.String())
	b.Reset()
	if err := pins.WritePylock(&b, l, l.Platforms[0], func(sum string) (string, bool) { return "https://index.test/" + sum[:8], true }); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/export/pylock.toml", b.String())
	if err := pins.WritePylock(&b, l, l.Platforms[0], func(string) (string, bool) { return "", false }); err == nil || !strings.Contains(err.Error(), "no address of docopt-0.6.2.tar.gz is known") {
		t.Errorf("got %v", err)
	}
}
