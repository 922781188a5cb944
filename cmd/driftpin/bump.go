package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/history"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

// bumpFlags are the flags of bump.
type bumpFlags struct {
	engineFlags
	write    bool
	to, asOf string
	targets  []target
}

// A target is NAME, or NAME=VERSION, of the command line.
type target struct{ name, version string }

func bumpCommand(s streams) *cobra.Command {
	var f bumpFlags
	cmd := &cobra.Command{
		Use:   "bump COURSE… NAME[=VERSION]…",
		Short: "Take other versions of pins, and say all that comes of it before it is written",
		Long: `Take other versions of pins. Everything is resolved for real, and what would
change is shown: the manifest's lines, and the lock by package, with what was
asked for and what came along. Nothing is written without --write; then
nothing in the manifest changes but the versions.

A NAME without a version goes to the newest that resolves together with the
rest; --to says how far. With several courses, every file that pins the package
is edited. Where the other pins do not allow a version, those that would have to
move are named.`,
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
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.write, "write", false, "write the manifests and the locks")
	cmd.Flags().StringVar(&f.to, "to", "latest", "how far a NAME without a version goes: latest, minor or patch")
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
		name, version, _ := strings.Cut(n, "=")
		f.targets = append(f.targets, target{name, strings.TrimLeft(version, "=")})
	}
	return cmp.Or(oneOf("to", f.to, "latest", "minor", "patch"), f.check())
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
	p := &bumping{f, c, b, s, nil}
	if err := p.choose(ctx, asked); err != nil {
		return 0, fmt.Errorf("bumping %s: %w", dir, err)
	}
	return len(asked), p.carryOut(ctx)
}

