package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// Text writes a drift for reading: what matters most first, in columns, in
// colour if wanted.
func Text(w io.Writer, d *drift.Drift, colour bool) error {
	t := &text{paint: paint(colour)}
	t.printf("%s\n", compared(d))
	for _, line := range sources(d) {
		t.printf("  %s\n", t.dim(line))
	}
	t.printf("%s\n", t.bold(Headline(d)))
	for _, line := range Highlights(d) {
		t.printf("  %s\n", line)
	}
	t.breaches(d.Breaches)
	shown := d.Packages
	if !d.Expand {
		shown = slices.DeleteFunc(slices.Clone(d.Packages), d.Within)
	}
	for _, kind := range kinds(shown) {
		t.packages(d, kind, shown)
	}
	t.settings(d.Config)
	t.damages(d.Damages)
	t.readings(readings(d))
	if strings.Count(t.b.String(), "\n") > screen {
		t.printf("\n%s\n%s\n", compared(d), t.bold(Headline(d)))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// screen is about how many lines can be seen at once: a longer report says at its end again what it
// said first.
const screen = 40

// Headline says in one line what changed: by whose will, if that is known, and
// how far.
func Headline(d *drift.Drift) string {
	if !d.Any() && len(d.Breaches) == 0 {
		return "no drift"
	}
	var parts []string
	add := func(n int, one, many string) {
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	s := d.Summary
	if a, b, two := d.TwoCourses(); two {
		parts = append(parts, apart(d, a, b)...)
	} else if s.Asked > 0 {
		add(s.Asked, "pin changed", "pins changed")
		add(s.Followed, "package followed", "packages followed")
		add(len(d.Packages)-s.Asked-s.Followed, "other change", "other changes")
	} else {
		add(len(d.Packages), "package differs", "packages differ")
	}
	add(len(d.Renames), "environment moved", "environments moved")
	add(s.Config, "setting differs", "settings differ")
	add(len(d.Damages), "damaged file", "damaged files")
	add(len(d.Breaches), "breach of the policy", "breaches of the policy")
	head := strings.Join(parts, "; ")
	_, _, two := d.TwoCourses()
	others := s.Config + len(d.Renames) + len(d.Damages) + len(d.Breaches)
	if !two && s.Asked > 0 && len(parts) <= 2 && s.Asked+s.Followed == len(d.Packages) && others == 0 {
		head += "; nothing else"
	}
	return head
}

// compared names the two that are compared: one after the other, or side by side.
func compared(d *drift.Drift) string {
	between := " → "
	if _, _, two := d.TwoCourses(); two {
		between = " and "
	}
	return Clean(d.A) + between + Clean(d.B)
}

// sources are what is known of the two, a line each.
func sources(d *drift.Drift) (lines []string) {
	if d.Sources == nil {
		return nil
	}
	for _, s := range []struct {
		name string
		drift.Source
	}{{d.A, d.Sources.A}, {d.B, d.Sources.B}} {
		var words []string
		if s.Digest != "" && !strings.Contains(s.name, s.Digest) {
			words = append(words, Clean(s.Digest))
		}
		if s.Created != "" {
			words = append(words, "of "+Clean(s.Created))
		}
		if s.Size > 0 {
			words = append(words, Bytes(s.Size)+" of layers")
		}
		if len(words) > 0 {
			lines = append(lines, Clean(s.name)+": "+strings.Join(words, ", "))
		}
	}
	return lines
}

// apart says how two courses differ: first of what they pin, then of all else.
func apart(d *drift.Drift, a, b string) (parts []string) {
	count := func(of func(drift.Change) bool, what string) {
		var versions, onlyA, onlyB int
		for _, c := range d.Packages {
			switch {
			case !of(c):
			case c.Change == drift.Removed:
				onlyA++
			case c.Change == drift.Added:
				onlyB++
			default:
				versions++
			}
		}
		n := versions + onlyA + onlyB
		if n == 0 {
			return
		}
		verb := "differ"
		if n == 1 {
			verb = "differs"
		}
		var how []string
		if versions > 0 {
			how = append(how, pins.Count(versions, "version"))
		}
		if onlyA > 0 {
			how = append(how, fmt.Sprintf("%d only in %s", onlyA, Clean(a)))
		}
		if onlyB > 0 {
			how = append(how, fmt.Sprintf("%d only in %s", onlyB, Clean(b)))
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s)", pins.Count(n, what), verb, strings.Join(how, ", ")))
	}
	pinned := func(c drift.Change) bool { return c.Cause != nil && c.Cause.Asked }
	count(pinned, "pinned package")
	other := "package"
	if len(parts) > 0 {
		other = "other package"
	}
	count(func(c drift.Change) bool { return !pinned(c) }, other)
	return parts
}

// NotVerified is a line on layers that were not hashed.
func NotVerified(u drift.Unverified) string {
	return fmt.Sprintf("not verified: %s of %s, uncompressed, not hashed: only their sizes and ends were "+
		"checked, and their order where file names show it; --read-layers hashes them", pins.Count(u.Layers, "layer"), Clean(u.Image))
}

// Highlights are the lines that follow the headline: how far packages moved,
// the pins that somebody called hard, and environments that are elsewhere.
func Highlights(d *drift.Drift) (lines []string) {
	for _, u := range d.Unverified {
		lines = append(lines, NotVerified(u))
	}
	if len(d.Packages) > 0 {
		lines = append(lines, counts(d))
	}
	if len(d.Summary.Kinds) > 1 {
		lines = append(lines, byKind(d.Summary.Kinds))
	}
	lines = append(lines, abouts(d)...)
	a, b, two := d.TwoCourses()
	states, now := map[string]string{drift.Added: "is new", drift.Removed: "is gone"}, "now"
	if two {
		states = map[string]string{drift.Added: "is only in " + Clean(b), drift.Removed: "is only in " + Clean(a)}
		now = "in " + Clean(b)
	}
	for _, t := range d.Trees {
		what := states[t.Change]
		line := fmt.Sprintf("%s %s, with %s", Clean(t.Where), what, pins.Count(t.Packages, "package"))
		if len(t.Kinds) > 1 {
			line += " (" + byKind(t.Kinds) + ")"
		}
		if !d.Expand {
			line += ": --all lists them"
		}
		lines = append(lines, line)
	}
	for _, r := range d.Renames {
		lines = append(lines, fmt.Sprintf("the environment %s is %s %s, with %d of its packages", Clean(r.From),
			Clean(r.To), now, r.Packages))
	}
	for _, c := range d.Packages {
		if c.Cause == nil || !c.Cause.Asked || c.Cause.Need != pins.Hard {
			continue
		}
		r := newRow(d, c, false)
		line := fmt.Sprintf("hard pin %s: %s", r.name, r.versions)
		if c.Change != drift.Changed {
			line = fmt.Sprintf("hard pin %s %s: %s", r.name, r.level, r.versions)
		}
		lines = append(lines, reasoned(line, cmp.Or(c.Cause.Lost, c.Cause.Why)))
	}
	lines = append(lines, licenses(d)...)
	for _, s := range d.Config {
		if s.Name == "cmd" || s.Name == "entrypoint" {
			what := "has changed"
			if two {
				what = "differs"
			}
			lines = append(lines, "the launch command "+what+": see the image's config")
		}
	}
	return lines
}

// byKind is how many packages are of which kind, the most first.
func byKind(count map[pins.Kind]int) string {
	kinds := slices.SortedFunc(maps.Keys(count),
		func(a, b pins.Kind) int { return cmp.Or(count[b]-count[a], strings.Compare(string(a), string(b))) })
	var parts []string
	for _, k := range kinds {
		parts = append(parts, fmt.Sprintf("%d %s", count[k], Clean(string(k))))
	}
	return strings.Join(parts, ", ")
}

// counts says how many packages changed how.
func counts(d *drift.Drift) string {
	s := d.Summary
	var parts []string
	for _, l := range order {
		if n := s.Levels[l]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, l))
		}
	}
	a, b, two := d.TwoCourses()
	text := fmt.Sprintf("%d changed", s.Changed)
	if two {
		text = fmt.Sprintf("%d in both", s.Changed)
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	if two {
		text += fmt.Sprintf(", %d only in %s, %d only in %s", s.Removed, Clean(a), s.Added, Clean(b))
	} else {
		text += fmt.Sprintf(", %d added, %d removed", s.Added, s.Removed)
	}
	if s.Moved > 0 {
		text += fmt.Sprintf("; %d of them moved", s.Moved)
	}
	return text
}

// order is that in which levels are shown.
var order = []version.Level{version.Major, version.Minor, version.Patch, version.Build}

type text struct {
	b strings.Builder
	paint
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.b, format, args...) }

