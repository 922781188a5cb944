package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins/version"
	"github.com/sergi/go-diff/diffmatchpatch"
)

// paint colours text, or not. No meaning hangs on colour alone.
type paint bool

func (p paint) with(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) bold(s string) string  { return p.with("1", s) }
func (p paint) dim(s string) string   { return p.with("2", s) }
func (p paint) red(s string) string   { return p.with("31", s) }
func (p paint) green(s string) string { return p.with("32", s) }

// colour paints a line by what happened.
func (p paint) colour(c drift.Change, s string) string {
	switch {
	case c.Change == drift.Added:
		return p.green(s)
	case c.Change == drift.Removed:
		return p.red(s)
	case c.Level == version.Major:
		return p.with("1;35", s)
	case c.Level == version.Minor:
		return p.with("33", s)
	}
	return s
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// visible is the width of a text without its colours.
func visible(s string) int { return width(escapes.ReplaceAllString(s, "")) }

// word matches a word, or what stands between two: a version is one word.
var word = regexp.MustCompile(`[\pL\pN._+~!-]+|[^\pL\pN._+~!-]`)

// words marks the words that differ in two texts: in colour, or else by [- -]
// and {+ +} as git's --word-diff does.
func (p paint) words(a, b string) (string, string) {
	dmp := diffmatchpatch.New()
	split := func(s string) string { return strings.Join(word.FindAllString(s, -1), "\n") + "\n" }
	x, y, lines := dmp.DiffLinesToRunes(split(a), split(b)) // a word a line
	diffs := dmp.DiffCharsToLines(dmp.DiffMainRunes(x, y, false), lines)
	if !slices.ContainsFunc(diffs, func(d diffmatchpatch.Diff) bool { return d.Type == diffmatchpatch.DiffEqual }) {
		return a, b // nothing is alike, so there is nothing to point out
	}
	var was, is strings.Builder
	for _, d := range diffs {
		text := strings.ReplaceAll(d.Text, "\n", "")
		switch d.Type {
		case diffmatchpatch.DiffEqual:
			was.WriteString(text)
			is.WriteString(text)
		case diffmatchpatch.DiffDelete:
			was.WriteString(p.mark("31;7", "[-", text, "-]"))
		case diffmatchpatch.DiffInsert:
			is.WriteString(p.mark("32;7", "{+", text, "+}"))
		}
	}
	return was.String(), is.String()
}

func (p paint) mark(code, open, s, end string) string {
	if p {
		return p.with(code, s)
	}
	return open + s + end
}

// Lines writes the lines that differ between two texts: those that went with a
// minus, those that came with a plus. What differs within a line that became
// another is marked.
func Lines(before, after string, colour bool) string {
	p := paint(colour)
	var out strings.Builder
	for _, h := range hunks(before, after) {
		for i := range max(len(h.went), len(h.came)) {
			if i < len(h.went) && i < len(h.came) {
				h.went[i], h.came[i] = p.words(h.went[i], h.came[i])
			}
		}
		for _, line := range h.went {
			out.WriteString(p.red("- ") + line + "\n")
		}
		for _, line := range h.came {
			out.WriteString(p.green("+ ") + line + "\n")
		}
	}
	return out.String()
}

// A hunk are lines that went, and lines that came in their place.
type hunk struct{ went, came []string }

// hunks finds where two texts differ; empty lines are passed over.
func hunks(before, after string) (found []hunk) {
	dmp := diffmatchpatch.New()
	a, b, lines := dmp.DiffLinesToRunes(before, after)
	within := false // the last hunk goes on
	for _, d := range dmp.DiffCharsToLines(dmp.DiffMainRunes(a, b, false), lines) {
		if d.Type == diffmatchpatch.DiffEqual {
			within = false
			continue
		}
		if !within {
			found, within = append(found, hunk{}), true
		}
		h := &found[len(found)-1]
		for _, line := range strings.Split(strings.TrimSuffix(d.Text, "\n"), "\n") {
			if line = Clean(line); line == "" {
				continue
			}
			if d.Type == diffmatchpatch.DiffDelete {
				h.went = append(h.went, line)
			} else {
				h.came = append(h.came, line)
			}
		}
	}
	return found
}
