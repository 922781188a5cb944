package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func minimizeCommand(s streams) *cobra.Command {
	var flags engineFlags
	var checks bool
	cmd := &cobra.Command{
		Use:   "minimize COURSE [NAME…]",
		Short: "Say which pins' versions resolving does not need",
		Long: `Say which pins' versions resolving does not need: each pin whose need is solver,
or each that is named, asks for any version in turn, the package's locked version
is forgotten, and all is resolved for real. A pin is needed if that has no
solution, if a hard pin's package would move, or, with --checks, if one of the
course's checks fails in an image built without it. Otherwise what would change is
shown. Nothing is written. Exit status 3 if a pin is not needed.`,
		Example: `  driftpin minimize courses/stat159
  driftpin minimize courses/stat159 dask tornado --checks`,
		Args: arguments(1, -1, "a course, and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return minimize(cmd.Context(), s, args[0], args[1:], flags, checks)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&checks, "checks", false, "build without each pin too, and run the course's checks")
	return cmd
}

func minimize(ctx context.Context, s streams, dir string, names []string, flags engineFlags, checks bool) (err error) {
	c, err := openLocked(dir, flags.base)
	if err != nil {
		return err
	}
	candidates, err := c.leftOut(names)
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
	var found error
	for _, r := range candidates {
		needed, err := c.without(ctx, s, b, r, checks)
		if err != nil {
			return err
		}
		if !needed {
			found = errFound
		}
	}
	return found
}

// leftOut returns the pins to be tried without: those that are named, or those
// that are there for the solver.
func (c *course) leftOut(names []string) (out []pins.Request, err error) {
	for _, name := range names {
		found := c.manifest.Pinned(name)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: it does not pin %s", c.manifest.Dir, name)
		}
		out = append(out, found...)
	}
	for _, r := range c.manifest.Requests {
		if len(names) == 0 && r.Need == pins.Solver {
			out = append(out, r)
		}
	}
	for _, r := range out {
		if r.Git != nil || r.Version == "" && r.Constraint == "" {
			return nil, fmt.Errorf("%s: %s asks for no version that could be left open", r.At, r.Spec)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no pin has need: solver: name the packages to try", c.manifest.Dir)
	}
	return out, nil
}

// without resolves a course without one of its pins, and prints what comes of
// it.
func (c *course) without(ctx context.Context, s streams, b *buildplan.Builder, r pins.Request, checks bool) (needed bool, err error) {
	loose := c.manifest.With(func(q pins.Request) pins.Request {
		if q.At == r.At {
			return q.Free()
		}
		return q
	})
	o := c.sameCourse()
	o.Names = []string{r.Name}
	l, err := pins.Relock(ctx, loose, c.lock, b, o)
	if errors.Is(err, buildplan.ErrNoSolution) {
		reason, _, _ := strings.Cut(err.Error(), "\nIt speaks")
		fmt.Fprintf(s.out, "%s: %s is needed: with any version, %s\n", r.At, r.Spec, report.Clean(strings.ReplaceAll(reason, "\n", " ")))
		return true, nil
	}
	if err != nil {
		return false, err
	}
	changes := images.Compare(images.LockPackages(c.lock), images.LockPackages(l))
	var moved []string
	for _, ch := range changes {
		if q := loose.Request(ch.Kind, ch.Name, ""); q != nil && q.Need == pins.Hard && q.At != r.At {
			fmt.Fprintf(s.out, "%s: %s is needed: with any version, %s (%s, hard) would go %s → %s\n", r.At, r.Spec, ch.Name, q.At, orNone(ch.A), orNone(ch.B))
			return true, nil
		}
		moved = append(moved, fmt.Sprintf("%s %s → %s", ch.Name, orNone(ch.A), orNone(ch.B)))
	}
	what := "the same would be installed"
	if len(moved) > 0 {
		what = "this would change: " + strings.Join(moved, ", ")
	}
	why := "for resolving"
	if checks {
		p, err := buildplan.New(loose, l, l.Platforms[0], c.base)
		if err != nil {
			return false, err
		}
		if err := b.Check(ctx, p); ctx.Err() != nil {
			return false, ctx.Err()
		} else if err != nil {
			fmt.Fprintf(s.out, "%s: %s is needed: with any version %s, and then %s\n", r.At, r.Spec, what, report.Clean(firstLine(err.Error())))
			return true, nil
		}
		why = "for resolving, nor for the checks"
	}
	fmt.Fprintf(s.out, "%s: %s is not needed %s: with any version %s\n", r.At, r.Spec, why, what)
	return false, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func orNone(version *string) string {
	if version == nil {
		return "none"
	}
	return *version
}
