package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/driftpin/driftpin/pins"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
)

func lockCommand(s streams) *cobra.Command {
	var flags engineFlags
	var check, upgrade bool
	var names []string
	cmd := &cobra.Command{
		Use:   "lock COURSE…",
		Short: "Resolve what courses ask for, inside their base, and write their pins.lock",
		Long: `Resolve what courses ask for, inside their base image, and write their pins.lock.
What is asked for as before is not resolved again; else the old lock's versions
are kept where they can be.`,
		Example: `  driftpin lock testdata/courses/stat159
  driftpin lock --check courses/*               # exit 3 if a lock is stale
  driftpin lock --upgrade courses/stat159       # forget the old lock
  driftpin lock --upgrade-package numpy courses/stat159`,
		Args: arguments(1, -1, "one or more courses"),
		RunE: func(cmd *cobra.Command, courses []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			if check {
				return checkLocks(s, courses, flags)
			}
			for _, dir := range courses {
				if err := lockCourse(cmd.Context(), s, dir, flags, upgrade, names); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "only say whether the locks hold what is asked for")
	cmd.Flags().BoolVar(&upgrade, "upgrade", false, "forget the old lock: take the newest of everything")
	cmd.Flags().StringSliceVar(&names, "upgrade-package", nil, "forget the old lock for these packages only")
	return cmd
}

// checkLocks says which locks are stale.
func checkLocks(s streams, courses []string, flags engineFlags) error {
	var found error
	for _, dir := range courses {
		c, err := openCourse(dir, flags.base)
		if err != nil {
			return err
		}
		if why := c.stale(); why != "" {
			fmt.Fprintf(s.out, "%s: %s; write it with driftpin lock %s\n", c.lockFile, why, dir)
			found = errFound
		}
	}
	return found
}

// stale says why the course's lock can't be built as it is; empty if it can.
func (c *course) stale() string {
	if c.lock == nil {
		return "there is no lock"
	}
	if why := pins.Stale(c.manifest, c.lock, c.options()); why != "" {
		return "the lock is stale: " + why
	}
	return ""
}

// lockCourse writes a course's lock, unless nothing has changed.
func lockCourse(ctx context.Context, s streams, dir string, flags engineFlags, upgrade bool, names []string) (err error) {
	c, err := openCourse(dir, flags.base)
	if err != nil {
		return err
	}
	if !upgrade && len(names) == 0 && c.stale() == "" {
		fmt.Fprintf(s.err, "%s: up to date\n", c.lockFile)
		return nil
	}
	b, err := flags.builder(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Engine.Close()) }()
	b.Base = c.base
	if err := b.LearnBase(ctx, c.manifest.Platforms[0]); err != nil {
		return err
	}
	c.base = b.Base
	o := c.options()
	o.Upgrade, o.Names = upgrade, names
	l, err := pins.Relock(ctx, c.manifest, c.lock, b, o)
	if err != nil {
		return fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := renameio.WriteFile(c.lockFile, []byte(l.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%s: %d artifacts, %s\n", c.lockFile, len(l.Artifacts), l.Digest())
	return nil
}
