package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/spf13/cobra"
)

// The exit statuses, which scripts rely on.
const (
	exitFine  = 0
	exitError = 1
	exitUsage = 2
	exitFound = 3 // drift, a stale lock, findings, a policy that is broken

	exitCheck       = 4   // one of the course's checks failed
	exitUnreachable = 5   // a server, a registry or an engine did not answer, or refused access
	exitInterrupted = 130 // by a signal, as shells count
)

// statusOf is the exit status of a command's error.
func statusOf(err error) int {
	var told toldError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &told):
		return told.status
	case errors.Is(err, errFound), errors.As(err, new(staleError)):
		return exitFound
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, new(*buildplan.CheckError)):
		return exitCheck
	case isUnreachable(err):
		return exitUnreachable
	}
	return exitError
}

// isUnreachable is whether a server did not answer, or refused access.
func isUnreachable(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusUnauthorized ||
			answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusTooManyRequests
	}
	var file *store.Error // an answer that a file is not there, or another file, is an answer
	return errors.As(err, new(*session.UnreachableError)) || errors.As(err, new(*engine.NoAnswerError)) ||
		errors.As(err, new(*net.OpError)) ||
		errors.As(err, new(*net.DNSError)) || errors.As(err, &file) && !file.Gone && !errors.Is(err, store.ErrWrong)
}

// errFound ends a command that did its work and found something: what it
// found has been printed.
var errFound = errors.New("something was found")

// A staleError says that a command needs a lock that is not stale.
type staleError struct{ error }

// A usageError is a command line that can't be carried out as it stands.
type usageError struct{ error }

// A streams is what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// arguments checks their number, as a usage error.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usageError{fmt.Errorf("%s takes %s: see %s --help", cmd.Name(), what, cmd.CommandPath())}
		}
		return nil
	}
}

// oneOf checks a flag's value.
func oneOf(flag, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return usageError{fmt.Errorf("--%s %s: choose one of %s", flag, value, strings.Join(known, ", "))}
}

// worse is the one of two outcomes that tells more: an error before what was found.
func worse(a, b error) error {
	if a == nil || b != nil && errors.Is(a, errFound) {
		return b
	}
	return a
}

// split tells courses, which are folders, from names: what has a version, a kind
// or npm's scope is one, and so is a folder behind the courses that only happens
// to be called like a package.
func split(args []string) (courses, names []string) {
	for _, a := range args {
		if a == "" {
			courses = append(courses, a)
		} else if strings.HasPrefix(a, "@") || strings.ContainsAny(a, "=:") {
			names = append(names, a)
		} else if info, err := os.Stat(a); strings.ContainsAny(a, "/*?") || err == nil && info.IsDir() &&
			(len(courses) == 0 || pins.IsCourse(a)) {
			courses = append(courses, a)
		} else {
			names = append(names, a)
		}
	}
	return courses, names
}
