package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/pins"
)

// advise says what else there is, where a version can't be had: the versions
// around it, or the pins that would have to move with it, or to go.
func (p *bumping) advise(ctx context.Context, m *pins.Manifest) string {
	var names []string
	for _, b := range p.bumps {
		names = append(names, b.Request.Name)
	}
	if date := p.laterDate(ctx, m); date != "" {
		return fmt.Sprintf("\nOnly as-of (%s) stands in the way: driftpin bump %s%s --as-of %s", m.AsOf.Text, p.course.manifest.Dir, p.asked(), date)
	}
	loose := m.Loosened(names, false)
	l, err := pins.Relock(ctx, loose, p.course.lock, p.builder, p.course.sameCourse())
	if err == nil {
		return p.moves(m, loose, l, nil)
	}
	if text := p.adviseVersions(ctx, m.AsOf.End); text != "" {
		return text
	}
	loose = m.Loosened(names, true)
	var gone []pins.Request
	for range maxGone {
		if l, err = pins.Relock(ctx, loose, p.course.lock, p.builder, p.course.sameCourse()); err == nil {
			return p.moves(m, loose, l, gone)
		}
		blamed := func(r pins.Request) bool {
			return !slices.Contains(names, r.Name) && strings.Contains(err.Error(), r.At.String()+": "+r.Spec)
		}
		if !slices.ContainsFunc(loose.Requests, blamed) {
			break
		}
		for _, r := range loose.Requests {
			if blamed(r) {
				gone = append(gone, r)
			}
		}
		loose.Requests = slices.DeleteFunc(loose.Requests, blamed)
	}
	return "\nEven with all other pins free to move it can't be had."
}

// asked is what the bump asks for, as it is written in a command.
func (p *bumping) asked() (words string) {
	for _, b := range p.bumps {
		words += " " + b.Request.Name + "=" + b.Version
	}
	return words
}

// laterDate is the day by which what is asked for resolves, as everything else
// stands; empty if it does not at any date. It is the one on which the last of the
// versions that are asked for was published, if that is enough.
func (p *bumping) laterDate(ctx context.Context, m *pins.Manifest) string {
	if m.AsOf.Text == "" {
		return ""
	}
	resolves := func(date pins.Date) bool {
		dated := *m
		dated.AsOf = date
		_, err := pins.Relock(ctx, &dated, p.course.lock, p.builder, p.course.sameCourse())
		return err == nil
	}
	if !resolves(pins.Date{}) {
		return ""
	}
	var last time.Time
	for _, b := range p.bumps {
		equals := "=="
		if b.Request.Kind == pins.Npm {
			equals = "="
		}
		l := p.course.lock
		q := pins.Query{Kind: b.Request.Kind, Platform: l.Platforms[0], Below: l.Below(), Channels: m.CondaChannels()}
		if b.Request.Kind == pins.Deb || b.Request.Git != nil {
			continue // no date of it is told
		}
		found, err := p.builder.Releases(ctx, q, map[string]string{b.Request.Name: equals + b.Version})
		if at := found[b.Request.Name].Published; err == nil && at.After(last) {
			last = at
		}
	}
	today := time.Now().UTC().Format(time.DateOnly)
	if last.IsZero() || last.Before(m.AsOf.End) {
		return today
	}
	day := last.UTC().Format(time.DateOnly)
	if date, err := pins.ParseDate(day); err == nil && resolves(date) {
		return day
	}
	return today
}

// maxGone is how often pins are left out to see what is in the way.
const maxGone = 5

// moves words which pins would have to move, by a lock of the loosened
// manifest, and which would have to go.
func (p *bumping) moves(m, loose *pins.Manifest, l *pins.Lock, gone []pins.Request) string {
	command := "driftpin bump " + p.course.manifest.Dir + p.asked()
	var text strings.Builder
	tell := func(r pins.Request, what string) {
		fmt.Fprintf(&text, "\n  %s: %s %s", r.At, r.Spec, what)
		if r.Why != "" {
			fmt.Fprintf(&text, " (%s: %s)", r.Need, r.Why)
		}
	}
	for _, r := range gone {
		tell(r, "would have to go")
	}
	for _, r := range m.Requests {
		a, ok := l.Find(r.Kind, r.Name, l.Platforms[0])
		free := slices.ContainsFunc(loose.Requests, func(q pins.Request) bool { return q.At == r.At && q.Version == "" })
		if free && r.Version != "" && ok && pins.CompareVersions(r.Kind, a.Version, r.Version) != 0 {
			tell(r, "→ "+a.Version)
			command += " " + r.Name + "=" + a.Version
		}
	}
	if text.Len() == 0 {
		return ""
	}
	for _, f := range p.unfit(&outcome{manifest: m, lock: l}) {
		text.WriteString("\n  " + f.Error())
	}
	if len(gone) > 0 {
		command = "take out what has to go, driftpin lock " + p.course.manifest.Dir + ", then " + command
	}
	if p.asOf != "" {
		command += " --as-of " + p.asOf
	}
	return "\nWhat would have to change with it:" + text.String() + "\nThat would be: " + command
}

// adviseVersions says what there is around versions that do not exist.
func (p *bumping) adviseVersions(ctx context.Context, before time.Time) string {
	var text strings.Builder
	for _, b := range p.bumps {
		if b.Request.Kind != pins.Pip || b.Request.Git != nil {
			continue
		}
		l := p.course.lock
		q := pins.Query{Kind: pins.Pip, Platform: l.Platforms[0], Before: before, Below: l.Below()}
		n, err := p.builder.Neighbours(ctx, q, b.Request.Name, b.Version, buildplan.Siblings(l, b.Request.Name))
		if err != nil {
			continue // the first error says more
		}
		var there []string
		for _, v := range []string{n.Below, n.Above} {
			if v != "" {
				there = append(there, v)
			}
		}
		if len(there) > 0 {
			are := map[bool]string{true: "is", false: "are"}[len(there) == 1]
			fmt.Fprintf(&text, "\nThe nearest of %s %s %s.", b.Request.Name, are, strings.Join(there, " and "))
		}
		if n.Sibling != "" {
			fmt.Fprintf(&text, " %s is a version of %s.", b.Version, n.Sibling)
		}
	}
	return text.String()
}
