package resolve

import (
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
)

// A resolution is one query being answered.
type resolution struct {
	session *session.Session
	talk    session.Talk
	base    steps.Base
	query   pins.Query
	others  map[string]string // by sha256 of a locked file, that of what an index has under its name
}

// ground has the Pythons that steps run on.
func (r *resolution) ground() steps.Ground {
	return steps.StepGround(r.base, r.query.Platform, r.query.Below)
}

// known reports whether a file is at hand, or an address of it.
func (r *resolution) known(sha256 string) bool { return r.session.Files.Known(sha256) }

// request returns the query's request for a package, for its place.
func (r *resolution) request(name string) *pins.Request {
	for i, q := range r.query.Requests {
		asked, _, _ := strings.Cut(q.Name, ":") // apt: NAME:ARCHITECTURE
		if asked == pins.CanonicalName(q.Kind, name) {
			return &r.query.Requests[i]
		}
	}
	return nil
}

// at begins a message with the place of the request that it is about.
func (r *resolution) at(name, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if q := r.request(name); q != nil {
		return fmt.Errorf("%s: %w", q.At, err)
	}
	return err
}

// together is the error for requests of a kind that can't be met together, with
// the solver's explanation.
func (r *resolution) together(what, explanation string) error {
	e := &pins.NoSolution{Text: what + " can't be met together:\n" + explanation}
	for _, q := range r.query.Requests {
		if q.Name != "" && mentions(explanation, q.Name) {
			e.Involved = append(e.Involved, q)
		}
	}
	return e
}

// none is the error for a request that can't be met alone.
func (r *resolution) none(name, format string, args ...any) error {
	return &pins.NoSolution{Text: r.at(name, format, args...).Error()}
}

// mentions reports whether a name stands in a text as a word of its own.
func mentions(text, name string) bool {
	for rest := text; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		before := i == 0 || !nameByte(rest[i-1])
		end := i + len(name)
		after := end == len(rest) || !nameByte(rest[end])
		if before && after {
			return true
		}
		rest = rest[end:]
	}
}

func nameByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// errorLines is an error of several lines.
type errorLines []string

// Error returns the lines.
func (e errorLines) Error() string { return strings.Join(e, "\n") }

// A distribution is a Python distribution that a conda package brings.
type distribution struct {
	name, version string
	owner         string // the conda package; empty: an extended base
	recorded      bool   // its files are told, so that they can give way to others
}
