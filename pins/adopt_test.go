package pins_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/pins"
)

// What a course of the corpus asks for is what its adopted manifest asks for,
// with the same reasons; what can't be adopted is named.
func TestAdopt(t *testing.T) {
	adopted := 0
	for _, dir := range allCourses(t) {
		m, _ := pins.ReadCourse(dir)
		if m == nil {
			continue
		}
		text, err := pins.Adopt(m, "")
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		again, _ := pins.ParseManifest("pins.yaml", text)
		if want, got := asked(m), asked(again); !slices.Equal(want, got) {
			t.Errorf("%s:\nwant %q\ngot  %q\n%s", dir, want, got, text)
		}
		for _, f := range m.Findings {
			if f.Rule == "unsupported" && !strings.Contains(string(text), filepath.Base(f.File)) {
				t.Errorf("%s: the manifest does not tell of %s", dir, f.File)
			}
		}
		adopted++
	}
	t.Logf("%d courses", adopted)
}

// asked is what a manifest asks for and why, in any order.
func asked(m *pins.Manifest) (out []string) {
	met := map[string]bool{} // by what conda is asked for
	for _, r := range m.Requests {
		met[string(r.Kind)+" "+r.Name+" "+r.Version] = true
	}
	for _, r := range m.Requests {
		if r.Kind == pins.R || r.Over != "" && met["conda "+r.Over+" "+r.Version] {
			continue // R can't be locked yet
		}
		line := string(r.Kind) + " " + r.Requirement() + " " + r.Build + " | " + r.Why
		if r.Git != nil {
			line = string(r.Kind) + " " + r.Git.String() + " | " + r.Why
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}
