package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

// lockFlags are the flags of lock.
type lockFlags struct {
	engineFlags
	fleet
	check, upgrade, diff, twice bool

	names []string // packages and scripts to upgrade; none: all
}

func lockCommand(s streams) *cobra.Command {
	var f lockFlags
	cmd := &cobra.Command{
		Use:   "lock [COURSE…] [--upgrade [NAME…]]",
		Short: "Resolve courses' pins inside their base image, and write pins.lock",
		Long: `Resolve the pins of courses inside their base image, and write their pins.lock. What
has not changed is not resolved again; otherwise the old lock's versions are kept
where possible. --upgrade forgets them: for all packages, or for the named ones.

Scripts of the course (postBuild, install.R, a Dockerfile's RUN) are run, and what
servers answer them is recorded. A NAME may also be a script, an image of a Dockerfile,
or the address of a download.

--check writes nothing. It proves, without a network, that each lock belongs to its
course, meets every pin, and was not edited. What --check finds, lock repairs. If git
could not merge a lock, lock prefers the versions on either side.`,
		Example: `  driftpin lock testdata/courses/stat159
  driftpin lock --all                           # those that driftpin.yaml lists
  driftpin lock --check 'deployments/*/image'   # exit 3 if a lock is stale or edited
  driftpin lock --upgrade courses/stat159       # forget the old lock
  driftpin lock --upgrade courses/stat159 numpy # for numpy only
  driftpin lock --upgrade courses/stat159 postBuild   # record the script anew
  driftpin lock --twice courses/stat159         # which files do scripts write differently each time?`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.lock(cmd.Context(), s, args) },
	}
	f.engineFlags.add(cmd)
	f.fleet.add(cmd)
	cmd.Flags().BoolVar(&f.check, "check", false, "write nothing; only check that the locks satisfy the pins")
	cmd.Flags().BoolVar(&f.upgrade, "upgrade", false, "forget the old lock, or the packages named")
	cmd.Flags().BoolVar(&f.twice, "twice", false,
		"run each script that is recorded again, and tell which files it writes otherwise then")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "print the lines of the lock that changed")
	return cmd
}

// lock locks courses, or checks their locks.
func (f lockFlags) lock(ctx context.Context, s streams, args []string) (err error) {
	defer f.end(s, &err)
	named, names := split(args)
	if len(names) > 0 && !f.upgrade {
		return usageError{fmt.Errorf("%s is not a folder: lock takes courses, and names of packages only "+
			"with --upgrade", names[0])}
	}
	if f.names = names; f.check && f.upgrade {
		return usageError{errors.New("--check writes no lock, and --upgrade makes a new one: give only one " +
			"of the two")}
	}
	if err := cmp.Or(f.engineFlags.check(), f.fleet.check()); err != nil {
		return err
	}
	courses, err := f.courses(named, names...)
	if err != nil {
		return err
	}
	if err := checkNames(courses, names); err != nil {
		return err
	}
	shared := f.share(len(courses), s)
	defer shared.done(&err)
	if f.check {
		_, err = f.report(ctx, s, courses, nil, f.checkLock)
		return err
	}
	_, err = f.report(ctx, s, courses, f.ready, f.lockCourse)
	if err == nil && len(courses) == 1 {
		fmt.Fprintf(s.err, "next: driftpin build %s --output oci-layout:DIR\n", courses[0])
	}
	return err
}

// A lockDetails is what lock says of a course's lock, as JSON.
type lockDetails struct {
	Lock      string `json:"lock"`             // its file
	Digest    string `json:"digest,omitempty"` // of the lock
	Artifacts int    `json:"artifacts"`        // how many are locked
	Bytes     int64  `json:"bytes"`            // of their files
	AsOf      string `json:"asOf,omitempty"`
	Stale     string `json:"stale,omitempty"` // why the lock can't be used, as --check finds
}

