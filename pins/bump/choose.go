package bump

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/pins"
)

// How far a pin goes for which no version is named. The reach of a bump is one of
// these.
const (
	Latest = "latest"
	Minor  = "minor"
	Patch  = "patch"
)

// A Bumping is a bump of one course on its way.
type Bumping struct {
	Course *Course
	Bumps  []pins.Bump
	Adds   []pins.Addition
	// Removes are pins that are taken out.
	Removes []pins.Request
	// AsOf is the date that the manifest's as-of is changed to; empty: it stays.
	AsOf string
}

// A Stay is a pin whose version was not named, and that stays as it is: no newer
// one resolves with the rest.
type Stay struct {
	Request pins.Request
	Version string
}

// Choose finds out the versions that were not named: the newest within reach that
// resolve together with the rest. A pin in a file that several courses share goes
// as far as all of them allow. Pins that stay are taken out of the bumps.
func Choose(ctx context.Context, all []*Bumping, reach string) (stays []Stay, err error) {
	chosen := map[pins.Position]string{}
	for _, p := range all {
		i := slices.IndexFunc(p.Bumps, func(b pins.Bump) bool { return open(b) && p.Course.Manifest.Lists(b.Request) })
		if i >= 0 {
			return nil, &UnresolvedError{p.Bumps[i].Request}
		}
		if !slices.ContainsFunc(p.Bumps, open) {
			continue
		}
		newest, err := p.newest(ctx, reach)
		if err != nil {
			return nil, fmt.Errorf("bumping %s: %w", p.Course.Manifest.Dir, err)
		}
		for at, version := range newest {
			other, seen := chosen[at]
			if !seen || p.kindAt(at).Scheme().Compare(version, other) < 0 {
				chosen[at] = version
			}
		}
	}
	for _, p := range all {
		p.Bumps = slices.DeleteFunc(p.Bumps, func(b pins.Bump) bool {
			r, version := b.Request, chosen[b.Request.At]
			if !open(b) || r.Kind.Scheme().Compare(version, r.Version) != 0 {
				return false
			}
			if !slices.ContainsFunc(stays, func(s Stay) bool { return s.Request.At == r.At }) {
				stays = append(stays, Stay{r, version})
			}
			return true
		})
		for i := range p.Bumps {
			p.Bumps[i].Version = cmp.Or(p.Bumps[i].Version, chosen[p.Bumps[i].Request.At])
		}
	}
	return stays, nil
}

// open reports whether a bump leaves the version to the solver.
func open(b pins.Bump) bool { return b.Version == "" && b.Request.Kind != pins.FromImage }

// An UnresolvedError says that a pin without a version is not one that is resolved: no
// newest version of it is known.
type UnresolvedError struct{ Request pins.Request }

// Error names the pin, and what to write.
func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("%s: %s is installed by a script or by an instruction of a Dockerfile, and not resolved by "+
		"driftpin: name the version, as %s=VERSION", e.Request.At, e.Request.Name, e.Request.Name)
}

func (p *Bumping) kindAt(at pins.Position) pins.Kind {
	for _, b := range p.Bumps {
		if b.Request.At == at {
			return b.Request.Kind
		}
	}
	return ""
}

// newest are the newest versions of the pins whose version was not named, within
// reach, that resolve together with the rest of the course, by the pins' places.
func (p *Bumping) newest(ctx context.Context, reach string) (map[pins.Position]string, error) {
	var named []pins.Bump
	for _, b := range p.Bumps {
		if !open(b) {
			named = append(named, b)
		}
	}
	edited, err := p.Course.Manifest.EditAll(named)
	if err != nil {
		return nil, err
	}
	loose, err := p.Course.Read(edited)
	if err == nil && p.AsOf != "" {
		loose.AsOf, err = pins.ParseDate(p.AsOf)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for i, r := range p.Course.Manifest.Requests { // an edit moves no pin in the list
		if !slices.ContainsFunc(p.Bumps, func(b pins.Bump) bool { return b.Request.At == r.At && open(b) }) {
			continue
		}
		names = append(names, r.Name)
		if loose, err = within(loose, loose.Requests[i], reach); err != nil {
			return nil, err
		}
	}
	l, err := p.Course.relock(ctx, loose, names...)
	if err != nil {
		return nil, err
	}
	found := map[pins.Position]string{}
	for _, b := range p.Bumps {
		if !open(b) {
			continue
		}
		a, ok := l.Find(b.Request.Kind, b.Request.Name, l.Platforms[0])
		if !ok {
			return nil, fmt.Errorf("%s: the solver leaves %s out", b.Request.At, b.Request.Name)
		}
		found[b.Request.At] = a.Version
	}
	return found, nil
}
