package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/resolve"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

// engineFlags are the flags of commands that build.
type engineFlags struct {
	base     string
	progress string
	place    enginePlace

	shared *sharedSession // of the courses of one command; nil: each has its own
}

// An enginePlace says which engine builds.
type enginePlace struct {
	address, tls string // address may be several, with commas between them
	eager        bool   // prune at once
}

func (p *enginePlace) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.address, "engine", "",
		"embedded, or the address of a buildkitd, or several with commas (default $BUILDKIT_HOST, else embedded)")
	cmd.Flags().StringVar(&p.tls, "tls-dir", "",
		"folder with ca.pem, cert.pem and key.pem for a tcp engine (default $BUILDKIT_TLS_DIR)")
}

// embedded reports whether this process builds itself.
func (p *enginePlace) embedded() bool {
	p.address = cmp.Or(p.address, os.Getenv("BUILDKIT_HOST"), "embedded")
	return p.address == "embedded"
}

// open opens the engine; an embedded one has its state under dir.
func (p *enginePlace) open(ctx context.Context, dir string, s streams) (*engine.Engine, error) {
	if p.tls != "" && (p.embedded() || !strings.Contains(p.address, "tcp://")) {
		return nil, usageError{fmt.Errorf("--tls-dir is for engines at tcp://HOST:PORT, not for %s", p.address)}
	}
	if p.embedded() {
		collectLate(buildHeap)
		keep, err := keepBytes()
		if err != nil {
			return nil, err
		}
		return engine.Embedded(ctx, filepath.Join(dir, "engine"), engine.Options{Notice: s.err, Eager: p.eager, Keep: keep})
	}
	if len(p.addresses()) == 0 {
		return nil, usageError{fmt.Errorf("--engine, or $BUILDKIT_HOST, is %q and names no engine", p.address)}
	}
	return engine.Remote(ctx, p.addresses(), engine.Options{Notice: s.err, TLS: cmp.Or(p.tls, os.Getenv("BUILDKIT_TLS_DIR"))})
}

// addresses are those of engines that stand in for each other.
func (p *enginePlace) addresses() (all []string) {
	for a := range strings.SplitSeq(p.address, ",") {
		if a = strings.TrimSpace(a); a != "" && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// keepVariable says how much the embedded engine keeps, such as 20GB.
const keepVariable = "DRIFTPIN_KEEP"

// leastKept is the least that the engine can be told to keep, in bytes: whoever writes 20 means GB.
const leastKept = 1_000_000_000

// keepBytes is how much the embedded engine keeps, in bytes; 0 means the engine's own default.
func keepBytes() (int64, error) {
	text := os.Getenv(keepVariable)
	if text == "" {
		return 0, nil
	}
	n, err := units.FromHumanSize(text)
	if err != nil || n < leastKept {
		return 0, usageError{fmt.Errorf("$%s is %q: write a size of 1GB or more, such as 20GB", keepVariable, text)}
	}
	return n, nil
}

func (f *engineFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.base, "base", "", "base image of courses that name none (default $DRIFTPIN_BASE)")
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "auto, tty, plain or quiet")
	f.place.add(cmd)
}

func (f *engineFlags) check() error {
	return oneOf("progress", f.progress, "auto", "tty", "plain", "quiet")
}

// open opens the engine for a course, and learns of the course's base what its
// reference does not tell; the caller closes it.
func (f *engineFlags) open(ctx context.Context, s streams, c *course) (*session.Session, error) {
	e, err := f.session(ctx, s)
	if err != nil {
		return nil, err
	}
	e.Course = c.manifest.Course
	if err := c.learn(ctx, e); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// learn learns of the course's base what its reference does not tell.
func (c *course) learn(ctx context.Context, e *session.Session) error {
	if c.learnt {
		return nil
	}
	if err := c.learnImages(ctx, e); err != nil {
		return err
	}
	base, err := e.Learn(ctx, c.base, c.manifest.Platforms[0])
	if err == nil {
		c.base, c.learnt = base, true
	}
	return answering(ctx, c.base.Ref, err)
}

// learnImages learns what the images that a Dockerfile names are today, as far as the
// lock does not say what they were.
func (c *course) learnImages(ctx context.Context, e *session.Session) error {
	for _, ref := range c.manifest.Images {
		image := pins.Image{Ref: ref.Value, Digest: c.lockedImage(ref.Value)}
		if image.Digest == "" {
			var err error
			if image.Digest, err = c.today(ctx, e, ref.Value); err != nil {
				return answering(ctx, ref.Value, fmt.Errorf("%s: %w", ref.At, err))
			}
		}
		if ref.Value == c.manifest.Base.Value {
			c.base.Digest = image.Digest
		}
		c.images = append(c.images, image)
	}
	slices.SortFunc(c.images, func(a, b pins.Image) int { return cmp.Compare(a.Ref, b.Ref) })
	return nil
}

// today is the digest of the image that a reference means now.
func (c *course) today(ctx context.Context, e *session.Session, ref string) (string, error) {
	platform := c.manifest.Platforms[0]
	base, err := steps.OpenBase(ref, c.manifest.Dir, platform)
	if err == nil {
		base, err = e.Learn(ctx, base, platform)
	}
	return base.Digest, err
}

// lockedImage is the digest that the lock has for an image, unless that is to be
// forgotten.
func (c *course) lockedImage(ref string) string {
	if c.lock == nil || slices.Contains(c.forget, ref) {
		return ""
	}
	for _, i := range c.lock.Images {
		if i.Ref == ref {
			return i.Digest
		}
	}
	return ""
}

// resolver resolves on the course's base.
func (c *course) resolver(e *session.Session) *resolve.Resolver {
	return &resolve.Resolver{Session: e, Base: c.base}
}

// share has all courses of a command build in one session, which the caller closes. On a
// terminal, several courses would write over each other's progress.
func (f *engineFlags) share(courses int, s streams) *sharedSession {
	f.shared = &sharedSession{}
	if courses > 1 && f.progress == "auto" && isTerminal(s.err) {
		f.progress = "quiet"
	} else if courses > 1 && f.progress == "tty" {
		f.progress = "plain"
	}
	return f.shared
}

// session opens the engine, or shares the one that is open.
func (f *engineFlags) session(ctx context.Context, s streams) (*session.Session, error) {
	if f.shared != nil {
		return f.shared.of(s.err, func() (*session.Session, error) { return f.openSession(ctx, s) })
	}
	return f.openSession(ctx, s)
}

func (f *engineFlags) openSession(ctx context.Context, s streams) (*session.Session, error) {
	dir, err := stateDir()
	if err != nil {
		return nil, err
	}
	if err := writable(dir); err != nil {
		return nil, fmt.Errorf("driftpin's state: %w: set DRIFTPIN_HOME to a folder that can be written", err)
	}
	host, err := host.Read()
	if err != nil {
		return nil, err
	}
	e, err := f.place.open(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	opened, err := session.Open(e, dir, host)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	opened.Progress, opened.Mode = s.err, f.progress
	return opened, nil
}

// solving opens the engine for courses whose locks are not stale: of their bases, as
// they were locked, all is known then.
func (f *engineFlags) solving(ctx context.Context, s streams, courses ...*course) (*session.Session, error) {
	if f.progress == "auto" { // a line of ours says more than a block for each question
		f.progress = "quiet"
	}
	e, err := f.session(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, c := range courses {
		e.Course = c.manifest.Course
		if c.base.Digest == "" {
			c.base.Digest = c.lock.Base
		}
		err := c.learn(ctx, e)
		if err == nil {
			err = c.settled()
		}
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return e, nil
}
