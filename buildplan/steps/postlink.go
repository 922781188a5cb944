package steps

import (
	"strings"

	"github.com/moby/buildkit/client/llb"
)

// A PostLink is a script that a conda package brings, to be run after it was installed.
type PostLink struct {
	Name, Version, Build string // of the package
	Steps                string // digest of what runs it
}

// PostLinkFile is where the environment has the script of a conda package.
func PostLinkFile(name string) string { return "bin/." + name + "-post-link.sh" }

// PostLinksTitle says whose scripts run.
func PostLinksTitle(all []PostLink) string {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return "scripts of " + strings.Join(names, ", ")
}

// RunPostLinks runs scripts of conda packages in an image that is otherwise complete,
// without network.
func (g Ground) RunPostLinks(root llb.State, all []PostLink) llb.ExecState {
	args := []string{"/bin/sh", Dir + "recorded/post-links.sh", g.Prefix()}
	for _, p := range all {
		number := p.Build[strings.LastIndexAny(p.Build, "_")+1:] // conda's builds end in it
		args = append(args, p.Name, p.Version, number)
	}
	return root.Run(Step(PostLinksTitle(all), args, Script("recorded/post-links.sh"))...)
}
