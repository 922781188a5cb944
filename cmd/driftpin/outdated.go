package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/spf13/cobra"
)

func outdatedCommand(s streams) *cobra.Command {
	var flags engineFlags
	var asOf string
	cmd := &cobra.Command{
		Use:   "outdated COURSE [NAME…]",
		Short: "Show how far each pin can go up together with the other pins",
		Long: `Show how far each pin can go up: the newest patch, minor and major versions that
resolve together with all other pins, each tried for real, with their release dates
(apt has none). A newer version that the other pins do not allow is shown too. The
course's as-of applies, unless --as-of gives another date. Pins at their newest
version are not listed. Images that the course stands on are listed if their tags have
moved.`,
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
	cmd.Flags().StringVar(&asOf, "as-of", "", "consider only versions that were released by this date")
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
	var targets []bump.Target
	for _, name := range names {
		t, err := bump.ParseTarget(name)
		if err != nil || t.Version != "" {
			return usageError{fmt.Errorf("%s: write NAME, or KIND:NAME", name)}
		}
		targets = append(targets, t)
	}
	pinned, absent := c.engine(s, nil).Versioned(targets)
	if len(absent) > 0 {
		return fmt.Errorf("%s: the course does not pin %s", dir, absent[0].Package())
	}
	e, err := flags.solving(ctx, s, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	rows, err := c.engine(s, e).Outlook(ctx, date, pinned, func(n, all int, r pins.Request) {
		fmt.Fprintf(s.err, "%d of %d: %s\n", n, all, title(r))
	})
	if err != nil {
		return err
	}
	if err := printOutlook(s.out, rows, c.movedOf(ctx, s, e, targets)); err != nil {
		return err
	}
	if len(pinned) > 0 {
		fmt.Fprintf(s.err, "%d of %d pins are at their newest\n", len(pinned)-len(rows), len(pinned))
	}
	unresolved := slices.DeleteFunc(slices.Clone(c.manifest.Listed), func(r pins.Request) bool { return r.Kind == pins.FromImage })
	if len(unresolved) > 0 && len(names) == 0 {
		fmt.Fprintf(s.err, "%d pins are installed by scripts or by a Dockerfile, and newer versions of them are not looked up\n",
			len(unresolved))
	}
	return nil
}

// printOutlook prints a table of pins, and of images that have moved.
func printOutlook(w io.Writer, rows []bump.Row, moved []movedImage) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PIN\tNOW\tPATCH\tMINOR\tMAJOR\tNEWEST")
	for _, row := range rows {
		held, highest := "", cmp.Or(row.Steps[2], row.Steps[1], row.Steps[0])
		if row.Pin.Kind.Scheme().Compare(highest.Version, row.Newest.Version) != 0 {
			held = dated(row.Newest) + ", held back by other pins"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", title(row.Pin), row.Now, dated(row.Steps[0]),
			dated(row.Steps[1]), dated(row.Steps[2]), held)
	}
	for _, m := range moved {
		_, was, _ := strings.Cut(m.was, "@")
		_, is, _ := strings.Cut(m.is, "@")
		fmt.Fprintf(table, "image:%s\t%s\t\t\t\t%s, the tag has moved\n", m.request.Spec, short(was), short(is))
	}
	return table.Flush()
}

// movedOf are the images that have moved: of those that are named, or of all.
func (c *course) movedOf(ctx context.Context, s streams, e *session.Session, targets []bump.Target) []movedImage {
	return slices.DeleteFunc(c.moved(ctx, s, e), func(m movedImage) bool {
		return len(targets) > 0 && !slices.ContainsFunc(targets,
			func(t bump.Target) bool { return t.Name == m.request.Name || t.Name == m.request.Spec })
	})
}

// short is the beginning of a digest.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// title names a pin in a table: that it is pip's is understood.
func title(r pins.Request) string {
	if r.Kind == pins.Pip {
		return r.Name
	}
	return r.Kind.Key() + ":" + r.Name
}

// dated is a release with its date.
func dated(r pins.Release) string {
	if r.Published.IsZero() {
		return r.Version
	}
	return r.Version + " (" + r.Published.Format(time.DateOnly) + ")"
}