var titles = map[pins.Kind]string{
	pins.Deb: "Debian packages", pins.Pip: "Python packages", pins.Conda: "conda packages", pins.Npm: "node packages",
	pins.R:      "R packages",
	pins.Python: "Pythons", pins.LabExtension: "JupyterLab extensions",
	pins.ServerExtension: "Jupyter server extensions", pins.Kernel: "kernels",
}

// kinds lists the kinds that changed, Python's first: they are what courses
// are about.
func kinds(changes []drift.Change) []pins.Kind {
	rank := []pins.Kind{pins.Pip, pins.Conda, pins.R, pins.Npm, pins.Python, pins.LabExtension, pins.ServerExtension,
		pins.Kernel, pins.Deb}
	for _, c := range changes { // of SBOMs and attestations any
		if !slices.Contains(rank, c.Kind) {
			rank = append(rank, c.Kind)
		}
	}
	return slices.DeleteFunc(rank, func(k pins.Kind) bool {
		return !slices.ContainsFunc(changes, func(c drift.Change) bool { return c.Kind == k })
	})
}

// A row is a change as a line of columns.
type row struct {
	mark, name, versions, level, size, note string
	change                                  drift.Change
}

func (t *text) packages(d *drift.Drift, kind pins.Kind, changes []drift.Change) {
	var rows []row
	wheres := map[string]bool{}
	for _, c := range changes {
		if c.Kind == kind {
			wheres[c.Where] = true
		}
	}
	for _, c := range changes {
		if c.Kind == kind {
			rows = append(rows, newRow(d, c, len(wheres) > 1))
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(rank(a.change), rank(b.change)) })
	title := cmp.Or(titles[kind], Clean(string(kind))+" packages")
	if len(wheres) == 1 {
		for where := range wheres {
			if where != "" {
				title += " in " + Clean(where)
			}
		}
	}
	t.printf("\n%s\n", t.bold(title))
	widths := make([]int, 4)
	for _, r := range rows {
		for i, s := range r.cells() {
			widths[i] = max(widths[i], width(s))
		}
	}
	for _, r := range rows {
		line, end := "  "+r.mark+" ", 4
		for i, s := range r.cells() {
			if widths[i] > 0 {
				line += pad(s, widths[i]) + "  "
				end += widths[i] + 2
			}
		}
		line = t.colour(r.change, strings.TrimRight(line, " "))
		if r.note != "" {
			line += strings.Repeat(" ", max(0, end-visible(line))) + t.dim(r.note)
		}
		t.printf("%s\n", line)
	}
}

