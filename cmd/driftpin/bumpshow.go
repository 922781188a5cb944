package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
	"github.com/driftpin/driftpin/pins/hub"
)

// known says what people knew about the versions that go and come: reasons that
// speak of them, what was tried before, what used to go together.
func (p *bumping) known(ctx context.Context) (notes []string) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	dir := p.course.manifest.Dir
	if history.Shallow(ctx, dir) {
		note("%s: %s", dir, history.ShallowHint)
	}
	for _, b := range p.bumps {
		r := b.Request
		if r.Version != "" && strings.Contains(r.Why, r.Version) {
			note("%s: its reason speaks of the version that goes: %s", r.At, r.Why)
		}
		if rel, err := filepath.Rel(dir, r.At.File); err == nil && strings.HasPrefix(rel, "..") {
			note("%s: this file is not the course's alone: the locks of others that extend it will be stale", r.At)
		}
		events, err := history.Of(ctx, dir, r.Name, sources(dir)...)
		if err != nil {
			continue // there may be no git here
		}
		if t, ok := history.Reverted(events, r.Kind, b.Version); ok {
			note("%s: %s %s was tried on %s (%s, %s) and taken back on %s (%s, %s)", r.At, r.Name, b.Version,
				t.Tried.Time.Format("2006-01-02"), t.Tried.Commit[:12], t.Tried.Subject,
				t.Reverted.Time.Format("2006-01-02"), t.Reverted.Commit[:12], t.Reverted.Subject)
		}
		companions, bumps, err := history.Together(ctx, dir, r.Name, events)
		if err != nil {
			continue
		}
		for _, c := range companions {
			if len(p.course.manifest.Pinned(c.Name)) > 0 && !slices.ContainsFunc(p.bumps, func(b pins.Bump) bool { return samePackage(b.Request.Name, c.Name) }) {
				note("%s: %s took another version in %d of the %d commits that bumped %s: does it go along?", r.At, c.Name, c.Times, bumps, r.Name)
			}
		}
	}
	return notes
}

// An outcome is what a bump would make of a course.
type outcome struct {
	edited   map[string][]byte
	manifest *pins.Manifest
	lock     *pins.Lock
	notes    []string
	overlaps pins.Findings // paths that several packages own
}

// show prints the lines of the manifest that change, the lock by package, what
// is downloaded and built anew, and what of the launch does not fit any more.
func (p *bumping) show(o *outcome) error {
	colour := useColour("auto", p.streams.out)
	var text strings.Builder
	for _, s := range p.course.manifest.Sources {
		if after, ok := o.edited[s.Name]; ok {
			fmt.Fprintf(&text, "%s\n%s", s.Name, report.Lines(string(s.Data), string(after), colour))
		}
	}
	drift := p.drift(o)
	if err := report.Text(&text, drift, colour); err != nil {
		return err
	}
	cost, err := p.cost(o)
	if err != nil {
		return err
	}
	fmt.Fprintln(&text, cost)
	unfit := append(p.unfit(o), p.clashing(o)...)
	for _, f := range unfit {
		fmt.Fprintln(&text, report.Clean(f.Error()))
	}
	if p.markdown != "" {
		p.describe(o, drift, cost, unfit)
	}
	_, err = fmt.Fprint(p.streams.out, text.String())
	return err
}

// drift is how the lock would change.
func (p *bumping) drift(o *outcome) *images.Drift {
	changes := images.Compare(images.LockPackages(p.course.lock), images.LockPackages(o.lock))
	images.Explain(changes, &images.Reason{Manifest: p.course.manifest, Lock: p.course.lock}, &images.Reason{Manifest: o.manifest, Lock: o.lock})
	return images.New("the lock", "the lock after it", changes, nil)
}

// maxLayers is how many layers are named.
const maxLayers = 12

// cost says how much more is downloaded, and which layers are built anew.
func (p *bumping) cost(o *outcome) (string, error) {
	platform := o.lock.Platforms[0]
	before, err := buildplan.New(p.course.manifest, p.course.lock, platform, p.course.base)
	if err != nil {
		return "", err
	}
	after, err := buildplan.New(o.manifest, o.lock, platform, p.course.base)
	if err != nil {
		return "", err
	}
	names, all := after.Rebuilt(before)
	text := fmt.Sprintf("%d of %d layers of packages to build", len(names), all)
	if more := len(names) - maxLayers; more > 0 {
		names = append(names[:maxLayers], fmt.Sprintf("and %d more", more))
	}
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	was, is := size(p.course.lock), size(o.lock)
	more := "no more than before"
	if is/1e5 != was/1e5 {
		more = fmt.Sprintf("%+.1f MB", float64(is-was)/1e6)
	}
	return fmt.Sprintf("downloads: %s, %.1f MB in all; %s", more, float64(is)/1e6, text), nil
}

func size(l *pins.Lock) (n int64) {
	for _, a := range l.Present(l.Platforms[0]) {
		n += a.Size
	}
	return n
}

// unfit is what of the launch would not fit any more.
func (p *bumping) unfit(o *outcome) pins.Findings {
	before := hub.Check(p.course.manifest, p.course.lock, "")
	return slices.DeleteFunc(hub.Check(o.manifest, o.lock, "").AtLeast(pins.Warning), func(f pins.Finding) bool {
		return slices.ContainsFunc(before, func(b pins.Finding) bool { return b.Subject == f.Subject && b.Position == f.Position })
	})
}

// clashing are the paths that several packages would own and did not before.
func (p *bumping) clashing(o *outcome) pins.Findings {
	var before pins.Findings
	if dir, err := home(); err == nil && len(o.overlaps) > 0 {
		before = buildplan.KnownOverlaps(dir, p.course.manifest, p.course.lock)
	}
	return slices.DeleteFunc(o.overlaps, func(f pins.Finding) bool {
		return slices.ContainsFunc(before, func(b pins.Finding) bool { return b.Subject == f.Subject })
	})
}

// describe adds a course to the pull request's body.
func (p *bumping) describe(o *outcome, drift *images.Drift, cost string, unfit pins.Findings) {
	b := &p.body
	var what []string
	for _, bump := range p.bumps {
		what = append(what, fmt.Sprintf("%s %s → %s", bump.Request.Name, bump.Request.Version, bump.Version))
	}
	fmt.Fprintf(b, "### %s: %s\n\n", report.MarkdownText(o.manifest.Course), report.MarkdownText(strings.Join(what, ", ")))
	for _, s := range p.course.manifest.Sources {
		if after, ok := o.edited[s.Name]; ok {
			fmt.Fprintf(b, "%s\n\n%s\n", report.MarkdownText(s.Name), report.MarkdownLines(string(s.Data), string(after)))
		}
	}
	for _, note := range o.notes {
		fmt.Fprintf(b, "- :warning: %s\n", report.MarkdownText(note))
	}
	for _, f := range unfit {
		fmt.Fprintf(b, "- :warning: %s\n", report.MarkdownText(f.Error()))
	}
	fmt.Fprintf(b, "\n%s\n\n%s\n%s\n\n", report.MarkdownText(report.Headline(drift)), report.MarkdownPackages(drift), report.MarkdownText(cost))
}
