package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

// bumpFlags are the flags of bump.
type bumpFlags struct {
	engineFlags
	write    bool
	to, asOf string
	markdown string // file
	targets  []target
	body     strings.Builder // of the pull request
}

// A target is [KIND:]NAME, or [KIND:]NAME=VERSION, of the command line.
type target struct {
	kind          pins.Kind // empty: any
	name, version string
}

func bumpCommand(s streams) *cobra.Command {
	var f bumpFlags
	cmd := &cobra.Command{
		Use:   "bump COURSE… [KIND:]NAME[=VERSION]…",
		Short: "Take other versions of pins, and say all that comes of it before it is written",
		Long: `Take other versions of pins. Everything is resolved for real, and what would
change is shown: the manifest's lines, and the lock by package, with what was
asked for and what came along. Nothing is written without --write; then
nothing in the manifest changes but the versions.

A NAME without a version goes to the newest that resolves together with the
rest; --to says how far. With several courses, every file that pins the package
is edited; a KIND (pip, conda, apt, npm) tells pins of one name apart. Where the
other pins do not allow a version, those that would have to move are named.
--markdown writes what is shown as the body of a pull request.`,
		Example: `  driftpin bump courses/stat159 tornado=6.3.3          # what would come of it
  driftpin bump courses/* jupyterhub=4.0.2 --write     # in every course that pins it
  driftpin bump courses/stat159 jupyterlab --to patch
  driftpin bump courses/stat159 jupyterlab=3.6.3 --as-of 2023-04-15`,
		Args: arguments(2, -1, "courses and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			courses, names := split(args)
			if err := f.read(courses, names); err != nil {
				return err
			}
			if err := f.apart(courses); err != nil {
				return err
			}
			pinned := 0
			for _, dir := range courses {
				n, err := f.bump(cmd.Context(), s, dir)
				if err != nil {
					return err
				}
				pinned += n
			}
			if pinned == 0 {
				return fmt.Errorf("no course pins %s", strings.Join(names, ", "))
			}
			return f.writeBody()
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.write, "write", false, "write the manifests and the locks")
	cmd.Flags().StringVar(&f.to, "to", "latest", "how far a NAME without a version goes: latest, minor or patch")
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "file to write the pull request's body to")
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "take this date for the manifest's as-of too")
	return cmd
}

// read understands the command line.
func (f *bumpFlags) read(courses, names []string) error {
	switch {
	case len(courses) == 0:
		return usageError{errors.New("name one or more courses: folders")}
	case len(names) == 0:
		return usageError{errors.New("name one or more packages: NAME or NAME=VERSION")}
	}
	for _, n := range names {
		name, version, given := strings.Cut(n, "=")
		if given && strings.TrimLeft(version, "=") == "" {
			return usageError{fmt.Errorf("%s: no version stands behind the =; leave the = out for the newest", n)}
		}
		t := target{name: name, version: strings.TrimLeft(version, "=")}
		if word, rest, ok := strings.Cut(name, ":"); ok {
			for _, k := range []pins.Kind{pins.Pip, pins.Conda, pins.Deb, pins.Npm, pins.R} {
				if k.Key() == word {
					t.kind, t.name = k, rest
				}
			}
		}
		f.targets = append(f.targets, t)
	}
	if f.asOf != "" {
		if _, err := pins.ParseDate(f.asOf); err != nil {
			return usageError{fmt.Errorf("--as-of: %w", err)}
		}
	}
	return cmp.Or(oneOf("to", f.to, "latest", "minor", "patch"), f.check())
}

// apart refuses to write one file for several courses: the second would find its
// lock stale when the first is done.
func (f *bumpFlags) apart(courses []string) error {
	owner := map[string]string{}
	for _, dir := range courses {
		m, err := pins.ReadCourse(dir)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, t := range f.targets {
			for _, r := range m.Pinned(t.name) {
				seen[filepath.Clean(r.At.File)] = true
			}
		}
		for file := range seen {
			if other, shared := owner[file]; shared && f.write {
				return fmt.Errorf("%s is shared by %s and %s: bump one of them, then lock the other, which shows what comes of it there", file, other, dir)
			}
			owner[file] = dir
		}
	}
	return nil
}

// bump bumps one course, and returns how many of its pins.
func (f *bumpFlags) bump(ctx context.Context, s streams, dir string) (n int, err error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return 0, err
	}
	if _, err := c.locked(); err != nil {
		return 0, err
	}
	if why := c.stale(); why != "" {
		return 0, fmt.Errorf("%s: %s: lock the course first, so that a bump is all that changes", c.lockFile, why)
	}
	asked, err := f.pinned(c, s)
	if err != nil || len(asked) == 0 {
		return 0, err
	}
	b, err := f.open(ctx, s, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	p := &bumping{bumpFlags: f, course: c, builder: b, streams: s}
	if err := p.choose(ctx, asked); err != nil {
		return 0, fmt.Errorf("bumping %s: %w", dir, err)
	}
	return len(asked), p.carryOut(ctx)
}

