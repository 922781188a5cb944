// Package report words a drift for people and for programs. Every report is a
// function of the data alone: the same drift, the same bytes.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
)

// JSON writes a drift as JSON: the fields are those of images.Drift.
func JSON(w io.Writer, d *images.Drift) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}

// Text writes a drift for reading: what matters most first, in columns, in
// colour if wanted.
func Text(w io.Writer, d *images.Drift, colour bool) error {
	t := &text{paint: paint(colour)}
	t.printf("%s → %s\n", Clean(d.A), Clean(d.B))
	t.printf("%s\n", t.bold(Headline(d)))
	for _, kind := range kinds(d.Packages) {
		t.packages(kind, d.Packages)
	}
	t.settings(d.Config)
	t.damages(d.Damages)
	_, err := io.WriteString(w, t.b.String())
	return err
}

// Headline says in one line what changed.
func Headline(d *images.Drift) string {
	if !d.Any() {
		return "no drift"
	}
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	asked := 0
	for _, c := range d.Packages {
		if c.Cause != nil && c.Cause.Asked {
			asked++
		}
	}
	var levels []string
	for _, l := range order {
		if n := d.Summary.Levels[l]; n > 0 {
			levels = append(levels, fmt.Sprintf("%d %s", n, l))
		}
	}
	if d.Summary.Changed > 0 {
		parts = append(parts, fmt.Sprintf("%d changed (%s)", d.Summary.Changed, strings.Join(levels, ", ")))
	}
	add(d.Summary.Added, "added")
	add(d.Summary.Removed, "removed")
	add(d.Summary.Config, "settings differ")
	add(len(d.Damages), "damaged files")
	head := strings.Join(parts, ", ")
	if asked > 0 {
		head += fmt.Sprintf("; %d of them by a pin, %d came along", asked, len(d.Packages)-asked)
	}
	return head
}

// order is that in which levels are shown.
var order = []pins.Level{pins.Major, pins.Minor, pins.Patch, pins.Build}

type text struct {
	b strings.Builder
	paint
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.b, format, args...) }

var titles = map[pins.Kind]string{
	pins.Deb: "Debian packages", pins.Pip: "Python packages", pins.Conda: "conda packages", pins.Npm: "node packages", pins.R: "R packages",
}

// kinds lists the kinds that changed, Python's first: they are what courses
// are about.
func kinds(changes []images.Change) []pins.Kind {
	rank := []pins.Kind{pins.Pip, pins.Conda, pins.R, pins.Npm, pins.Deb}
	return slices.DeleteFunc(rank, func(k pins.Kind) bool {
		return !slices.ContainsFunc(changes, func(c images.Change) bool { return c.Kind == k })
	})
}

// A row is a change as a line of columns.
type row struct {
	mark, name, versions, level, note string
	change                            images.Change
}

func (t *text) packages(kind pins.Kind, changes []images.Change) {
	var rows []row
	wheres := map[string]bool{}
	for _, c := range changes {
		if c.Kind == kind {
			wheres[c.Where] = true
		}
	}
	for _, c := range changes {
		if c.Kind == kind {
			rows = append(rows, newRow(c, len(wheres) > 1))
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(rank(a.change), rank(b.change)) })
	title := titles[kind]
	if len(wheres) == 1 {
		for where := range wheres {
			if where != "" {
				title += " in " + Clean(where)
			}
		}
	}
	t.printf("\n%s\n", t.bold(title))
	widths := []int{0, 0, 0}
	for _, r := range rows {
		for i, s := range []string{r.name, r.versions, r.level} {
			widths[i] = max(widths[i], width(s))
		}
	}
	for _, r := range rows {
		line := fmt.Sprintf("  %s %s  %s  %s", r.mark, pad(r.name, widths[0]), pad(r.versions, widths[1]), pad(r.level, widths[2]))
		line = t.colour(r.change, strings.TrimRight(line, " "))
		if r.note != "" {
			line += strings.Repeat(" ", max(0, 8+sum(widths)-visible(line))) + "  " + t.dim(r.note)
		}
		t.printf("%s\n", line)
	}
}

func sum(list []int) (n int) {
	for _, i := range list {
		n += i
	}
	return n
}

func newRow(c images.Change, showWhere bool) row {
	r := row{name: Clean(c.Name), change: c}
	if showWhere && c.Where != "" {
		r.name += " (" + Clean(c.Where) + ")"
	}
	switch c.Change {
	case images.Added:
		r.mark, r.versions, r.level = "+", version(c.B, c.BDetail), "added"
	case images.Removed:
		r.mark, r.versions, r.level = "-", version(c.A, c.ADetail), "removed"
	default:
		r.mark = "↑"
		if c.Down {
			r.mark = "↓"
		} else if c.Level == pins.Build {
			r.mark = "~"
		}
		r.versions = version(c.A, c.ADetail) + " → " + version(c.B, c.BDetail)
		r.level = string(c.Level)
	}
	if c.Cause != nil {
		r.note = Clean(c.Cause.String())
	}
	return r
}

// version is a version with what it does not say itself.
func version(v *string, d *pins.Detail) string {
	s := Clean(*v)
	if d == nil {
		return s
	}
	if d.Commit != "" {
		s += "@" + Clean(d.Commit[:min(7, len(d.Commit))])
	}
	if d.Build != "" {
		s += " " + Clean(d.Build)
	}
	if d.Channel != "" {
		s += " (" + Clean(d.Channel) + ")"
	}
	return s
}

// rank sorts changes by how much they matter.
func rank(c images.Change) int {
	if c.Change == images.Changed {
		return slices.Index(order, c.Level)
	}
	if c.Change == images.Removed {
		return len(order)
	}
	return len(order) + 1
}

func (t *text) settings(settings []images.Setting) {
	if len(settings) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("Image config"))
	for _, s := range settings {
		switch {
		case s.A == nil:
			t.printf("  %s\n", t.green("+ "+Clean(s.Name)+" = "+Clean(*s.B)))
		case s.B == nil:
			t.printf("  %s\n", t.red("- "+Clean(s.Name)+" = "+Clean(*s.A)))
		default:
			a, b := t.words(Clean(*s.A), Clean(*s.B))
			t.printf("  ~ %s\n      - %s\n      + %s\n", Clean(s.Name), a, b)
		}
	}
}

// maxDamages is how many files are listed.
const maxDamages = 50

// damages lists files that are not as recorded.
func (t *text) damages(damages []images.Damage) {
	if len(damages) > 0 {
		t.printf("\n%s\n", t.bold("files that are not as their package recorded them"))
	}
	for i, d := range damages {
		if i == maxDamages {
			t.printf("  and %d more: --format json lists them all\n", len(damages)-i)
			break
		}
		t.printf("  %s  %s (%s)\n", d.What, Clean(d.Path), Clean(d.Package))
	}
}

// Clean makes a text from an image fit for a terminal: control characters,
// and those that turn the direction of writing, are shown as escapes.
func Clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func width(s string) int { return len([]rune(s)) }

func pad(s string, to int) string { return s + strings.Repeat(" ", max(0, to-width(s))) }
