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
	fmt.Fprintln(&text, cost)
	unfit := append(unfit(o.course, o.Manifest, o.Lock), o.clashing()...)
	for _, f := range unfit {
		fmt.Fprintln(&text, report.Clean(f.Error()))
	}
	if f.markdown != "" {
		f.describe(o, drift, cost, unfit)
		f.body.WriteString(bases)
	}
	_, err = fmt.Fprint(s.out, text.String())
	return err
}

// drift is how the lock would change.
func (o *outcome) drift() *drift.Drift {
	changes := drift.Compare(drift.LockPackages(o.course.lock), drift.LockPackages(o.Lock))
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

// cost says how much more is downloaded, and which layers are built anew.
func (o *outcome) cost() (string, error) {
	platform := o.Lock.Platforms[0]
	was := o.course.base
	was.Digest = o.course.lock.Base
	before, err := buildplan.New(o.course.manifest, o.course.lock, platform, was)
	if err != nil {
		return "", err
	}
	after, err := buildplan.New(o.Manifest, o.Lock, platform, o.course.after.base)
	if err != nil {
		return "", err
	}
	names, all := after.Rebuilt(before)
	text := fmt.Sprintf("; %d of %s of packages to build", len(names), pins.Count(all, "layer"))
	if all == 0 { // a Dockerfile: its layers are its own
		text = ""
	}
	if more := len(names) - maxLayers; more > 0 {
		names = append(names[:maxLayers], fmt.Sprintf("and %d more", more))
	}
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	had, has := size(o.course.lock), size(o.Lock)
	more := "no more than before"
	if has/1e5 != had/1e5 {
		more = fmt.Sprintf("%+.1f MB", float64(has-had)/1e6)
	}
	return fmt.Sprintf("downloads: %s, %.1f MB in all%s", more, float64(has)/1e6, text), nil
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
