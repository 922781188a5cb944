package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
)

//go:embed timeline.html
var timelinePage string

// stepHeadline says in one line what a commit did to a lock.
func stepHeadline(s drift.Step) string {
	switch {
	case s.Error != "":
		return "the lock can't be read: " + Clean(s.Error)
	case s.Gone:
		return "the lock was taken away"
	case s.Drift == nil:
		return "a lock of " + pins.Count(s.Packages, "package")
	}
	return Headline(s.Drift)
}

// stepRows are what a commit changed: what was asked for first, then by how much it matters.
func stepRows(s drift.Step) (rows []row) {
	if s.Drift == nil {
		return nil
	}
	for _, c := range s.Drift.Packages {
		rows = append(rows, newRow(s.Drift, c, false))
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if x, y := asked(a), asked(b); x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return rank(a.change) - rank(b.change)
	})
	return rows
}

func asked(r row) bool { return r.change.Cause != nil && r.change.Cause.Asked }

// maxStepRows is how many changes of a commit are shown for reading.
const maxStepRows = 8

// textTimeline writes a timeline for reading, the newest commit last.
func textTimeline(w io.Writer, l *drift.Timeline, colour bool) error {
	t := &text{paint: paint(colour)}
	for i, c := range l.Courses {
		if i > 0 {
			t.printf("\n")
		}
		t.printf("%s: %s\n", t.bold(Clean(c.Name)), timesChanged(c))
		for _, s := range c.Steps {
			t.printf("  %s  %s  %s  %s\n", s.Time.Format(time.DateOnly), s.Commit[:min(12, len(s.Commit))], Clean(s.Author),
				Clean(s.Subject))
			if text := merged(s); text != "" {
				t.printf("    %s\n", t.dim(text))
			}
			t.printf("    %s\n", stepHeadline(s))
			if s.Drift != nil {
				for _, c := range s.Drift.Config {
					t.printf("      ~ %s  %s → %s\n", Clean(c.Name), shortened(orNone(c.A), maxSetting), shortened(orNone(c.B), maxSetting))
				}
			}
			rows := stepRows(s)
			for i, r := range rows {
				if i == maxStepRows {
					t.printf("      and %d more: --format html and json have all\n", len(rows)-i)
					break
				}
				line := fmt.Sprintf("%s %s %s  %s  %s", r.mark, r.change.Kind, r.name, r.versions, r.level)
				t.printf("      %s\n", t.colour(r.change, line))
			}
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

func timesChanged(c drift.Course) string {
	if len(c.Steps) == 0 {
		return "no commit has a lock"
	}
	from, to := span(&drift.Timeline{Courses: []drift.Course{c}})
	text := fmt.Sprintf("%s of its lock, %s to %s", pins.Count(len(c.Steps), "change"), from.Format(time.DateOnly),
		to.Format(time.DateOnly))
	if c.Shallow {
		text += "; the clone is shallow: what came before is not known"
	}
	return text
}

// merged says whose commits a merge brought; empty for others.
func merged(s drift.Step) string {
	var parts []string
	for _, m := range s.Merged {
		parts = append(parts, fmt.Sprintf("%s (%s, %s)", Clean(m.Subject), Clean(m.Author), m.Commit[:min(12, len(m.Commit))]))
	}
	if len(parts) == 0 {
		return ""
	}
	if more := len(parts) - maxNamed; more > 0 {
		parts = append(parts[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return "merged: " + strings.Join(parts, "; ")
}

// markdownTimeline writes a timeline as tables in GitHub's Markdown, the newest commit first.
func markdownTimeline(w io.Writer, l *drift.Timeline) error {
	var b strings.Builder
	for _, c := range l.Courses {
		fmt.Fprintf(&b, "#### %s\n\n%s\n", markdown(c.Name), markdown(timesChanged(c)))
		var lines []string
		for _, s := range newestFirst(c.Steps) {
			lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s | %s |\n", s.Time.Format(time.DateOnly),
				code(s.Commit[:min(12, len(s.Commit))]), markdown(s.Author), markdown(strings.TrimSuffix(s.Subject+"; "+merged(s), "; ")),
				markdown(stepHeadline(s))))
		}
		if len(lines) > 0 {
			folded(&b, "\n| day | commit | who | subject | what changed |\n|---|---|---|---|---|\n", lines)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func newestFirst(steps []drift.Step) []drift.Step {
	out := slices.Clone(steps)
	slices.Reverse(out)
	return out
}

// A timelineView is a timeline as the page has it. All of it is plain HTML and SVG: the page needs no
// program.
type timelineView struct {
	Style    template.CSS
	Headline string
	Width    float64
	Height   float64
	Ticks    []tick
	Legend   []string // the levels, as the style calls them
	Courses  []courseView
}

type tick struct {
	X    float64
	Text string
}

type courseView struct {
	Name, Short, Times string
	Y                  float64
	Steps              []stepView // the newest first
}

type stepView struct {
	ID, Day, Commit, Author, Subject, Headline string
	Merged                                     string
	Settings                                   []stepSetting // of the lock itself
	Level                                      string        // the widest, as the style calls it
	Label                                      string        // what is read aloud
	Count                                      int           // packages that changed; of a first lock those that it has
	X, R                                       float64
	Small                                      bool // without the number
	Rows                                       []stepRow
}

type stepSetting struct{ Name, A, B string }

type stepRow struct {
	Mark, Kind, Name, A, B, Level, Why string
	Asked                              bool
}

// The picture's measures, in pixels.
const (
	pictureWidth = 1040.0
	nameWidth    = 170.0
	laneHeight   = 56.0
	smallest     = 6.0 // a circle without a number
	axisHeight   = 34.0
)

// crowd is how many commits of a course have circles with numbers.
const crowd = 25

// htmlTimeline writes a timeline as one page: a picture with a line a course and a circle a commit,
// and below it what each changed.
func htmlTimeline(w io.Writer, l *drift.Timeline) error {
	t, err := template.New("timeline").Parse(timelinePage)
	if err != nil {
		return err
	}
	return t.Execute(w, newTimelineView(l))
}

func newTimelineView(l *drift.Timeline) timelineView {
	from, to := span(l)
	at := func(when time.Time) float64 {
		if !to.After(from) {
			return nameWidth + (pictureWidth-nameWidth)/2
		}
		return nameWidth + 24 + (pictureWidth-nameWidth-48)*float64(when.Sub(from))/float64(to.Sub(from))
	}
	v := timelineView{Style: template.CSS(style), Width: pictureWidth,
		Height: axisHeight + laneHeight*float64(len(l.Courses)),
		Legend: []string{"major", "minor", "patch", "build", "added", "removed"}}
	if !from.IsZero() {
		for _, day := range ticks(from, to) {
			v.Ticks = append(v.Ticks, tick{at(day), day.Format("2006-01")})
		}
		if len(v.Ticks) == 0 { // all of it is within a month
			v.Ticks = []tick{{at(from), from.Format(time.DateOnly)}}
			if to.Sub(from) > 24*time.Hour {
				v.Ticks = append(v.Ticks, tick{at(to), to.Format(time.DateOnly)})
			}
		}
	}
	changes := 0
	named := map[string]int{}
	for _, c := range l.Courses {
		named[c.Name]++
	}
	for i, c := range l.Courses {
		if named[c.Name] > 1 {
			c.Name = c.Dir
		}
		view := courseView{Name: Clean(c.Name), Short: shortened(Clean(c.Name), 20), Times: timesChanged(c),
			Y: axisHeight + laneHeight*(float64(i)+0.5)}
		for k, s := range c.Steps {
			step := newStepView(s)
			step.ID, step.X = fmt.Sprintf("c%d-%d", i+1, k+1), at(s.Time)
			if len(c.Steps) > crowd { // the circles would hide each other
				step.R, step.Small = smallest, true
			}
			view.Steps = append(view.Steps, step)
		}
		slices.Reverse(view.Steps)
		changes += len(c.Steps)
		v.Courses = append(v.Courses, view)
	}
	v.Headline = fmt.Sprintf("%s of the locks of %s", pins.Count(changes, "change"), pins.Count(len(l.Courses), "course"))
	return v
}

func newStepView(s drift.Step) stepView {
	v := stepView{Day: s.Time.Format(time.DateOnly), Commit: s.Commit[:min(12, len(s.Commit))], Author: Clean(s.Author),
		Subject: Clean(s.Subject), Headline: stepHeadline(s), Level: "build"}
	rows := stepRows(s)
	v.Count = len(rows)
	switch widest := slices.MinFunc(append(rows, row{}), func(a, b row) int { return widthOf(a) - widthOf(b) }); {
	case s.Drift == nil && s.Error == "" && !s.Gone:
		v.Level, v.Count = "added", s.Packages
	case s.Gone || s.Error != "":
		v.Level = "removed"
	case widest.change.Change == drift.Changed:
		v.Level = string(widest.change.Level)
	case widest.change.Change != "":
		v.Level = widest.change.Change
	}
	v.R = min(22, 8+2.2*math.Log2(1+float64(v.Count)))
	v.Merged = merged(s)
	if s.Drift != nil {
		for _, c := range s.Drift.Config {
			v.Settings = append(v.Settings, stepSetting{Clean(c.Name), orNone(c.A), orNone(c.B)})
		}
	}
	v.Label = fmt.Sprintf("%s, %s, by %s: %s", v.Day, v.Subject, v.Author, v.Headline)
	for _, r := range rows {
		v.Rows = append(v.Rows, stepRow{Mark: r.mark, Kind: Clean(string(r.change.Kind)), Name: r.name,
			A: plainVersion(r.change.A, r.change.ADetail), B: plainVersion(r.change.B, r.change.BDetail), Level: r.level, Why: r.note,
			Asked: asked(r)})
	}
	return v
}

// widthOf ranks changes for the widest of them; no change comes last.
func widthOf(r row) int {
	if r.change.Change == "" {
		return len(order) + 2
	}
	return rank(r.change)
}

// span is from when to when a timeline goes; zero if it has no commit.
func span(l *drift.Timeline) (from, to time.Time) {
	for _, c := range l.Courses {
		for _, s := range c.Steps {
			if from.IsZero() || s.Time.Before(from) {
				from = s.Time
			}
			if s.Time.After(to) {
				to = s.Time
			}
		}
	}
	return from, to
}

// ticks are firsts of months within a span: at most a dozen.
func ticks(from, to time.Time) (days []time.Time) {
	months := (to.Year()-from.Year())*12 + int(to.Month()-from.Month())
	step := 12 * (months/120 + 1)
	for _, few := range []int{1, 2, 3, 6} {
		if months/few <= 10 {
			step = few
			break
		}
	}
	first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
	if step > 1 { // begin with a month that a reader knows
		first = time.Date(from.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	for day := first; !day.After(to); day = day.AddDate(0, step, 0) {
		if !day.Before(from) {
			days = append(days, day)
		}
	}
	return days
}
