package pins

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Resolver finds what satisfies a course's requests.
type Resolver interface {
	// Resolve returns the artifacts for one kind of request on one platform:
	// all of them with hash and size, and with why each is there. It runs the
	// ecosystem's own solver inside the course's base image.
	Resolve(ctx context.Context, q Query) ([]Artifact, error)
}

// A Query is what a Resolver is asked.
type Query struct {
	Kind     Kind
	Platform string
	Before   time.Time // nothing uploaded at or after this instant; zero: no limit
	Requests []Request // those of the kind
	Python   bool      // deb: whether pip pins need a Python, which the base may have or not
	// Debs are the artifacts that an earlier query for Deb returned: the base
	// with them installed is where pip resolves.
	Debs []Artifact
	// Prefer are the pins of the last lock: they stay where they can.
	Prefer []Pin
}

// LockOptions steer Relock.
type LockOptions struct {
	Base       string // the base's reference as it is written, where that may come to mean another image
	BaseDigest string // of the base image, as the resolver found it
	Tools      []Tool // what resolves and installs: other tools, another lock
	Upgrade    bool   // forget what the old lock preferred, for all packages …
	Names      []string
	// … or, with Upgrade false, for these
}

// Relock returns the lock of a course. Kinds whose inputs are those of the old
// lock are taken over from it without a solve; in the others the old lock's
// versions are preferred. old may be nil.
func Relock(ctx context.Context, m *Manifest, old *Lock, r Resolver, o LockOptions) (*Lock, error) {
	if err := m.Findings.Err(); err != nil {
		return nil, err
	}
	l := header(m, o)
	kept := func(k Kind, platform string) ([]Artifact, bool) {
		if old == nil || o.Upgrade || old.Inputs[k] != l.Inputs[k] || !slices.Contains(old.Platforms, platform) || touches(old, k, o.Names) {
			return nil, false
		}
		return slices.DeleteFunc(slices.Clone(old.Artifacts), func(a Artifact) bool { return a.query() != k || a.Platform != platform }), true
	}
	for _, platform := range l.Platforms {
		var debs []Artifact
		for _, kind := range []Kind{Deb, Pip} {
			found, ok := kept(kind, platform)
			if !ok {
				q := Query{
					Kind: kind, Platform: platform, Before: m.AsOf.End, Requests: requestsOf(m, kind),
					Python: len(requestsOf(m, Pip)) > 0, Debs: debs, Prefer: preferred(old, o),
				}
				var err error
				if found, err = r.Resolve(ctx, q); err != nil {
					return nil, err
				}
			}
			if kind == Deb {
				debs = found
				l.Inputs[Pip] = inputs(l, m, Pip, o, debs)
			}
			l.Artifacts = append(l.Artifacts, found...)
		}
	}
	l.Sort()
	if _, err := ParseLock(LockName, []byte(l.String())); err != nil {
		return nil, fmt.Errorf("the resolver returned what a lock can't hold: %w", err)
	}
	return l, nil
}

// Stale says why a lock does not hold what its course asks for; empty if it
// does.
func Stale(m *Manifest, l *Lock, o LockOptions) string {
	want := header(m, o)
	switch {
	case o.BaseDigest != "" && l.Base != o.BaseDigest:
		return "the base image is another than the locked one"
	case !slices.Equal(l.Platforms, want.Platforms):
		return "other platforms are asked for"
	case !slices.Equal(l.Tools, want.Tools):
		return "it was made with other tools"
	case l.AsOf != want.AsOf:
		return "as-of is another date"
	case l.Course != want.Course:
		return "the course has another name"
	}
	want.Inputs[Pip] = inputs(want, m, Pip, o, l.Artifacts)
	for _, k := range []Kind{Deb, Pip} {
		if l.Inputs[k] != want.Inputs[k] {
			return "other " + k.Key() + " pins are asked for" + changedRequests(m, l, k)
		}
	}
	return ""
}

