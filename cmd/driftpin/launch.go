package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
)

// tellLaunch says what of a course's launch does not fit what a lock installs:
// errFound if it is more than a warning.
func (c *course) tellLaunch(w io.Writer, l *pins.Lock) error {
	return tellFindings(w, hub.Check(c.manifest, l, "").AtLeast(pins.Warning))
}

// tellFindings writes findings, a line each: errFound if one of them is an error.
func tellFindings(w io.Writer, found pins.Findings) error {
	for _, f := range found {
		fmt.Fprintln(w, findingLine(f))
	}
	if found.Err() != nil {
		return errFound
	}
	return nil
}

// worse is the one of two outcomes that tells more: an error before what was found.
func worse(a, b error) error {
	if a == nil || b != nil && errors.Is(a, errFound) {
		return b
	}
	return a
}

// findingLine is a finding in one line, with how much it matters.
func findingLine(f pins.Finding) string {
	text := f.Text()
	if f.Severity != pins.Error {
		text = string(f.Severity) + ": " + text
	}
	return oneLine(f.Position.String() + ": " + text)
}
