package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/host"
	"github.com/driftpin/driftpin/buildplan/resolve"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

// A course is a folder with its manifest, and its lock if there is one.
type course struct {
	manifest *pins.Manifest
	lock     *pins.Lock // nil if there is none, or if it can't be read
	broken   error      // why the lock can't be read
	doubted  *pins.Lock // what could be read of it nevertheless
	lockFile string
	base     steps.Base
	learnt   bool // all of the base is known
}

// openManifest reads a course's manifest and lock.
func openManifest(dir string) (*course, error) {
	m, err := readCourse(dir, nil)
	if err != nil {
		return nil, err
	}
	c := &course{manifest: m, lockFile: filepath.Join(dir, pins.LockName)}
	if err := pins.CheckLockPlace(dir); err != nil && os.Getenv(outsideVariable) == "" {
		c.broken = err
		return c, nil
	}
	data, err := os.ReadFile(c.lockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if c.lock, c.broken = pins.ParseLock(c.lockFile, data); c.broken != nil {
		c.doubted, c.lock = c.lock, nil
		if errors.As(c.broken, new(pins.Conflicts)) {
			c.doubted = &pins.Lock{Artifacts: pins.MergedArtifacts(data)}
		}
	}
	return c, nil
}

// foreign reports whether the lock's file is not one to write over: a later
// driftpin's, or something else.
func (c *course) foreign() bool {
	return errors.As(c.broken, new(*pins.NewerError)) || errors.Is(c.broken, pins.ErrNoLock)
}

// usable tells what keeps the lock from being used, if something does: errFound
// for one that is there and does not hold what is asked for.
func (c *course) usable(w io.Writer) error {
	if c.lock == nil && (c.broken == nil || c.foreign()) {
		_, err := c.locked()
		return err
	}
	why := c.stale()
	if why == "" {
		return nil
	}
	if c.broken == nil {
		why = c.lockFile + ": " + why
	}
	lines := strings.Split(why, "\n")
	lines[0] += "; write it with driftpin lock " + c.manifest.Dir
	for _, line := range lines {
		fmt.Fprintln(w, report.Clean(line))
	}
	return errFound
}

// locked returns the course's lock, or says why there is none.
func (c *course) locked() (*pins.Lock, error) {
	switch {
	case c.broken != nil:
		return nil, c.broken
	case c.lock == nil:
		return nil, fmt.Errorf("%s: there is no lock: write it with driftpin lock %s", c.lockFile, c.manifest.Dir)
	}
	return c.lock, nil
}

// openCourse reads a course with its base. base is used where the manifest
// names none; it is relative to the working folder.
func openCourse(dir, base string) (*course, error) {
	c, err := openManifest(dir)
	if err != nil {
		return nil, err
	}
	ref, from := c.manifest.Base.Value, dir
	if ref == "" {
		if ref, from = base, "."; ref == "" {
			ref = os.Getenv("DRIFTPIN_BASE")
		}
	}
	if ref == "" {
		return nil, fmt.Errorf("%s: no base image is named: write base: in its %s, or give --base or $DRIFTPIN_BASE", dir, pins.ManifestName)
	}
	if c.base, err = steps.OpenBase(ref, from, c.manifest.Platforms[0]); err != nil {
		if at := c.manifest.Base.At; at.File != "" {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		return nil, err
	}
	c.base.Extended = c.manifest.Extends
	return c, nil
}

// openLocked reads a course whose lock is there, and not stale: so that what a
// command resolves differs from it by what the command does alone.
func openLocked(dir, base string) (*course, error) {
	c, err := openCourse(dir, base)
	if err != nil {
		return nil, err
	}
	if _, err := c.locked(); err != nil {
		return nil, err
	}
	return c, c.settled()
}

// settled says that the lock is stale, if it is: also of a base that is another
// by now.
func (c *course) settled() error {
	if why := c.stale(); why != "" {
		return fmt.Errorf("%s: %s: lock the course first", c.lockFile, why)
	}
	return nil
}

// options are what a lock of the course is made with, today. A base that is not
// known yet is taken to be the locked one.
func (c *course) options() pins.LockOptions {
	o := pins.LockOptions{Base: c.base.Ref, BaseDigest: c.base.Digest, Tools: steps.Tools(c.manifest)}
	if o.BaseDigest == "" && c.lock != nil {
		o.BaseDigest = c.lock.Base
	}
	if o.Environment = c.base.Environment(); o.Environment == pins.Env {
		o.Environment = ""
	} else if o.Environment == "" && c.lock != nil {
		o.Environment = c.lock.Environment
	}
	return o
}

// sameCourse are options for a course whose lock is not stale: git requirements
// that do not change keep their commits.
func (c *course) sameCourse() pins.LockOptions {
	o := c.options()
	o.Was = c.manifest
	return o
}

// engineFlags are the flags of commands that build.
type engineFlags struct {
	base     string
	progress string
	place    enginePlace
}

// An enginePlace says which engine builds.
type enginePlace struct{ address, tls string }

func (p *enginePlace) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.address, "engine", "", "embedded, or the address of a buildkitd (default $BUILDKIT_HOST, else embedded)")
	cmd.Flags().StringVar(&p.tls, "tls-dir", "", "folder with ca.pem, cert.pem and key.pem for a tcp engine (default $BUILDKIT_TLS_DIR)")
}

// embedded reports whether this process builds itself.
func (p *enginePlace) embedded() bool {
	p.address = cmp.Or(p.address, os.Getenv("BUILDKIT_HOST"), "embedded")
	return p.address == "embedded"
}

// open opens the engine; an embedded one has its state under dir.
func (p *enginePlace) open(ctx context.Context, dir string, s streams) (*engine.Engine, error) {
	if p.tls != "" && (p.embedded() || !strings.HasPrefix(p.address, "tcp://")) {
		return nil, usageError{fmt.Errorf("--tls-dir is for engines at tcp://HOST:PORT, not for %s", p.address)}
	}
	if p.embedded() {
		collectLate(buildHeap)
		return engine.Embedded(ctx, filepath.Join(dir, "engine"), engine.Options{Notice: s.err})
	}
	return engine.Remote(ctx, p.address, engine.Options{TLS: cmp.Or(p.tls, os.Getenv("BUILDKIT_TLS_DIR"))})
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
	base, err := e.Learn(ctx, c.base, c.manifest.Platforms[0])
	if err == nil {
		c.base, c.learnt = base, true
	}
	return err
}

// resolver resolves on the course's base.
func (c *course) resolver(e *session.Session) *resolve.Resolver {
	return &resolve.Resolver{Session: e, Base: c.base}
}

// session opens the engine.
func (f *engineFlags) session(ctx context.Context, s streams) (*session.Session, error) {
	dir, err := home()
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
