package buildplan

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/git"
	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// A Builder does what needs an engine: it resolves requests inside a course's
// base, and builds plans. It is a pins.Resolver.
type Builder struct {
	Engine *engine.Engine
	Base   steps.Base // of the course
	// Progress receives what the engine is doing; nil shows nothing. Mode is
	// auto, tty, plain or quiet.
	Progress io.Writer
	Mode     string

	host    host.Settings
	home    string // where files, addresses and repositories are kept: $DRIFTPIN_HOME
	files   *store.Store
	commits map[pins.Git]string      // what git requirements turned out to mean
	others  map[string]string        // by sha256 of a locked file, that of what an index has under its name
	notices chan *client.SolveStatus // what the store says while a build runs
}

// NewBuilder returns a builder that keeps what it fetches in home.
func NewBuilder(e *engine.Engine, home string, h host.Settings) (*Builder, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	git.EndOrphans()
	b := &Builder{Engine: e, home: home, host: h, commits: map[pins.Git]string{}, others: map[string]string{}, notices: make(chan *client.SolveStatus, 64)}
	var err error
	b.files, err = store.Open(home, store.Options{Login: h.Authorization, Insecure: h.Insecure(), Make: git.WriteTree, Notice: b.notice, Stall: h.Stall()})
	return b, err
}

// Close ends the engine, and waits for fetches that were cancelled to clear up.
func (b *Builder) Close() error {
	var err error
	if b.Engine != nil {
		err = b.Engine.Close()
	}
	b.files.Wait()
	return err
}

// notice shows among the steps that a file is asked for again.
func (b *Builder) notice(file string, err error, wait time.Duration) {
	text := fmt.Sprintf("fetch %s: %v; again in %v", file, err, wait.Round(100*time.Millisecond))
	now := time.Now()
	v := &client.Vertex{Digest: digest.FromString(text + now.String()), Name: text, Started: &now, Completed: &now}
	select {
	case b.notices <- &client.SolveStatus{Vertexes: []*client.Vertex{v}}:
	default: // so many are as good as one
	}
}

// product is what the engine's history calls us.
const product = "driftpin"

// run has the engine carry out f, with what every build needs.
func (b *Builder) run(ctx context.Context, opt client.SolveOpt, f gateway.BuildFunc) (*client.SolveResponse, error) {
	files, err := b.files.Content()
	if err != nil {
		return nil, err
	}
	opt.OCIStores = map[string]content.Store{steps.FilesID: files}
	if b.Base.Layout != "" {
		store, err := local.NewStore(b.Base.Layout)
		if err != nil {
			return nil, fmt.Errorf("base %s: %w", b.Base, err)
		}
		opt.OCIStores[steps.BaseID] = store
	}
	opt.Session = append([]session.Attachable{secretsprovider.FromMap(b.host.Secrets())}, registryAuth())
	attrs := map[string]string{"build-arg:SOURCE_DATE_EPOCH": strconv.FormatInt(pins.Epoch.Unix(), 10)}
	maps.Copy(attrs, opt.FrontendAttrs)
	opt.FrontendAttrs = attrs

	status, wait, err := b.show(ctx)
	if err != nil {
		return nil, err
	}
	watched := make(chan *client.SolveStatus, 16)
	logs := watch(watched, b.notices, status)
	var cause error // what f returned, before the engine wrapped it
	resp, err := b.Engine.Client().Build(ctx, opt, product, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		var res *gateway.Result
		res, cause = f(ctx, c)
		return res, cause
	}, watched)
	wait()
	if err != nil && cause != nil && ctx.Err() == nil {
		err = cause
	}
	failure := b.files.Failure()
	switch tail := logs.tail(); {
	case err == nil || ctx.Err() != nil:
	case failure != nil:
		err = &fetchError{err, failure}
	case tail != "":
		err = &stepError{err, tail}
	}
	return resp, err
}

// A fetchError is an error of the engine whose cause is a file that this
// machine could not fetch for it.
type fetchError struct {
	error
	cause *store.Error
}

// Unwrap returns the engine's error.
func (e *fetchError) Unwrap() error { return e.error }

// A stepError is an error of the engine, with the end of what the step that
// failed has written.
type stepError struct {
	error
	tail string
}

// Unwrap returns the engine's error.
func (e *stepError) Unwrap() error { return e.error }

// stepLogs are the last lines that each step has written.
type stepLogs struct {
	logs   map[digest.Digest][]byte
	failed digest.Digest
}

// maxTail is how much of a step's output is kept, in bytes.
const maxTail = 4 << 10

// watch passes the engine's status on, and keeps the end of what each step
// writes. What it returns is read when out has been closed.
func watch(in, notices <-chan *client.SolveStatus, out chan<- *client.SolveStatus) *stepLogs {
	l := &stepLogs{logs: map[digest.Digest][]byte{}}
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
		// Steps that ran beside the one that failed are cancelled.
		if v.Error != "" && len(l.logs[v.Digest]) > 0 && !strings.Contains(v.Error, context.Canceled.Error()) {
			l.failed = v.Digest
		}
	}
}

// tail is the end of what the step that failed has written, if one did: its
// last twenty lines.
func (l *stepLogs) tail() string {
	lines := strings.Split(strings.TrimSpace(string(l.logs[l.failed])), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// show displays progress until the channel is closed; wait returns when all is
// shown.
func (b *Builder) show(ctx context.Context) (status chan *client.SolveStatus, wait func(), err error) {
	status = make(chan *client.SolveStatus, 16)
	out, mode := b.Progress, progressui.DisplayMode(b.Mode)
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

// marshal turns a state into what an engine reads. States share parts, so it
// is not called on several of them at once.
func marshal(ctx context.Context, st llb.State, platform string) (*llb.Definition, error) {
	return st.Marshal(ctx, llb.Platform(steps.Platform(platform)))
}

// solve solves a state and returns the file system it makes.
func solve(ctx context.Context, c gateway.Client, st llb.State, platform string) (gateway.Reference, error) {
	def, err := marshal(ctx, st, platform)
	if err != nil {
		return nil, err
	}
	return solveDefinition(ctx, c, def, true)
}

// solveDefinition solves at once if now is set, else when the result is used.
func solveDefinition(ctx context.Context, c gateway.Client, def *llb.Definition, now bool) (gateway.Reference, error) {
	res, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: now})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// readFile reads a file of a solved state; a file that is not there is nil.
func readFile(ctx context.Context, ref gateway.Reference, dir, name string) ([]byte, error) {
	entries, err := ref.ReadDir(ctx, gateway.ReadDirRequest{Path: dir})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Path == name {
			return ref.ReadFile(ctx, gateway.ReadRequest{Filename: filepath.Join(dir, name)})
		}
	}
	return nil, nil
}

// learnBase asks the engine for what a base's reference does not tell: its digest
// and config.
func learnBase(ctx context.Context, c gateway.Client, b steps.Base, platform string) (steps.Base, error) {
	if b.Layout != "" {
		return b, nil
	}
	ref := b.Ref
	if b.Digest != "" {
		ref += "@" + b.Digest
	}
	p := steps.Platform(platform)
	_, digest, config, err := c.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &p, ResolveMode: llb.ResolveModeDefault.String()},
	})
	if err != nil {
		return b, fmt.Errorf("base %s: the engine could not read it: %w", ref, err)
	}
	return b.Learn(digest.String(), config, platform)
}

func (b *Builder) learn(ctx context.Context, c gateway.Client, platform string) (err error) {
	b.Base, err = learnBase(ctx, c, b.Base, platform)
	return err
}
