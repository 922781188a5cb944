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
		Use:   "verify [COURSE…] IMAGE",
		Short: "Prove that an image holds what the lock says",
		Long: `Compare a course's lock with what lies in an image's layers: every locked package must
be there at its version, and no other packages but those of the base. What the image
says of itself is not used. --deep also compares every file with its package's
record: RECORD of Python's packages, conda-meta of conda's, md5sums of Debian's. That
finds damage, not malice: whoever can change a file can change its record. Exit status 3
if anything differs. In IMAGE, {course} stands for the course's name. Without
a course, the one of this folder is meant.`,
		Example: `  driftpin verify testdata/courses/stat159 oci-layout:build/images/stat159
  driftpin verify --all 'registry.example.edu/hub/{course}'
  driftpin verify --deep courses/stat159 registry.example.edu/hub/stat159:1a2b3c4d5e6f`,
		Args: arguments(1, -1, "courses and an image"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.verifyAll(cmd.Context(), s, args) },
	}
	f.fleet.add(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "base image of a course that names none (default $DRIFTPIN_BASE)")
	cmd.Flags().BoolVar(&f.deep, "deep", false, "compare every installed file with its package's record")
	return cmd
}

// verifyFlags are the flags of verify.
type verifyFlags struct {
	fleet
	base string
	deep bool
}

// verifyAll holds images against the locks of their courses. Of one course, the format
// json is the drift itself.
func (f verifyFlags) verifyAll(ctx context.Context, s streams, args []string) (err error) {
	defer f.end(s, &err)
	if err := f.fleet.check(); err != nil {
		return err
	}
	courses, err := f.courses(args[:len(args)-1])
	if err != nil {
		return err
	}
	image := args[len(args)-1]
	if len(courses) == 1 && !f.all {
		f.reported = true
		return f.verifyOne(ctx, s, courses[0], image)
	}
	if len(courses) > 1 && !strings.Contains(image, "{course}") {
		return usageError{fmt.Errorf("%s: several courses have several images: write {course} into it", image)}
	}
	_, err = f.report(ctx, s, courses, nil, func(ctx context.Context, s streams, dir string) (result, error) {
		return f.verify(ctx, s, dir, image, "text")
	})
	return err
}

// verifyOne holds one image against its course's lock. What keeps it from that is in the
// form of several courses.
func (f verifyFlags) verifyOne(ctx context.Context, s streams, dir, image string) error {
	r := timed(ctx, s, dir, func(ctx context.Context, s streams, dir string) (result, error) {
		return f.verify(ctx, s, dir, image, f.format)
	})
	if f.format == "json" && r.Details == nil {
		if err := writeJSON(s.out, reportOf([]result{r})); err != nil {
			return err
		}
	}
	return r.err
}

// verify holds an image against its course's lock.
func (f verifyFlags) verify(ctx context.Context, s streams, dir, ref, format string) (r result, err error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return r, err
	}
	if r, err := c.ready(s.err); err != nil {
		return r, err
	}
	d, err := f.drift(ctx, c, strings.ReplaceAll(ref, "{course}", c.manifest.Course))
	if err != nil {
		return r, err
	}
	r = result{Outcome: "holds", Details: d}
	switch {
	case format == "json":
		err = report.JSON(s.out, d)
	case d.Any():
		err = report.Text(s.out, d, useColour("auto", s.out))
	default:
		_, err = fmt.Fprintf(s.out, "%s holds what %s says\n", report.Clean(d.B), c.lockFile)
	}
	if err == nil && d.Any() {
		r.Outcome, err = "differs", errFound
	}
	return r, err
}

// drift is what an image has otherwise than the course's lock.
func (f verifyFlags) drift(ctx context.Context, c *course, ref string) (d *drift.Drift, err error) {
	img, err := images.Open(ctx, ref, images.Options{Platform: c.lock.Platforms[0]})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	base, err := c.openBase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	if d, err = images.Verify(ctx, c.lock, base, img); err != nil {
		return nil, err
	}
	d.A = c.lockFile
	if f.deep {
		if d.Damages, err = img.Damages(ctx); err != nil {
			return nil, err
		}
	}
	d.Explain(&drift.Reason{Manifest: c.manifest, Lock: c.lock}, &drift.Reason{Manifest: c.manifest, Lock: c.lock})
	return d, nil
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
