package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

// defaultBase is the base of a new course, where nothing names one: that of
// repo2docker's images.
const defaultBase = "buildpack-deps:bookworm-scm"

func initCommand(s streams) *cobra.Command {
	var from, base string
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Begin a course: write its pins.yaml",
		Long: `Begin a course: write DIR/pins.yaml, with today as its as-of. --from takes pins over: those
of a file (requirements.txt, environment.yml, apt.txt), or the packages that an image
holds. An image that driftpin built tells its pins; of others all Python, conda and npm
packages become pins, each in its version. Nothing is asked, and no file is overwritten.`,
		Example: `  driftpin init courses/stat20
  driftpin init courses/stat20 --from old/environment.yml
  driftpin init courses/stat20 --from registry.example.edu/hub/stat20:2023 --base buildpack-deps:bookworm-scm`,
		Args: arguments(1, 1, "a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return initCourse(cmd.Context(), s, args[0], from, base)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "file of pins, or image, to take over")
	cmd.Flags().StringVar(&base, "base", "", "base image, as the manifest names it (default that of "+pins.WorkspaceName+", else "+
		defaultBase+")")
	return cmd
}

// besideCourse is a base as the manifest of a course names it. A layout that is found from here, and not
// from the course's folder, is the one that is meant.
func besideCourse(dir, base string) string {
	layout, ok := strings.CutPrefix(base, pins.LayoutPrefix)
	if !ok || filepath.IsAbs(layout) {
		return base
	}
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	if there(filepath.Join(dir, layout)) || !there(layout) {
		return base
	}
	here, wrong := filepath.Abs(dir)
	to, err := filepath.Abs(layout)
	from, none := filepath.Rel(here, to)
	if cmp.Or(wrong, err, none) != nil {
		return base
	}
	return pins.LayoutPrefix + filepath.ToSlash(from)
}

func initCourse(ctx context.Context, s streams, dir, from, base string) error {
	file := filepath.Join(dir, pins.ManifestName)
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: the course is there already: driftpin add changes it", file)
	}
	if pins.IsCourse(dir) {
		return fmt.Errorf("%s: the folder is a course already, by the files that repo2docker reads: driftpin adopt %s writes a "+
			"pins.yaml of them", dir, dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	m := &pins.Manifest{Dir: dir, Course: pins.CourseName(abs)}
	if from != "" {
		if m, err = takenOver(ctx, s, m, from); err != nil {
			return err
		}
	}
	if w, err := pins.FindWorkspace(filepath.Dir(abs)); err != nil {
		return err
	} else if base == "" && (w == nil || w.Base.Value == "") {
		base = defaultBase
	}
	text, err := pins.Adopt(m, besideCourse(dir, base))
	if err != nil {
		return err
	}
	dated := fmt.Sprintf("as-of: %s  # nothing newer is resolved\npins:", time.Now().Format(time.DateOnly))
	text = bytes.Replace(text, []byte("pins:"), []byte(dated), 1)
	text = bytes.Replace(text, []byte("pins: {}"), []byte("pins:\n  pip: []"), 1)
	written, err := pins.ParseManifest(file, text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := whole.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%s: %s; next: driftpin add %s NAME==VERSION, and driftpin lock %s\n", file,
		pins.Count(len(written.Requests), "pin"), dir, dir)
	return nil
}

// takenOver is a new course's manifest with the pins of a file, or of an image.
func takenOver(ctx context.Context, s streams, m *pins.Manifest, from string) (*pins.Manifest, error) {
	if info, err := os.Stat(from); err == nil && info.Mode().IsRegular() {
		return ofFile(m, from)
	}
	return ofImage(ctx, s, m, from)
}

// ofFile reads a file as if it lay in a course's folder alone.
func ofFile(m *pins.Manifest, from string) (*pins.Manifest, error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "driftpin")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(from)), data, 0o600); err != nil {
		return nil, err
	}
	read, err := pins.ReadCourseWith(dir, pins.ReadOptions{})
	if errors.As(err, new(pins.Findings)) {
		return nil, errors.New(strings.ReplaceAll(err.Error(), dir, filepath.Dir(from)))
	}
	if read == nil || len(read.Requests) == 0 {
		return nil, fmt.Errorf("%s: no pins are found: name a requirements.txt, an environment.yml or an apt.txt", from)
	}
	read.Dir, read.Course = dir, m.Course
	return read, nil
}

// ofImage makes pins of what an image holds.
func ofImage(ctx context.Context, s streams, m *pins.Manifest, from string) (_ *pins.Manifest, err error) {
	img, err := images.Open(ctx, from, images.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	printOpened(s, img)
	if img.Carried != nil && img.Carried.Reason != nil && img.Carried.Reason.Manifest != nil {
		for _, q := range img.Carried.Reason.Manifest.Requests {
			if slices.Contains([]pins.Kind{pins.Pip, pins.Conda, pins.Npm, pins.Deb}, q.Kind) {
				m.Requests = append(m.Requests, q)
			}
		}
		return m, nil
	}
	r, done := newReader(s)
	defer done()
	all, err := r.Inventories(ctx, img)
	if err != nil {
		return nil, err
	}
	left := map[pins.Kind]int{}
	for _, p := range all[0] {
		if p.Owner != nil {
			continue
		}
		if !slices.Contains([]pins.Kind{pins.Pip, pins.Conda, pins.Npm}, p.Kind) {
			left[p.Kind]++
			continue
		}
		q, err := requestOf(p)
		if err != nil {
			fmt.Fprintf(s.err, "%s %s is not taken over: %s\n", p.Kind, report.Clean(p.Name), report.Clean(err.Error()))
			continue
		}
		same := func(o pins.Request) bool { return o.Kind == q.Kind && o.Name == q.Name }
		if i := slices.IndexFunc(m.Requests, same); i >= 0 {
			fmt.Fprintf(s.err, "%s %s %s is not taken over: %s is too\n", p.Kind, report.Clean(p.Name), report.Clean(p.Version),
				m.Requests[i].Spec)
			continue
		}
		m.Requests = append(m.Requests, q)
	}
	for kind, n := range left {
		fmt.Fprintf(s.err, "%s: %s of kind %s not taken over: add those that the course needs: driftpin add %s apt:NAME\n",
			report.Clean(from), pins.Count(n, "package"), kind, m.Dir)
	}
	return m, nil
}

// requestOf is the pin of one version of a package.
func requestOf(p images.Package) (pins.Request, error) {
	switch p.Kind {
	case pins.Conda:
		return pins.ParseConda(p.Name + "=" + p.Version)
	case pins.Npm:
		return pins.ParseNpm(p.Name + "@" + p.Version)
	}
	return pins.ParsePip(p.Name + "==" + p.Version)
}
