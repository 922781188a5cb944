package bump

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// A Passed is a pin that is not tried, and why.
type Passed struct {
	Pin pins.Request
	Why string
}

// Candidates are the pins that may not be needed: those that are named, or those
// that are there for the solver. Those of them that can't be tried are passed.
func Candidates(m *pins.Manifest, names []string) (tried []pins.Request, passed []Passed, err error) {
	var out []pins.Request
	for _, name := range names {
		found := m.Pinned(name)
		if len(found) == 0 {
			return nil, nil, fmt.Errorf("%s: the course does not pin %s", m.Dir, name)
		}
		out = append(out, found...)
	}
	for _, r := range m.Requests {
		if len(names) == 0 && r.Need == pins.Solver {
			out = append(out, r)
		}
	}
	for _, r := range out {
		switch {
		case m.Lists(r):
			passed = append(passed, Passed{r, "driftpin does not resolve it"})
		case r.Git != nil || r.Version == "" && r.Constraint == "":
			passed = append(passed, Passed{r, "it names no version"})
		default:
			tried = append(tried, r)
		}
	}
	if len(out) == 0 {
		return nil, nil, fmt.Errorf("%s: no pin has need: solver: name the packages to try", m.Dir)
	}
	return tried, passed, nil
}

// A Verdict says what comes of a course in which one pin asks for any version.
// The pin is needed for resolving if None or Hard is set.
type Verdict struct {
	Pin      pins.Request
	None     *pins.NoSolution // nothing resolves then
	Manifest *pins.Manifest   // with the pin open
	Lock     *pins.Lock       // of it; nil if nothing resolves
	Moved    []Move           // packages of the lock that would be others
	Hard     *Move            // the first of those that a hard pin asks for
}

// Needed reports whether the pin is needed for resolving.
func (v *Verdict) Needed() bool { return v.None != nil || v.Hard != nil }

// A Move is a package of a lock that would have another version.
type Move struct {
	pins.Pin
	Request  *pins.Request // the pin of that package, if it has one
	From, To string        // versions, with build, channel and commit where the version is the same; empty: none
}

// Without resolves a course in which one of its pins asks for any version.
func (c *Course) Without(ctx context.Context, r pins.Request) (*Verdict, error) {
	v := &Verdict{Pin: r, Manifest: c.Manifest.With(func(q pins.Request) pins.Request {
		if q.At == r.At {
			return q.Free()
		}
		return q
	})}
	l, err := c.relock(ctx, v.Manifest, r.Name)
	if errors.As(err, &v.None) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	v.Lock, v.Moved = l, moved(c.Lock, l)
	for i := range v.Moved {
		m := &v.Moved[i]
		m.Request = v.Manifest.Request(m.Kind, m.Name, "")
		if m.Request != nil && m.Request.Need == pins.Hard && m.Request.At != r.At && v.Hard == nil {
			v.Hard = m
		}
	}
	return v, nil
}

// moved are the packages that are others in two locks of a course, in the order
// of their kinds and names.
func moved(a, b *pins.Lock) (out []Move) {
	from, to := present(a), present(b)
	both := maps.Clone(from)
	maps.Copy(both, to)
	for _, key := range slices.SortedFunc(maps.Keys(both), pins.Order) {
		p, was := from[key]
		q, is := to[key]
		if !was || !is || !p.Same(q) {
			m := Move{Pin: key, From: p.Version, To: q.Version}
			if p.Version == q.Version {
				m.From, m.To = detailed(p), detailed(q)
			}
			out = append(out, m)
		}
	}
	return out
}

// present are the packages that a lock installs, by kind, name and place.
func present(l *pins.Lock) map[pins.Pin]pins.Pin {
	out := map[pins.Pin]pins.Pin{}
	for _, a := range l.Present(l.Platforms[0]) {
		key := pins.Pin{Kind: a.Kind, Name: a.Name}
		if a.Kind == pins.Npm {
			key.Where = path.Dir(a.File) // it may lie in several places
		}
		out[key] = a.Pin
	}
	return out
}

// detailed is a version with what it does not say itself.
func detailed(p pins.Pin) string {
	words := slices.DeleteFunc([]string{p.Version, p.Build, p.Channel, p.Commit}, func(w string) bool { return w == "" })
	return strings.Join(words, " ")
}
