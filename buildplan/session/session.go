// Package session is the talk of this machine with an engine.
//
// A [Session] has what every build needs: the engine, the store of files that
// it is served from, this machine's settings, and where progress is shown.
// [Session.Run] has the engine carry out a function, which asks it by a [Talk];
// [Explain] words what goes wrong, from the line of the manifest that it is
// about.
package session

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/git"
	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/owns"
	"github.com/driftpin/driftpin/buildplan/record"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
)

// A Session is an open engine, with what this machine keeps and knows.
type Session struct {
	Engine *engine.Engine
	// Course names the course whose steps are run: of an engine's members it has its own.
	Course string
	Began  time.Time // what is asked of the network, for one course as for many, has the answers of then
	Host   host.Settings
	Files  *store.Store
	Git    *git.Kept
	Owned  owns.Memory
	// Scripts are the proxies of the courses' scripts that run.
	Scripts record.Agent
	// Progress receives what the engine is doing; nil shows nothing. Mode is
	// auto, tty, plain or quiet.
	Progress io.Writer
	Mode     string

	notices chan *client.SolveStatus // what the store says while a build runs
	whole   *Session                 // whose engine and store it shares; nil: they are its own
}

// Open returns a session that keeps what it fetches in home, $DRIFTPIN_HOME. The
// engine is the session's then.
func Open(e *engine.Engine, home string, h host.Settings) (*Session, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	git.EndOrphans()
	s := &Session{Engine: e, Began: time.Now(), Host: h, Owned: OwnedIn(home), notices: make(chan *client.SolveStatus, 64)}
	var err error
	s.Files, err = store.Open(home, store.Options{Login: h.Authorization, Insecure: h.Insecure(), Make: git.WriteTree,
		Notice: s.notice, Stall: h.Stall()})
	s.Git = git.Keep(home, s.Files)
	return s, err
}

// OwnedIn is what is noted in home of what packages own.
func OwnedIn(home string) owns.Memory { return owns.Memory{Dir: filepath.Join(home, "records")} }

// For is a session for one of several courses, which may be worked on side by side: it
// shares all but its scripts, and what it shows goes to progress.
func (s *Session) For(progress io.Writer) *Session {
	return &Session{Engine: s.Engine, Began: s.Began, Host: s.Host, Files: s.Files, Git: s.Git, Owned: s.Owned,
		Progress: progress, Mode: s.Mode, notices: s.notices, whole: s}
}

// Close ends the engine, and waits for fetches that were cancelled to clear up; one that
// shares both leaves that to the other.
func (s *Session) Close() error {
	if s.whole != nil {
		return nil
	}
	var err error
	if s.Engine != nil {
		err = s.Engine.Close()
	}
	s.Files.Wait()
	return err
}

// product is what the engine's history calls us.
const product = "driftpin"

// A Response is what the engine says in the end, and which steps it carried out.
type Response struct {
	*client.SolveResponse
	Cached map[string]bool // by a step's name: it was there already
}

// Caches are where an engine looks for results of steps that it does not have, and where
// it puts those that it has.
type Caches struct{ From, To []client.CacheOptionsEntry }

// A Job is what an engine is given to carry out a function.
type Job struct {
	Base     steps.Base // of the course
	Platform string
	Exports  []client.ExportEntry // of what the function returns
	Caches   Caches
}

// Run has the engine carry out f, and exports what f returns. Where another member of
// the engine goes on for one that was lost, f is called again. Its error is f's, or what
// [Explain] can word.
func (s *Session) Run(ctx context.Context, job Job, f func(context.Context, Talk) (*gateway.Result, error)) (*Response, error) {
	var resp *Response
	err := s.Engine.Do(ctx, s.Course, func(ctx context.Context, c *client.Client) error {
		files, err := s.Files.Content()
		if err != nil {
			return err
		}
		opt := client.SolveOpt{Exports: job.Exports, CacheImports: job.Caches.From, CacheExports: job.Caches.To,
			OCIStores: map[string]content.Store{steps.FilesID: files}}
		if err := s.serve(&opt, job.Base); err != nil {
			return err
		}
		resp, err = s.attempt(ctx, c, opt, Talk{Platform: job.Platform}, f)
		if failure := files.Failure(err); failure != nil && ctx.Err() == nil {
			err = &FetchError{err, failure}
		}
		return err
	})
	return resp, err
}

// serve has an engine be served with what this machine has.
func (s *Session) serve(opt *client.SolveOpt, base steps.Base) error {
	if base.Layout != "" {
		store, err := local.NewStore(base.Layout)
		if err != nil {
			return fmt.Errorf("base %s: %w", base, err)
		}
		opt.OCIStores[steps.BaseID] = store
	}
	secrets := s.Host.Secrets()
	maps.Copy(secrets, s.Scripts.Secrets())
	maps.Copy(secrets, steps.RecordSecrets())
	opt.Session = []session.Attachable{secretsprovider.FromMap(secrets), registryAuth(), &s.Scripts}
	opt.FrontendAttrs = map[string]string{"build-arg:SOURCE_DATE_EPOCH": strconv.FormatInt(pins.Epoch.Unix(), 10)}
	return nil
}

// attempt has one engine carry out f, which talks to it as talk says.
func (s *Session) attempt(ctx context.Context, c *client.Client, opt client.SolveOpt, talk Talk,
	f func(context.Context, Talk) (*gateway.Result, error)) (*Response, error) {
	status, wait, err := s.show(ctx)
	if err != nil {
		return nil, err
	}
	watched := make(chan *client.SolveStatus, 16)
	logs := watch(watched, s.notices, status)
	var cause error // what f returned, before the engine wrapped it
	resp, err := c.Build(ctx, opt, product, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		if talk.caches, cause = cachesOf(c); cause != nil {
			return nil, cause
		}
		var res *gateway.Result
		talk.Client = c
		res, cause = f(ctx, talk)
		return res, cause
	}, watched)
	wait()
	if err != nil && cause != nil && ctx.Err() == nil {
		err = cause
	}
	if tail := logs.tail(err); err != nil && ctx.Err() == nil && tail != "" {
		err = &stepError{err, tail}
	}
	return &Response{resp, logs.cached}, err
}

// Learn returns a base with what its reference does not tell, which the engine is
// asked for.
func (s *Session) Learn(ctx context.Context, b steps.Base, platform string) (learnt steps.Base, err error) {
	if b.Layout != "" {
		return b, nil
	}
	_, err = s.Run(ctx, Job{Base: b, Platform: platform}, func(ctx context.Context, t Talk) (*gateway.Result, error) {
		learnt, err = t.Learn(ctx, b)
		return gateway.NewResult(), err
	})
	return learnt, err
}
