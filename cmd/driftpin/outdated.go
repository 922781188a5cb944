package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func outdatedCommand(s streams) *cobra.Command {
	var flags engineFlags
	var asOf string
	cmd := &cobra.Command{
		Use:   "outdated COURSE [NAME…]",
		Short: "Say how far each pin could go up, together with the rest",
		Long: `Say how far each pip pin could go up: the newest patch, minor and major versions
that resolve together with all other pins, each tried for real, and when they
were released. Where a newer version exists that the other pins hold back, that
is said too. The course's as-of holds, unless --as-of gives another date.`,
		Example: `  driftpin outdated courses/stat159
  driftpin outdated courses/stat159 jupyterlab --as-of 2023-12-31`,
		Args: arguments(1, -1, "a course, and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return outdated(cmd.Context(), s, args[0], args[1:], asOf, flags)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&asOf, "as-of", "", "look at what there was on this date")
	return cmd
}

func outdated(ctx context.Context, s streams, dir string, names []string, asOf string, flags engineFlags) (err error) {
	c, err := openLocked(dir, flags.base)
	if err != nil {
		return err
	}
	if asOf != "" {
		if c.manifest.AsOf, err = pins.ParseDate(asOf); err != nil {
			return usageError{fmt.Errorf("--as-of: %w", err)}
		}
	}
	pinned, err := c.versioned(names)
	if err != nil {
		return err
	}
	b, err := flags.open(ctx, s, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	o := &outlook{course: c, builder: b}
	newest, err := o.releases(ctx, pinned, func(r pins.Request) string { return ">=" + r.Version })
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PIN\tNOW\tPATCH\tMINOR\tMAJOR\tNEWEST")
	current := 0
	for _, r := range pinned {
		release := newest[r.Name]
		if release.Version == "" || pins.CompareVersions(r.Kind, release.Version, r.Version) <= 0 {
			current++
			continue
		}
		steps, err := o.steps(ctx, r)
		if err != nil {
			return err
		}
		held, highest := "", cmp.Or(steps[2], steps[1], steps[0])
		if pins.CompareVersions(r.Kind, highest.Version, release.Version) != 0 {
			held = dated(release) + ", which the other pins hold back"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Version, dated(steps[0]), dated(steps[1]), dated(steps[2]), held)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%d of %d pins are at their newest\n", current, len(pinned))
	return nil
}

// versioned are the pip pins of one version, or those of them that are named.
func (c *course) versioned(names []string) (out []pins.Request, err error) {
	asked := c.manifest.Requests
	if len(names) > 0 {
		asked = nil
		for _, name := range names {
			found := c.manifest.Pinned(name)
			if len(found) == 0 {
				return nil, fmt.Errorf("%s: it does not pin %s", c.manifest.Dir, name)
			}
			asked = append(asked, found...)
		}
	}
	for _, r := range asked {
		if r.Kind == pins.Pip && r.Version != "" && r.Git == nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// An outlook looks for how far pins could go.
type outlook struct {
	course  *course
	builder *buildplan.Builder
}

// releases are the newest versions of pins' packages, by themselves.
func (o *outlook) releases(ctx context.Context, pinned []pins.Request, constraint func(pins.Request) string) (map[string]buildplan.Release, error) {
	l := o.course.lock
	q := pins.Query{Kind: pins.Pip, Platform: l.Platforms[0], Before: o.course.manifest.AsOf.End, Below: l.Below()}
	wanted := map[string]string{}
	for _, r := range pinned {
		wanted[r.Name] = constraint(r)
	}
	return o.builder.Releases(ctx, q, wanted)
}

// steps are the newest patch, minor and major versions of a pin that resolve
// with the rest; zero where there is none.
func (o *outlook) steps(ctx context.Context, r pins.Request) (out [3]buildplan.Release, err error) {
	options := o.course.sameCourse()
	options.Names = []string{r.Name}
	levels := map[pins.Level]int{pins.Patch: 0, pins.Minor: 1, pins.Major: 2}
	for _, step := range []string{"latest", "minor", "patch"} {
		loose, err := o.course.manifest.Within(r, step)
		if err != nil {
			return out, err
		}
		l, err := pins.Relock(ctx, loose, o.course.lock, o.builder, options)
		if errors.Is(err, buildplan.ErrNoSolution) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		a, ok := l.Find(r.Kind, r.Name, l.Platforms[0])
		if !ok || pins.CompareVersions(r.Kind, a.Version, r.Version) <= 0 {
			return out, nil
		}
		at, known := levels[pins.LevelOf(r.Kind, r.Version, a.Version)]
		if !known {
			return out, nil
		}
		if out[at].Version != "" {
			continue // the same again: look closer by
		}
		found, err := o.releases(ctx, []pins.Request{r}, func(pins.Request) string { return "==" + a.Version })
		if err != nil {
			return out, err
		}
		out[at] = buildplan.Release{Version: a.Version, Uploaded: found[r.Name].Uploaded}
		if at == 0 {
			return out, nil
		}
	}
	return out, nil
}

// dated is a release with its date.
func dated(r buildplan.Release) string {
	if r.Uploaded.IsZero() {
		return r.Version
	}
	return r.Version + " (" + r.Uploaded.Format(time.DateOnly) + ")"
}
