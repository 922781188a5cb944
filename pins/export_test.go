package pins_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/internal/golden"
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
	golden.Check(t, "testdata/export/requirements.txt", b.String())
	b.Reset()
	if err := pins.WritePylock(&b, l, l.Platforms[0], func(sum string) (string, bool) {
		return "https://index.test/" + sum[:8], true
	}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/export/pylock.toml", b.String())
	if err := pins.WritePylock(&b, l, l.Platforms[0], func(string) (string, bool) { return "", false }); err == nil ||
		!strings.Contains(err.Error(), "no address of docopt-0.6.2.tar.gz is known") {
		t.Errorf("got %v", err)
	}
}

// A lock of conda's packages and pip's, for conda.
func TestExportConda(t *testing.T) {
	l := exampleLock()
	for _, file := range []string{"conda-forge/linux-64/python-3.11.2-2_cpython.conda",
		"extra/noarch/hello-1.0.0-pyhd8ed1ab_0.tar.bz2"} {
		line := "conda " + strings.Join(strings.SplitN(strings.TrimPrefix(file[strings.LastIndexByte(file, '/')+1:],
			""), "-", 3)[:2], " ") + " linux/amd64 " + file + " sha256:" + hashA + " 9 install pin\n"
		parsed, err := pins.ParseLock("l",
			[]byte("driftpin-lock 1\ncourse a\nbase sha256:"+hashA+"\nplatform linux/amd64\nartifacts 1\n"+line))
		if err != nil {
			t.Fatal(err)
		}
		l.Artifacts = append(l.Artifacts, parsed.Artifacts...)
	}
	l.Sort()
	var b bytes.Buffer
	if err := pins.WriteCondaExplicit(&b, l, "linux/amd64",
		func(string) (string, bool) { return "https://channel.test/x.conda", true }); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/export/explicit.txt", b.String())
	b.Reset()
	if err := pins.WriteEnvironment(&b, l, "linux/amd64", []string{"conda-forge", "extra"}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/export/environment.yml", b.String())
	if err := pins.WriteCondaExplicit(&b, l, "linux/amd64",
		func(string) (string, bool) { return "", false }); err == nil || !strings.Contains(err.Error(),
		"no address of ") {
		t.Errorf("got %v", err)
	}
}
