package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/driftpin/driftpin/"

// rooms are the packages, from the ground up, each with those of ours that it may
// import. A new room, and a new way between two, is a line here.
var rooms = []struct{ name, mayImport string }{
	{"pins/whole", ""},
	{"pins/gitcmd", ""},
	{"pins/version", ""},
	{"pins/pylock", ""},
	{"pins", "pins/version pins/pylock"},
	{"pins/history", "pins pins/gitcmd"},
	{"pins/affected", "pins pins/history"},
	{"pins/hub", "pins"},
	{"pins/docs", "pins pins/hub"},
	{"pins/bump", "pins pins/version pins/history"},

	{"buildplan/store", "pins/whole"},
	{"buildplan/engine", "pins/whole"},
	{"buildplan/debian", "pins/whole"},
	{"buildplan/host", ""},
	{"buildplan/owns", "pins pins/whole"},
	{"buildplan/git", "pins pins/gitcmd pins/whole buildplan/store buildplan/engine buildplan/host"},
	{"buildplan/steps", "pins"},
	{"buildplan/record", "pins buildplan/store buildplan/steps"},
	{"buildplan/session", "pins buildplan/store buildplan/engine buildplan/host buildplan/owns buildplan/git " +
		"buildplan/steps buildplan/record"},
	{"buildplan/resolve", "pins pins/pylock buildplan/host buildplan/owns buildplan/steps buildplan/session"},
	{"buildplan", "pins pins/whole buildplan/engine buildplan/owns buildplan/steps buildplan/session " +
		"buildplan/resolve buildplan/record"},

	{"images/inflate", ""},
	{"images/installed", "pins"},
	{"images/layers", "images/inflate pins/whole"},
	{"images/drift", "pins pins/version images/installed"},
	{"images/sbom", "pins images/installed"},
	{"images", "pins pins/hub pins/whole images/installed images/layers images/drift images/sbom"},
	{"images/report", "pins pins/version images/drift"},

	{"internal/golden", ""},
}

// Who may know whom: of our own packages each imports only those that it is said to
// import, and those lie below it.
func TestRooms(t *testing.T) {
	known := []string{"cmd/driftpin"}
	for _, room := range rooms {
		allowed := strings.Fields(room.mayImport)
		for _, a := range allowed {
			if !slices.Contains(known, a) {
				t.Errorf("%s may import %s, which does not lie below it", room.name, a)
			}
		}
		known = append(known, room.name)
		for _, dep := range list(t, "-f", `{{join .Imports "\n"}}`, module+room.name) {
			if name, ours := strings.CutPrefix(dep, module); ours && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", room.name, name)
			}
		}
	}
	for _, p := range list(t, module+"...") {
		if name := strings.TrimPrefix(p, module); !slices.Contains(known, name) {
			t.Errorf("%s is a room of which nothing is said", name)
		}
	}
}

// The third-party packages that a room must not import, directly or indirectly. pins knows nothing of
// engines and registries, images nothing of engines. How Dockerfiles are quoted is no engine.
func TestForeignImports(t *testing.T) {
	const buildkit, containerd = "github.com/moby/buildkit", "github.com/containerd/containerd"
	const ggcr = "github.com/google/go-containerregistry"
	for name, forbidden := range map[string][]string{
		"pins/bump":          {buildkit, ggcr, "github.com/containerd", "net/http"},
		"pins/docs":          {buildkit, ggcr, "github.com/containerd", "net/http"},
		"images":             {buildkit, containerd},
		"images/report":      {buildkit, containerd, ggcr},
		"images/drift":       {buildkit, containerd, ggcr, "net/http"},
		"buildplan/engine":   {ggcr},
		"buildplan/debian":   {buildkit},
		"buildplan/store":    {buildkit},
		"buildplan/owns":     {buildkit, ggcr},
		"testdata/gitserver": {module + "images", module + "pins", module + "buildplan"},
	} {
		for _, dep := range list(t, "-deps", module+name) {
			if dep != buildkit+"/frontend/dockerfile/shell" && slices.ContainsFunc(forbidden,
				func(f string) bool { return dep == f || strings.HasPrefix(dep, strings.TrimSuffix(f, "/")+"/") }) {
				t.Errorf("%s reaches %s", name, dep)
			}
		}
	}
}

// list is what go list says, a word a line.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