// cells are the columns between the mark and the note.
func (r row) cells() []string { return []string{r.name, r.versions, r.level, r.size} }

func newRow(d *drift.Drift, c drift.Change, showWhere bool) row {
	r := row{name: Clean(c.Name), size: moreBytes(c), change: c}
	if showWhere && c.Where != "" {
		r.name += " (" + Clean(c.Where) + ")"
	}
	if c.Platform != "" {
		r.name += " on " + Clean(c.Platform)
	}
	added, removed, to := "added", "removed", " → "
	if a, b, two := d.TwoCourses(); two {
		added, removed, to = "only in "+Clean(b), "only in "+Clean(a), " | "
	}
	switch c.Change {
	case drift.Added:
		r.mark, r.versions, r.level = "+", versionText(c.B, c.BDetail), added
	case drift.Removed:
		r.mark, r.versions, r.level = "-", versionText(c.A, c.ADetail), removed
	default:
		r.mark = "↑"
		if c.Down {
			r.mark = "↓"
		} else if c.Level == version.Build {
			r.mark = "~"
		}
		r.versions = versionText(c.A, c.ADetail) + to + versionText(c.B, c.BDetail)
		if r.level = string(c.Level); c.Was != nil && versionText(c.A, c.ADetail) == versionText(c.B, c.BDetail) {
			r.versions, r.level = versionText(c.B, c.BDetail), "moved"
		} else if c.Down && to == " → " {
			r.level += ", older"
		}
	}
	var notes []string
	if w := c.Was; w != nil {
		was := fmt.Sprintf("was %s %s", w.Kind, Clean(w.Name))
		if w.Where != "" && w.Where != c.Where {
			was += " in " + Clean(w.Where)
		}
		notes = append(notes, was)
	}
	if c.Cause != nil {
		notes = append(notes, Clean(c.Cause.String()))
	} else if c.Event != "" {
		notes = append(notes, "layer: "+shortened(Clean(c.Event), maxEvent))
	}
	r.note = strings.Join(notes, "; ")
	return r
}

// maxEvent is how much of a history entry is shown, in characters.
const maxEvent = 60

// version is a version with what it does not say itself.
func versionText(v *string, d *pins.Detail) string {
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
	if d.State != "" {
		s += " (" + Clean(d.State) + ")"
	}
	return s
}

// rank sorts changes by how much they matter.
func rank(c drift.Change) int {
	if c.Change == drift.Changed {
		return slices.Index(order, c.Level)
	}
	if c.Change == drift.Removed {
		return len(order)
	}
	return len(order) + 1
}

func (t *text) settings(settings []drift.Setting) {
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

// breaches lists what the policy does not allow.
func (t *text) breaches(breaches []drift.Breach) {
	if len(breaches) > 0 {
		t.printf("\n%s\n", t.bold("Against the policy"))
	}
	for _, b := range breaches {
		t.printf("  %s  %s\n", t.red("✗ "+reasoned(b.Message, b.Why)),
			t.dim(pins.Position{File: b.File, Line: b.Line}.String()))
	}
}

// maxDamages is how many files are listed.
const maxDamages = 50

// damages lists files that are not as recorded.
func (t *text) damages(damages []drift.Damage) {
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
// those that end a line, and those that turn the direction of writing, are shown
// as escapes.
func Clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp), r == unicode.ReplacementChar:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func width(s string) int { return len([]rune(s)) }

func pad(s string, to int) string { return s + strings.Repeat(" ", max(0, to-width(s))) }
