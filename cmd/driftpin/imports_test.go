package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Who may know whom. pins knows nothing of engines and registries, images
// nothing of engines, buildplan nothing of images. How files are written, and
// how git is called, is anybody's.
func TestImports(t *testing.T) {
	const module = "github.com/driftpin/driftpin/"
	for pkg, forbidden := range map[string][]string{
		"pins":               {module + "buildplan", module + "images", "github.com/moby/buildkit", "github.com/google/go-containerregistry", "github.com/containerd", "net/http"},
		"images":             {module + "buildplan", "github.com/moby/buildkit", "github.com/containerd/containerd"},
		"images/report":      {module + "buildplan", "github.com/moby/buildkit"},
		"buildplan":          {module + "images"},
		"pins/gitcmd":        {module + "pins", module + "buildplan"},
		"pins/whole":         {module + "pins", module + "buildplan"},
		"buildplan/store":    {module + "images", module + "pins", module + "buildplan/engine"},
		"buildplan/engine":   {module + "images", module + "pins", "github.com/google/go-containerregistry"},
		"buildplan/debian":   {module + "images", module + "pins", "github.com/moby/buildkit"},
		"testdata/gitserver": {module + "images", module + "pins", module + "buildplan"},
	} {
		out, err := exec.Command("go", "list", "-deps", module+pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(out)) {
			for _, f := range forbidden {
				if dep != module+"pins/whole" && dep != module+"pins/gitcmd" && (dep == f || strings.HasPrefix(dep, f+"/")) {
					t.Errorf("%s reaches %s", pkg, dep)
				}
			}
		}
	}
}
