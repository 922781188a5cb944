package images

import (
	"cmp"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// A Cause says why a package is there, by a lock: it is asked for at a line of
// the manifest, or what is asked for there requires it.
type Cause struct {
	Asked bool     `json:"asked"`          // the package itself is a pin of the manifest
	Chain []string `json:"chain"`          // the names from the pin to the package
	File  string   `json:"file,omitempty"` // the pin's place
	Line  int      `json:"line,omitempty"`
	Why   string   `json:"why,omitempty"` // the manifest's reason
}

// String words the cause in one line.
func (c Cause) String() string {
	s := strings.Join(c.Chain, " → ")
	if c.File != "" {
		s = (pins.Position{File: c.File, Line: c.Line}).String() + ": " + s
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
func Explain(changes []Change, a, b *Reason) {
	for i := range changes {
		c := &changes[i]
		r := b
		if c.Change == Removed {
			r = a
		}
		if r == nil || c.Kind == pins.Pip && c.Where != cmp.Or(r.Lock.Environment, environment) {
			continue
		}
		c.Cause = r.cause(c.Kind, c.Name)
	}
}

func (r *Reason) cause(kind pins.Kind, name string) *Cause {
	chain, _ := pins.Why(r.Manifest, r.Lock, kind, name)
	if len(chain) == 0 {
		return nil
	}
	c := &Cause{Asked: len(chain) == 1 && chain[0].Artifact.Is(pins.PinRoot)}
	for _, s := range chain {
		c.Chain = append(c.Chain, s.Artifact.Name)
	}
	if q := chain[0].Request; q != nil {
		c.File, c.Line, c.Why = q.At.File, q.At.Line, q.Why
	}
	return c
}
