package report

import (
	"regexp"
	"strings"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
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
func (p paint) colour(c images.Change, s string) string {
	switch {
	case c.Change == images.Added:
		return p.green(s)
	case c.Change == images.Removed:
		return p.red(s)
	case c.Level == pins.Major:
		return p.with("1;35", s)
	case c.Level == pins.Minor:
		return p.with("33", s)
	}
	return s
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// visible is the width of a text without its colours.
func visible(s string) int { return width(escapes.ReplaceAllString(s, "")) }

// words marks what differs within two texts: in colour, or else by [- -] and
// {+ +} as git's --word-diff does.
func (p paint) words(a, b string) (string, string) {
	dmp := diffmatchpatch.New()
	diffs := dmp.DiffCleanupSemantic(dmp.DiffMain(a, b, false))
	var x, y strings.Builder
	for _, d := range diffs {
		switch d.Type {
		case diffmatchpatch.DiffEqual:
			x.WriteString(d.Text)
			y.WriteString(d.Text)
		case diffmatchpatch.DiffDelete:
			x.WriteString(p.mark("31;7", "[-", d.Text, "-]"))
		case diffmatchpatch.DiffInsert:
			y.WriteString(p.mark("32;7", "{+", d.Text, "+}"))
		}
	}
	return x.String(), y.String()
}

func (p paint) mark(code, open, s, end string) string {
	if p {
		return p.with(code, s)
	}
	return open + s + end
}

// Lines writes the lines that differ between two texts: those that went with a
// minus, those that came with a plus.
func Lines(before, after string, colour bool) string {
	p := paint(colour)
	dmp := diffmatchpatch.New()
	a, b, lines := dmp.DiffLinesToRunes(before, after)
	var out strings.Builder
	for _, d := range dmp.DiffCharsToLines(dmp.DiffMainRunes(a, b, false), lines) {
		for _, line := range strings.SplitAfter(d.Text, "\n") {
			line = Clean(strings.TrimSuffix(line, "\n"))
			switch {
			case line == "":
			case d.Type == diffmatchpatch.DiffDelete:
				out.WriteString(p.red("- "+line) + "\n")
			case d.Type == diffmatchpatch.DiffInsert:
				out.WriteString(p.green("+ "+line) + "\n")
			}
		}
	}
	return out.String()
}
