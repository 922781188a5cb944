package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/pins/bump"
	"github.com/spf13/cobra"
)

func bumpCommand(s streams) *cobra.Command {
	f := bumpFlags{to: bump.Latest}
	var which selection
	cmd := &cobra.Command{
		Use:   "bump [COURSE…] [KIND:]NAME[=VERSION]…",
		Short: "Change the versions of pins, and show every consequence before writing",
		Long: `Change the versions of pins. Everything is resolved for real, and the changes are
shown: the manifest's lines, and the lock by package, with the cause of each change.
Nothing is written without --write. With it, only versions change in the manifest.

A NAME without a version goes to the newest version that resolves with the other
pins; --to limits how far. With several courses, every file that pins the package is
edited; all files are written, or none. Where pip, conda, apt or npm pin packages of
one name, write KIND:NAME. If other pins do not allow a version, the pins that would
have to move are named. --format markdown writes the same as the body of a pull request.`,
		Example: `  driftpin bump courses/stat159 tornado=6.3.3          # what would come of it
  driftpin bump --all jupyterhub=4.0.2 --write         # in every course that pins it
  driftpin bump courses/stat159 jupyterlab --to patch
  driftpin bump courses/stat159 jupyterlab=3.6.3 --as-of 2023-04-15
  driftpin bump courses/stat159 buildpack-deps:bookworm-scm   # the base's tag has moved: what would that bring?`,
		Args: arguments(1, -1, "courses and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			courses, names := split(args)
			courses, err := which.courses(courses, names...)
			if err == nil {
				courses, err = named(courses)
			}
			if err != nil {
				return err
			}
			if err := f.read(courses, names); err != nil {
				return err
			}
			pinned, err := f.bump(cmd.Context(), s, courses)
			if err == nil && pinned == 0 {
				err = fmt.Errorf("no course pins %s", strings.Join(names, ", "))
			}
			return f.end(s, err)
		},
	}
	f.add(cmd)
	which.add(cmd)
	cmd.Flags().StringVar(&f.to, "to", f.to, "how far a NAME without a version goes: latest, minor or patch")
	return cmd
}

// read understands the command line.
func (f *bumpFlags) read(courses, names []string) error {
	switch {
	case len(courses) == 0:
		return usageError{errors.New("name one or more courses: folders")}
	case len(names) == 0:
		return usageError{errors.New("name one or more packages: NAME or NAME=VERSION")}
	}
	for _, n := range names {
		t, err := bump.ParseTarget(n)
		if err != nil {
			return usageError{err}
		}
		f.targets = append(f.targets, t)
	}
	return cmp.Or(oneOf("to", f.to, bump.Latest, bump.Minor, bump.Patch), f.check())
}
