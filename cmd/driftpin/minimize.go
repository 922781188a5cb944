package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/spf13/cobra"
)

func minimizeCommand(s streams) *cobra.Command {
	var flags engineFlags
	var checks bool
	var format string
	cmd := &cobra.Command{
		Use:   "minimize [COURSE] [NAME…]",
		Short: "Show which pins resolving does not need",
		Long: `Show which pins resolving does not need. Each pin whose need is solver, or each pin
that is named, is tried in turn without its version: the package's locked version is
forgotten, and everything is resolved for real. A pin is needed if that has no
solution, if the package of a hard pin would change, or, with --checks, if a check
fails in an image that is built without the pin. Otherwise the changes are shown.
Nothing is written. Exit status 3 if a pin is not needed.`,
		Example: `  driftpin minimize courses/stat159
  driftpin minimize courses/stat159 dask tornado --checks`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(flags.check(), oneOf("format", format, "text", "json")); err != nil {
				return err
			}
			if len(args) == 0 {
				if args = []string{"."}; !pins.IsCourse(".") {
					return usageError{errors.New("name a course: a folder; in a course's folder, none is needed")}
				}
			}
			dir, names := oneCourse(args)
			return minimize(cmd.Context(), s, dir, names, flags, checks, format)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&checks, "checks", false, "build without each pin too, and run the course's checks")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

// A minimized is what minimize says of one pin.
type minimized struct {
	reasonPin
	Needed *bool  `json:"needed"` // null if the pin was not tried
	Says   string `json:"says"`   // why, in words
}

func minimize(ctx context.Context, s streams, dir string, names []string, flags engineFlags, checks bool,
	format string) (err error) {
	c, err := openLocked(dir, flags.base)
	if err != nil {
		return err
	}
	candidates, passed, err := bump.Candidates(c.manifest, names)
	if err != nil {
		return err
	}
	said := []minimized{}
	for _, p := range passed {
		said = append(said, minimized{*pinOf(&p.Pin), nil, p.Why})
		fmt.Fprintf(s.err, "%s: %s is not tried: %s\n", p.Pin.At, report.Clean(p.Pin.Spec), p.Why)
	}
	if len(candidates) == 0 {
		return fmt.Errorf("%s: there is no pin to try", dir)
	}
	e, err := flags.solving(ctx, s, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	var found error
	progress := newCounting(s.err)
	for i, r := range candidates {
		progress.at(i+1, len(candidates), title(r))
		v, err := c.engine(s, e).Without(ctx, r)
		if err != nil {
			return err
		}
		needed, text := v.Needed(), wordVerdict(v)
		if checks && !needed {
			if needed, text, err = c.check(ctx, e, v); err != nil {
				return err
			}
		}
		progress.end()
		said = append(said, minimized{*pinOf(&r), &needed, text})
		if format == "text" {
			fmt.Fprintf(s.out, "%s: %s is %s\n", r.At, r.Spec, text)
		}
		if !needed {
			found = errFound
		}
	}
	if format == "json" {
		if err := writeJSON(s.out, map[string]any{"course": dir, "pins": said}); err != nil {
			return err
		}
	}
	return found
}

// wordVerdict says whether a pin is needed, as far as resolving tells.
func wordVerdict(v *bump.Verdict) string {
	switch {
	case v.None != nil:
		return "needed: without its version, " + report.Clean(strings.ReplaceAll(v.None.Text, "\n", " "))
	case v.Hard != nil:
		return fmt.Sprintf("needed: without its version, the hard pin %s (%s) would change: %s", v.Hard.Name, v.Hard.Request.At,
			wordMove(*v.Hard))
	}
	return "not needed for resolving: without its version, " + wordMoved(v)
}

// check builds a course without a pin, runs its checks, and says what comes of
// it.
func (c *course) check(ctx context.Context, e *session.Session, v *bump.Verdict) (needed bool, text string, err error) {
	p, err := buildplan.New(v.Manifest, v.Lock, v.Lock.Platforms[0], c.base)
	if err != nil {
		return false, "", err
	}
	err = buildplan.Builder{Session: e}.Check(ctx, p)
	switch {
	case ctx.Err() != nil:
		return false, "", ctx.Err()
	case err != nil:
		return true, fmt.Sprintf("needed: without its version, %s, and the build or a check fails: %s", wordMoved(v),
			report.Clean(firstLine(err.Error()))), nil
	}
	return false, "not needed for resolving, nor for the checks: without its version, " + wordMoved(v), nil
}

func wordMoved(v *bump.Verdict) string {
	if len(v.Moved) == 0 {
		return "the same would be installed"
	}
	var moves []string
	for _, m := range v.Moved {
		moves = append(moves, m.Name+" "+wordMove(m))
	}
	return "these packages would change: " + strings.Join(moves, ", ")
}

func wordMove(m bump.Move) string { return cmp.Or(m.From, "none") + " → " + cmp.Or(m.To, "none") }

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
