package session

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/driftpin/driftpin/buildplan/store"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
)

// Explain words an error of the engine so that it begins with the line of the
// manifest that it is about, and shows that line.
func Explain(err error) error {
	text := err
	var exit *gatewaypb.ExitError
	var fetch *FetchError
	if errors.As(err, &fetch) {
		text = fetch.Cause
	} else if errors.As(err, &exit) {
		// The engine's own words repeat the whole command.
		text = fmt.Errorf("the step failed with exit status %d", exit.ExitCode)
		var said *stepError
		if errors.As(err, &said) {
			text = fmt.Errorf("%w:\n%s", text, said.tail)
		}
		var about *StepContext
		if errors.As(err, &about) {
			return fmt.Errorf("%s: %w\n%s", about.Of, text, about.With)
		}
	}
	for _, s := range errdefs.Sources(err) {
		if s.Info == nil || len(s.Ranges) == 0 || s.Ranges[0].Start == nil {
			continue
		}
		var excerpt bytes.Buffer
		if s.Print(&excerpt) != nil {
			excerpt.Reset()
		}
		return fmt.Errorf("%s:%d: %w\n%s", s.Info.Filename, s.Ranges[0].Start.Line, text,
			strings.TrimSpace(excerpt.String()))
	}
	return text
}

// An UnreachableError says that a server of this machine's settings did not answer, or
// refused access.
type UnreachableError struct{ Err error }

// Error is the cause's.
func (e *UnreachableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// ExitStatus is that of the step that an engine's error is about; -1 if it is about none.
func ExitStatus(err error) int {
	var exit *gatewaypb.ExitError
	if errors.As(err, &exit) {
		return int(exit.ExitCode)
	}
	return -1
}

// A FetchError is an error of the engine whose cause is a file that this
// machine could not fetch for it.
type FetchError struct {
	error
	Cause *store.Error
}

// Unwrap returns the engine's error.
func (e *FetchError) Unwrap() error { return e.error }

// Moved reports whether a file could not be fetched, and may be elsewhere.
func Moved(err error) bool {
	var fetch *FetchError
	return errors.As(err, &fetch) && fetch.Cause.Moved
}

// Gone reports whether a file is nowhere that we know of.
func Gone(err error) bool {
	var fetch *FetchError
	return errors.As(err, &fetch) && fetch.Cause.Gone
}

// A stepError is an error of the engine, with the end of what the step that
// failed has written.
type stepError struct {
	error
	tail string
}

// Unwrap returns the engine's error.
func (e *stepError) Unwrap() error { return e.error }

// A StepContext is an error of a step with what is known about it beyond the
// step: what it was to make, and with what.
type StepContext struct {
	Err  error
	Of   string // where it is asked for, and what it is
	With string // what the step worked with, and what can be done
}

// Error is the engine's.
func (e *StepContext) Error() string { return e.Err.Error() }

// Unwrap returns the engine's error.
func (e *StepContext) Unwrap() error { return e.Err }