// details are those of a lock.
func (c *course) details(l *pins.Lock) lockDetails {
	if l == nil {
		return lockDetails{Lock: c.lockFile}
	}
	return lockDetails{Lock: c.lockFile, Digest: l.Digest(), Artifacts: len(l.Artifacts), Bytes: size(l), AsOf: l.AsOf}
}

// checkNames finds names that no course locks or asks for.
func checkNames(courses, names []string) error {
	for _, name := range names {
		var known []string
		found := false
		for _, dir := range courses {
			c, err := openManifest(dir)
			if err != nil && len(courses) > 1 {
				continue // it is said when its turn comes
			}
			if err != nil {
				return err
			}
			for _, r := range c.manifest.Requests {
				known = append(known, r.Name)
				found = found || r.Name != "" && r.Name == pins.CanonicalName(r.Kind, name)
			}
			for _, d := range c.manifest.Downloads {
				known = append(known, d.URL)
				found = found || d.URL == name
			}
			for _, image := range c.manifest.Images {
				known = append(known, image.Value)
				found = found || image.Value == name
			}
			for _, script := range c.manifest.Scripts {
				known = append(known, script.Name)
				found = found || script.Name == name
			}
			for _, l := range []*pins.Lock{c.lock, c.doubted} {
				if l == nil {
					continue
				}
				for _, a := range l.Artifacts {
					known = append(known, a.Name)
					found = found || a.Name == pins.CanonicalName(a.Kind, name)
				}
			}
		}
		if found {
			continue
		}
		hint := ""
		if near := pins.Near(name, known); len(near) > 0 {
			hint = ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return fmt.Errorf("--upgrade %s: %s locks no such package%s", name, strings.Join(courses, ", "), hint)
	}
	return nil
}

// checkLock says whether a course's lock is stale, or does not prove what it holds.
func (f lockFlags) checkLock(_ context.Context, s streams, dir string) (result, error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return result{}, err
	}
	details := c.details(c.lock)
	if c.lock == nil && c.broken == nil {
		details.Stale = "there is no lock"
		fmt.Fprintf(s.out, "%s: there is no lock; write it with driftpin lock %s\n", c.lockFile, dir)
		return result{Outcome: "no lock", Details: details}, errFound
	}
	if err = c.usable(s.out); err != nil {
		details.Stale = c.stale()
		return result{Outcome: outcomeStale, Details: details}, err
	}
	if err = worse(c.printLaunch(s.err, c.lock), c.printOverlaps(s)); err != nil {
		return result{Outcome: "findings", Details: details}, err
	}
	return result{Outcome: "up to date", Details: details}, nil
}

// ready says what keeps a course from being locked, as far as its files tell.
func (f lockFlags) ready(_ context.Context, _ streams, dir string) (result, error) {
	c, err := openCourse(dir, f.base)
	if err == nil && c.foreign() {
		err = c.broken
	}
	return result{}, err
}

