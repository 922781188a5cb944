package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func verifyCommand(s streams) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify COURSE IMAGE",
		Short: "Prove that an image holds what the lock says",
		Long: `Compare a course's lock with what lies in an image's layers: every locked package must
be there at its version, and no other packages but those of the base. What the image
says of itself is not used. --deep also compares every file with its package's
record: RECORD of Python's packages, conda-meta of conda's, md5sums of Debian's. That
finds damage, not malice: whoever can change a file can change its record. Exit status 3
if anything differs.`,
		Example: `  driftpin verify testdata/courses/stat159 oci-layout:build/images/stat159
  driftpin verify --deep courses/stat159 registry.example.edu/hub/stat159:1a2b3c4d5e6f`,
		Args: arguments(2, 2, "a course and an image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", f.format, "text", "json"); err != nil {
				return err
			}
			return f.verify(cmd.Context(), s, args[0], args[1])
		},
	}
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	cmd.Flags().StringVar(&f.base, "base", "", "base image of a course that names none (default $DRIFTPIN_BASE)")
	cmd.Flags().BoolVar(&f.deep, "deep", false, "compare every installed file with its package's record")
	return cmd
}

// verifyFlags are the flags of verify.
type verifyFlags struct {
	format, base string
	deep         bool
}

func (f verifyFlags) verify(ctx context.Context, s streams, dir, ref string) (err error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return err
	}
	if err := c.usable(s.err); err != nil {
		return err
	}
	img, err := images.Open(ctx, ref, images.Options{Platform: c.lock.Platforms[0]})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	base, err := c.openBase(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	d, err := images.Verify(ctx, c.lock, base, img)
	if err != nil {
		return err
	}
	d.A = c.lockFile
	if f.deep {
		if d.Damages, err = img.Damages(ctx); err != nil {
			return err
		}
	}
	d.Explain(&drift.Reason{Manifest: c.manifest, Lock: c.lock}, &drift.Reason{Manifest: c.manifest, Lock: c.lock})
	if f.format == "json" {
		err = report.JSON(s.out, d)
	} else if d.Any() {
		err = report.Text(s.out, d, useColour("auto", s.out))
	} else {
		_, err = fmt.Fprintf(s.out, "%s holds what %s says\n", report.Clean(ref), c.lockFile)
	}
	if err == nil && d.Any() {
		return errFound
	}
	return err
}

// openBase opens the base image that the lock names.
func (c *course) openBase(ctx context.Context) (*images.Image, error) {
	ref := c.base.Ref + "@" + c.lock.Base
	if i := strings.LastIndexByte(c.base.Ref, ':'); i > strings.LastIndexByte(c.base.Ref, '/') {
		ref = c.base.Ref[:i] + "@" + c.lock.Base
	}
	if c.base.Layout != "" {
		if c.base.Digest != c.lock.Base {
			return nil, fmt.Errorf("%s: the base in %s is %s, and the lock was made with %s: lock the course again",
				c.lockFile, c.base, c.base.Digest, c.lock.Base)
		}
		ref = pins.LayoutPrefix + filepath.Clean(c.base.Layout)
	}
	if _, err := os.Stat(c.base.Layout); c.base.Layout != "" && err != nil {
		return nil, err
	}
	return images.Open(ctx, ref, images.Options{Platform: c.lock.Platforms[0]})
}