// pinned returns the pins of a course that are to be bumped.
func (f *bumpFlags) pinned(c *course, s streams) (out []pins.Bump, err error) {
	for _, t := range f.targets {
		found := slices.DeleteFunc(c.manifest.Pinned(t.name), func(r pins.Request) bool { return t.kind != "" && r.Kind != t.kind })
		if len(found) > 1 && t.version != "" && found[0].Kind != found[1].Kind {
			return nil, fmt.Errorf("%s is pinned at %s and at %s: write %s:%s or %s:%s", t.name, found[0].At, found[1].At, found[0].Kind.Key(), t.name, found[1].Kind.Key(), t.name)
		}
		if len(found) == 0 {
			hint := ""
			if near := c.manifest.SuggestPin(t.name); near != "" {
				hint = ": did you mean " + near + "?"
			} else if a, ok := c.lock.Find(pins.Pip, t.name, c.lock.Platforms[0]); ok {
				hint = fmt.Sprintf(", but %s %s comes along: see driftpin why %s %s", a.Name, a.Version, c.manifest.Dir, a.Name)
			}
			fmt.Fprintf(s.err, "%s: it does not pin %s%s\n", c.manifest.Dir, t.name, hint)
			continue
		}
		for _, r := range found {
			i := slices.IndexFunc(out, func(b pins.Bump) bool { return b.Request.At == r.At })
			if i < 0 {
				out = append(out, pins.Bump{Request: r, Version: t.version})
			} else if out[i].Version != t.version {
				return nil, usageError{fmt.Errorf("%s is asked for in two versions, %s and %s", r.Name, out[i].Version, t.version)}
			}
		}
	}
	return out, nil
}

// A bumping is a bump of one course on its way.
type bumping struct {
	*bumpFlags
	course  *course
	builder *buildplan.Builder
	streams streams
	bumps   []pins.Bump
}

// choose finds out the versions that were not named.
func (p *bumping) choose(ctx context.Context, asked []pins.Bump) error {
	for _, b := range asked {
		if b.Version != "" {
			p.bumps = append(p.bumps, b)
			continue
		}
		loose, err := p.course.manifest.Within(b.Request, p.to)
		if err != nil {
			return err
		}
		o := p.course.sameCourse()
		o.Names = []string{b.Request.Name}
		l, err := pins.Relock(ctx, loose, p.course.lock, p.builder, o)
		if err != nil {
			return err
		}
		a, ok := l.Find(b.Request.Kind, b.Request.Name, l.Platforms[0])
		if !ok {
			return fmt.Errorf("%s: the solver leaves %s out", b.Request.At, b.Request.Name)
		}
		b.Version = a.Version
		if pins.CompareVersions(b.Request.Kind, a.Version, b.Request.Version) == 0 {
			fmt.Fprintf(p.streams.err, "%s: %s %s is the newest (%s) that resolves with the rest\n", b.Request.At, b.Request.Name, a.Version, p.to)
			continue
		}
		p.bumps = append(p.bumps, b)
	}
	return nil
}

// carryOut resolves the edited course, shows what changes, and writes it if
// that is wanted.
func (p *bumping) carryOut(ctx context.Context) error {
	if len(p.bumps) == 0 {
		return nil
	}
	dir := p.course.manifest.Dir
	known := make(chan []string, 1)
	go func() { known <- p.known(ctx) }() // git takes its time, and so does the solver
	edited, err := p.course.manifest.EditAll(p.bumps)
	if err == nil && p.asOf != "" {
		err = p.course.manifest.EditDate(p.asOf, edited)
	}
	if err != nil {
		return err
	}
	m, err := pins.ReadEdited(dir, edited)
	if err != nil {
		return err
	}
	l, err := pins.Relock(ctx, m, p.course.lock, p.builder, p.course.sameCourse())
	notes := <-known
	for _, note := range notes {
		fmt.Fprintln(p.streams.err, report.Clean(note))
	}
	if errors.Is(err, buildplan.ErrNoSolution) {
		return fmt.Errorf("bumping %s: %w%s", dir, err, p.advise(ctx, m))
	}
	if err != nil {
		return fmt.Errorf("bumping %s: %w", dir, err)
	}
	if err := p.show(&outcome{edited, m, l, notes}); err != nil {
		return err
	}
	if !p.write {
		fmt.Fprintln(p.streams.err, "nothing is written: --write does")
		return nil
	}
	return p.writeAll(edited, l)
}

// writeAll writes the manifests and the lock: all are written beside their
// places before the first comes there.
func (p *bumping) writeAll(edited map[string][]byte, l *pins.Lock) error {
	edited[p.course.lockFile] = []byte(l.String())
	var files []*whole.File
	for name, data := range edited {
		file, err := whole.Create(name, 0o644)
		if err != nil {
			return err
		}
		defer file.Abandon()
		if _, err := file.Write(data); err != nil {
			return err
		}
		files = append(files, file)
	}
	for _, file := range files {
		if err := file.Commit(); err != nil {
			return err
		}
	}
	return nil
}
