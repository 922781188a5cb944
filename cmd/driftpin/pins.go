package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/docs"
	"github.com/driftpin/driftpin/pins/hub"
	"github.com/spf13/cobra"
)

func pinsCommand(s streams) *cobra.Command {
	var format, failOn string
	var pages []string
	var which selection
	cmd := &cobra.Command{
		Use:   "pins [COURSE…]",
		Short: "Show what courses ask for, by file and line, and what is wrong with it",
		Long: `Show what courses ask for, by file and line, and what is wrong with it. A course with
an error can't be locked: exit status 1. Warnings and notes are exit status 3 only
with --fail-on.

With --docs, pages about the course (Markdown, reStructuredText, HTML) are compared
with it: versions, commits and launch options that are out of date are findings, with
the page's line.`,
		Example: `  driftpin pins testdata/courses/stat159
  driftpin pins --format json 'deployments/*/image'
  driftpin pins --fail-on warning courses/*   # in CI: warnings too
  driftpin pins courses/stat159 --docs docs/stat159.rst docs/rtc.md`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(pages) > 0 { // those behind the first are arguments
				args = slices.DeleteFunc(args, func(name string) bool {
					info, err := os.Stat(name)
					if page := err == nil && info.Mode().IsRegular(); page {
						pages = append(pages, name)
						return true
					}
					return false
				})
			}
			courses, err := which.courses(args)
			if err != nil {
				return err
			}
			if len(pages) > 0 && len(courses) != 1 {
				return usageError{errors.New("--docs checks pages against one course: name only one")}
			}
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			if err := oneOf("fail-on", failOn, string(pins.Error), string(pins.Warning),
				string(pins.Note)); err != nil {
				return err
			}
			return showPins(s, courses, pages, format, pins.Severity(failOn))
		},
	}
	which.add(cmd)
	cmd.Flags().StringVar(&failOn, "fail-on", string(pins.Error),
		"lowest level of finding that makes the command fail: error, warning or note")
	cmd.Flags().StringSliceVar(&pages, "docs", nil, "page to check against the course; more pages may follow")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

// A pinJSON is one request, as --format json shows it.
type pinJSON struct {
	Course string    `json:"course"` // its folder, as the command line names it
	Kind   string    `json:"kind"`
	Name   string    `json:"name"`
	Spec   string    `json:"spec"`
	File   string    `json:"file"`
	Line   int       `json:"line"`
	Need   pins.Need `json:"need"`
	Why    string    `json:"why"`
}

func showPins(s streams, courses, pages []string, format string, failOn pins.Severity) error {
	report := struct {
		Pins     []pinJSON     `json:"pins"`
		Findings pins.Findings `json:"findings"`
	}{[]pinJSON{}, pins.Findings{}}
	var fatal error
	broken := false
	for _, dir := range courses {
		m, err := readCourse(dir, nil)
		if m == nil {
			fatal = errors.Join(fatal, err)
			continue
		}
		for _, r := range slices.Concat(m.Requests, m.Listed) {
			report.Pins = append(report.Pins, pinJSON{dir, r.Kind.Key(), r.Name, r.Whole(), r.At.File, r.At.Line,
				r.Need, r.Why})
		}
		found := slices.Concat(m.Findings, hub.CheckPins(m), m.PlainNotes(), m.Expired(time.Now()))
		found.Sort()
		report.Findings = append(report.Findings, found...)
		if err != nil || found.Err() != nil {
			broken = true
		}
	}
	found, err := readPages(courses[0], pages)
	report.Findings, fatal = append(report.Findings, found...), errors.Join(fatal, err)
	if broken {
		fatal = errors.Join(fatal, fmt.Errorf("%d of the findings must be fixed before a course can be locked",
			len(report.Findings.Fatal())))
	}
	if err := writePins(s, format, report, report.Pins, report.Findings); err != nil {
		return err
	}
	if fatal == nil && len(report.Findings.AtLeast(failOn)) > 0 {
		return errFound
	}
	return fatal
}

// readPages holds pages against a course.
func readPages(course string, pages []string) (found pins.Findings, err error) {
	if len(pages) == 0 {
		return nil, nil
	}
	c, err := openManifest(course)
	if c == nil {
		return nil, fmt.Errorf("--docs: the pages can't be checked until the course can be read: %w", err)
	}
	for _, name := range pages {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		found = append(found, docs.Check(c.manifest, c.lock, name, data)...)
	}
	return found, nil
}

func writePins(s streams, format string, report any, requests []pinJSON, findings pins.Findings) error {
	if format == "json" {
		return writeJSON(s.out, report)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	for _, r := range requests {
		fmt.Fprintf(w, "%s:%d\t%s\t%s\t%s\t%s\n", oneLine(r.File), r.Line, r.Kind,
			oneLine(strings.ReplaceAll(r.Spec, "\t", " ")), r.Need, oneLine(r.Why))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(s.out, findingLine(f)); err != nil {
			return err
		}
	}
	return nil
}
