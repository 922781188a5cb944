package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/bump"
	"github.com/driftpin/driftpin/pins/history"
)

// A past is what the repository of a course remembers.
type past struct {
	dir   string
	files []string // that the course is read from
}

// Of implements bump.Past.
func (p past) Of(ctx context.Context, name string) ([]history.Event, error) {
	return history.Of(ctx, p.dir, name, p.files...)
}

// Together implements bump.Past.
func (p past) Together(ctx context.Context, name string, events []history.Event) ([]history.Companion, int, error) {
	return history.Together(ctx, p.dir, name, events)
}

// known words what people knew about the versions that go and come.
func known(ctx context.Context, p *bump.Bumping) (notes []string) {
	dir := p.Course.Manifest.Dir
	if history.Shallow(ctx, dir) && len(p.Bumps) > 0 {
		notes = append(notes, fmt.Sprintf("%s: %s", dir, history.ShallowHint))
	}
	for _, n := range p.Notes(ctx, past{dir, sources(dir)}) {
		notes = append(notes, wordNote(n))
	}
	return notes
}

func wordNote(n bump.Note) string {
	r := n.Request
	switch {
	case n.Reason:
		return fmt.Sprintf("%s: the reason mentions the old version: %s", r.At, r.Why)
	case n.Shared:
		return fmt.Sprintf("%s: other courses extend this file too: their locks will be stale", r.At)
	case n.Trial != nil:
		on := func(e history.Event) string {
			return fmt.Sprintf("%s (%s, %s)", e.Time.Format(time.DateOnly), e.Commit[:12], e.Subject)
		}
		return fmt.Sprintf("%s: %s %s was tried on %s and taken back on %s", r.At, r.Name, r.Version,
			on(n.Trial.Tried), on(n.Trial.Reverted))
	}
	return fmt.Sprintf("%s: %s also changed in %d of the %d commits that bumped %s: should it change too?",
		r.At, n.Companion.Name, n.Companion.Times, n.Bumps, r.Name)
}

// An outcome is what a bump would make of a course, as it is shown.
type outcome struct {
	*bump.Outcome
	course *course
	notes  []string
}

// show prints the lines of the manifest that change, the lock by package, what
// is downloaded and built anew, and what of the launch does not fit any more.
func (f *bumpFlags) show(ctx context.Context, s streams, o *outcome) error {
	colour := useColour("auto", s.out)
	var text strings.Builder
	for _, s := range o.course.manifest.Sources {
		if after, ok := o.Edited[s.Name]; ok && string(after) != string(s.Data) {
			fmt.Fprintf(&text, "%s\n%s", s.Name, report.Lines(string(s.Data), string(after), colour))
		}
	}
	bases, err := o.showMoved(ctx, s, &text, colour)
	if err != nil {
		return err
	}
	drift := o.drift()
	if err := report.Text(&text, drift, colour); err != nil {
		return err
	}
	cost, err := o.cost()
	if err != nil {
		return err
	}
	fmt.Fprintln(&text, cost.String())
	unfit := append(unfit(o.course, o.Manifest, o.Lock), o.clashing()...)
	for _, f := range unfit {
		fmt.Fprintln(&text, report.Clean(f.Error()))
	}
	f.describe(o, drift, cost.String(), unfit)
	f.body.WriteString(bases)
	f.said = append(f.said, o.details(drift, cost, unfit))
	if f.format != "text" || f.output != "" {
		f.text.WriteString(text.String())
		return nil
	}
	_, err = fmt.Fprint(s.out, text.String())
	return err
}

// A bumpDetails is what a bump would make of a course, as JSON.
type bumpDetails struct {
	Course   string        `json:"course"` // its folder
	Lock     string        `json:"lock"`   // the digest of the new one
	Bumps    []bumpedPin   `json:"bumps"`
	Added    []reasonPin   `json:"added"`
	Removed  []reasonPin   `json:"removed"`
	Files    []string      `json:"files"` // that change
	Drift    *drift.Drift  `json:"drift"` // of the locks
	Bytes    int64         `json:"bytes"` // of the files that are locked
	Before   int64         `json:"before"`
	Layers   []string      `json:"layers"`    // of packages, to be built
	All      int           `json:"allLayers"` // of packages
	Notes    []string      `json:"notes"`     // what people knew of the versions
	Findings pins.Findings `json:"findings"`  // what does not fit any more
}

// A bumpedPin is a pin that takes another version.
type bumpedPin struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
	File string `json:"file"`
	Line int    `json:"line"`
}

// details are those of an outcome.
func (o *outcome) details(d *drift.Drift, cost cost, unfit pins.Findings) bumpDetails {
	out := bumpDetails{Course: o.course.manifest.Dir, Lock: o.Lock.Digest(), Bumps: []bumpedPin{}, Added: []reasonPin{},
		Removed: []reasonPin{}, Files: []string{}, Drift: d, Bytes: cost.after, Before: cost.before,
		Layers: append([]string{}, cost.layers...), All: cost.all, Notes: append([]string{}, o.notes...),
		Findings: append(pins.Findings{}, unfit...)}
	for _, b := range o.Bumps {
		out.Bumps = append(out.Bumps, bumpedPin{b.Request.Kind.Key(), b.Request.Name, b.Request.Version, b.Version,
			b.Request.At.File, b.Request.At.Line})
	}
	for _, a := range o.Adds {
		a.At.File = a.File
		out.Added = append(out.Added, *pinOf(&a.Request))
	}
	for _, r := range o.Removes {
		out.Removed = append(out.Removed, *pinOf(&r))
	}
	for _, source := range o.course.manifest.Sources {
		if after, ok := o.Edited[source.Name]; ok && string(after) != string(source.Data) {
			out.Files = append(out.Files, source.Name)
		}
	}
	return out
}

