package bump

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
)

// An Advice says what else there is, where versions can't be had. Of its parts
// only those are set that were found out; the zero value says that it can't be
// had even with all other pins free to move.
type Advice struct {
	// Date is the day by which all that is asked for resolves, as everything else
	// stands but for Moves and Gone: as-of is in the way.
	Date string
	// Around are the versions that there are around those that there are not.
	Around []Around
	// Moves are pins that would have to move, and Gone those that would have to
	// go. Manifest and Lock are what that would come to.
	Moves    []pins.Bump
	Gone     []pins.Request
	Manifest *pins.Manifest
	Lock     *pins.Lock
	Possible bool // with Moves and Gone it resolves
}

// An Around is a version that does not exist, with what there is around it.
type Around struct {
	Name, Version string
	pins.Neighbours
}

// maxGone is how often pins are left out to see what is in the way.
const maxGone = 5

// advise finds out what else there is, where an edited manifest has no solution.
func (p *Bumping) advise(ctx context.Context, m *pins.Manifest) *Advice {
	var names []string
	for _, b := range p.Bumps {
		names = append(names, b.Request.Name)
	}
	for _, a := range p.Adds {
		names = append(names, a.Name)
	}
	if date := p.laterDate(ctx, m); date != "" {
		return &Advice{Date: date}
	}
	a := p.free(ctx, m, names)
	if a.Possible || len(a.Around) > 0 || m.AsOf.Text == "" {
		return a
	}
	undated := *m
	undated.AsOf = pins.Date{}
	if later := p.free(ctx, &undated, names); later.Possible {
		later.Date = time.Now().UTC().Format(time.DateOnly)
		return later
	}
	return a
}

// free finds out which other pins would have to move, or to go.
func (p *Bumping) free(ctx context.Context, m *pins.Manifest, names []string) *Advice {
	loose := loosened(m, names, false)
	if l, err := p.Course.relock(ctx, loose); err == nil {
		return moves(m, loose, l, nil)
	}
	if around := p.around(ctx, m); len(around) > 0 {
		return &Advice{Around: around}
	}
	loose = loosened(m, names, true)
	var gone []pins.Request
	for range maxGone {
		l, err := p.Course.relock(ctx, loose)
		if err == nil {
			return moves(m, loose, l, gone)
		}
		blamed := p.blamed(err, loose)
		if len(blamed) == 0 {
			break
		}
		gone = append(gone, blamed...)
		loose.Requests = slices.DeleteFunc(loose.Requests, func(r pins.Request) bool {
			return slices.ContainsFunc(blamed, func(b pins.Request) bool { return b.At == r.At && b.Spec == r.Spec })
		})
	}
	return &Advice{}
}

// blamed are the pins of a manifest that an error names as being in the way, but
// for those that are bumped.
func (p *Bumping) blamed(err error, m *pins.Manifest) (out []pins.Request) {
	var none *pins.NoSolution
	if !errors.As(err, &none) {
		return nil
	}
	for _, r := range m.Requests {
		bumped := slices.ContainsFunc(p.Bumps, func(b pins.Bump) bool { return b.Request.Name == r.Name })
		named := slices.ContainsFunc(none.Involved,
			func(q pins.Request) bool { return q.At == r.At && q.Spec == r.Spec })
		if named && !bumped {
			out = append(out, r)
		}
	}
	return out
}

// laterDate is the day by which what is asked for resolves, as everything else
// stands; empty if it does not at any date. It is the one on which the last of the
// versions that are asked for was published, if that is enough.
func (p *Bumping) laterDate(ctx context.Context, m *pins.Manifest) string {
	if m.AsOf.Text == "" {
		return ""
	}
	resolves := func(date pins.Date) bool {
		dated := *m
		dated.AsOf = date
		_, err := p.Course.relock(ctx, &dated)
		return err == nil
	}
	if !resolves(pins.Date{}) {
		return ""
	}
	last := p.lastPublished(ctx, m)
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

// lastPublished is when the last of the versions that are asked for was
// published; zero if that is told of none.
func (p *Bumping) lastPublished(ctx context.Context, m *pins.Manifest) (last time.Time) {
	for _, b := range p.Bumps {
		if b.Request.Kind == pins.Deb || b.Request.Git != nil {
			continue // no date of it is told
		}
		q := p.Course.query(b.Request.Kind, m)
		q.Before = time.Time{}
		found, err := p.Course.Solver.Releases(ctx,
			q, map[string]string{b.Request.Name: exactly(b.Request.Kind, b.Version)})
		if at := found[b.Request.Name].Published; err == nil && at.After(last) {
			last = at
		}
	}
	return last
}

// exactly is the constraint that one version meets.
func exactly(kind pins.Kind, version string) string {
	if kind == pins.Npm {
		return "=" + version
	}
	return "==" + version
}

// moves is the advice to move pins, by a lock of the loosened manifest, and to
// take others out.
func moves(m, loose *pins.Manifest, l *pins.Lock, gone []pins.Request) *Advice {
	a := &Advice{Gone: gone, Manifest: m, Lock: l, Possible: true}
	for _, r := range m.Requests {
		locked, ok := l.Find(r.Kind, r.Name, l.Platforms[0])
		free := slices.ContainsFunc(loose.Requests,
			func(q pins.Request) bool { return q.At == r.At && q.Version == "" })
		if free && r.Version != "" && ok && r.Kind.Scheme().Compare(locked.Version, r.Version) != 0 {
			a.Moves = append(a.Moves, pins.Bump{Request: r, Version: locked.Version})
		}
	}
	return a
}

// around finds what there is around versions that do not exist.
func (p *Bumping) around(ctx context.Context, m *pins.Manifest) (out []Around) {
	for _, b := range p.Bumps {
		if b.Request.Kind != pins.Pip || b.Request.Git != nil {
			continue
		}
		n, err := p.Course.Solver.Neighbours(ctx, p.Course.query(pins.Pip, m), b.Request.Name, b.Version,
			siblings(p.Course.Lock, b.Request.Name))
		if err == nil && n != (pins.Neighbours{}) { // of an error the first one says more
			out = append(out, Around{b.Request.Name, b.Version, n})
		}
	}
	return out
}

// siblings are the packages of a lock whose names share their first word with a
// name, the most alike first.
func siblings(l *pins.Lock, name string) (out []string) {
	name = pins.CanonicalName(pins.Pip, name)
	word, _, _ := strings.Cut(name, "-")
	for _, a := range l.Artifacts {
		if first, _, _ := strings.Cut(a.Name, "-"); a.Kind == pins.Pip && a.Use == pins.Install && a.Name != name &&
			(strings.HasPrefix(first, word) || strings.HasPrefix(word, first)) && !slices.Contains(out, a.Name) {
			out = append(out, a.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return common(b, name) - common(a, name) })
	return out
}

// common counts the letters that two names share at their beginning and end.
func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for i := 1; i <= min(len(a), len(b))-n && a[len(a)-i] == b[len(b)-i]; i++ {
		n++
	}
	return n
}
