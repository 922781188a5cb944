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
	var f outdatedFlags
	cmd := &cobra.Command{
		Use:   "outdated [COURSE…] [NAME…]",
		Short: "Show how far each pin can go up together with the other pins",
		Long: `Show how far each pin can go up: the newest patch, minor and major versions that
resolve together with all other pins, each tried for real, with their release dates
(apt has none). A newer version that the other pins do not allow is shown too. The
course's as-of applies, unless --as-of gives another date. Pins at their newest
version are not listed. Images that the course stands on are listed if their tags have
moved. Without a course, the one of this folder is meant. Of several courses, those that
do not pin a NAME are passed over.`,
		Example: `  driftpin outdated courses/stat159
  driftpin outdated courses/stat159 jupyterlab --as-of 2023-12-31`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.outdatedAll(cmd.Context(), s, args) },
	}
	f.engineFlags.add(cmd)
	f.fleet.add(cmd)
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "consider only versions that were released by this date")
	return cmd
}

// outdatedFlags are the flags of outdated.
type outdatedFlags struct {
	engineFlags
	fleet
	asOf string

	date    pins.Date // what asOf says; zero: nothing
	several bool      // courses: each is named
	targets []bump.Target
}

// outcomeNotPinned is that of a course that does not pin what is named.
const outcomeNotPinned = "not pinned"

// outdatedAll shows of courses how far their pins can go up.
func (f outdatedFlags) outdatedAll(ctx context.Context, s streams, args []string) (err error) {
	defer f.end(s, &err)
	if err := cmp.Or(f.engineFlags.check(), f.fleet.check()); err != nil {
		return err
	}
	if f.asOf != "" {
		if f.date, err = pins.ParseDate(f.asOf); err != nil {
			return usageError{fmt.Errorf("--as-of: %w", err)}
		}
	}
	named, names := split(args)
	for _, name := range names {
		t, err := bump.ParseTarget(name)
		if err != nil || t.Version != "" {
			return usageError{fmt.Errorf("%s: write NAME, or KIND:NAME", name)}
		}
		f.targets = append(f.targets, t)
	}
	courses, err := f.courses(named, names...)
	if err != nil {
		return err
	}
	f.several = len(courses) > 1
	shared := f.share(len(courses), s)
	defer shared.done(&err)
	ready := func(_ context.Context, _ streams, dir string) (result, error) {
		_, err := openLocked(dir, f.base)
		return result{}, err
	}
	results, err := f.report(ctx, s, courses, ready, f.outdated)
	passed := func(r result) bool { return r.Outcome != outcomeNotPinned }
	if err == nil && !slices.ContainsFunc(results, passed) {
		return fmt.Errorf("no course pins %s", strings.Join(names, ", "))
	}
	return err
}

func (f outdatedFlags) outdated(ctx context.Context, s streams, dir string) (r result, err error) {
	c, err := openLocked(dir, f.base)
	if err != nil {
		return r, err
	}
	date := c.manifest.AsOf
	if f.asOf != "" {
		date = f.date
	}
	pinned, absent := c.engine(s, nil).Versioned(f.targets)
	if len(absent) > 0 && f.several {
		return result{Outcome: outcomeNotPinned}, nil
	}
	if len(absent) > 0 {
		return r, fmt.Errorf("%s: the course does not pin %s", dir, absent[0].Package())
	}
	e, err := f.solving(ctx, s, c)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	progress := newCounting(s.err)
	rows, err := c.engine(s, e).Outlook(ctx, date, pinned, func(n, all int, r pins.Request) { progress.at(n, all, title(r)) })
	progress.end()
	if err != nil {
		return r, err
	}
	if f.several {
		fmt.Fprintf(s.out, "\n%s\n", oneLine(dir))
	}
	moved := c.movedOf(ctx, s, e, f.targets)
	if err := printOutlook(s.out, rows, moved); err != nil {
		return r, err
	}
	if len(pinned) > 0 {
		fmt.Fprintf(s.err, "%d of %s at the newest version\n", len(pinned)-len(rows), pins.Count(len(pinned), "pin"))
	}
	unresolved := slices.DeleteFunc(slices.Clone(c.manifest.Listed), func(r pins.Request) bool { return r.Kind == pins.FromImage })
	if len(unresolved) > 0 && len(f.targets) == 0 {
		fmt.Fprintf(s.err, "%d pins are installed by scripts or by a Dockerfile, and newer versions of them are not looked up\n",
			len(unresolved))
	}
	return result{Outcome: fmt.Sprintf("%d of %d behind", len(rows), len(pinned)),
		Details: outlookOf(rows, moved, len(pinned))}, nil
}

// An outlookDetails is what outdated says of a course, as JSON.
type outlookDetails struct {
	Pins   int           `json:"pins"`   // how many were looked at
	Behind []outlookPin  `json:"behind"` // those that are not at their newest
	Images []outlookMove `json:"images"` // those whose tags have moved
}

// An outlookPin is a pin that could go up. A version that does not exist is null.
type outlookPin struct {
	Kind   string          `json:"kind"`
	Name   string          `json:"name"`
	File   string          `json:"file"`
	Line   int             `json:"line"`
	Now    string          `json:"now"`
	Patch  *outlookVersion `json:"patch"` // the newest that resolve together with all other pins
	Minor  *outlookVersion `json:"minor"`
	Major  *outlookVersion `json:"major"`
	Newest *outlookVersion `json:"newest"` // by itself
}

// An outlookVersion is a version, and the day on which it was published, if that is told.
type outlookVersion struct {
	Version   string `json:"version"`
	Published string `json:"published,omitempty"`
}

// An outlookMove is an image whose tag has moved.
type outlookMove struct {
	Image string `json:"image"`
	Was   string `json:"was"`
	Is    string `json:"is"`
}

func outlookOf(rows []bump.Row, moved []movedImage, pinned int) outlookDetails {
	version := func(r pins.Release) *outlookVersion {
		if r.Version == "" {
			return nil
		}
		v := &outlookVersion{Version: r.Version}
		if !r.Published.IsZero() {
			v.Published = r.Published.Format(time.DateOnly)
		}
		return v
	}
	d := outlookDetails{Pins: pinned, Behind: []outlookPin{}, Images: []outlookMove{}}
	for _, r := range rows {
		d.Behind = append(d.Behind, outlookPin{r.Pin.Kind.Key(), r.Pin.Name, r.Pin.At.File, r.Pin.At.Line, r.Now,
			version(r.Steps[0]), version(r.Steps[1]), version(r.Steps[2]), version(r.Newest)})
	}
	for _, m := range moved {
		d.Images = append(d.Images, outlookMove{m.request.Spec, m.was, m.is})
	}
	return d
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
