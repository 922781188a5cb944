package bump

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
)

// A Note is something that people knew about a version that goes or comes. One of
// its parts is set, beside the request that it is about.
type Note struct {
	Request   pins.Request
	Reason    bool               // the pin's reason speaks of the version that goes
	Shared    bool               // the pin's file is not the course's alone
	Trial     *history.Trial     // when the version was tried and taken back
	Companion *history.Companion // a pin that used to be bumped with it
	Bumps     int                // how many commits bumped it: of those the companion was in some
}

// A Past is what a course's repository remembers of its pins.
type Past interface {
	// Of are the commits that changed a package's pin.
	Of(ctx context.Context, name string) ([]history.Event, error)
	// Together are the pins that took another version in the same commits, of
	// which there are bumps.
	Together(ctx context.Context, name string,
		events []history.Event) (companions []history.Companion, bumps int, err error)
}

// Notes finds what is known about the versions that go and come.
func (p *Bumping) Notes(ctx context.Context, past Past) (notes []Note) {
	for _, b := range p.Bumps {
		r := b.Request
		if r.Version != "" && strings.Contains(r.Why, r.Version) {
			notes = append(notes, Note{Request: r, Reason: true})
		}
		if rel, err := filepath.Rel(p.Course.Manifest.Dir, r.At.File); err == nil && strings.HasPrefix(rel, "..") {
			notes = append(notes, Note{Request: r, Shared: true})
		}
		events, err := past.Of(ctx, r.Name)
		if err != nil {
			continue // there may be no git here
		}
		if t, ok := history.Reverted(events, r.Kind, b.Version); ok {
			notes = append(notes, Note{Request: pinned(r, b.Version), Trial: &t})
		}
		companions, bumps, err := past.Together(ctx, r.Name, events)
		if err != nil {
			continue
		}
		for _, c := range companions {
			if len(p.Course.Manifest.Pinned(c.Name)) > 0 && !p.bumps(c.Name) {
				notes = append(notes, Note{Request: r, Companion: &c, Bumps: bumps})
			}
		}
	}
	return notes
}

// pinned is a request for another version, as a note speaks of it.
func pinned(r pins.Request, version string) pins.Request {
	r.Version = version
	return r
}

// bumps reports whether a package is among those that are bumped.
func (p *Bumping) bumps(name string) bool {
	return slices.ContainsFunc(p.Bumps, func(b pins.Bump) bool { return samePackage(b.Request.Name, name) })
}
