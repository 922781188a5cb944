package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// show displays progress until the channel is closed; wait returns when all is
// shown.
func (s *Session) show(ctx context.Context) (status chan *client.SolveStatus, wait func(), err error) {
	status = make(chan *client.SolveStatus, 16)
	out, mode := s.Progress, progressui.DisplayMode(s.Mode)
	if out == nil {
		out, mode = io.Discard, progressui.QuietMode
	}
	display, err := progressui.NewDisplay(out, mode)
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The display ends when the channel is closed; what it returns are
		// warnings that it has shown.
		_, _ = display.UpdateFrom(context.WithoutCancel(ctx), status)
	}()
	return status, func() { <-done }, nil
}

// notice shows among the steps that a file is asked for again.
func (s *Session) notice(file string, err error, wait time.Duration) {
	text := fmt.Sprintf("fetching %s: %v; trying again in %v", file, err, wait.Round(100*time.Millisecond))
	now := time.Now()
	v := &client.Vertex{Digest: digest.FromString(text + now.String()), Name: text, Started: &now, Completed: &now}
	select {
	case s.notices <- &client.SolveStatus{Vertexes: []*client.Vertex{v}}:
	default: // so many are as good as one
	}
}

// stepLogs are the last lines that each step has written, and what became of it.
type stepLogs struct {
	logs   map[digest.Digest][]byte
	failed digest.Digest
	cached map[string]bool // of each step that was carried out, by name
}

// maxTail is how much of a step's output is kept, in bytes.
const maxTail = 4 << 10

// watch passes the engine's status on, and keeps the end of what each step
// writes. What it returns is read when out has been closed.
func watch(in, notices <-chan *client.SolveStatus, out chan<- *client.SolveStatus) *stepLogs {
	l := &stepLogs{logs: map[digest.Digest][]byte{}, cached: map[string]bool{}}
	go func() {
		defer close(out)
		for {
			select {
			case s, ok := <-in:
				if !ok {
					return
				}
				l.keep(s)
				out <- s
			case s := <-notices:
				out <- s
			}
		}
	}()
	return l
}

// keep notes what steps write, and which fails.
func (l *stepLogs) keep(s *client.SolveStatus) {
	for _, log := range s.Logs {
		kept := append(l.logs[log.Vertex], log.Data...)
		l.logs[log.Vertex] = kept[max(0, len(kept)-maxTail):]
	}
	for _, v := range s.Vertexes {
		if v.Completed != nil && v.Error == "" {
			l.cached[v.Name] = l.cached[v.Name] || v.Cached // it is told again when its layer is pulled
		}
		// Steps that ran beside the one that failed are cancelled.
		if v.Error != "" && len(l.logs[v.Digest]) > 0 && !strings.Contains(v.Error, context.Canceled.Error()) {
			l.failed = v.Digest
		}
	}
}

// tail is the end of what the step that an error is about has written, else one that
// failed, if one did: its last twenty lines.
func (l *stepLogs) tail(err error) string {
	failed := l.failed
	var step *errdefs.VertexError
	if errors.As(err, &step) && len(l.logs[digest.Digest(step.Digest)]) > 0 {
		failed = digest.Digest(step.Digest)
	}
	lines := strings.Split(strings.TrimSpace(string(l.logs[failed])), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
