package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/affected"
	"github.com/spf13/cobra"
)

// affectedFlags are the flags of affected.
type affectedFlags struct {
	selection
	since, format string
}

func affectedCommand(s streams) *cobra.Command {
	var f affectedFlags
	cmd := &cobra.Command{
		Use:   "affected --since REV [COURSE…]",
		Short: "Say which courses a change touches",
		Long: `Say which courses a change touches, and by which files: those in its folder, what it includes
and extends, the course that its sync rules name, what ` + pins.WorkspaceName + ` says of it, the files that its
touch-all names, and locks that other versions of driftpin's tools made, or another base in an OCI
layout. A file that git does not follow may have changed: a course that reads one is touched.
That a tag of a registry has moved is what outdated says. The working tree, committed or not, is compared with the commit
in which it and REV part. Without a COURSE all are meant that ` + pins.WorkspaceName + ` lists.
That no course is touched is an answer. A clone that is too shallow to know is an error.`,
		Example: `  driftpin affected --since origin/main
  driftpin affected --since origin/main --format matrix   # {"include":[{"course":"courses/stat159","name":"stat159"}]}
  driftpin affected --since v2023-spring courses/stat159 courses/data100 --format json`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), s, args) },
	}
	cmd.Flags().StringVar(&f.since, "since", "", "revision that the change began with, such as origin/main")
	cmd.Flags().StringVar(&f.format, "format", "text", "text, json or matrix (of GitHub's jobs, in one line)")
	f.selection.add(cmd)
	return cmd
}

// affectedJSON is what affected says, as JSON.
type affectedJSON struct {
	Since    string           `json:"since"`
	Commit   string           `json:"commit"` // that the working tree was compared with; of several repositories, the first's
	Affected []affectedCourse `json:"affected"`
	Others   []string         `json:"others"`  // courses that the change does not touch
	Removed  []string         `json:"removed"` // folders that were courses in the commit, from the repository's top

	absent []string // courses that have changed and are not checked out
}

type affectedCourse struct {
	Course string            `json:"course"` // its folder
	Name   string            `json:"name"`   // the course's; the folder's, if the course can't be read
	Commit string            `json:"commit"` // that its repository was compared with
	Error  string            `json:"error,omitempty"`
	Why    []affected.Reason `json:"why"`
}

func (f *affectedFlags) run(ctx context.Context, s streams, args []string) error {
	if err := oneOf("format", f.format, "text", "json", "matrix"); err != nil {
		return err
	}
	if f.since == "" {
		return usageError{errors.New("affected needs --since REV, such as --since origin/main")}
	}
	f.all = f.all || len(args) == 0 && !pins.IsCourse(".")
	all := f.all
	dirs, err := f.courses(args)
	if err != nil {
		return err
	}
	said, err := affectedBy(ctx, dirs, f.since)
	if err != nil {
		return err
	}
	if all && len(said.absent) > 0 {
		return fmt.Errorf("%s: changed, and not checked out, so it can't be told what touches it: run git sparse-checkout add, or "+
			"name the courses that are meant", strings.Join(said.absent, ", "))
	}
	for _, dir := range said.Removed {
		fmt.Fprintf(s.err, "%s: it was a course, and is removed\n", report.Clean(dir))
	}
	for _, c := range said.Affected {
		if c.Error != "" {
			fmt.Fprintln(s.err, report.Clean(firstLine(c.Error)))
		}
	}
	switch f.format {
	case "json":
		return writeJSON(s.out, said)
	case "matrix":
		return json.NewEncoder(s.out).Encode(said.matrix())
	}
	if len(said.Affected) == 0 {
		fmt.Fprintf(s.err, "no course is touched since %.12s (%s)\n", said.Commit, said.Since)
	}
	return said.print(s.out)
}

// affectedBy says which of some courses a change touches.
func affectedBy(ctx context.Context, dirs []string, since string) (affectedJSON, error) {
	said := affectedJSON{Since: since, Affected: []affectedCourse{}, Others: []string{}}
	asked := make([]affected.Course, len(dirs))
	for i, dir := range dirs {
		m, err := readCourse(dir, nil)
		asked[i] = affected.Course{Dir: dir, Manifest: m, Err: err}
		if err == nil {
			asked[i].Lock = lockTells(dir, m)
		}
	}
	r, err := affected.Of(ctx, asked, since)
	if err != nil {
		return said, err
	}
	said.Removed, said.absent = append([]string{}, r.Removed...), r.Absent
	for i, dir := range dirs {
		answer := r.Answers[i]
		said.Commit = cmp.Or(said.Commit, answer.Commit)
		if len(answer.Reasons) == 0 {
			said.Others = append(said.Others, dir)
			continue
		}
		one := affectedCourse{Course: dir, Name: courseName(asked[i]), Commit: answer.Commit, Why: answer.Reasons}
		if err := asked[i].Err; err != nil {
			one.Error = err.Error()
		}
		said.Affected = append(said.Affected, one)
	}
	return said, nil
}

// lockTells is what a course's lock alone tells: that other tools than today's made it, or
// that it was made on another base, as far as that can be told without a registry.
func lockTells(dir string, m *pins.Manifest) affected.Why {
	c, err := withLock(dir, m)
	if err != nil || c.lock == nil {
		return ""
	}
	if !slices.Equal(c.lock.Tools, steps.Tools(m)) {
		return affected.Tools
	}
	if err := c.findBase(""); err == nil && c.base.Digest != "" && c.base.Digest != c.lock.Base {
		return affected.Base
	}
	return ""
}

// courseName is what a course calls itself.
func courseName(c affected.Course) string {
	if c.Manifest != nil && c.Manifest.Course != "" {
		return c.Manifest.Course
	}
	return filepath.Base(placeOf(c.Dir))
}

// print writes a line for each course: its folder, and the files.
func (a affectedJSON) print(w io.Writer) error {
	for _, c := range a.Affected {
		const shown = 3
		var files []string
		for _, r := range c.Why[:min(shown, len(c.Why))] {
			files = append(files, fmt.Sprintf("%s (%s)", r.File, r.Why))
		}
		line := c.Course + ": " + strings.Join(files, ", ")
		if more := len(c.Why) - shown; more > 0 {
			line += fmt.Sprintf(" and %s more", pins.Count(more, "file"))
		}
		if _, err := fmt.Fprintln(w, report.Clean(line)); err != nil {
			return err
		}
	}
	return nil
}

// A matrix is one of GitHub's: a job for each entry.
type matrix struct {
	Include []matrixEntry `json:"include"`
}

type matrixEntry struct {
	Course string `json:"course"`
	Name   string `json:"name"`
}

func (a affectedJSON) matrix() matrix {
	m := matrix{Include: []matrixEntry{}}
	for _, c := range a.Affected {
		m.Include = append(m.Include, matrixEntry{c.Course, c.Name})
	}
	return m
}