// lockCourse writes a course's lock, unless nothing has changed.
func (f lockFlags) lockCourse(ctx context.Context, s streams, dir string) (result, error) {
	c, err := openCourse(dir, f.base)
	if err != nil {
		return result{}, err
	}
	if c.foreign() {
		return result{}, c.broken
	}
	again := f.twice && len(c.manifest.Scripts) > 0
	for _, image := range c.manifest.Images {
		if f.upgrade && (len(f.names) == 0 || slices.Contains(f.names, image.Value)) {
			c.forget = append(c.forget, image.Value)
		}
	}
	if !f.upgrade && !again && c.stale() == "" {
		fmt.Fprintf(s.err, "%s: up to date\n", c.lockFile)
		return result{Outcome: "up to date", bytes: size(c.lock), Details: c.details(c.lock)},
			worse(c.printLaunch(s.err, c.lock), c.printOverlaps(s))
	}
	if c.broken != nil {
		for _, line := range strings.Split(c.stale(), "\n") {
			fmt.Fprintln(s.err, report.Clean(line))
		}
		fmt.Fprintln(s.err, "locking the course again; versions that can be read from the old lock are kept "+
			"where possible")
	}
	if err := writable(dir); err != nil {
		return result{}, fmt.Errorf("%s: %w", c.lockFile, err)
	}
	l, overlaps, err := f.resolve(ctx, s, c)
	if err != nil {
		return result{}, fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := whole.WriteFile(c.lockFile, []byte(l.String()), 0o644); err != nil {
		return result{}, err
	}
	printLocked(s, c, l)
	if err := f.showChanges(s, c, l); err != nil {
		return result{}, err
	}
	return result{Outcome: "locked", bytes: size(l), Details: c.details(l)},
		worse(c.printLaunch(s.err, l), printFound(s, overlaps))
}

// printLocked says what was locked, of which day, and what comes next.
func printLocked(s streams, c *course, l *pins.Lock) {
	fmt.Fprintf(s.err, "%s: %s, %s, %s\n", c.lockFile, pins.Count(len(l.Artifacts), "artifact"), megabytes(size(l)), l.Digest())
	if l.AsOf == "" && c.manifest.Dockerfile.Value == "" {
		fmt.Fprintf(s.err, "%s: today's versions were taken, because the course has no as-of: with as-of: %s in its pins.yaml they "+
			"stay those of today\n", c.lockFile, time.Now().Format(time.DateOnly))
	}
	printOver(s, c.lockFile, l)
}

// printOver says which packages of pip's were locked in the place of conda's, though no
// pin says so.
func printOver(s streams, file string, l *pins.Lock) {
	for _, a := range l.Artifacts {
		if a.Over == "" {
			continue
		}
		conda, _ := l.Find(pins.Conda, a.Over, a.Platform)
		fmt.Fprintf(s.err, "%s: %s %s, which %s needs, is laid over conda's %s %s, as pip does it in repo2docker\n", file, a.Name,
			a.Version, strings.Join(a.By, ", "), a.Over, conda.Version)
	}
}

// resolve has the engine resolve what a course asks for, and finds the paths
// that several packages would own.
func (f lockFlags) resolve(ctx context.Context, s streams,
	c *course) (_ *pins.Lock, overlaps pins.Findings, err error) {
	e, err := f.open(ctx, s, c)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	o := c.options()
	o.Upgrade, o.Names = f.upgrade && len(f.names) == 0, f.names
	old, doubted := c.preferred()
	if old == nil && !o.Upgrade {
		if old, err = c.pixiLocked(s); err != nil {
			return nil, nil, err
		}
		doubted = old != nil
	}
	o.Again = f.twice
	r := recorder{s, c, e, f.twice}
	o.Doubted, o.Recorder, o.Fetch = doubted, r, r.fetch
	o.PostLinks = solver{c.resolver(e), buildplan.Builder{Session: e}}.PostLinks
	l, err := pins.Relock(ctx, c.manifest, old, c.resolver(e), o)
	if err != nil {
		return nil, nil, err
	}
	if c.lock == nil || o.Upgrade || len(o.Names) > 0 || !maps.Equal(l.Inputs, c.lock.Inputs) {
		overlaps, err = buildplan.Builder{Session: e}.Overlaps(ctx, c.base, c.manifest, l)
	}
	return l, overlaps, err
}

// pixiLocked are the versions that a pixi.lock beside the course's pixi.toml has, as a
// lock whose versions are preferred; nil if there are none.
func (c *course) pixiLocked(s streams) (*pins.Lock, error) {
	file, all, err := c.manifest.PixiLocked()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	fmt.Fprintf(s.err, "%s: %s kept where possible\n", file, pins.Count(len(all), "version"))
	return &pins.Lock{Artifacts: all}, nil
}

// showChanges prints what a new lock changes.
func (f lockFlags) showChanges(s streams, c *course, l *pins.Lock) error {
	if c.lock != nil && f.diff {
		_, err := io.WriteString(s.out, report.Lines(c.lock.String(), l.String(), useColour("auto", s.out)))
		return err
	}
	return showChanges(s.out, c, l)
}
