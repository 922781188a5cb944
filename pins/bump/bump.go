// Package bump takes other versions of a course's pins, and says what comes of it
// before anything is written.
//
// A [Course] is a course as it is locked, with the [Solver] that resolves it.
// [Course.Select] finds the pins that a command names, [Choose] the versions that
// it leaves open, and [Try] resolves the edited courses: all of them, or none.
// What can't be had comes back as a [Refusal] with an [Advice]. [Course.Outlook]
// says how far each pin could go, [Course.Without] whether a pin is needed, and
// [Carry] which versions another course has. All of it is data: the words are the
// command's.
package bump

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// A Solver answers for real what a course's pins lead to. Its methods may be called
// concurrently.
type Solver interface {
	pins.Resolver
	// Overlaps finds the paths that several packages of a lock own.
	Overlaps(ctx context.Context, m *pins.Manifest, l *pins.Lock) (pins.Findings, error)
	// PostLinks finds the conda packages of a lock that bring a script to be run after
	// they were installed.
	PostLinks(ctx context.Context, l *pins.Lock) ([]string, error)
	// Neighbours says which versions there are around one that there is not.
	Neighbours(ctx context.Context, q pins.Query, name, version string, siblings []string) (pins.Neighbours, error)
	// Releases says which version is the newest that each of some constraints
	// allows, by itself.
	Releases(ctx context.Context, q pins.Query, constraints map[string]string) (map[string]pins.Release, error)
}

// A Course is a course whose lock holds what its manifest asks for.
type Course struct {
	Manifest *pins.Manifest
	Lock     *pins.Lock
	Options  pins.LockOptions // those that a lock of the course is made with today
	Solver   Solver
	// Read reads the course with other contents of some of its files, by the
	// names that positions give them.
	Read func(edited map[string][]byte) (*pins.Manifest, error)
	// Renew returns the course as it is locked with another manifest, which may name
	// other images. If it is nil, the course itself is.
	Renew func(ctx context.Context, m *pins.Manifest) (*Course, error)
	// Recorder and Fetch are those of the locks that a bump ends with. Those on the way
	// there take over what the course's scripts did.
	Recorder pins.Recorder
	Fetch    func(context.Context, pins.Download) (pins.Fetched, error)
}

// options are those of a lock in which nothing but what is edited changes: git
// requirements keep their commits. The versions of names are forgotten.
func (c *Course) options(names ...string) pins.LockOptions {
	o := c.Options
	o.Was, o.Names = c.Manifest, names
	return o
}

// relock resolves another manifest of the course.
func (c *Course) relock(ctx context.Context, m *pins.Manifest, names ...string) (*pins.Lock, error) {
	return pins.Relock(ctx, m, c.Lock, c.Solver, c.options(names...))
}

// finish resolves another manifest of the course, and has its scripts recorded, on the
// images that it names.
func (c *Course) finish(ctx context.Context, m *pins.Manifest) (*pins.Lock, error) {
	if c.Renew != nil {
		var err error
		if c, err = c.Renew(ctx, m); err != nil {
			return nil, err
		}
	}
	o := c.options()
	o.Recorder, o.Fetch, o.PostLinks = c.Recorder, c.Fetch, c.Solver.PostLinks
	return pins.Relock(ctx, m, c.Lock, c.Solver, o)
}

// platform is the one for which versions are compared.
func (c *Course) platform() string { return c.Lock.Platforms[0] }

// query asks for versions of packages of a kind, on what the course's lock has
// below them.
func (c *Course) query(kind pins.Kind, m *pins.Manifest) pins.Query {
	return pins.Query{Kind: kind, Platform: c.platform(), Before: m.AsOf.End, Below: c.Lock.Below(),
		Channels: m.CondaChannels()}
}

// A Target is what a command asks for: a package, of one kind or of any, in a
// version or in the newest.
type Target struct {
	Kind          pins.Kind // empty: any
	Name, Version string    // no version: the newest
}

// ParseTarget reads [KIND:]NAME[=VERSION].
func ParseTarget(text string) (Target, error) {
	name, version, given := strings.Cut(text, "=")
	version = strings.TrimLeft(version, "=")
	switch {
	case given && version == "":
		return Target{}, fmt.Errorf("%s: there is no version after the =; leave out the = for the newest version", text)
	case strings.ContainsAny(name, "<>!~"):
		return Target{}, fmt.Errorf("%s: bump takes one version, not a range: write NAME=VERSION, or NAME for "+
			"the newest", text)
	}
	t := Target{Name: name, Version: version}
	if word, rest, ok := strings.Cut(name, ":"); ok {
		for _, k := range []pins.Kind{pins.Pip, pins.Conda, pins.Deb, pins.Npm, pins.R, pins.FromImage, pins.Variable} {
			if k.Key() == word {
				t.Kind, t.Name = k, rest
			}
		}
	}
	return t, nil
}

