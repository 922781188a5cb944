// Package engine gives access to BuildKit solvers: one that runs inside this
// process, or one or several buildkitds elsewhere.
//
// Call [Embedded] or [Remote], build with the client that [Engine.Do] gives,
// and always call [Engine.Close]: an embedded engine that is not
// closed leaves containers and mounts behind, which the next [Embedded] on the
// same root removes.
//
// A program that calls [Embedded] must call reexec.Init
// (github.com/moby/sys/reexec) first thing in main and return if it reports
// true: BuildKit starts the program again for work in other namespaces.
package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/sirupsen/logrus"
)

// An Engine is an open connection to a BuildKit solver, or to several that stand in for
// each other.
type Engine struct {
	members []*member
	notice  io.Writer      // of what becomes of members
	close   []func() error // run last to first
}

// Client returns the client of the engine's first member, which is valid until Close.
func (e *Engine) Client() *client.Client { return e.members[0].client }

// Close ends the engine. Builds must have returned before it is called; what
// they left running after a cancellation is waited for. It may be called again.
func (e *Engine) Close() error {
	var errs []error
	for len(e.close) > 0 {
		last := len(e.close) - 1
		f := e.close[last]
		e.close = e.close[:last]
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Used is how many bytes the caches of the engine's members take, and how many of them
// nobody has used for a time.
func (e *Engine) Used(ctx context.Context, keep time.Duration) (all, unused int64, err error) {
	for _, m := range e.members {
		entries, err := m.client.DiskUsage(ctx)
		if err != nil {
			return all, unused, err
		}
		for _, one := range entries {
			all += one.Size
			last := one.CreatedAt
			if one.LastUsedAt != nil {
				last = *one.LastUsedAt
			}
			if !one.InUse && time.Since(last) >= keep {
				unused += one.Size
			}
		}
	}
	return all, unused, nil
}

// Prune removes what nobody has used for a time from the caches of the engine's members,
// and returns how many bytes that freed.
func (e *Engine) Prune(ctx context.Context, keep time.Duration) (freed int64, err error) {
	for _, m := range e.members {
		gone, done := make(chan client.UsageInfo), make(chan bool)
		go func() {
			defer close(done)
			for one := range gone {
				freed += one.Size
			}
		}()
		err := m.client.Prune(ctx, gone, client.PruneAll, client.WithKeepOpt(keep, 0, 0, 0))
		close(gone)
		<-done
		if err != nil {
			return freed, err
		}
	}
	return freed, nil
}

// onClose registers f to run before what was registered earlier.
func (e *Engine) onClose(f func() error) { e.close = append(e.close, f) }

// Options tune an engine; the zero value is useful.
type Options struct {
	// PlainHTTP names registries (host:port) that are spoken to without TLS.
	PlainHTTP []string
	// Parallel bounds the build steps that run at once; 0 means no bound.
	Parallel int
	// Keep is the number of bytes of cache that survive a prune; 0 means 50 GB.
	Keep int64
	// Eager prunes at once, and not when it is time.
	Eager bool
	// Native uses plain copies even where overlayfs works (for tests).
	Native bool
	// Notice receives the few lines a person should see, such as that another
	// process has the root and we wait; nil drops them.
	Notice io.Writer
	// TLS is a folder with ca.pem, cert.pem and key.pem (or ca.crt, tls.crt and
	// tls.key) for an engine over tcp; empty means without TLS.
	TLS string
	// Log receives BuildKit's own log; nil drops it.
	Log io.Writer
}

// redirectLog sends the log of BuildKit's libraries to o.Log. They use
// logrus's global logger, so this holds for the whole process.
func (o Options) redirectLog() { logrus.SetOutput(orDiscard(o.Log)) }

// notice returns the writer for notices, never nil.
func (o Options) notice() io.Writer { return orDiscard(o.Notice) }

// orDiscard returns w, or io.Discard if w is nil.
func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
