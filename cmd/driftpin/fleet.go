package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/images/report"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// A fleet is for which courses a command is carried out, and how: one's failure does not
// stop the others, some are worked on side by side, and a table ends it.
type fleet struct {
	selection
	failFast bool
	jobs     int
	format   string // text or json
	reported bool   // what came of it is written
}

// maxJobs is how many courses are worked on side by side, unless a flag says: the engine
// itself has each of them use all processors.
var maxJobs = min(4, max(2, runtime.NumCPU()))

func (f *fleet) add(cmd *cobra.Command) {
	f.selection.add(cmd)
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&f.failFast, "fail-fast", false, "stop at the first course that fails")
	cmd.Flags().IntVar(&f.jobs, "jobs", maxJobs, "how many courses are worked on side by side")
}

func (f *fleet) check() error {
	if f.jobs < 1 {
		return usageError{fmt.Errorf("--jobs %d: one course at least is worked on at a time", f.jobs)}
	}
	return oneOf("format", f.format, "text", "json")
}

// A result is what came of a command for one course.
type result struct {
	Course  string  `json:"course"`            // as the command line names it
	Outcome string  `json:"outcome"`           // a word: locked, built, …
	Error   string  `json:"error,omitempty"`   // why it failed
	Seconds float64 `json:"seconds"`           // what it took
	Details any     `json:"details,omitempty"` // the command's own

	err         error
	bytes       int64 // of the image's layers, or of the files that are locked
	made, known int   // of the image's layers: those that were made, and those that the engine had
}

// ready tells what keeps the course's lock from being used, if something does, as a result.
func (c *course) ready(w io.Writer) (result, error) {
	err := c.usable(w)
	if errors.Is(err, errFound) {
		return result{Outcome: outcomeStale}, err
	}
	return result{}, err
}

// The outcomes that each command has, besides its own.
const (
	outcomeFailed      = "failed"
	outcomeInterrupted = "interrupted"
	outcomeStale       = "stale"
	outcomeNotBegun    = "not begun"
)

// A doing carries out a command for one course. It returns errFound for what it found and
// has told.
type doing func(ctx context.Context, s streams, dir string) (result, error)

// run carries a command out for courses. Of several, ready is asked first about each, if
// it is not nil: what it finds a course to lack is that course's result. The results are in
// the courses' order; the error is that of the only course, or says how it ended for
// several, which has been told.
func (f *fleet) run(ctx context.Context, s streams, courses []string, ready, do doing) ([]result, error) {
	results := make([]result, len(courses))
	if len(courses) == 1 {
		results[0] = timed(ctx, s, courses[0], do)
		return results, results[0].err
	}
	for i, dir := range courses {
		results[i] = result{Course: dir, Outcome: outcomeNotBegun}
	}
	start, label := time.Now(), newLabels(s.err)
	var err error
	if ready != nil {
		err = f.round(ctx, s, label, results, ready)
	}
	if err == nil && !(f.failFast && slices.ContainsFunc(results, func(r result) bool { return r.err != nil })) {
		err = f.round(ctx, s, label, results, do)
	}
	printTable(s.err, results, time.Since(start))
	return results, cmp.Or(err, together(results))
}

// round does something for each course that has not failed yet. Its error is that of
// stdout.
func (f *fleet) round(ctx context.Context, s streams, label *labels, results []result, do doing) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.jobs)
	out := turns{label: label, w: s.out, texts: make([]*bytes.Buffer, len(results))}
	for i, before := range results {
		group.Go(func() error {
			text := &bytes.Buffer{}
			defer out.print(i, text)
			if before.err != nil || ctx.Err() != nil {
				return nil
			}
			messages := label.of(before.Course)
			r := timed(ctx, streams{in: s.in, out: text, err: messages}, before.Course, do)
			if r.err != nil && !errors.Is(r.err, errFound) && ctx.Err() == nil {
				printError(messages, r.err)
			}
			messages.flush()
			r.Outcome = cmp.Or(r.Outcome, outcomeNotBegun) // it is ready, and no more
			r.Seconds += before.Seconds
			results[i] = r
			if f.failFast {
				return r.err
			}
			return nil
		})
	}
	_ = group.Wait() // it is among the results
	return out.err
}

// turns print what each course printed, whole and in the courses' order.
type turns struct {
	label *labels
	w     io.Writer
	mu    sync.Mutex
	texts []*bytes.Buffer // of those that are done
	next  int
	err   error
}

func (t *turns) print(i int, text *bytes.Buffer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.texts[i] = text; t.next < len(t.texts) && t.texts[t.next] != nil; t.next++ {
		t.err = cmp.Or(t.err, t.label.print(t.w, t.texts[t.next]))
	}
}

// A fleetReport is what came of a command for all its courses, as JSON.
type fleetReport struct {
	Courses []result `json:"courses"`
	OK      int      `json:"ok"`
	NotOK   int      `json:"notOk"`
	Error   string   `json:"error,omitempty"` // why no course was begun
}

// report carries a command out for courses; with the format json, all that the command
// prints of a course goes to stderr, and the results to stdout.
func (f *fleet) report(ctx context.Context, s streams, courses []string, ready, do doing) ([]result, error) {
	own := s
	if f.format == "json" {
		own.out = s.err
	}
	results, err := f.run(ctx, own, courses, ready, do)
	if f.reported = true; f.format == "json" {
		if err := writeJSON(s.out, reportOf(results)); err != nil {
			return results, err
		}
	}
	return results, err
}

