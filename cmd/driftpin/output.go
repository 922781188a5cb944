package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
)

// oneLine is a text that a person wrote, fit for one line of a terminal.
func oneLine(text string) string { return report.Clean(strings.ReplaceAll(text, "\n", " ")) }

// writeJSON writes a value as indented JSON.
func writeJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeOut writes what a command says to a file, or to what there is in its
// place: a pipe, a terminal.
func writeOut(name string, data []byte) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, data, 0o644)
	}
	return whole.WriteFile(name, data, 0o644)
}

// findingLine is a finding in one line, with how much it matters.
func findingLine(f pins.Finding) string {
	text := f.Text()
	if f.Severity != pins.Error {
		text = string(f.Severity) + ": " + text
	}
	return oneLine(f.Position.String() + ": " + text)
}

// printFindings writes findings, a line each: errFound if one of them is an error.
func printFindings(w io.Writer, found pins.Findings) error {
	for _, f := range found {
		fmt.Fprintln(w, findingLine(f))
	}
	if found.Err() != nil {
		return errFound
	}
	return nil
}

func printFound(s streams, findings pins.Findings) error {
	for _, f := range findings {
		fmt.Fprintln(s.out, report.Clean(f.Error()))
	}
	if len(findings) > 0 {
		return errFound
	}
	return nil
}

// showChanges writes what a new lock changes in a course's.
func showChanges(w io.Writer, c *course, l *pins.Lock) error {
	if c.lock == nil {
		return nil
	}
	changes := drift.CompareLocks(c.lock, l)
	d := drift.New("the old lock", c.lockFile, changes, nil)
	d.Explain(&drift.Reason{Manifest: c.manifest, Lock: c.lock}, &drift.Reason{Manifest: c.manifest, Lock: l})
	return report.Text(w, d, useColour("auto", w))
}
