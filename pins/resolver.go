package pins

import (
	"context"
	"fmt"
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
	// Python says what other kinds need a Python for: deb, to install one into
	// the image or only into steps, where the base may have one or not; conda, to
	// install one that is not asked for. Empty: nothing needs it.
	Python   Use
	Channels []string // conda's, in order of priority
	// Over says that what conda's packages bring gives way to what pip's require, where
	// both can't be had: as with repo2docker, where pip installs over conda.
	Over bool
	// Below are the artifacts that the queries before this one returned: the base with them
	// installed is where this one resolves.
	Below []Artifact
	// Prefer is what the last lock has: it stays where it can.
	Prefer []Artifact
	// Last is the last lock, if what it has can be taken over as it is: it was made
	// of the same date and with the same tools. Wheels that are built with what is
	// to be upgraded are not in it.
	Last []Artifact
	// Compilers are those of the last lock, if it is of the same base: what is apt's
	// hangs on no date.
	Compilers []Artifact
	// Commits are what git requirements are known to mean: those of the last lock.
	Commits map[Git]string
}

// A Release is a version of a package, and when it was published; zero if that
// is not told (apt tells of none).
type Release struct {
	Version   string
	Published time.Time
}

// Neighbours are the versions of a package around one that the index does not
// have.
type Neighbours struct {
	Below, Above string // empty if there is none
	Sibling      string // a package of the course, with a name like it, that has the version
}

// A NoSolution is the error of a [Resolver] that finds that requests can't be
// met, each alone or all together, where other versions might be. Any other error
// of a Resolver says that it could not find out, or that no index knows a name.
type NoSolution struct {
	Text     string    // what can't be met, and why; without the requests involved
	Involved []Request // the requests that the solver's explanation names
	// Held says that no other requests are the cause: an extended base holds the
	// package in another version.
	Held bool
}

// Error is the text, and a line for each request involved.
func (e *NoSolution) Error() string {
	var b strings.Builder
	b.WriteString(e.Text)
	for i, r := range e.Involved {
		if i == 0 {
			b.WriteString("\nPins involved:")
		}
		fmt.Fprintf(&b, "\n  %s: %s", r.At, r.Spec)
		if r.Why != "" {
			fmt.Fprintf(&b, " (%s: %s)", r.Need, r.Why)
		}
	}
	return b.String()
}
