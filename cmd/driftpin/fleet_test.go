package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Scripts tell by its status what a command has failed of.
func TestStatus(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"fine":                 {nil, 0},
		"usage":                {usageError{errors.New("x")}, 2},
		"found":                {fmt.Errorf("x: %w", errFound), 3},
		"a check":              {fmt.Errorf("building x: %w", &buildplan.CheckError{Err: errors.New("exit status 3")}), 4},
		"an index":             {fmt.Errorf("x: %w", &session.UnreachableError{Err: errors.New("x")}), 5},
		"a file":               {&store.Error{File: "x", Err: errors.New("x")}, 5},
		"a file that is gone":  {&store.Error{File: "x", Gone: true, Err: errors.New("404")}, 1},
		"another file":         {&store.Error{File: "x", Err: fmt.Errorf("%w x", store.ErrWrong)}, 1},
		"a connection":         {fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), 5},
		"a name":               {fmt.Errorf("x: %w", &net.DNSError{}), 5},
		"a registry's refusal": {fmt.Errorf("x: %w", &transport.Error{StatusCode: http.StatusUnauthorized}), 5},
		"a registry's error":   {fmt.Errorf("x: %w", &transport.Error{StatusCode: http.StatusBadGateway}), 5},
		"no such image":        {fmt.Errorf("x: %w", &transport.Error{StatusCode: http.StatusNotFound}), 1},
		"no such file":         {&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, 1},
		"an address":           {&url.Error{Op: "parse", URL: "x", Err: errors.New("x")}, 1},
		"time that is up":      {context.DeadlineExceeded, 1},
		"another":              {errors.New("x"), 1},
		"told":                 {toldError{4}, 4},
	} {
		if got := statusOf(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// The status of several courses is that of those that are not fine, if they are alike.
func TestTogether(t *testing.T) {
	one := func(err error) result { return result{Outcome: "x", err: err} }
	check := &buildplan.CheckError{Err: errors.New("exit status 3")}
	for name, test := range map[string]struct {
		results []result
		want    int
	}{
		"fine":      {[]result{one(nil), one(nil)}, 0},
		"alike":     {[]result{one(check), one(nil), one(check)}, 4},
		"not alike": {[]result{one(check), one(errFound)}, 1},
		"not begun": {[]result{one(nil), {Outcome: outcomeNotBegun}}, 1},
		"left":      {[]result{one(check), {Outcome: outcomeNotBegun}, {Outcome: outcomeInterrupted, err: context.Canceled}}, 4},
	} {
		if got := statusOf(together(test.results)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// All courses are looked at before one is begun; what they print comes whole and in their
// order, and each line of a log says which course speaks.
func TestFleet(t *testing.T) {
	dirs := []string{"slow", "bad", "failing", "fast"}
	met := make(chan bool) // the slow one goes on when the fast one has begun: side by side
	ready := func(_ context.Context, _ streams, dir string) (result, error) {
		if dir == "bad" {
			return result{}, errors.New("bad:1: it is bad")
		}
		return result{}, nil
	}
	do := func(_ context.Context, s streams, dir string) (result, error) {
		switch dir {
		case "slow":
			select {
			case <-met:
			case <-time.After(time.Minute):
				t.Error("the courses are worked on one after the other")
			}
		case "fast":
			close(met)
		}
		fmt.Fprintf(s.out, "%s, first\n%s, second\n", dir, dir)
		fmt.Fprintf(s.err, "begun")
		fmt.Fprintf(s.err, " and ended\nlast")
		if dir == "failing" {
			return result{Outcome: "check failed"}, &buildplan.CheckError{Err: errors.New("exit status 3")}
		}
		return result{Outcome: "built", bytes: 2_500_000, made: 1, known: 4}, nil
	}
	var out, log bytes.Buffer
	results, err := (&fleet{jobs: 4}).run(t.Context(), streams{out: &out, err: &log}, dirs, ready, do)
	if want := "slow, first\nslow, second\nfailing, first\nfailing, second\nfast, first\nfast, second\n"; out.String() != want {
		t.Errorf("printed %q", out.String())
	}
	for _, want := range []string{"[fast] begun and ended\n[fast] last\n", "[bad] driftpin: bad:1: it is bad\n",
		"slow     built         ", "2.5 MB  1 new, 4 reused", "failing  check failed  ", "\nbad:1: it is bad\n", "2 ok, 2 not, in "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
	if statusOf(err) != exitError || len(results) != 4 || results[1].Outcome != outcomeFailed {
		t.Errorf("got %v, %+v", err, results)
	}

	do = func(_ context.Context, _ streams, dir string) (result, error) {
		if dir == "failing" {
			return result{Outcome: "check failed"}, &buildplan.CheckError{Err: errors.New("exit status 3")}
		}
		return result{Outcome: "built"}, nil
	}
	results, _ = (&fleet{jobs: 1, failFast: true}).run(t.Context(), streams{out: &out, err: &log}, dirs, nil, do)
	if results[1].Outcome != "built" || results[2].Outcome != "check failed" || results[3].Outcome != outcomeNotBegun {
		t.Errorf("fail-fast: %+v", results)
	}
	results, _ = (&fleet{jobs: 1, failFast: true}).run(t.Context(), streams{out: &out, err: &log}, dirs, ready, do)
	if results[0].Outcome != outcomeNotBegun || results[1].Outcome != outcomeFailed {
		t.Errorf("what is found beforehand does not stop all: %+v", results)
	}
}