// end writes, with the format json, why a command ended before it could report of courses.
func (f *fleet) end(s streams, err *error) {
	if *err == nil || f.reported || f.format != "json" {
		return
	}
	*err = worse(*err, writeJSON(s.out, fleetReport{Courses: []result{}, Error: (*err).Error()}))
}

func reportOf(results []result) fleetReport {
	r := fleetReport{Courses: results}
	for _, one := range results {
		if one.fine() {
			r.OK++
		} else {
			r.NotOK++
		}
	}
	return r
}

// fine is whether the command ended well for the course.
func (r result) fine() bool { return r.err == nil && r.Outcome != outcomeNotBegun }

// timed carries a command out for one course.
func timed(ctx context.Context, s streams, dir string, do doing) result {
	start := time.Now()
	r, err := do(ctx, s, dir)
	r.Course, r.err, r.Seconds = dir, err, time.Since(start).Seconds()
	switch {
	case err == nil:
	case ctx.Err() != nil && !errors.Is(err, errFound):
		r.Outcome = outcomeInterrupted
	default:
		if errors.As(err, new(staleError)) {
			r.Outcome = outcomeStale
		}
		r.Outcome = cmp.Or(r.Outcome, outcomeFailed)
		if !errors.Is(err, errFound) {
			r.Error = err.Error()
		}
	}
	return r
}

// A toldError is an error that has been told, with its exit status.
type toldError struct{ status int }

// Error says that all has been said.
func (e toldError) Error() string { return "not all courses are fine: see above" }

// together is how a command ended for several courses: as it did for all that are not
// fine, if they are alike.
func together(results []result) error {
	status, left := exitFine, false
	for _, r := range results {
		if r.Outcome == outcomeNotBegun || r.Outcome == outcomeInterrupted { // as another failed
			left = true
			continue
		}
		switch own := statusOf(r.err); {
		case own == exitFine || own == status:
		case status == exitFine:
			status = own
		default:
			status = exitError
		}
	}
	if status == exitFine && left {
		status = exitError
	}
	if status == exitFine {
		return nil
	}
	return toldError{status}
}

// printTable says what came of each course.
func printTable(w io.Writer, results []result, took time.Duration) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nCOURSE\tOUTCOME\tSECONDS\tSIZE\tLAYERS")
	for _, r := range results {
		size, layers := "", ""
		if r.bytes > 0 {
			size = megabytes(r.bytes)
		}
		if r.made+r.known > 0 {
			layers = fmt.Sprintf("%d new, %d reused", r.made, r.known)
		}
		fmt.Fprintf(table, "%s\t%s\t%.1f\t%s\t%s\n", report.Clean(r.Course), r.Outcome, r.Seconds, size, layers)
	}
	_ = table.Flush() // of a terminal, or a log
	for _, r := range results {
		if r.Error != "" {
			text := firstLine(r.Error)
			if !strings.HasPrefix(text, r.Course+"/") && !strings.HasPrefix(text, r.Course+":") {
				text = r.Course + ": " + text
			}
			fmt.Fprintln(w, report.Clean(text))
		}
	}
	all := reportOf(results)
	fmt.Fprintf(w, "%d ok, %d not, in %.1f s\n", all.OK, all.NotOK, took.Seconds())
}

// megabytes words a size.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// labels are writers of one log, each of whose lines says which course it is about.
type labels struct {
	mu sync.Mutex
	w  io.Writer
}

func newLabels(w io.Writer) *labels { return &labels{w: w} }

// of is the writer of a course.
func (l *labels) of(dir string) *labelled {
	return &labelled{of: l, label: "[" + report.Clean(dir) + "] "}
}

// print copies what a course printed, as a whole.
func (l *labels) print(w io.Writer, text io.Reader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.Copy(w, text)
	return err
}

// A labelled writes whole lines.
type labelled struct {
	of    *labels
	label string
	mu    sync.Mutex
	begun []byte // of a line
}

// Write implements io.Writer.
func (l *labelled) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = append(l.begun, p...)
	end := bytes.LastIndexByte(l.begun, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	var text strings.Builder
	for line := range bytes.Lines(l.begun[:end]) {
		if len(bytes.TrimSpace(line)) > 0 {
			text.WriteString(l.label)
			text.Write(line)
		}
	}
	l.begun = append([]byte(nil), l.begun[end:]...)
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	_, err := io.WriteString(l.of.w, text.String())
	return len(p), err
}

// flush writes a line that was begun.
func (l *labelled) flush() {
	l.mu.Lock()
	begun := len(l.begun) > 0
	l.mu.Unlock()
	if begun {
		_, _ = l.Write([]byte("\n")) // to stderr
	}
}

// A sharedSession is a session that is opened when the first course needs it.
type sharedSession struct {
	mu      sync.Mutex
	session *session.Session
	err     error
}

// of is a session for one course, of the shared one.
func (s *sharedSession) of(progress io.Writer, open func() (*session.Session, error)) (*session.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil && s.err == nil {
		s.session, s.err = open()
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.session.For(progress), nil
}

// Close closes the session, if one was opened.
func (s *sharedSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	return s.session.Close()
}

// done closes what courses share, after a command that ended with an error or without.
func (s *sharedSession) done(err *error) { *err = worse(*err, s.Close()) }
