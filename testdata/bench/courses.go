package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
)

const (
	sourceCourse = "testdata/courses/stat159"
	platform     = "linux/amd64"
	bumped       = "networkx" // no package needs it in a certain version, and it needs none
	bumpedFrom   = "3.0"
	bumpedTo     = "2.8.8"
)

// growthSizes are the numbers of packages that growth is measured at.
var growthSizes = []int{20, 60, 200}

// A course is a folder with a lock, and the same with one pin bumped.
type course struct {
	name   string
	dir    string
	lock   *pins.Lock
	pinned int     // direct pins
	after  *course // with the bump
}

// prepare locks all courses, and collects the files that are then at hand.
// None of this is measured.
func (b *bench) prepare(ctx context.Context, growth bool) (full *course, err error) {
	e, err := b.startEngine(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	manifest, err := pins.ReadCourse(sourceCourse)
	if err != nil {
		return nil, err
	}
	var requirements []string
	for _, r := range manifest.Requests {
		if r.Kind == pins.Pip && r.Git == nil {
			requirements = append(requirements, r.Requirement())
		}
	}
	if full, err = b.newCourse(ctx, e, "full", manifest.AsOf.Text, requirements); err != nil {
		return nil, err
	}
	if growth {
		err = b.prepareGrowth(ctx, e, full, manifest.AsOf.Text)
	}
	for _, c := range []*course{full, full.after} {
		if err == nil {
			say("collecting what is at hand: %s", filepath.Base(c.dir))
			err = b.collect(ctx, e, c)
		}
	}
	return full, err
}

// newCourse writes a course that asks for some requirements, and locks it,
// before and after the bump.
func (b *bench) newCourse(ctx context.Context, e *daemon, name, asOf string, requirements []string) (*course, error) {
	c, err := b.lockCourse(ctx, e, name, asOf, requirements, nil)
	if err != nil {
		return nil, err
	}
	i := slices.Index(requirements, bumped+"=="+bumpedFrom)
	if i < 0 {
		return nil, fmt.Errorf("%s does not pin %s==%s", sourceCourse, bumped, bumpedFrom)
	}
	requirements = slices.Clone(requirements)
	requirements[i] = bumped + "==" + bumpedTo
	c.after, err = b.lockCourse(ctx, e, name+"-bumped", asOf, requirements, c.lock)
	return c, err
}

func (b *bench) lockCourse(ctx context.Context, e *daemon, name, asOf string, requirements []string,
	before *pins.Lock) (*course, error) {
	c := &course{name: name, dir: filepath.Join(b.work, "courses", name), pinned: len(requirements)}
	say("locking %s: %d pins", name, len(requirements))
	text := fmt.Sprintf("course: bench\nbase: %q\nas-of: %q\nplatforms: [%s]\npins:\n  pip:\n", b.base, asOf, platform)
	for _, r := range requirements {
		text += fmt.Sprintf("    - %q\n", r)
	}
	if err := write(filepath.Join(c.dir, pins.ManifestName), text); err != nil {
		return nil, err
	}
	file := filepath.Join(c.dir, pins.LockName)
	if before != nil {
		if err := write(file, before.String()); err != nil {
			return nil, err
		}
	}
	cmd := b.command(ctx, b.driftpin, "lock", c.dir, "--engine", e.address, "--progress", "plain")
	cmd.Env = append(os.Environ(), "DRIFTPIN_HOME="+filepath.Join(b.work, "home-of-locking"))
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("locking %s: %w:\n%s", name, err, tail(b.log.Name()))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c.lock, err = pins.ParseLock(file, data)
	return c, err
}

// packages are the wheels that a course installs.
func (c *course) packages() (out []pins.Artifact) {
	for _, a := range c.lock.Installed(platform) {
		if a.Kind == pins.Pip {
			out = append(out, a)
		}
	}
	return out
}

// prepareGrowth makes the courses that growth is measured with.
func (b *bench) prepareGrowth(ctx context.Context, e *daemon, full *course, asOf string) error {
	for _, n := range growthSizes {
		requirements := full.subset(n)
		c, err := b.newCourse(ctx, e, fmt.Sprintf("about-%d", n), asOf, requirements)
		if err != nil {
			return err
		}
		c.name = fmt.Sprintf("%d packages", len(c.packages()))
		b.growth = append(b.growth, c)
	}
	return nil
}

// subset is about n packages of a course that need no others: direct pins, by
// name, with all that they need, as long as there is room. All have the
// versions of the full course, so that its files serve.
func (c *course) subset(n int) []string {
	needs, version := map[string][]string{}, map[string]string{}
	for _, a := range c.packages() {
		version[a.Name] = a.Version
		for _, by := range a.By {
			needs[by] = append(needs[by], a.Name)
		}
	}
	taken := closure(needs, bumped)
	for _, a := range c.packages() {
		more := closure(needs, a.Name)
		maps.Copy(more, taken)
		if a.Is(pins.PinRoot) && len(more) <= n {
			taken = more
		}
	}
	var requirements []string
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		requirements = append(requirements, name+"=="+version[name])
	}
	return requirements
}

