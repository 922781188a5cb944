package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

// driftFlags are the flags of drift.
type driftFlags struct {
	format, output, failOn, platform, colour string
	courses                                  []string
}

func driftCommand(s streams) *cobra.Command {
	var f driftFlags
	cmd := &cobra.Command{
		Use:   "drift A B",
		Short: "Say what changed from one image to another, and why",
		Long: `Say what changed from image A to image B: packages of every kind, and how the
image runs. A and B may be locks too (lock:FILE). With --course the lock of the
course that an image was built from explains each change by a line of its
manifest.`,
		Example: `  driftpin drift oci-layout:build/images/stat159 oci-layout:build/images/data100
  driftpin drift hub/stat159:a9f2c4a2da6d hub/stat159:c19b8cc5c437 --course courses/stat159
  driftpin drift lock:old.lock lock:courses/stat159/pins.lock --fail-on major
  driftpin drift A B --format json --output drift.json`,
		Args: arguments(2, 2, "two images"),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := errors.Join(oneOf("format", f.format, "text", "json"), oneOf("fail-on", f.failOn, "any", "major", "never"),
				oneOf("color", f.colour, "auto", "always", "never"))
			if err != nil {
				return usageError{err}
			}
			return runDrift(cmd.Context(), s, args[0], args[1], f)
		},
	}
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	cmd.Flags().StringVar(&f.output, "output", "", "file to write the report to (default standard output)")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "any", "exit 3 on any drift, on a major one only, or never")
	cmd.Flags().StringVar(&f.platform, "platform", "", "of images with several (default linux/amd64)")
	cmd.Flags().StringVar(&f.colour, "color", "auto", "auto, always or never")
	cmd.Flags().StringSliceVar(&f.courses, "course", nil, "course whose lock explains the changes; may be repeated")
	return cmd
}

func runDrift(ctx context.Context, s streams, a, b string, f driftFlags) error {
	d, err := compare(ctx, a, b, f)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if f.format == "json" {
		err = report.JSON(&out, d)
	} else {
		err = report.Text(&out, d, f.output == "" && useColour(f.colour, s.out))
	}
	if err != nil {
		return err
	}
	if f.output != "" {
		err = whole.WriteFile(f.output, out.Bytes(), 0o644)
	} else {
		_, err = out.WriteTo(s.out)
	}
	if err != nil {
		return err
	}
	if f.failOn == "any" && d.Any() || f.failOn == "major" && d.Summary.Levels[pins.Major] > 0 {
		return errFound
	}
	return nil
}

// compare opens both sources and compares them.
func compare(ctx context.Context, a, b string, f driftFlags) (_ *images.Drift, err error) {
	var opened [2]*images.Image
	for i, ref := range []string{a, b} {
		if opened[i], err = images.Open(ctx, ref, images.Options{Platform: f.platform}); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, opened[i].Close()) }()
	}
	r, err := newReader()
	if err != nil {
		return nil, err
	}
	d, err := r.Drift(ctx, opened[0], opened[1])
	if err != nil {
		return nil, err
	}
	reasons, err := f.reasons(opened)
	if err != nil {
		return nil, err
	}
	images.Explain(d.Packages, reasons[0], reasons[1])
	d.Count()
	return d, nil
}

// newReader is a reader of inventories that remembers what layers hold.
func newReader() (images.Reader, error) {
	dir, err := home()
	return images.Reader{Memory: filepath.Join(dir, "layers")}, err
}

// reasons finds the course that explains each source: the one whose lock the
// image was built from, or the lock itself with the manifest beside it.
func (f driftFlags) reasons(opened [2]*images.Image) (out [2]*images.Reason, err error) {
	byLock := map[string]*images.Reason{}
	for _, dir := range f.courses {
		c, err := openManifest(dir)
		if err != nil {
			return out, err
		}
		if _, err := c.locked(); err != nil {
			return out, err
		}
		byLock[c.lock.Digest()] = &images.Reason{Manifest: c.manifest, Lock: c.lock}
	}
	for i, img := range opened {
		if img.Carried != nil {
			out[i] = img.Carried.Reason
		}
		if img.Lock != nil {
			out[i] = &images.Reason{Lock: img.Lock, Manifest: besides(img)}
			continue
		}
		if r := byLock[img.Config.Labels[images.LockLabel]]; r != nil {
			out[i] = r
		}
	}
	return out, nil
}

// besides is the manifest that lies beside a lock, if it can be read.
func besides(img *images.Image) *pins.Manifest {
	_, file, _ := bytes.Cut([]byte(img.Name), []byte(":"))
	m, err := pins.ReadCourse(filepath.Dir(string(file)))
	if err != nil {
		return nil
	}
	return m
}

// useColour reports whether colours are wanted: on a terminal, unless NO_COLOR
// (no-color.org) is set.
func useColour(when string, w io.Writer) bool {
	if when != "auto" {
		return when == "always"
	}
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
