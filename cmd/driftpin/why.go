package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/driftpin/driftpin/images"
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
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openManifest(args[0])
			if err != nil {
				return err
			}
			if _, err := c.locked(); err != nil {
				return err
			}
			if explainPackage(s, c, args[1]) {
				return nil
			}
			return c.explainHeld(cmd.Context(), s, args[1])
		},
	}
}

// explainHeld says that the base holds a package that is not locked, if it does. A base
// that lies in a registry is not read for what may be a misspelt name.
func (c *course) explainHeld(ctx context.Context, s streams, name string) error {
	var names []string
	for _, a := range c.lock.Artifacts {
		names = append(names, a.Name)
	}
	unknown := fmt.Errorf("%s: no package %s is locked", c.lockFile, name)
	near := pins.SuggestName(pins.Deb, name, names)
	if near != "" {
		unknown = fmt.Errorf("%w: did you mean %s?", unknown, near)
	}
	if err := c.findBase(""); err != nil || near != "" && c.base.Layout == "" {
		return unknown
	}
	held, err := c.held(ctx, s, name)
	if err != nil {
		return fmt.Errorf("%w; what the base holds can't be read: %w", unknown, err)
	}
	for _, p := range held {
		fmt.Fprintln(s.out, oneLine(fmt.Sprintf("%s %s %s  is not locked: the base %s holds it", p.Kind, p.Name, p.Version, c.base)))
	}
	if len(held) == 0 {
		return fmt.Errorf("%w, and the base does not hold it", unknown)
	}
	return nil
}

// held are the packages of a name that the course's base holds.
func (c *course) held(ctx context.Context, s streams, name string) (found []images.Package, err error) {
	base, err := c.openBase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	r, done := newReader(s)
	defer done()
	all, err := r.Inventories(ctx, base)
	if err != nil {
		return nil, err
	}
	for _, p := range all[0] {
		if p.Name == pins.CanonicalName(p.Kind, name) {
			found = append(found, p)
		}
	}
	return found, nil
}

// explainPackage says why a package is locked; false if it is not.
func explainPackage(s streams, c *course, name string) (found bool) {
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
	return found
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
