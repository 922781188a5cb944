package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		Long: `Say how far each pin could go up: the newest patch, minor and major versions that
resolve together with all other pins, each tried for real, and when they were
released (apt does not tell). Where a newer version exists that the other pins
hold back, that is said too. The course's as-of holds, unless --as-of gives
another date. Of pins that are at their newest nothing is printed.`,
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
	date := c.manifest.AsOf
	if asOf != "" {
		if date, err = pins.ParseDate(asOf); err != nil {
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
	if err := c.settled(); err != nil {
		return err
	}
	c.manifest.AsOf = date // from here on: the lock is of the course's own
	o := &outlook{course: c, builder: b}
	rows, err := o.rows(ctx, s, pinned)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PIN\tNOW\tPATCH\tMINOR\tMAJOR\tNEWEST")
	for _, row := range rows {
		held, highest := "", cmp.Or(row.steps[2], row.steps[1], row.steps[0])
		if pins.CompareVersions(row.pin.Kind, highest.Version, row.newest.Version) != 0 {
			held = dated(row.newest) + ", which the rest holds back"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", title(row.pin), row.now, dated(row.steps[0]), dated(row.steps[1]), dated(row.steps[2]), held)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%d of %d pins are at their newest\n", len(pinned)-len(rows), len(pinned))
	return nil
}

// kindsOf are the kinds of some pins.
func kindsOf(pinned []pins.Request) (kinds []pins.Kind) {
	for _, r := range pinned {
		if !slices.Contains(kinds, r.Kind) {
			kinds = append(kinds, r.Kind)
		}
	}
	return kinds
}

// title names a pin in a table: that it is pip's is understood.
func title(r pins.Request) string {
	if r.Kind == pins.Pip {
		return r.Name
	}
	return r.Kind.Key() + ":" + r.Name
}

// versioned are the pins of one version, or those of them that are named.
func (c *course) versioned(names []string) (out []pins.Request, err error) {
	asked := c.manifest.Requests
	if len(names) > 0 {
		asked = nil
		for _, name := range names {
			found := parseTarget(name).in(c)
			if len(found) == 0 {
				return nil, fmt.Errorf("%s: it does not pin %s", c.manifest.Dir, name)
			}
			asked = append(asked, found...)
		}
	}
	for _, r := range c.effective(asked) {
		if r.Version != "" && r.Git == nil {
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

// A row is a pin that is not at its newest.
type row struct {
	pin    pins.Request
	now    string               // the version that is locked
	newest buildplan.Release    // by itself
	steps  [3]buildplan.Release // the newest patch, minor and major that resolve with the rest; zero where there is none
}

// rows finds out how far pins could go.
func (o *outlook) rows(ctx context.Context, s streams, pinned []pins.Request) (rows []row, err error) {
	for _, kind := range kindsOf(pinned) {
		wanted := map[string]string{}
		for _, r := range pinned {
			if r.Kind == kind {
				lowest, _, _ := strings.Cut(r.Version, "+") // no range names a local version (PEP 440)
				wanted[r.Name] = ">=" + lowest
			}
		}
		newest, err := o.releases(ctx, kind, wanted)
		if err != nil {
			return nil, err
		}
		for _, r := range pinned {
			locked, ok := o.course.lock.Find(kind, r.Name, o.course.lock.Platforms[0])
			if release := newest[r.Name]; r.Kind == kind && ok && release.Version != "" && pins.CompareVersions(kind, release.Version, locked.Version) > 0 {
				rows = append(rows, row{pin: r, now: locked.Version, newest: release})
			}
		}
	}
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(s.err, "%d of %d: %s\n", i+1, len(rows), title(r.pin))
		if r.steps, err = o.steps(ctx, r.pin, r.now); err != nil {
			return nil, err
		}
	}
	return rows, o.date(ctx, rows)
}

// releases are the newest versions of packages of a kind, by themselves.
func (o *outlook) releases(ctx context.Context, kind pins.Kind, wanted map[string]string) (map[string]buildplan.Release, error) {
	m, l := o.course.manifest, o.course.lock
	q := pins.Query{Kind: kind, Platform: l.Platforms[0], Before: m.AsOf.End, Below: l.Below(), Channels: m.CondaChannels()}
	return o.builder.Releases(ctx, q, wanted)
}

// steps are the newest patch, minor and major versions of a pin, above the one
// that there is now, that resolve with the rest; without dates.
func (o *outlook) steps(ctx context.Context, r pins.Request, now string) (out [3]buildplan.Release, err error) {
	options := o.course.sameCourse()
	options.Names = []string{r.Name}
	levels := map[pins.Level]int{pins.Patch: 0, pins.Minor: 1, pins.Major: 2}
	for _, step := range []string{"latest", "minor", "patch"} {
		if r.Kind == pins.Deb && step != "latest" || step == "minor" && out[1].Version != "" {
			continue // apt has no ranges; the latest is the newest minor too
		}
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
		if !ok || pins.CompareVersions(r.Kind, a.Version, now) <= 0 {
			return out, nil
		}
		level, known := levels[pins.LevelOf(r.Kind, now, a.Version)]
		if !known {
			return out, nil
		}
		if out[level].Version = a.Version; level == 0 {
			return out, nil
		}
	}
	return out, nil
}

// date adds the dates of steps.
func (o *outlook) date(ctx context.Context, rows []row) error {
	for step := range 3 {
		wanted := map[pins.Kind]map[string]string{}
		for _, r := range rows {
			if v := r.steps[step].Version; v != "" && r.pin.Kind != pins.Deb {
				equals := "=="
				if r.pin.Kind == pins.Npm {
					equals = "="
				}
				if wanted[r.pin.Kind] == nil {
					wanted[r.pin.Kind] = map[string]string{}
				}
				wanted[r.pin.Kind][r.pin.Name] = equals + v
			}
		}
		for kind, versions := range wanted {
			found, err := o.releases(ctx, kind, versions)
			if err != nil {
				return err
			}
			for i, r := range rows {
				if r.pin.Kind == kind && r.steps[step].Version != "" {
					rows[i].steps[step].Published = found[r.pin.Name].Published
				}
			}
		}
	}
	return nil
}

// dated is a release with its date.
func dated(r buildplan.Release) string {
	if r.Published.IsZero() {
		return r.Version
	}
	return r.Version + " (" + r.Published.Format(time.DateOnly) + ")"
}
