package buildplan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildctl/build"
)

// cacheTypes are the places where an engine's cache can be kept. GitHub's is the affair of
// engines that have it.
var cacheTypes = []string{"registry", "local", "gha"}

// ParseCaches reads where results of steps are taken from, and where they are put: a
// reference in a registry, or as buildx has it, type=registry,ref=…, type=local,src=… or
// dest=…, type=gha,scope=…. What is put somewhere is that of all steps (mode=max), unless
// it is said otherwise.
func ParseCaches(from, to []string) (c session.Caches, err error) {
	if c.From, err = parseCaches("from", from, "src"); err != nil {
		return c, err
	}
	c.To, err = parseCaches("to", to, "dest")
	return c, err
}

func parseCaches(flag string, texts []string, dir string) (all []client.CacheOptionsEntry, err error) {
	for _, text := range texts {
		if !strings.Contains(text, "=") {
			text = "type=registry,ref=" + text
		}
		wrong := func(why string) error {
			return fmt.Errorf("--cache-%s %s: %s: write a reference, or type=%s,… as docker buildx takes it", flag, text, why,
				strings.Join(cacheTypes, ",… or type="))
		}
		parse := build.ParseImportCache
		if flag == "to" {
			parse = build.ParseExportCache
			if !strings.Contains(text, "mode=") {
				text += ",mode=max"
			}
		}
		entries, err := parse([]string{text})
		if err != nil {
			return nil, wrong(err.Error())
		}
		e := entries[0]
		switch {
		case !slices.Contains(cacheTypes, e.Type):
			return nil, wrong("there is no cache of type " + e.Type)
		case e.Type == "registry" && e.Attrs["ref"] == "":
			return nil, wrong("a registry's cache needs ref=REFERENCE")
		case e.Type == "local" && e.Attrs[dir] == "":
			return nil, wrong("a local cache needs " + dir + "=DIR")
		}
		all = append(all, e)
	}
	return all, nil
}
