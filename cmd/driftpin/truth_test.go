package main

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
	gocmp "github.com/google/go-cmp/cmp"
	_ "github.com/moby/buildkit/frontend/dockerfile/builder" // testdata/drift builds with it
)

// A truth is a package as the managers inside an image list it.
type truth struct {
	pins.Pin
	Arch, Display string
}

// TestTruth holds inventories against what package managers say.
func TestTruth(t *testing.T) {
	t.Parallel()
	newLab(t).truths()
}

// truths holds the inventories of two images against what the package managers
// inside of them say: all of it, and nothing else, environment by environment.
func (l *lab) truths() {
	out := filepath.Join(l.dir, "truth")
	make := exec.CommandContext(l.t.Context(), "go", "run", "./testdata/drift", "-base", filepath.Join(l.dir, "base"),
		out)
	make.Dir = filepath.Join("..", "..")
	if said, err := make.CombinedOutput(); err != nil {
		for _, side := range []string{"a", "b"} {
			if log, err := os.ReadFile(filepath.Join(out, side+".log")); err == nil {
				l.t.Logf("%s: …%s", side, log[max(0, len(log)-4000):])
			}
		}
		l.t.Fatalf("%v: %s", err, said)
	}
	for _, side := range []string{"a", "b"} {
		var told []truth
		if err := json.Unmarshal([]byte(l.read("truth/"+side+".truth.json")), &told); err != nil {
			l.t.Fatal(err)
		}
		var found struct{ Packages []images.Package }
		if err := json.Unmarshal([]byte(l.run("home1", "inventory", "--format", "json",
			"oci-layout:"+filepath.Join(out, side))), &found); err != nil {
			l.t.Fatal(err)
		}
		want, got := truthLines(told), foundLines(found.Packages)
		if diff := gocmp.Diff(want, got); diff != "" {
			l.t.Errorf("image %s (-the managers +driftpin):\n%s", side, diff)
		}
		l.t.Logf("image %s: %d packages", side, len(got))
	}
}

// truthLines writes a line a package, as foundLines does.
func truthLines(told []truth) (lines []string) {
	native := ""
	for _, p := range told {
		if p.Kind == pins.Deb && p.Name == "dpkg" {
			native = p.Arch
		}
	}
	for _, p := range told {
		switch p.Kind {
		case pins.Deb:
			if p.Arch != native && p.Arch != "all" {
				p.Name += ":" + p.Arch
			}
		case pins.ServerExtension:
			p.Version = p.Build
		case pins.Kernel:
			p.Version = p.Display
		}
		if p.Kind != pins.Conda {
			p.Build = ""
		}
		lines = append(lines, line(p.Pin))
	}
	slices.Sort(lines)
	return lines
}

// foundLines writes a line a package that a manager would list: not what broke
// off while it was installed, nor what Debian's packages carry of node's, nor
// how the classic notebook is configured, which jupyter server does not show.
func foundLines(found []images.Package) (lines []string) {
	for _, p := range found {
		if p.State != "" || p.Kind == pins.Npm && p.Owner != nil && p.Owner.Kind == pins.Deb ||
			strings.HasSuffix(p.Name, " (notebook)") {
			continue
		}
		if p.Kind != pins.Conda {
			p.Build = ""
		}
		p.Channel = ""
		lines = append(lines, line(p.Pin))
	}
	slices.Sort(lines)
	return lines
}

func line(p pins.Pin) string {
	return strings.Join([]string{string(p.Kind), pins.CanonicalName(p.Kind, p.Name), p.Version, p.Where,
		cmp.Or(p.Commit, p.Build, "-")}, " ")
}