// drift is how the lock would change.
func (o *outcome) drift() *drift.Drift {
	changes := drift.CompareLocks(o.course.lock, o.Lock)
	d := drift.New(o.course.lockFile, "with "+cmp.Or(strings.Join(o.bumped(), ", "), "what changes"), changes, nil)
	d.Explain(&drift.Reason{Manifest: o.course.manifest, Lock: o.course.lock},
		&drift.Reason{Manifest: o.Manifest, Lock: o.Lock})
	return d
}

// bumped are the packages that are bumped, with their versions.
func (o *outcome) bumped() (names []string) {
	for _, b := range o.Bumps {
		names = append(names, b.Request.Name+" "+b.Version)
	}
	for _, a := range o.Adds {
		names = append(names, a.Spec)
	}
	for _, r := range o.Removes {
		names = append(names, "no "+r.Title())
	}
	return names
}

// maxLayers is how many layers are named.
const maxLayers = 12

// A cost is what a bump downloads, in bytes, and which layers of packages it builds anew.
type cost struct {
	before, after int64
	layers        []string
	all           int // 0 for a Dockerfile: its layers are its own
}

// String words the cost in one line.
func (c cost) String() string {
	text := fmt.Sprintf("; %d of %s of packages to build", len(c.layers), pins.Count(c.all, "layer"))
	if c.all == 0 {
		text = ""
	}
	names := c.layers
	if more := len(names) - maxLayers; more > 0 {
		names = append(slices.Clone(names[:maxLayers]), fmt.Sprintf("and %d more", more))
	}
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	more := "no more than before"
	if diff := c.after - c.before; diff >= 5e4 || diff <= -5e4 {
		more = fmt.Sprintf("%+.1f MB", float64(diff)/1e6)
	}
	return fmt.Sprintf("downloads: %s, %.1f MB in all%s", more, float64(c.after)/1e6, text)
}

// cost is what building the course costs after the bump.
func (o *outcome) cost() (c cost, err error) {
	platform := o.Lock.Platforms[0]
	was := o.course.base
	was.Digest = o.course.lock.Base
	before, err := buildplan.New(o.course.manifest, o.course.lock, platform, was)
	if err != nil {
		return c, err
	}
	after, err := buildplan.New(o.Manifest, o.Lock, platform, o.course.after.base)
	if err != nil {
		return c, err
	}
	c.layers, c.all = after.Rebuilt(before)
	c.before, c.after = size(o.course.lock), size(o.Lock)
	return c, nil
}

func size(l *pins.Lock) (n int64) {
	for _, a := range l.Present(l.Platforms[0]) {
		n += a.Size
	}
	for _, f := range l.Downloads {
		n += f.Size
	}
	for _, r := range l.Recordings {
		for _, a := range r.Answers {
			if a.Method != "HEAD" {
				n += a.Size
			}
		}
	}
	return n
}

// clashing are the paths that several packages would own and did not before.
func (o *outcome) clashing() pins.Findings {
	var before pins.Findings
	if dir, err := stateDir(); err == nil && len(o.Overlaps) > 0 {
		before = buildplan.KnownOverlaps(dir, o.course.manifest, o.course.lock)
	}
	return slices.DeleteFunc(o.Overlaps, func(f pins.Finding) bool {
		return slices.ContainsFunc(before, func(b pins.Finding) bool { return b.Subject == f.Subject })
	})
}

// describe adds a course to the pull request's body.
func (f *bumpFlags) describe(o *outcome, drift *drift.Drift, cost string, unfit pins.Findings) {
	b := &f.body
	var what []string
	for _, bump := range o.Bumps {
		what = append(what, fmt.Sprintf("%s %s → %s", bump.Request.Name, bump.Request.Version, bump.Version))
	}
	for _, a := range o.Adds {
		what = append(what, a.Spec+" is added")
	}
	for _, r := range o.Removes {
		what = append(what, r.Title()+" is removed")
	}
	fmt.Fprintf(b, "### %s: %s\n\n", report.MarkdownText(o.Manifest.Course),
		report.MarkdownText(strings.Join(what, ", ")))
	for _, s := range o.course.manifest.Sources {
		if after, ok := o.Edited[s.Name]; ok && string(after) != string(s.Data) {
			fmt.Fprintf(b, "%s\n\n%s\n", report.MarkdownText(s.Name), report.MarkdownLines(string(s.Data),
				string(after)))
		}
	}
	for _, note := range o.notes {
		fmt.Fprintf(b, "- :warning: %s\n", report.MarkdownText(note))
	}
	for _, f := range unfit {
		fmt.Fprintf(b, "- :warning: %s\n", report.MarkdownText(f.Error()))
	}
	fmt.Fprintf(b, "\n%s\n\n%s\n%s\n\n", report.MarkdownText(report.Headline(drift)), report.MarkdownPackages(drift),
		report.MarkdownText(cost))
}
