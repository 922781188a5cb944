package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/spf13/cobra"
)

func addCommand(s streams) *cobra.Command {
	f := bumpFlags{to: bump.Latest}
	var need, why string
	cmd := &cobra.Command{
		Use:   "add [COURSE] [KIND:]PIN…",
		Short: "Add pins to a course, and show every consequence before writing",
		Long: `Add pins to a course. As with bump, everything is resolved for real, the lines and the
changes of the lock are shown, and nothing is written without --write. A pin is written
as its tool has it: NAME==VERSION for pip, which is meant without a KIND; conda:NAME=VERSION,
apt:NAME, npm:NAME@VERSION. It goes into the file that has pins of its kind.`,
		Example: `  driftpin add courses/stat159 altair==5.0.1 --why 'homework 3'
  driftpin add courses/stat159 apt:graphviz conda:r-base=4.2 --need hard --write`,
		Args: arguments(1, -1, "a course and pins"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if need != "" {
				if err := oneOf("need", need, string(pins.Hard), string(pins.Solver), string(pins.Wanted)); err != nil {
					return err
				}
			}
			dir, specs := oneCourse(args)
			return f.end(s, f.alter(cmd.Context(), s, dir, specs, func(c *course) (*bump.Bumping, error) {
				return additions(c, specs, need, why)
			}))
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&need, "need", "", "hard, solver or wanted: where the file has a place for it")
	cmd.Flags().StringVar(&why, "why", "", "the reason")
	return cmd
}

func removeCommand(s streams) *cobra.Command {
	f := bumpFlags{to: bump.Latest}
	cmd := &cobra.Command{
		Use:   "remove [COURSE] [KIND:]NAME…",
		Short: "Take pins out of a course, and show every consequence before writing",
		Long: `Take pins out of a course, with their comments. As with bump, everything is resolved for
real, the lines and the changes of the lock are shown, and nothing is written without
--write. A package that others require stays, in the version that they allow.`,
		Example: `  driftpin remove courses/stat159 bokeh
  driftpin remove courses/stat159 apt:tig --write`,
		Args: arguments(1, -1, "a course and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			dir, names := oneCourse(args)
			return f.end(s, f.alter(cmd.Context(), s, dir, names, func(c *course) (*bump.Bumping, error) {
				return removals(c, names)
			}))
		},
	}
	f.add(cmd)
	return cmd
}

// additions are the pins that are named, where they go.
func additions(c *course, specs []string, need, why string) (*bump.Bumping, error) {
	p := &bump.Bumping{}
	for _, spec := range specs {
		r, err := pins.ParseAddition(spec)
		if err != nil {
			return nil, usageError{err}
		}
		a, err := c.manifest.Place(r)
		if err != nil {
			return nil, err
		}
		twice := slices.ContainsFunc(p.Adds, func(b pins.Addition) bool { return b.Kind == a.Kind && b.Name == a.Name && a.Name != "" })
		if twice {
			return nil, usageError{fmt.Errorf("%s is named twice", a.Name)}
		}
		a.Need, a.Why = pins.Need(need), why
		p.Adds = append(p.Adds, a)
	}
	return p, nil
}

// removals are the pins of packages that are named.
func removals(c *course, names []string) (*bump.Bumping, error) {
	p := &bump.Bumping{}
	for _, name := range names {
		t, err := bump.ParseTarget(name)
		if err != nil || t.Version != "" {
			return nil, usageError{fmt.Errorf("%s: write NAME, or KIND:NAME", name)}
		}
		found := c.engine(streams{}, nil).Pins(t)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: the course does not pin %s", c.manifest.Dir, t.Package())
		}
		for _, r := range found {
			if c.manifest.Lists(r) {
				return nil, fmt.Errorf("%s: %s is installed by what driftpin does not resolve: edit the line by hand", r.At, r.Title())
			}
			for _, one := range append([]pins.Request{r}, r.Also...) {
				if !slices.ContainsFunc(p.Removes, func(q pins.Request) bool { return q.At == one.At }) {
					p.Removes = append(p.Removes, one)
				}
			}
		}
	}
	return p, nil
}

// alter adds pins to a course, or removes some. One without a lock has nothing that could
// change: its files alone are edited.
func (f *bumpFlags) alter(ctx context.Context, s streams, dir string, what []string,
	prepare func(*course) (*bump.Bumping, error)) (err error) {
	if len(what) == 0 {
		return usageError{fmt.Errorf("%s: name one or more packages too", dir)}
	}
	c, err := openManifest(dir)
	if err != nil {
		return err
	}
	if err := f.checkFiles(c); err != nil {
		return err
	}
	p, err := prepare(c)
	if err != nil {
		return err
	}
	if c.lock == nil && c.broken == nil {
		return f.alterUnlocked(s, c, p)
	}
	if _, err := c.locked(); err != nil {
		return err
	}
	if err := c.findBase(f.base); err != nil {
		return err
	}
	if err := c.settled(); err != nil {
		return err
	}
	e, err := f.solving(ctx, s, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	p.Course, p.AsOf = c.engine(s, e), f.asOf
	return f.carryOut(ctx, s, e, []*bumped{{p, c}})
}

// alterUnlocked edits the files of a course that has no lock.
func (f *bumpFlags) alterUnlocked(s streams, c *course, p *bump.Bumping) error {
	edited := map[string][]byte{}
	if err := errors.Join(c.manifest.AddAll(p.Adds, edited), c.manifest.RemoveAll(p.Removes, edited)); err != nil {
		return err
	}
	after, err := readCourse(c.manifest.Dir, edited)
	if err != nil {
		return err
	}
	var added []pins.Request
	for _, a := range p.Adds {
		added = append(added, a.Request)
	}
	if err := after.Changes(c.manifest, added, p.Removes); err != nil {
		return err
	}
	var files change
	o := &outcome{Outcome: &bump.Outcome{Bumping: p, Edited: edited, Lock: &pins.Lock{}}, course: c}
	f.said = append(f.said, o.details(drift.New("", "", []drift.Change{}, []drift.Setting{}), cost{}, nil))
	f.said[0].Lock = ""
	for _, source := range c.manifest.Sources {
		now, ok := edited[source.Name]
		if !ok {
			continue
		}
		fmt.Fprintf(&f.text, "%s\n%s", source.Name, report.Lines(string(source.Data), string(now), useColour("auto", s.out)))
		fmt.Fprintf(&f.body, "%s\n\n%s\n", report.MarkdownText(source.Name), report.MarkdownLines(string(source.Data), string(now)))
		files.file(source.Name, source.Data, now)
	}
	if f.format == "text" && f.output == "" {
		fmt.Fprint(s.out, f.text.String())
	}
	fmt.Fprintf(s.err, "%s: there is no lock, so nothing was resolved: driftpin lock %s does it\n", c.lockFile,
		strings.TrimSuffix(c.manifest.Dir, "/"))
	return f.finish(s, files)
}