// Package is the package as it is written: [KIND:]NAME.
func (t Target) Package() string {
	if t.Kind != "" {
		return t.Kind.Key() + ":" + t.Name
	}
	return t.Name
}

// Pins are the course's pins that a target means.
func (c *Course) Pins(t Target) []pins.Request {
	return slices.DeleteFunc(c.effective(c.Manifest.Pinned(t.Name)),
		func(r pins.Request) bool { return t.Kind != "" && r.Kind != t.Kind })
}

// effective leaves out pins whose marker does not hold in the course's
// environment: of several pins of a package, those of another version than the
// one that is locked.
func (c *Course) effective(requests []pins.Request) []pins.Request {
	holds := func(r pins.Request) bool {
		a, ok := c.Lock.Find(r.Kind, r.Name, c.platform())
		return ok && r.Kind.Scheme().Compare(a.Version, r.Version) == 0
	}
	return slices.DeleteFunc(slices.Clone(requests), func(r pins.Request) bool {
		return r.Marker != "" && r.Version != "" && !holds(r) && slices.ContainsFunc(requests,
			func(q pins.Request) bool {
				return q.Kind == r.Kind && q.Name == r.Name && q.Marker != r.Marker && holds(q)
			})
	})
}

// A Selection is what targets mean in a course.
type Selection struct {
	Bumps  []pins.Bump
	There  []pins.Request // pins that have the version already
	Found  []Target       // those that the course pins
	Absent []Absent
}

// An Absent is a target that a course does not pin.
type Absent struct {
	Target
	Near   string         // the pin whose name is nearest, if one is near
	Locked *pins.Artifact // what comes along by that name, required by others
}

// An AmbiguousError says that a target with a version means pins of two kinds.
type AmbiguousError struct {
	Name string
	A, B pins.Request
}

// Error names both pins, and what to write.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s is pinned at %s and at %s: write %s:%s or %s:%s", e.Name, e.A.At, e.B.At, e.A.Kind.Key(),
		e.Name, e.B.Kind.Key(), e.Name)
}

// A TwiceError says that targets ask for one package in two versions.
type TwiceError struct{ Name, A, B string }

// Error names the versions.
func (e *TwiceError) Error() string {
	return fmt.Sprintf("%s is named with two versions, %s and %s: name one", e.Name, e.A, e.B)
}

// Select finds the pins that targets mean. Its errors are an *AmbiguousError and
// a *TwiceError.
func (c *Course) Select(targets []Target) (*Selection, error) {
	var s Selection
	for _, t := range targets {
		found := c.Pins(t)
		if len(found) == 0 {
			s.Absent = append(s.Absent, c.absent(t))
			continue
		}
		if i := slices.IndexFunc(found, func(r pins.Request) bool { return r.Kind != found[0].Kind }); i > 0 &&
			t.Version != "" {
			return nil, &AmbiguousError{t.Name, found[0], found[i]}
		}
		s.Found = append(s.Found, t)
		for _, r := range found {
			version := t.Version
			if r.Kind == pins.FromImage { // it may mean another image by now
				version = cmp.Or(version, r.Version)
			} else if version != "" && r.Git == nil && version == r.Version {
				s.There = append(s.There, r)
				continue
			}
			i := slices.IndexFunc(s.Bumps, func(b pins.Bump) bool { return b.Request.At == r.At })
			if i < 0 {
				s.Bumps = append(s.Bumps, pins.Bump{Request: r, Version: version})
			} else if s.Bumps[i].Version != version {
				return nil, &TwiceError{r.Name, s.Bumps[i].Version, version}
			}
		}
	}
	return &s, nil
}

func (c *Course) absent(t Target) Absent {
	a := Absent{Target: t, Near: c.Manifest.SuggestPin(t.Name)}
	if i := strings.LastIndexByte(t.Name, ':'); i > 0 { // an image by the tag that is wanted
		for _, r := range c.Manifest.Pinned(t.Name[:i]) {
			if r.Kind == pins.FromImage {
				a.Near = r.Name + "=" + t.Name[i+1:]
			}
		}
	}
	if locked, ok := c.Lock.Find(pins.Pip, t.Name, c.platform()); ok && a.Near == "" {
		a.Locked = &locked
	}
	return a
}

// samePackage reports whether two names mean one package; a name is any
// ecosystem's.
func samePackage(a, b string) bool {
	return pins.CanonicalName(pins.Pip, a) == pins.CanonicalName(pins.Pip, b)
}