// closure is a package with all that it needs.
func closure(needs map[string][]string, name string) map[string]bool {
	seen := map[string]bool{}
	for todo := []string{name}; len(todo) > 0; {
		last := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[last] {
			seen[last] = true
			todo = append(todo, needs[last]...)
		}
	}
	return seen
}

// pool is where the files lie that are at hand.
func (b *bench) pool() string { return filepath.Join(b.work, "pool") }

// collect fetches what the other sides' builds of a course need and what is
// not there yet.
func (b *bench) collect(ctx context.Context, e *daemon, c *course) error {
	missing := slices.DeleteFunc(c.packages(), func(a pins.Artifact) bool {
		_, err := os.Stat(filepath.Join(b.pool(), "wheels", a.File))
		return err == nil
	})
	if err := b.writeContext(missing, false); err != nil {
		return err
	}
	cmd := b.dockerfile(ctx, e, "wheelhouse", b.pool(), false)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("collecting: %w:\n%s", err, tail(b.log.Name()))
	}
	return nil
}

// context is the folder that the other sides build from.
func (b *bench) context() string { return filepath.Join(b.work, "context") }

// dockerfile is the build of one of the Dockerfile's targets.
func (b *bench) dockerfile(ctx context.Context, e *daemon, target, output string, atHand bool) *exec.Cmd {
	here := ""
	if atHand {
		here = "yes"
	}
	return b.command(ctx, b.self, solveCommand, e.address, b.context(), target, output,
		"BASE="+b.base, "UV="+steps.Toolbox()[0].Version, "HERE="+here)
}

// writeContext writes the folder that the other sides build from: packages as
// requirements.txt and, if they are to be at hand, the files.
func (b *bench) writeContext(packages []pins.Artifact, atHand bool) error {
	if err := os.RemoveAll(b.context()); err != nil {
		return err
	}
	var requirements strings.Builder
	var files []string
	for _, a := range packages {
		fmt.Fprintf(&requirements, "%s==%s --hash=sha256:%s\n", a.Name, a.Version, a.SHA256)
		files = append(files, filepath.Join("wheels", a.File))
	}
	for _, folder := range []string{"debs", "tools", "wheels"} {
		if err := os.MkdirAll(filepath.Join(b.context(), folder), 0o755); err != nil {
			return err
		}
	}
	if atHand {
		for _, folder := range []string{"debs", "tools"} {
			found, err := fs.Glob(os.DirFS(b.pool()), folder+"/*")
			if err != nil {
				return err
			}
			files = append(files, found...)
		}
		for _, file := range files {
			if err := os.Link(filepath.Join(b.pool(), file), filepath.Join(b.context(), file)); err != nil {
				return err
			}
		}
	}
	return write(filepath.Join(b.context(), "requirements.txt"), requirements.String())
}
