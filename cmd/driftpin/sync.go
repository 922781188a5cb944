package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/spf13/cobra"
)

func syncCommand(s streams) *cobra.Command {
	f := bumpFlags{to: bump.Latest}
	cmd := &cobra.Command{
		Use:   "sync FROM COURSE [NAME…]",
		Short: "Take the versions of pins from another course",
		Long: `Take the versions of pins from another course: a bump of COURSE in which each pin takes
the version that FROM has. Without a NAME these are the packages that must be the
same by COURSE's sync rules or, without such rules, all packages that both courses
pin. Nothing is written without --write.`,
		Example: `  driftpin sync courses/stat159 courses/data100 jupyterlab jupyterhub
  driftpin sync courses/stat159 courses/data100 --write`,
		Args: arguments(2, -1, "a course to take from, a course to change, and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.end(s, f.sync(cmd.Context(), s, args[0], args[1], args[2:]))
		},
	}
	f.add(cmd)
	return cmd
}

func (f *bumpFlags) sync(ctx context.Context, s streams, from, to string, names []string) error {
	source, err := openManifest(from)
	if err != nil {
		return err
	}
	if source.broken != nil {
		return source.broken
	}
	target, err := openManifest(to)
	if err != nil {
		return err
	}
	f.targets = bump.Carry(source.manifest, source.lock, target.manifest, names)
	for _, name := range names {
		pinned := target.manifest.Pinned(name)
		if len(pinned) == 0 {
			return fmt.Errorf("%s: the course does not pin %s", to, name)
		}
		if !slices.ContainsFunc(pinned, func(r pins.Request) bool {
			return bump.VersionIn(source.manifest, source.lock, r) != ""
		}) {
			return fmt.Errorf("%s: the course has no version of %s to copy", from, name)
		}
	}
	if len(f.targets) == 0 {
		fmt.Fprintf(s.err, "%s: the pins already have the versions of %s\n", to, from)
		return nil
	}
	_, err = f.bump(ctx, s, []string{to})
	return err
}
