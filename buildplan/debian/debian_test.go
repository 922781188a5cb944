package debian

import (
	"bytes"
	"strings"
	"testing"
)

func TestNamesSuite(t *testing.T) {
	for _, test := range []struct {
		text, suite string
		want        bool
	}{
		{"Types: deb\nURIs: http://x/debian\nSuites: bookworm bookworm-updates\nComponents: main\n", "bookworm", true},
		{"Types: deb\nSuites: bookworm bookworm-updates\n", "trixie", false},
		{"deb http://x/debian bookworm main\n", "bookworm", true},
		{"# deb http://x/debian bookworm main\n", "bookworm", false},
		{"Types: deb\nSuites: noble noble-updates\n", "bookworm", false},
		{"", "bookworm", false},
	} {
		if got := namesSuite(test.text, test.suite); got != test.want {
			t.Errorf("%q names %s: got %t", test.text, test.suite, got)
		}
	}
}

func TestFirstDifference(t *testing.T) {
	lock := []byte("a\t1\tamd64\nb\t2\tamd64\n")
	for found, want := range map[string]string{"a\t1\tamd64\nb\t3\tamd64\n": "b 2",
		"a\t1\tamd64\nb\t2\tamd64\nc\t1\tamd64\n": "the archive has packages that the lock does not have"} {
		if got := firstDifference(lock, []byte(found)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A suite that the sources do not name is refused before anything is made.
func TestUnknownSuite(t *testing.T) {
	var log bytes.Buffer
	_, err := Make(t.Context(), t.TempDir()+"/base", Options{Suite: "nosuch", Arch: "amd64", Log: &log})
	if err == nil || !strings.Contains(err.Error(), "nosuch") &&
		!strings.Contains(err.Error(), "mmdebstrap is not installed") && !strings.Contains(err.Error(), "root") {
		t.Errorf("got %v, and %s", err, &log)
	}
}
