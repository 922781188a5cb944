package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
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

// parseTarget reads [KIND:]NAME.
func parseTarget(text string) target {
	if word, rest, ok := strings.Cut(text, ":"); ok {
		for _, k := range []pins.Kind{pins.Pip, pins.Conda, pins.Deb, pins.Npm, pins.R} {
			if k.Key() == word {
				return target{kind: k, name: rest}
			}
		}
	}
	return target{name: text}
}

// in are the pins of a course that a target means.
func (t target) in(c *course) []pins.Request {
	return slices.DeleteFunc(c.effective(c.manifest.Pinned(t.name)), func(r pins.Request) bool { return t.kind != "" && r.Kind != t.kind })
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
is edited, and all is written or nothing; a KIND (pip, conda, apt, npm) tells pins
of one name apart. Where the
other pins do not allow a version, those that would have to move are named.
--markdown writes what is shown as the body of a pull request.`,
		Example: `  driftpin bump courses/stat159 tornado=6.3.3          # what would come of it
  driftpin bump courses/* jupyterhub=4.0.2 --write     # in every course that pins it
  driftpin bump courses/stat159 jupyterlab --to patch
  driftpin bump courses/stat159 jupyterlab=3.6.3 --as-of 2023-04-15`,
		Args: arguments(2, -1, "courses and packages"),
		RunE: func(cmd *cobra.Command, args []string) error {
			courses, names := split(args)
			courses, err := named(courses)
			if err != nil {
				return err
			}
			if err := f.read(courses, names); err != nil {
				return err
			}
			pinned, err := f.bump(cmd.Context(), s, courses)
			if err == nil && pinned == 0 {
				return fmt.Errorf("no course pins %s", strings.Join(names, ", "))
			}
			return err
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
		if strings.ContainsAny(name, "<>!~") {
			return usageError{fmt.Errorf("%s: a range can't be asked for: write NAME=VERSION, or NAME for the newest", n)}
		}
		t := parseTarget(name)
		t.version = strings.TrimLeft(version, "=")
		f.targets = append(f.targets, t)
	}
	if f.asOf != "" {
		if _, err := pins.ParseDate(f.asOf); err != nil {
			return usageError{fmt.Errorf("--as-of: %w", err)}
		}
	}
	return cmp.Or(oneOf("to", f.to, "latest", "minor", "patch"), f.check())
}

// named returns courses by one name each, so that a file that several share has
// one too: relative to the working folder, without symbolic links. A course that
// is named twice is there once.
func named(courses []string) (out []string, err error) {
	here, err := filepath.Abs(".")
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range courses {
		real, err := filepath.EvalSymlinks(c)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(real) {
			real = filepath.Join(here, real)
		}
		if real, err = filepath.Rel(here, real); err != nil {
			return nil, err
		}
		if !slices.Contains(out, real) {
			out = append(out, real)
		}
	}
	return out, nil
}

// bump bumps courses together: all are resolved and shown before one is
// written. It returns 0 if none of them pins what is named.
func (f *bumpFlags) bump(ctx context.Context, s streams, dirs []string) (n int, err error) {
	var all []*bumping
	found := map[target]bool{}
	for _, dir := range dirs {
		c, err := openLocked(dir, f.base)
		if err != nil {
			return 0, err
		}
		asked, err := f.pinned(c, s, found)
		if err != nil {
			return 0, err
		}
		if f.asOf != "" && len(asked) > 0 && c.manifest.AsOf.At.File == "" {
			return 0, fmt.Errorf("%s: there is no as-of to change: without one, today's versions are resolved", c.manifest.Sources[0].Name)
		}
		if f.markdown != "" && (c.manifest.Reads(filepath.ToSlash(filepath.Clean(f.markdown))) || filepath.Clean(f.markdown) == filepath.Clean(c.lockFile)) {
			return 0, usageError{fmt.Errorf("--markdown %s: that is a file of the course %s", f.markdown, dir)}
		}
		n += len(asked)
		all = append(all, &bumping{bumpFlags: f, course: c, streams: s, bumps: asked})
	}
	for _, t := range f.targets {
		if len(found) > 0 && !found[t] {
			return 0, fmt.Errorf("no course pins %s: nothing is bumped", t.name)
		}
	}
	if n == 0 {
		return len(found), nil
	}
	b, err := f.builder(ctx, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, p := range all {
		p.builder = b
	}
	if err := chooseAll(ctx, all); err != nil {
		return 0, err
	}
	return n, f.carryOut(ctx, s, all)
}

// pinned returns the pins of a course that are to be bumped, and notes which
// targets it found.
func (f *bumpFlags) pinned(c *course, s streams, seen map[target]bool) (out []pins.Bump, err error) {
	for _, t := range f.targets {
		found := t.in(c)
		if i := slices.IndexFunc(found, func(r pins.Request) bool { return r.Kind != found[0].Kind }); i > 0 && t.version != "" {
			return nil, fmt.Errorf("%s is pinned at %s and at %s: write %s:%s or %s:%s", t.name, found[0].At, found[i].At, found[0].Kind.Key(), t.name, found[i].Kind.Key(), t.name)
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
		seen[t] = true
		for _, r := range found {
			if t.version != "" && r.Git == nil && t.version == r.Version {
				fmt.Fprintf(s.err, "%s: %s is there already\n", r.At, r.Spec)
				continue
			}
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
