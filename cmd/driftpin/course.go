package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
)

// A course is a folder with its manifest, and its lock if there is one.
type course struct {
	manifest *pins.Manifest
	lock     *pins.Lock // nil if there is none, or if it can't be read
	broken   error      // why the lock can't be read
	doubted  *pins.Lock // what could be read of it nevertheless
	lockFile string
	base     steps.Base
	learnt   bool         // all of the base is known
	images   []pins.Image // that a Dockerfile names, once they are learnt
	after    *course      // as it will be when it is bumped, on the images that are named then
	moving   bool         // the base is to be another: that it has moved is no fault
	bumped   []string     // those of them that are to be others
	forget   []string     // those of them that are to be learnt anew, though the lock knows them
}

// openManifest reads a course's manifest and lock.
func openManifest(dir string) (*course, error) {
	m, err := readCourse(dir, nil)
	if err != nil {
		return nil, err
	}
	return withLock(dir, m)
}

// withLock reads the lock of the course in a folder.
func withLock(dir string, m *pins.Manifest) (*course, error) {
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
	return c, c.findBase(base)
}

// A noBaseError says that nothing names the base of the course in a folder.
type noBaseError struct{ dir string }

// Error implements error.
func (e noBaseError) Error() string {
	return fmt.Sprintf("%s: no base image is named: write base: in its %s or in a %s above it, or give --base or $DRIFTPIN_BASE",
		e.dir, pins.ManifestName, pins.WorkspaceName)
}

// findBase finds the course's base; base is used where the manifest names none.
func (c *course) findBase(base string) (err error) {
	dir := c.manifest.Dir
	named, from := c.manifest.Base, dir
	if named.Value == "" {
		named, from = pins.Text{Value: cmp.Or(base, os.Getenv("DRIFTPIN_BASE"))}, "."
	}
	if w := c.manifest.Workspace; named.Value == "" && w != nil {
		named, from = w.Base, filepath.Dir(w.File)
	}
	if named.Value == "" {
		return noBaseError{dir}
	}
	if c.base, err = steps.OpenBase(named.Value, from, c.manifest.Platforms[0]); err != nil {
		if named.At.File != "" {
			return fmt.Errorf("%s: %w", named.At, err)
		}
		return err
	}
	c.base.Extended = c.manifest.Extends
	return nil
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
		return staleError{fmt.Errorf("%s: %s: lock the course first", c.lockFile, why)}
	}
	return nil
}

// options are what a lock of the course is made with, today. A base that is not
// known yet is taken to be the locked one.
func (c *course) options() pins.LockOptions {
	o := pins.LockOptions{Base: c.base.Ref, BaseDigest: c.base.Digest, Tools: steps.Tools(c.manifest)}
	if c.lock != nil && (o.BaseDigest == "" || c.moving) {
		o.BaseDigest = c.lock.Base
	}
	if o.Images = c.images; o.Images == nil && c.lock != nil {
		o.Images = c.lock.Images
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

// stale says why the course's lock can't be built as it is; empty if it can.
func (c *course) stale() string {
	var bad *pins.BadLockError
	if errors.As(c.broken, &bad) {
		return bad.Reason()
	}
	if c.broken != nil {
		return c.broken.Error()
	}
	if c.lock == nil {
		return "there is no lock"
	}
	if why := pins.Stale(c.manifest, c.lock, c.options()); why != "" {
		return "the lock is stale: " + why
	}
	if found := pins.Prove(c.lockFile, c.manifest, c.lock); len(found) > 0 {
		return "the lock does not satisfy the pins\n" + found.Error()
	}
	if c.lock.Unsealed {
		return "the lock has no checksum: an older driftpin wrote it, or the line was taken out"
	}
	return ""
}

// preferred is the lock whose versions are preferred when the course is locked
// anew, and whether it is in doubt.
func (c *course) preferred() (l *pins.Lock, doubted bool) {
	if c.lock == nil {
		return c.doubted, c.doubted != nil
	}
	return c.lock, c.lock.Unsealed
}

// outsideVariable lets courses name files outside of their repository; so does
// --allow-outside.
const outsideVariable = "DRIFTPIN_ALLOW_OUTSIDE"

// repoDirVariable says where a course's folder lies in its image, unless its
// manifest does; so does --repo-dir.
const repoDirVariable = "DRIFTPIN_REPO_DIR"

// environmentVariable says which environment of a pixi.toml is read, unless the course's
// manifest does; so does --environment.
const environmentVariable = "DRIFTPIN_ENVIRONMENT"

// readCourse reads a course, with other contents of some of its files.
func readCourse(dir string, edited map[string][]byte) (*pins.Manifest, error) {
	return pins.ReadCourseWith(dir, pins.ReadOptions{Edited: edited, Outside: os.Getenv(outsideVariable) != "",
		RepoDir: os.Getenv(repoDirVariable), Environment: os.Getenv(environmentVariable)})
}

// sources are the files that a course is read from today, as far as it can be read.
func sources(dir string) (files []string) {
	m, _ := readCourse(dir, nil)
	if m == nil {
		return nil
	}
	for _, source := range m.Sources {
		files = append(files, source.Name)
	}
	return files
}

// printLaunch says what of a course's launch does not fit what a lock installs:
// errFound if it is more than a warning.
func (c *course) printLaunch(w io.Writer, l *pins.Lock) error {
	return printFindings(w, hub.Check(c.manifest, l, "").AtLeast(pins.Warning))
}

// printOverlaps says which paths several packages own, as far as that is known
// on this machine.
func (c *course) printOverlaps(s streams) error {
	dir, err := stateDir()
	if err != nil {
		return err
	}
	return printFound(s, buildplan.KnownOverlaps(dir, c.manifest, c.lock))
}
