package buildplan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/google/go-containerregistry/pkg/name"
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
		kind := "" // all that is quoted: the rest may hold a token
		for field := range strings.SplitSeq(text, ",") {
			if value, ok := strings.CutPrefix(field, "type="); ok {
				kind = value
			}
		}
		wrong := func(why string) error {
			return fmt.Errorf("--cache-%s of type %q: %s: write a reference, or type=%s,… as docker buildx takes it", flag, kind, why,
				strings.Join(cacheTypes, ",… or type="))
		}
		if !slices.Contains(cacheTypes, kind) {
			return nil, wrong("there is no such type")
		}
		parse := build.ParseImportCache
		if flag == "to" {
			parse = build.ParseExportCache
			if !slices.ContainsFunc(strings.Split(text, ","), func(f string) bool { return strings.HasPrefix(f, "mode=") }) {
				text += ",mode=max"
			}
		}
		entries, err := parse([]string{text})
		switch {
		case err != nil && kind == "gha":
			return nil, wrong("$ACTIONS_RESULTS_URL and $ACTIONS_RUNTIME_TOKEN are not set, as they are in GitHub's actions")
		case err != nil:
			return nil, wrong("each part has the form NAME=VALUE")
		}
		e := entries[0]
		if why := unfit(e, flag, dir); why != "" {
			return nil, wrong(why)
		}
		all = append(all, e)
	}
	return all, nil
}

// unfit says what is wrong with a cache; empty if nothing is.
func unfit(e client.CacheOptionsEntry, flag, dir string) string {
	mode := e.Attrs["mode"]
	switch {
	case flag == "to" && mode != "min" && mode != "max":
		return fmt.Sprintf("mode is %q, not min or max", mode)
	case e.Type == "local" && e.Attrs[dir] == "":
		return "it needs " + dir + "=DIR"
	case e.Type == "registry":
		if _, err := name.ParseReference(e.Attrs["ref"]); err != nil || strings.Contains(e.Attrs["ref"], "@") {
			return "its ref is no reference of an image with a tag"
		}
	}
	return ""
}
