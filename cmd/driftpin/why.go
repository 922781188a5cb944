package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func whyCommand(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "why [COURSE] NAME",
		Short: "Show why a package is in a course's image",
		Example: `  driftpin why testdata/courses/stat159 ypy-websocket
  driftpin why testdata/courses/stat159 libcurl4 --format json`,
		Args: arguments(1, 2, "a course and a package"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			dir, names := oneCourse(args)
			if len(names) != 1 {
				return usageError{fmt.Errorf("%s: name one package too", dir)}
			}
			c, err := openManifest(dir)
			if err != nil {
				return err
			}
			if _, err := c.locked(); err != nil {
				return err
			}
			return c.explain(cmd.Context(), s, names[0], format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

// explain says why packages of a name are in the image.
func (c *course) explain(ctx context.Context, s streams, name, format string) (err error) {
	all := c.reasons(name)
	if len(all) == 0 {
		if all, err = c.fromBase(ctx, s, name); err != nil {
			return err
		}
	}
	if format == "json" {
		return writeJSON(s.out, map[string]any{"course": c.manifest.Dir, "name": name, "packages": all})
	}
	for _, r := range all {
		for _, line := range r.text {
			if _, err := fmt.Fprintln(s.out, report.Clean(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fromBase are the packages of a name that are not locked, because the base holds them;
// none is an error. A base that lies in a registry is not read for what may be a misspelt
// name.
func (c *course) fromBase(ctx context.Context, s streams, name string) (all []reason, err error) {
	var names []string
	for _, a := range c.lock.Artifacts {
		names = append(names, a.Name)
	}
	near, hint := pins.SuggestName(pins.Deb, name, names), ""
	if near != "" {
		hint = ": did you mean " + near + "?"
	}
	if err := c.findBase(""); err != nil || near != "" && c.base.Layout == "" {
		return nil, fmt.Errorf("%s: no package %s is locked%s", c.lockFile, name, hint)
	}
	held, err := c.held(ctx, s, name)
	if err != nil {
		return nil, fmt.Errorf("%s: no package %s is locked, and the base can't be read%s\n%w", c.lockFile, name, hint, err)
	}
	for _, p := range held {
		all = append(all, reason{Kind: p.Kind, Name: p.Name, Version: p.Version, Base: c.base.String(),
			text: []string{fmt.Sprintf("%s %s %s  is not locked: the base %s holds it", p.Kind, p.Name, p.Version, c.base)}})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no package %s is locked, and the base does not hold it%s", c.lockFile, name, hint)
	}
	return all, nil
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

// A reason is why a package of one kind is in the image.
type reason struct {
	Kind       pins.Kind    `json:"kind"`
	Name       string       `json:"name"`
	Version    string       `json:"version"`
	Script     string       `json:"script,omitempty"`     // that it came by
	Base       string       `json:"base,omitempty"`       // that holds it
	Chain      []reasonStep `json:"chain,omitempty"`      // from a pin to the package
	RequiredBy []string     `json:"requiredBy,omitempty"` // all that do
	Copies     []reasonCopy `json:"copies,omitempty"`     // npm's: others of its name
	Breaks     []reasonPin  `json:"breaks,omitempty"`     // pins that would break without it
	Leaves     []string     `json:"leaves,omitempty"`     // packages that nothing else needs

	text []string // the same, for reading
}

// A reasonStep is a package on the way from a pin.
type reasonStep struct {
	Kind    pins.Kind  `json:"kind"`
	Name    string     `json:"name"`
	Version string     `json:"version"`
	Pin     *reasonPin `json:"pin"` // that asks for it; null if others do
}

// A reasonPin is a pin.
type reasonPin struct {
	Name string    `json:"name"`
	Spec string    `json:"spec"`
	File string    `json:"file"`
	Line int       `json:"line"`
	Need pins.Need `json:"need"`
	Why  string    `json:"why"`
}

// A reasonCopy is another copy of npm's package.
type reasonCopy struct {
	Version string   `json:"version"`
	Dir     string   `json:"dir"`
	For     []string `json:"for"`
}

func pinOf(r *pins.Request) *reasonPin {
	if r == nil {
		return nil
	}
	return &reasonPin{r.Name, r.Spec, r.At.File, r.At.Line, r.Need, r.Why}
}

// reasons are why packages of a name are locked, or came by scripts: one for each.
func (c *course) reasons(name string) (all []reason) {
	for _, kind := range []pins.Kind{pins.Pip, pins.Conda, pins.Npm, pins.R, pins.Deb} {
		for _, came := range c.lock.Comings(c.manifest, kind, name) {
			all = append(all, reason{Kind: came.Kind, Name: came.Name, Version: came.Version, Script: came.Script,
				text: []string{fmt.Sprintf("%s %s %s  %s: came by %s", came.Kind, came.Name, came.Version, came.At, came.Script)}})
		}
		if chain, by := pins.Why(c.manifest, c.lock, kind, name); chain != nil {
			all = append(all, c.reason(chain, by))
		}
	}
	return all
}

// reason is why a package is locked, by the chain that leads to it.
func (c *course) reason(chain []pins.Step, by []string) reason {
	of := chain[len(chain)-1].Artifact
	r := reason{Kind: of.Kind, Name: of.Name, Version: of.Version, RequiredBy: by}
	for i, step := range chain {
		a := step.Artifact
		r.Chain = append(r.Chain, reasonStep{a.Kind, a.Name, a.Version, pinOf(step.Request)})
		r.text = append(r.text, strings.Repeat("  ", i)+oneLine(describeStep(step)))
	}
	if len(by) > 1 {
		r.text = append(r.text, "required by "+strings.Join(by, ", "))
	}
	for _, a := range c.lock.Artifacts {
		if a.Kind == pins.Npm && of.Kind == pins.Npm && a.Name == of.Name && a.File != of.File {
			r.Copies = append(r.Copies, reasonCopy{a.Version, path.Dir(a.File), a.By})
			r.text = append(r.text, fmt.Sprintf("another copy: %s %s in %s, for %s", a.Name, a.Version, path.Dir(a.File),
				strings.Join(a.By, ", ")))
		}
	}
	breaks, leave := pins.WithoutIt(c.lock, of.Kind, of.Name)
	for _, a := range breaks {
		pin := pinOf(c.manifest.Request(a.Kind, a.Name, a.From))
		if pin == nil {
			pin = &reasonPin{Name: a.Name}
		}
		r.Breaks = append(r.Breaks, *pin)
	}
	for _, a := range leave {
		r.Leaves = append(r.Leaves, a.Name)
	}
	if len(breaks)+len(leave) > 0 {
		r.text = append(r.text, "without it: "+strings.Join(consequences(c.manifest, breaks, leave), "; "))
	}
	return r
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
