package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

// driftFlags are the flags of drift.
type driftFlags struct {
	format, output, failOn, platform, colour, policy, since string
	courses                                                 []string
	all, layers, history                                    bool
	// with since: the course's folder as it was, and as it is
	then, now string
}

func driftCommand(s streams) *cobra.Command {
	var f driftFlags
	cmd := &cobra.Command{
		Use:   "drift A B…",
		Short: "Show what changed from one image to another, and why",
		Long: `Show what changed from image A to image B: packages of every kind, and the image's
config. With three images or more, show where they disagree. A and B may also be
locks (lock:FILE), SBOMs (sbom:FILE), and the image that a Helm values file deploys
(values:FILE, or values:FILE#PATH if it is not at the chart's usual place).

An image that driftpin built says why each package is there. For other images,
--course names the course whose lock explains them. --since compares a course with
its lock at an earlier revision, or an image with another of its tags. --history shows
how the locks of courses changed: which commit changed what, by whom, and when.

A policy (--policy FILE, or sync in the manifest of a --course) says which packages
must be the same, may differ, must not be older, or are forbidden, by names or patterns:

    sync:
      rules:
        - {same: [numpy, "jupyter-*"], why: shared notebooks}
        - {may-differ: [jupyterlab], until: 2023-06-01}
        - {not-older: [jupyterhub]}
        - {forbidden: [boken]}`,
		Example: `  driftpin drift oci-layout:build/images/stat159 oci-layout:build/images/data100
  driftpin drift hub/stat159:a9f2c4a2da6d hub/stat159:c19b8cc5c437 --format html --output drift.html
  driftpin drift --since v2023-spring courses/stat159
  driftpin drift --since a9f2c4a2da6d hub/stat159:c19b8cc5c437
  driftpin drift --history courses/stat159 courses/data100 --format html --output history.html
  driftpin drift lock:old.lock lock:courses/stat159/pins.lock --fail-on major
  driftpin drift A B --policy policy.yaml --fail-on policy --format sarif --output drift.sarif
  driftpin drift values:config/common.yaml oci-layout:build/images/stat159
  driftpin drift hub/stat159:1 hub/data100:1 hub/data101:1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.history {
				return nil // none: the course that one is in
			}
			return arguments(1, -1, "two images or more, or one and --since")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return usageError{err}
			}
			if f.history {
				return f.timeline(cmd.Context(), s, args)
			}
			return f.run(cmd.Context(), s, args)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *driftFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "format", "text", strings.Join(formats, ", "))
	cmd.Flags().StringVar(&f.output, "output", "", "file to write to (default standard output)")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "any",
		"exit 3 on any drift (any), on major drift (major), on a breach of the policy (policy), or never")
	cmd.Flags().StringVar(&f.platform, "platform", "", "platform, for images that have several (default linux/amd64)")
	cmd.Flags().StringVar(&f.colour, "color", "auto", "auto, always or never")
	cmd.Flags().StringVar(&f.policy, "policy", "", "file with the rules under sync")
	cmd.Flags().StringVar(&f.since, "since", "", "compare with a revision of the course, or another tag of the image")
	cmd.Flags().BoolVar(&f.history, "history", false, "how the locks of the named courses changed, by git's history")
	cmd.Flags().StringSliceVar(&f.courses, "course", nil, "course whose lock explains the changes; may be repeated")
	cmd.Flags().BoolVar(&f.all, "all", false, "also list the packages of added and removed environments")
	cmd.Flags().BoolVar(&f.layers, "read-layers", false,
		"read all layers: ignore remembered results and the inventory that the image carries")
}

// formats are those of drift.
var formats = []string{"text", "json", "markdown", "html", "sarif"}

func (f *driftFlags) check(args []string) error {
	err := errors.Join(oneOf("format", f.format, formats...), oneOf("fail-on", f.failOn, "any", "major",
		"policy", "never"),
		oneOf("color", f.colour, "auto", "always", "never"))
	switch {
	case err != nil:
		return err
	case f.history && (f.since != "" || f.policy != "" || len(f.courses) > 0 || f.format == "sarif" || f.platform != "" ||
		f.failOn != "any" || f.all || f.layers):
		return errors.New("--history shows courses by themselves: of the flags it takes --format, --output and --color")
	case f.history:
		return nil
	case f.since != "" && len(args) != 1:
		return errors.New("--since takes one course or image, and compares it with its own past")
	case f.since == "" && len(args) < 2:
		return errors.New("drift takes two images, or one and --since: see driftpin drift --help")
	case len(args) > 2 && (f.policy != "" || f.format == "sarif" || f.failOn == "policy"):
		return errors.New("--policy, --fail-on policy and --format sarif compare exactly two images: name two")
	case f.failOn == "policy" && f.policy == "" && len(f.courses) == 0:
		return errors.New("--fail-on policy needs --policy, or a --course that has rules")
	}
	return nil
}

func (f *driftFlags) run(ctx context.Context, s streams, refs []string) (err error) {
	collectLate(readHeap)
	var past string
	if f.since != "" {
		if past, err = os.MkdirTemp("", "driftpin-past-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(past)) }()
		if refs, err = f.withPast(ctx, refs[0], past); err != nil {
			return err
		}
	}
	opened := make([]*images.Image, len(refs))
	for i, ref := range refs {
		if opened[i], err = images.Open(ctx, ref, images.Options{Platform: f.platform}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, opened[i].Close()) }()
		if f.since != "" && opened[i].Lock != nil {
			opened[i].Name = opened[i].Lock.Course + []string{" at " + f.since, ""}[i]
		}
		printOpened(s, opened[i])
	}
	found, err := f.document(ctx, s, opened, refs)
	if err != nil {
		return err
	}
	if err := f.write(s, found); err != nil {
		return err
	}
	if found.Fails(f.failOn) {
		return errFound
	}
	return nil
}

// document compares images: two with each other, or more in a matrix.
func (f *driftFlags) document(ctx context.Context, s streams, opened []*images.Image,
	refs []string) (d report.Document, err error) {
	r, done := newReader(s)
	defer done()
	r.Layers = f.layers
	if len(opened) > 2 {
		m, err := r.Matrix(ctx, opened...)
		printUnverified(s, r, opened...)
		return report.OfMatrix(m), err
	}
	drift, err := f.compare(ctx, r, opened, refs)
	if drift != nil {
		drift.Expand = f.all
	}
	return report.OfDrift(drift), err
}

// withPast returns a course or an image as it was, and as it is.
func (f *driftFlags) withPast(ctx context.Context, what, past string) ([]string, error) {
	if !pins.IsCourse(what) {
		return f.withTag(what)
	}
	then, err := history.Past(ctx, what, f.since, past)
	if err != nil {
		return nil, err
	}
	f.then, f.now = then, what
	out := []string{}
	for _, dir := range []string{then, what} {
		lock := filepath.Join(dir, pins.LockName)
		if _, err := os.Stat(lock); err != nil {
			return nil, fmt.Errorf("%s has no lock in the revision that is compared: %w", what, err)
		}
		out = append(out, "lock:"+lock)
	}
	return out, nil
}

// withTag returns an image at another tag, and as it is named.
func (f *driftFlags) withTag(what string) ([]string, error) {
	scheme, name := "", what
	if kind, rest, ok := strings.Cut(what, ":"); ok && (kind == "docker" || kind == "oci-layout") {
		scheme, name = kind+":", rest
	} else if kind == "lock" || kind == "sbom" || kind == "docker-archive" {
		return nil, usageError{fmt.Errorf("--since compares a course or a tagged image with its past, and %s is "+
			"neither a course nor an image with a tag", what)}
	}
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return []string{scheme + name + ":" + f.since, what}, nil
}

// compare compares two images, explains what changed, and applies the policy.
func (f *driftFlags) compare(ctx context.Context, r images.Reader, opened []*images.Image,
	refs []string) (*drift.Drift, error) {
	d, err := r.Drift(ctx, opened[0], opened[1])
	if err != nil {
		return nil, err
	}
	known, err := f.explainers(opened, refs)
	if err != nil {
		return nil, err
	}
	d.Explain(known.reasons[0], known.reasons[1])
	if len(known.rules) == 0 && f.failOn == "policy" {
		return nil, usageError{errors.New("--fail-on policy: none of the courses has rules under sync")}
	}
	if len(known.rules) > 0 {
		found, err := r.Inventories(ctx, opened...)
		if err != nil {
			return nil, err
		}
		holdsA := known.course != "" && courseOf(opened[0]) == known.course && courseOf(opened[1]) != known.course
		p := drift.Policy{Rules: known.rules, HoldsA: holdsA, Today: time.Now()}
		d.Breaches = p.Breaches(d.Packages, found[0], found[1])
	}
	return d, nil
}

func courseOf(img *images.Image) string {
	if img.Lock != nil {
		return img.Lock.Course
	}
	return img.Config.Labels[pins.CourseLabel]
}

// explainers are what is known about two images beyond what they hold.
type explainers struct {
	reasons [2]*drift.Reason
	rules   []pins.SyncRule
	course  string // that the rules are of; empty if it is none's
}

// explainers finds the course that explains each source: the one whose lock the
// image was built from, the lock itself with the manifest beside it, or what the
// image says of itself. The rules are those of the policy, or else those that the
// courses have.
func (f *driftFlags) explainers(opened []*images.Image, refs []string) (known explainers, err error) {
	byLock := map[string]*drift.Reason{}
	for _, dir := range f.courses {
		c, err := openManifest(dir)
		if err != nil {
			return known, err
		}
		if _, err := c.locked(); err != nil {
			return known, err
		}
		byLock[c.lock.Digest()] = &drift.Reason{Manifest: c.manifest, Lock: c.lock}
		if rules := c.manifest.Sync.Rules; len(rules) > 0 {
			known.rules, known.course = append(known.rules, rules...), c.manifest.Course
		}
	}
	for i, img := range opened {
		switch r := byLock[img.Config.Labels[pins.LockLabel]]; {
		case img.Lock != nil:
			known.reasons[i] = &drift.Reason{Lock: img.Lock, Manifest: f.besides(refs[i])}
		case r != nil:
			known.reasons[i] = r
		case img.Carried != nil:
			known.reasons[i] = img.Carried.Reason
		}
	}
	if f.policy != "" {
		known.rules, known.course, err = readPolicy(f.policy)
	}
	return known, err
}

// readPolicy reads the rules of a policy, and the name of the course beside which
// it lies.
func readPolicy(file string) (rules []pins.SyncRule, course string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	if m, err := readCourse(filepath.Dir(file), nil); err == nil {
		course = m.Course
	}
	rules, err = pins.ParsePolicy(file, data)
	return rules, course, err
}

// besides is the manifest that lies beside a lock, if it can be read. One of the
// past lies elsewhere, and speaks of the course's own files.
func (f *driftFlags) besides(ref string) *pins.Manifest {
	m, err := readCourse(filepath.Dir(strings.TrimPrefix(ref, "lock:")), nil)
	if err != nil {
		return nil
	}
	for i := range m.Requests {
		if file, ok := strings.CutPrefix(m.Requests[i].At.File, f.then+"/"); ok && f.then != "" {
			m.Requests[i].At.File = filepath.Join(f.now, file)
		}
	}
	return m
}

// write writes a report to where it is wanted.
func (f *driftFlags) write(s streams, d report.Document) error {
	var out bytes.Buffer
	if err := d.Write(&out, f.format, f.output == "" && useColour(f.colour, s.out)); err != nil {
		return err
	}
	if f.output != "" {
		return whole.WriteFile(f.output, out.Bytes(), 0o644)
	}
	_, err := out.WriteTo(s.out)
	return err
}