// pinned returns the pins of a course that are to be bumped.
func (f *bumpFlags) pinned(c *course, s streams) (out []pins.Bump, err error) {
	for _, t := range f.targets {
		found := c.manifest.Pinned(t.name)
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
			out = append(out, pins.Bump{Request: r, Version: t.version})
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
		o := p.course.options()
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
	p.warn(ctx)
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
	l, err := pins.Relock(ctx, m, p.course.lock, p.builder, p.course.options())
	if errors.Is(err, buildplan.ErrNoSolution) {
		return fmt.Errorf("bumping %s: %w%s", dir, err, p.advise(ctx, m))
	}
	if err != nil {
		return fmt.Errorf("bumping %s: %w", dir, err)
	}
	if err := p.show(edited, m, l); err != nil {
		return err
	}
	if !p.write {
		fmt.Fprintln(p.streams.err, "nothing is written: --write does")
		return nil
	}
	return p.writeAll(edited, l)
}

// warn says what people knew about the versions that go and come.
func (p *bumping) warn(ctx context.Context) {
	for _, b := range p.bumps {
		if b.Request.Version != "" && strings.Contains(b.Request.Why, b.Request.Version) {
			fmt.Fprintf(p.streams.err, "%s: its reason speaks of the version that goes: %s\n", b.Request.At, report.Clean(b.Request.Why))
		}
		events, err := history.Of(ctx, p.course.manifest.Dir, b.Request.Name)
		if err != nil {
			continue // there may be no git here
		}
		if t, ok := history.Reverted(events, b.Request.Kind, b.Version); ok {
			fmt.Fprintf(p.streams.err, "%s: %s %s was tried on %s (%s, %s) and taken back on %s (%s, %s)\n", b.Request.At, b.Request.Name, b.Version,
				t.Tried.Time.Format("2006-01-02"), t.Tried.Commit[:12], report.Clean(t.Tried.Subject),
				t.Reverted.Time.Format("2006-01-02"), t.Reverted.Commit[:12], report.Clean(t.Reverted.Subject))
		}
	}
}

// show prints the lines of the manifest that change, and the lock by package.
func (p *bumping) show(edited map[string][]byte, m *pins.Manifest, l *pins.Lock) error {
	colour := useColour("auto", p.streams.out)
	for _, s := range p.course.manifest.Sources {
		if after, ok := edited[s.Name]; ok {
			if _, err := fmt.Fprintf(p.streams.out, "%s\n%s", s.Name, report.Lines(string(s.Data), string(after), colour)); err != nil {
				return err
			}
		}
	}
	changes := images.Compare(images.LockPackages(p.course.lock), images.LockPackages(l))
	images.Explain(changes, &images.Reason{Manifest: p.course.manifest, Lock: p.course.lock}, &images.Reason{Manifest: m, Lock: l})
	if err := report.Text(p.streams.out, images.New("the lock", "the lock after it", changes, nil), colour); err != nil {
		return err
	}
	before, after := size(p.course.lock), size(l)
	_, err := fmt.Fprintf(p.streams.out, "downloads: %+.1f MB, to %.1f MB\n", float64(after-before)/1e6, float64(after)/1e6)
	return err
}

func size(l *pins.Lock) (n int64) {
	for _, a := range l.Installed(l.Platforms[0]) {
		n += a.Size
	}
	return n
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

// advise says what else there is, where a version can't be had: the versions
// around it, or the pins that would have to move with it, or to go.
func (p *bumping) advise(ctx context.Context, m *pins.Manifest) string {
	var names []string
	for _, b := range p.bumps {
		names = append(names, b.Request.Name)
	}
	loose := m.Loosened(names, false)
	l, err := pins.Relock(ctx, loose, p.course.lock, p.builder, p.course.options())
	if err == nil {
		return p.moves(m, loose, l, nil)
	}
	if text := p.adviseVersions(ctx, m.AsOf.End); text != "" {
		return text
	}
	loose = m.Loosened(names, true)
	var gone []pins.Request
	for range maxGone {
		if l, err = pins.Relock(ctx, loose, p.course.lock, p.builder, p.course.options()); err == nil {
			return p.moves(m, loose, l, gone)
		}
		blamed := func(r pins.Request) bool {
			return !slices.Contains(names, r.Name) && strings.Contains(err.Error(), r.At.String()+": "+r.Spec)
		}
		if !slices.ContainsFunc(loose.Requests, blamed) {
			break
		}
		for _, r := range loose.Requests {
			if blamed(r) {
				gone = append(gone, r)
			}
		}
		loose.Requests = slices.DeleteFunc(loose.Requests, blamed)
	}
	return "\nEven with all other pins free to move it can't be had."
}

// maxGone is how often pins are left out to see what is in the way.
const maxGone = 5

// moves words which pins would have to move, by a lock of the loosened
// manifest, and which would have to go.
func (p *bumping) moves(m, loose *pins.Manifest, l *pins.Lock, gone []pins.Request) string {
	command := "driftpin bump " + p.course.manifest.Dir
	for _, b := range p.bumps {
		command += " " + b.Request.Name + "=" + b.Version
	}
	var text strings.Builder
	tell := func(r pins.Request, what string) {
		fmt.Fprintf(&text, "\n  %s: %s %s", r.At, r.Spec, what)
		if r.Why != "" {
			fmt.Fprintf(&text, " (%s: %s)", r.Need, r.Why)
		}
	}
	for _, r := range gone {
		tell(r, "would have to go")
	}
	for _, r := range m.Requests {
		a, ok := l.Find(r.Kind, r.Name, l.Platforms[0])
		free := slices.ContainsFunc(loose.Requests, func(q pins.Request) bool { return q.At == r.At && q.Version == "" })
		if free && r.Version != "" && ok && pins.CompareVersions(r.Kind, a.Version, r.Version) != 0 {
			tell(r, "→ "+a.Version)
			command += " " + r.Name + "=" + a.Version
		}
	}
	if text.Len() == 0 {
		return ""
	}
	if len(gone) > 0 {
		command = "take out what has to go, then " + command
	}
	if p.asOf != "" {
		command += " --as-of " + p.asOf
	}
	return "\nWhat would have to change with it:" + text.String() + "\nThat would be: " + command
}

// adviseVersions says what there is around versions that do not exist.
func (p *bumping) adviseVersions(ctx context.Context, before time.Time) string {
	var text strings.Builder
	for _, b := range p.bumps {
		if b.Request.Kind != pins.Pip || b.Request.Git != nil {
			continue
		}
		l := p.course.lock
		q := pins.Query{Kind: pins.Pip, Platform: l.Platforms[0], Before: before, Below: l.Below()}
		n, err := p.builder.Neighbours(ctx, q, b.Request.Name, b.Version, buildplan.Siblings(l, b.Request.Name))
		if err != nil {
			continue // the first error says more
		}
		var there []string
		for _, v := range []string{n.Below, n.Above} {
			if v != "" {
				there = append(there, v)
			}
		}
		if len(there) > 0 {
			fmt.Fprintf(&text, "\nThe nearest of %s are %s.", b.Request.Name, strings.Join(there, " and "))
		}
		if n.Sibling != "" {
			fmt.Fprintf(&text, " %s is a version of %s.", b.Version, n.Sibling)
		}
	}
	return text.String()
}