// changedRequests names requests that the lock can't satisfy, as a hint.
func changedRequests(m *Manifest, l *Lock, k Kind) string {
	locked := map[string]Artifact{}
	for _, a := range l.Artifacts {
		if a.Kind == k && a.Is(PinRoot) {
			locked[a.Name] = a
		}
	}
	var names []string
	for _, r := range requestsOf(m, k) {
		a, ok := locked[r.Name]
		if r.Name != "" && (!ok || r.Version != "" && CompareVersions(k, r.Version, a.Version) != 0) {
			names = append(names, fmt.Sprintf("%s (%s)", r.Spec, r.At))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

func header(m *Manifest, o LockOptions) *Lock {
	l := &Lock{
		Course: m.Course, AsOf: m.AsOf.Text, Base: o.BaseDigest,
		Platforms: slices.Sorted(slices.Values(m.Platforms)), Tools: slices.Clone(o.Tools), Inputs: map[Kind]string{},
	}
	l.Sort()
	l.Inputs[Deb] = inputs(l, m, Deb, o, nil)
	return l
}

// inputs is the digest of all that decides what a kind resolves to. What is
// asked of apt does not decide what pip gets: only the Python does, which is
// among debs.
func inputs(l *Lock, m *Manifest, k Kind, o LockOptions, debs []Artifact) string {
	lines := []string{"base " + o.Base + " " + l.Base}
	switch k {
	case Deb:
		lines = append(lines, fmt.Sprintf("python %t", len(requestsOf(m, Pip)) > 0))
	case Pip:
		lines = append(lines, "as-of "+l.AsOf)
		for _, d := range debs {
			if d.Kind == Deb && d.Is(PythonRoot) {
				lines = append(lines, "python "+d.Name+" "+d.Version)
			}
		}
		for _, t := range l.Tools {
			lines = append(lines, "tool "+t.Name+" "+t.Version)
		}
	}
	var specs []string
	for _, r := range requestsOf(m, k) {
		specs = append(specs, "request "+r.normal())
	}
	slices.Sort(specs)
	return digest(strings.Join(append(lines, specs...), "\n"))
}

// normal is the request without what does not matter to a solver: spelling of
// the name, spaces, order of extras.
func (r Request) normal() string {
	if r.Git != nil {
		return r.Name + " " + r.Git.String()
	}
	if r.Kind == Deb {
		return r.Spec
	}
	extras := slices.Sorted(slices.Values(r.Extras))
	normal := fmt.Sprintf("%s[%s]%s;%s", r.Name, strings.Join(extras, ","), strings.ReplaceAll(r.Constraint, " ", ""), r.Marker)
	if len(r.Hashes) > 0 {
		normal += " " + strings.Join(slices.Sorted(slices.Values(r.Hashes)), " ")
	}
	return normal
}

// query is the kind of query that an artifact is an answer to: what wheels are
// built with comes with the pip pins.
func (a Artifact) query() Kind {
	if a.Use == BuildInput {
		return Pip
	}
	return a.Kind
}

func requestsOf(m *Manifest, k Kind) []Request {
	return slices.DeleteFunc(slices.Clone(m.Requests), func(r Request) bool { return r.Kind != k })
}

func touches(l *Lock, k Kind, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(l.Artifacts, func(a Artifact) bool {
			return a.query() == k && a.Name == CanonicalName(a.Kind, name)
		})
	})
}

// preferred returns the old lock's pins, without those to be upgraded.
func preferred(old *Lock, o LockOptions) []Pin {
	if old == nil || o.Upgrade {
		return nil
	}
	var out []Pin
	for _, a := range old.Artifacts {
		upgrade := slices.ContainsFunc(o.Names, func(n string) bool { return CanonicalName(a.Kind, n) == a.Name })
		if a.Use == Install && !upgrade {
			out = append(out, a.Pin)
		}
	}
	return out
}
