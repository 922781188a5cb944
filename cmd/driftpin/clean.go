package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

// cleanFlags are the flags of clean.
type cleanFlags struct {
	selection
	place enginePlace
	keep  time.Duration
	files bool
	dry   bool
}

func cleanCommand(s streams) *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "clean [COURSE…]",
		Short: "Free the disk of what builds have left in $DRIFTPIN_HOME",
		Long: `Free the disk of what builds have left in $DRIFTPIN_HOME: remove the embedded engine's
cache that was not used within --keep. It is built again on demand. Another engine's
cache, which others may use too, is removed only if --engine names it.

Files that were fetched stay, because an index may have lost them. --files also removes
those that no lock of the named courses lists. The embedded engine keeps at most 50 GB by
itself, or what $DRIFTPIN_KEEP says (20GB).`,
		Example: `  driftpin clean --dry-run
  driftpin clean --keep 0s
  driftpin clean --files --all       # files that no course of driftpin.yaml locks`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.clean(cmd.Context(), s, args) },
	}
	f.selection.add(cmd)
	f.place.add(cmd)
	cmd.Flags().DurationVar(&f.keep, "keep", 7*24*time.Hour, "keep what was used within this time")
	cmd.Flags().BoolVar(&f.files, "files", false, "also remove fetched files that the courses' locks do not name")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "only say what there is")
	return cmd
}

func (f *cleanFlags) clean(ctx context.Context, s streams, args []string) (err error) {
	dir, err := stateDir()
	if err != nil {
		return err
	}
	if f.keep < 0 {
		return usageError{fmt.Errorf("--keep %s: name a time that has passed, such as 24h, or 0s", f.keep)}
	}
	if !f.files && (len(args) > 0 || f.all) {
		return usageError{errors.New("courses are named for --files alone: what the engine has built belongs to none")}
	}
	if f.files && len(args) == 0 && !f.all {
		return usageError{errors.New("--files removes what no lock lists: name all courses that matter, or --all")}
	}
	f.place.address = cmp.Or(f.place.address, "embedded") // not that of BUILDKIT_HOST
	var locked map[string]bool
	if f.files {
		if locked, err = f.locked(args); err != nil {
			return err
		}
	}
	f.place.eager = !f.dry
	e, err := f.place.open(ctx, dir, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	before, freed, err := e.Used(ctx, f.keep)
	if err != nil {
		return err
	}
	if !f.dry {
		if freed, err = e.Prune(ctx, f.keep); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "engine: %s, %s %s\n", megabytes(before), megabytes(freed), f.freed())
	files := store.Cleaning{Keep: f.keep, Dry: f.dry}
	if f.files {
		files.Wanted = func(sha256 string) bool { return locked[sha256] }
	}
	done, err := store.Clean(dir, files)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "fetched files: %s in %s, %s %s\n", megabytes(done.Bytes), pins.Count(done.Files, "file"),
		megabytes(done.Freed), f.freed())
	return err
}

// locked are the sha256 of all that the courses' locks name.
func (f *cleanFlags) locked(args []string) (map[string]bool, error) {
	courses, err := f.courses(args)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, dir := range courses {
		c, err := openManifest(dir)
		if err != nil {
			return nil, err
		}
		l, err := c.locked()
		if err != nil {
			return nil, err
		}
		for _, m := range sums.FindAllStringSubmatch(l.String(), -1) {
			found[m[1]] = true
		}
	}
	return found, nil
}

// sums are the hashes that a lock names.
var sums = regexp.MustCompile(`\bsha256:([0-9a-f]{64})\b`)

// freed is what happened to what is not needed, or would happen.
func (f *cleanFlags) freed() string {
	if f.dry {
		return "would be freed"
	}
	return "freed"
}
