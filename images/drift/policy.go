package drift

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/version"
)

// A Policy says what two images must have in common: the rules that manifests
// have under sync.
type Policy struct {
	Rules []pins.SyncRule
	// HoldsA is set where a is the image that the rules hold for, and b the one
	// that it is compared with; else it is the other way round.
	HoldsA bool
	Today  time.Time // by which rules end
}

// A Breach is what a policy does not allow.
type Breach struct {
	Rule    string    `json:"rule"` // same, not-older, forbidden, or expired
	Kind    pins.Kind `json:"kind,omitempty"`
	Name    string    `json:"name,omitempty"`
	Where   string    `json:"where,omitempty"`
	Message string    `json:"message"`
	File    string    `json:"file"` // of the rule
	Line    int       `json:"line"`
	Why     string    `json:"why,omitempty"`   // the rule's reason
	Cause   *Cause    `json:"cause,omitempty"` // of the change
}

// Breaches returns what of a drift a policy does not allow; a and b are the
// inventories. Exceptions (may-differ) come before all other rules. A rule
// counts to the end of its last day; from then on it is a breach itself, so that
// somebody looks at it.
func (p Policy) Breaches(changes []Change, a, b []installed.Package) []Breach {
	out := []Breach{}
	var rules []pins.SyncRule
	for _, r := range p.Rules {
		if end, err := time.Parse(time.DateOnly, r.Until); err == nil && !p.Today.Before(end.AddDate(0, 0, 1)) {
			out = append(out, breach(r, "expired",
				fmt.Sprintf("the rule %s %v ended on %s: take it out, or give it another date", r.Rule, r.Patterns,
					r.Until)))
			continue
		}
		rules = append(rules, r)
	}
	for _, c := range unfolded(changes) {
		if slices.ContainsFunc(rules, func(r pins.SyncRule) bool {
			return r.Rule == "may-differ" && matches(r, c.Kind, c.Name)
		}) {
			continue
		}
		for _, r := range rules {
			if message := p.against(r, c); message != "" && matches(r, c.Kind, c.Name) {
				out = append(out, of(breach(r, r.Rule, message), c.Kind, c.Name, c.Where, c.Cause))
			}
		}
	}
	held := b
	if p.HoldsA {
		held = a
	}
	for _, r := range rules {
		for _, found := range held {
			if r.Rule == "forbidden" && matches(r, found.Kind, found.Name) {
				out = append(out, of(breach(r, r.Rule, fmt.Sprintf("%s %s is not allowed", found.Name,
					found.Version)), found.Kind, found.Name, found.Where, nil))
			}
		}
	}
	return out
}

// unfolded are changes with those that are counted with them.
func unfolded(changes []Change) (out []Change) {
	for _, c := range changes {
		out = append(out, c)
		for _, b := range c.Brings {
			out = append(out, b.change(c))
		}
	}
	return out
}

// change is what is brought as a change of its own.
func (b Brought) change(by Change) Change {
	c := Change{Kind: b.Kind, Name: b.Name, Where: by.Where, Change: Changed, A: b.A, B: b.B, Cause: by.Cause}
	switch {
	case b.A == nil:
		c.Change = Added
	case b.B == nil:
		c.Change = Removed
	default:
		c.Level, c.Down = b.Kind.Scheme().LevelOf(*b.A, *b.B), b.Kind.Scheme().Compare(*b.A, *b.B) > 0
	}
	return c
}

// against says what a change has against a rule, if it is about it; else
// nothing.
func (p Policy) against(r pins.SyncRule, c Change) string {
	switch {
	case r.Rule == "same" && c.Change == Added:
		return fmt.Sprintf("%s %s must be in both, and is only in the second", c.Name, *c.B)
	case r.Rule == "same" && c.Change == Removed:
		return fmt.Sprintf("%s %s must be in both, and is only in the first", c.Name, *c.A)
	case r.Rule == "same":
		return fmt.Sprintf("%s must be the same, and is %s and %s", c.Name, *c.A, *c.B)
	case r.Rule == "not-older" && c.Change == Changed && c.Level != version.Build && c.Down != p.HoldsA:
		held, other := *c.B, *c.A
		if p.HoldsA {
			held, other = other, held
		}
		return fmt.Sprintf("%s must not be older than %s, and is %s", c.Name, other, held)
	}
	return ""
}

func matches(r pins.SyncRule, kind pins.Kind, name string) bool {
	return slices.ContainsFunc(r.Patterns, func(pattern string) bool {
		ok, _ := path.Match(pins.CanonicalName(kind, pattern), name) // the pattern was looked at when it was read
		return ok
	})
}

func breach(r pins.SyncRule, rule, message string) Breach {
	return Breach{Rule: rule, Message: message, File: r.At.File, Line: r.At.Line, Why: r.Why}
}

func of(b Breach, kind pins.Kind, name, where string, cause *Cause) Breach {
	b.Kind, b.Name, b.Where, b.Cause = kind, name, where, cause
	return b
}
