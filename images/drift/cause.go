package drift

import (
	"cmp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// A Cause says why a package is there, by a lock: it is asked for at a line of
// the manifest, or what is asked for there requires it; or it is the base's.
type Cause struct {
	Asked bool      `json:"asked"`           // a pin changed: what the manifests ask for of the package itself
	Chain []string  `json:"chain,omitempty"` // the names from the pin to the package
	File  string    `json:"file,omitempty"`  // the pin's place
	Line  int       `json:"line,omitempty"`
	Need  pins.Need `json:"need,omitempty"` // of the pin, if the package is one
	Why   string    `json:"why,omitempty"`  // the manifest's reason
	Lost  string    `json:"lost,omitempty"` // the reason of the hard pin that a has for the package, and b has not
	Base  bool      `json:"base,omitempty"` // it came with another base image
	Gone  bool      `json:"gone,omitempty"` // the pin at File and Line is a's, and b has none: b's version comes along
}

// String words the cause in one line.
func (c Cause) String() string {
	if c.Base {
		return "the base image"
	}
	s := strings.Join(c.Chain, " → ")
	if c.File != "" {
		s = (pins.Position{File: c.File, Line: c.Line}).String() + ": " + s
	}
	if c.Gone {
		s += " is pinned there alone"
	}
	if c.Why != "" {
		s += " (" + c.Why + ")"
	}
	return s
}

// A Reason is a course whose lock can explain packages.
type Reason struct {
	Manifest *pins.Manifest
	Lock     *pins.Lock
}

// Explain gives each change its cause: of what b holds by b's lock, of what
// was removed by a's. Either may be nil.
func (d *Drift) Explain(a, b *Reason) {
	explain(d.Packages, a, b)
	d.count()
}

func explain(changes []Change, a, b *Reason) {
	var reasons [2]*pins.Reasons
	for i, r := range []*Reason{a, b} {
		if r != nil {
			reasons[i] = pins.NewReasons(r.Manifest, r.Lock)
		}
	}
	for i := range changes {
		c := &changes[i]
		r, why := b, reasons[1]
		if c.Change == Removed {
			r, why = a, reasons[0]
		}
		if r == nil {
			continue
		}
		if c.Cause = r.came(*c); c.Cause != nil {
			if a != nil && b != nil && a.Manifest != nil && b.Manifest != nil {
				c.Cause.Asked = a.lists(*c) != b.lists(*c)
			}
			continue
		}
		if !r.about(*c) {
			continue
		}
		if c.Cause = r.cause(why, c.Kind, c.Name); c.Cause == nil {
			if a != nil && b != nil && c.Kind == pins.Deb && a.Lock.Base != b.Lock.Base {
				c.Cause = &Cause{Base: true}
			}
			continue
		}
		switch {
		case a == nil || b == nil: // of one side it is not known what was asked for
			c.Cause.Asked = false
		case a.Manifest != nil && b.Manifest != nil:
			was, is := a.asks(*c), b.asks(*c)
			c.Cause.Asked = was.Spec != is.Spec
			if c.Change == Changed && was.Spec != "" && is.Spec == "" {
				*c.Cause = Cause{Asked: true, Chain: []string{c.Name}, File: was.At.File, Line: was.At.Line, Need: was.Need,
					Why: was.Why, Gone: true}
			}
			if was.Need == pins.Hard && is.Need != pins.Hard {
				c.Cause.Need, c.Cause.Lost = pins.Hard, was.Why
			}
		}
	}
}

// came is the cause of a package that came by a recorded script; nil for others.
func (r *Reason) came(c Change) *Cause {
	for _, coming := range r.Lock.Comings(r.Manifest, c.Kind, c.Name) {
		if coming.Where == c.Where {
			return &Cause{Chain: []string{coming.Script, coming.Name}, File: coming.At.File, Line: coming.At.Line}
		}
	}
	return nil
}

// lists is what a manifest lists of a package that a script installs; empty if nothing.
func (r *Reason) lists(c Change) string {
	for _, q := range r.Manifest.Listed {
		if q.Kind == c.Kind && (q.Name == c.Name || q.Name == wasName(c)) {
			return q.Spec
		}
	}
	return ""
}

// about reports whether a change is in the environment that the lock is about.
func (r *Reason) about(c Change) bool {
	prefix := cmp.Or(r.Lock.Environment, pins.Env)
	switch c.Kind {
	case pins.Pip, pins.Conda:
		return c.Where == "" || c.Where == prefix
	case pins.Npm:
		return c.Where == "" || strings.HasPrefix(c.Where+"/", prefix+"/lib/")
	}
	return true
}

// asks is what a manifest asks for of a package that changed; the zero request
// if it asks for nothing.
func (r *Reason) asks(c Change) pins.Request {
	for _, name := range []string{c.Name, wasName(c)} {
		if q := r.Manifest.Request(c.Kind, name, r.from(c.Kind, name)); q != nil {
			return *q
		}
	}
	return pins.Request{}
}

func wasName(c Change) string {
	if c.Was != nil {
		return c.Was.Name
	}
	return c.Name
}

// from is what a package is built from, by the lock.
func (r *Reason) from(kind pins.Kind, name string) string {
	for _, a := range r.Lock.Artifacts {
		if a.Kind == kind && a.Name == name && a.InImage() {
			return a.From
		}
	}
	return ""
}

func (r *Reason) cause(reasons *pins.Reasons, kind pins.Kind, name string) *Cause {
	chain, _ := reasons.Why(kind, name)
	if len(chain) == 0 {
		return nil
	}
	c := &Cause{Asked: len(chain) == 1 && chain[0].Artifact.Is(pins.PinRoot)}
	for _, s := range chain {
		c.Chain = append(c.Chain, s.Artifact.Name)
	}
	if q := chain[0].Request; q != nil {
		c.File, c.Line, c.Why = q.At.File, q.At.Line, q.Why
		if len(chain) == 1 {
			c.Need = q.Need
		}
	}
	return c
}
