package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/driftpin/driftpin/buildplan"
)

// A checkDetails is what build says of a check that passed, as JSON.
type checkDetails struct {
	Check   string  `json:"check"` // its first line
	At      string  `json:"at"`    // file:line
	Seconds float64 `json:"seconds"`
}

// tellChecks says how long each check took, the longest first.
func tellChecks(w io.Writer, course string, checked []buildplan.Checked) []checkDetails {
	all := []checkDetails{}
	longest := func(a, b buildplan.Checked) int { return cmp.Compare(b.Took, a.Took) }
	for _, c := range slices.SortedStableFunc(slices.Values(checked), longest) {
		fmt.Fprintf(w, "%s: check %.1f s: %s (%s)\n", course, c.Took.Seconds(), c.Check, c.At)
		all = append(all, checkDetails{c.Check, c.At.String(), c.Took.Seconds()})
	}
	return all
}
