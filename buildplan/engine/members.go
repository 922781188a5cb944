package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
)

// A member is one of the BuildKit solvers of an engine.
type member struct {
	address string
	client  *client.Client
	ends    ends

	mu   sync.Mutex
	lost error // why it is not asked any more
}

// How a build's engine is watched, where another could go on: it is asked after each
// pulse, and is lost if it has not answered so often, each time within the patience.
const (
	pulse      = 10 * time.Second
	patience   = 15 * time.Second
	unanswered = 3
)

// Do has a member carry out f. Of several, key says which: the same one for the same
// key, as long as there are the same members. If it stops answering, the next one
// carries out f from the beginning, so f is called again. The error is f's, or a
// *NoAnswerError if no member is left.
func (e *Engine) Do(ctx context.Context, key string, f func(context.Context, *client.Client) error) error {
	var lost []error
	for _, m := range ranked(e.members, key) {
		if err := m.isLost(); err != nil {
			lost = append(lost, err)
			continue
		}
		before := m.ends.Load()
		do := m.watched
		if len(e.members) == 1 { // no other could go on
			do = m.do
		}
		err := do(ctx, f)
		if err == nil || ctx.Err() != nil || !m.isGone(err, before) {
			return err
		}
		lost = append(lost, m.lose(err))
		if len(lost) < len(e.members) {
			fmt.Fprintf(e.notice, "%v: another engine goes on\n", lost[len(lost)-1])
		}
	}
	return &NoAnswerError{errors.Join(lost...)}
}

// errSilent says that an engine has not answered for a time.
var errSilent = fmt.Errorf("it has not answered %d times", unanswered)

// isGone is whether an error is not the work's, but comes of the member's being gone: it fell
// silent, or a connection to it has ended since there were so many ends. One that was started
// again meanwhile answers, and has lost the work nevertheless.
func (m *member) isGone(err error, ends int64) bool {
	if errors.Is(err, errSilent) {
		return true
	}
	code := grpcerrors.Code(err)
	for range 20 { // a call may return before the end of its connection is noted
		if m.ends.Load() != ends || code != codes.Unavailable && code != codes.Canceled {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return m.ends.Load() != ends
}

// ends counts the connections that have ended: it is a stats.Handler of gRPC's.
type ends struct{ atomic.Int64 }

// HandleConn implements stats.Handler.
func (e *ends) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ended := s.(*stats.ConnEnd); ended {
		e.Add(1)
	}
}

// TagConn, TagRPC and HandleRPC implement stats.Handler.
func (*ends) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*ends) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*ends) HandleRPC(context.Context, stats.RPCStats)                         {}

// ranked are members in the order in which they are asked for a key: by a hash of both
// (rendezvous hashing), so that a member more or less moves few keys.
func ranked(members []*member, key string) []*member {
	rank := func(m *member) []byte {
		sum := sha256.Sum256([]byte(key + "\x00" + m.address))
		return sum[:]
	}
	return slices.SortedFunc(slices.Values(members), func(a, b *member) int {
		return cmp.Or(bytes.Compare(rank(a), rank(b)), cmp.Compare(a.address, b.address))
	})
}

func (m *member) do(ctx context.Context, f func(context.Context, *client.Client) error) error {
	return f(ctx, m.client)
}

// watched carries out f until the member has not answered for a time.
func (m *member) watched(ctx context.Context, f func(context.Context, *client.Client) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for missed := 0; missed < unanswered; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pulse):
			}
			if m.answers(ctx) == nil {
				missed = 0
			} else {
				missed++
			}
		}
		cancel(errSilent)
	}()
	err := f(ctx, m.client)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// answers asks the member for a sign of life.
func (m *member) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := m.client.Info(ctx)
	return err
}

// lose has the member not be asked any more.
func (m *member) lose(why error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost == nil {
		m.lost = &goneError{fmt.Sprintf("engine %s does not answer any more: %s", m.address, short(why)), why}
	}
	return m.lost
}

// A goneError says in one line that an engine is gone.
type goneError struct {
	text string
	err  error
}

// Error is the line.
func (e *goneError) Error() string { return e.text }

// Unwrap returns what the connection said.
func (e *goneError) Unwrap() error { return e.err }

func (m *member) isLost() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

// several makes one engine of engines that are open: it has the members of all, and is
// closed as they are.
func several(engines []*Engine, notice io.Writer) *Engine {
	all := &Engine{notice: notice}
	for _, e := range engines {
		all.members = append(all.members, e.members...)
		all.onClose(e.Close)
	}
	return all
}
