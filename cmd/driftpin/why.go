package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func whyCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "why COURSE NAME",
		Short: "Show why a package is in a course's image",
		Example: `  driftpin why testdata/courses/stat159 ypy-websocket
  driftpin why testdata/courses/stat159 libcurl4`,
		Args: arguments(2, 2, "a course and a package"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := openManifest(args[0])
			if err != nil {
				return err
			}
			if _, err := c.locked(); err != nil {
				return err
			}
			return explainPackage(s, c, args[1])
		},
	}
}

func explainPackage(s streams, c *course, name string) error {
	found := false
	for _, kind := range []pins.Kind{pins.Pip, pins.Conda, pins.Npm, pins.R, pins.Deb} {
		for _, c := range c.lock.Comings(c.manifest, kind, name) {
			found = true
			fmt.Fprintln(s.out, oneLine(fmt.Sprintf("%s %s %s  %s: came by %s", c.Kind, c.Name, c.Version, c.At, c.Script)))
		}
		chain, by := pins.Why(c.manifest, c.lock, kind, name)
		if chain == nil {
			continue
		}
		found = true
		for i, step := range chain {
			fmt.Fprintf(s.out, "%s%s\n", strings.Repeat("  ", i), oneLine(describeStep(step)))
		}
		if len(by) > 1 {
			fmt.Fprintf(s.out, "required by %s\n", strings.Join(by, ", "))
		}
		for _, a := range c.lock.Artifacts {
			if of := chain[len(chain)-1].Artifact; a.Kind == pins.Npm && kind == pins.Npm && a.Name == of.Name &&
				a.File != of.File {
				fmt.Fprintf(s.out, "another copy: %s %s in %s, for %s\n", a.Name, a.Version, path.Dir(a.File),
					strings.Join(a.By, ", "))
			}
		}
		if breaks, leave := pins.WithoutIt(c.lock, kind, name); len(breaks)+len(leave) > 0 {
			fmt.Fprintf(s.out, "without it: %s\n", strings.Join(consequences(c.manifest, breaks, leave), "; "))
		}
	}
	if !found {
		var names []string
		for _, a := range c.lock.Artifacts {
			names = append(names, a.Name)
		}
		hint := ""
		if near := pins.SuggestName(pins.Deb, name, names); near != "" {
			hint = ": did you mean " + near + "?"
		}
		return fmt.Errorf("%s: no package %s is locked%s", c.lockFile, name, hint)
	}
	return nil
}

// consequences words what would come of a package's not being there.
func consequences(m *pins.Manifest, breaks, leave []pins.Artifact) (texts []string) {
	if len(breaks) > 0 {
		var pinned []string
		for _, a := range breaks {
			text := a.Name
			if r := m.Request(a.Kind, a.Name, a.From); r != nil {
				text += fmt.Sprintf(" (%s)", r.At)
			}
			pinned = append(pinned, text)
		}
		texts = append(texts, "these pins would break: "+strings.Join(pinned, ", "))
	}
	if len(leave) > 0 {
		var names []string
		for _, a := range leave {
			names = append(names, a.Name)
		}
		texts = append(texts, "nothing else needs "+strings.Join(names, ", "))
	}
	return texts
}

func describeStep(step pins.Step) string {
	a := step.Artifact
	text := fmt.Sprintf("%s %s %s", a.Kind, a.Name, a.Version)
	switch {
	case step.Request != nil:
		text += fmt.Sprintf("  %s: %s, %s", step.Request.At, step.Request.Spec, step.Request.Need)
		if step.Request.Why != "" {
			text += ": " + step.Request.Why
		}
	case a.Is(pins.PythonRoot) && len(a.By) == 0:
		text += "  the Python that pip pins run on"
	}
	if git, ok := a.Git(); ok {
		text += "  from " + git.URL + " at " + git.Ref
	} else if sdist, ok := a.Sdist(); ok {
		text += "  built from " + sdist
	}
	return text
}
