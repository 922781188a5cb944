package pins

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// names.txt lists well-known packages of PyPI that course images use, a
// canonical name a line. It serves only to propose a spelling.
//
//go:embed names.txt
var namesFile string

var wellKnown = sync.OnceValue(func() []string { return strings.Fields(namesFile) })

// SuggestName returns the well-known package, or the one of known, whose name
// is nearest to a name that no index has; empty if none is near.
func SuggestName(kind Kind, name string, known []string) string {
	if kind == Pip {
		known = append(known[:len(known):len(known)], wellKnown()...)
	}
	return nearest(CanonicalName(kind, name), known)
}

// didYouMean words the nearest of the known names, or lists them all.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "choose one of " + strings.Join(known, ", ")
}

// nearest returns the first of names with the least edit distance from name,
// if that is at most 1 for a name of up to four letters, else 2.
func nearest(name string, names []string) string {
	limit := 2
	if len(name) <= 4 {
		limit = 1
	}
	best, found := limit+1, ""
	for _, n := range names {
		if d := distance(name, n, best); d < best && d > 0 {
			best, found = d, n
		}
	}
	return found
}

// Near returns up to three of the known names that are nearest to a name, the
// nearest first: those that a few letters away are, and those that hold it.
func Near(name string, known []string) []string {
	name = CanonicalName(Pip, name)
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	var near []string
	for limit := 1; limit <= 3; limit++ {
		for _, k := range known {
			if k != "" && distance(name, CanonicalName(Pip, k), 4) == limit && limit <= max(1, len(name)/3) {
				near = append(near, k)
			}
		}
	}
	for _, k := range known {
		if len(name) > 2 && strings.Contains(CanonicalName(Pip, k), name) && !slices.Contains(near, k) {
			near = append(near, k)
		}
	}
	return near[:min(len(near), 3)]
}

// distance is the number of letters to insert, delete, replace or swap with a
// neighbour to turn a into b (optimal string alignment); limit if not less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return min(row[len(b)], limit)
}
