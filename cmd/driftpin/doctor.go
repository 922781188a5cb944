package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/git"
	"github.com/driftpin/driftpin/buildplan/resolve"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func doctorCommand(s streams) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [COURSE]",
		Short: "Say what this machine lacks for building, and how to get it",
		Long: `Say what this machine lacks for building, and how to get it: the engine and what it needs,
the disk, and git; and whether the base image, apt's sources in it and the index of
Python's packages answer, as the steps of builds ask them. The base is the course's, or
the one of --base, $DRIFTPIN_BASE or driftpin.yaml.`,
		Example: `  driftpin doctor
  driftpin doctor courses/stat159
  driftpin doctor --base debian:bookworm --format json
  BUILDKIT_HOST=unix:///run/buildkit/buildkitd.sock driftpin doctor`,
		Args: arguments(0, 1, "one course at most"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", f.format, "text", "json"); err != nil {
				return err
			}
			return f.doctor(cmd.Context(), s, args)
		},
	}
	f.place.add(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "base image to look at (default $DRIFTPIN_BASE)")
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	return cmd
}

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	engineFlags
	format string
	broken bool // building can't work
	failed bool // and not only because something does not answer
	said   []doctorCheck
}

// A doctorCheck is what doctor says of one thing that building needs.
type doctorCheck struct {
	What   string `json:"what"`
	State  string `json:"state"`            // ok, missing, or note for what building can do without
	For    string `json:"for,omitempty"`    // what it lets one do
	Detail string `json:"detail,omitempty"` // what was found
	Error  string `json:"error,omitempty"`  // why it is not fine
	Remedy string `json:"remedy,omitempty"` // what to do then
}

func (f *doctorFlags) doctor(ctx context.Context, s streams, args []string) error {
	dir, err := stateDir()
	if err == nil {
		_, err = keepBytes()
	}
	if err != nil {
		return err
	}
	if f.place.embedded() {
		f.say(s, "to build", engine.Diagnose(ctx, filepath.Join(dir, "engine"))...)
	} else {
		f.say(s, "to lock and build", remoteFindings(ctx, s, f.place)...)
	}
	f.say(s, "requirements from git, history and --since", git.Diagnose())
	if !f.broken { // else nothing can be asked
		f.sources(ctx, s, args)
	}
	if f.format == "json" {
		if err := writeJSON(s.out, map[string]any{"checks": f.said}); err != nil {
			return err
		}
	}
	if f.broken {
		fmt.Fprintln(s.err, "driftpin: something is missing that locking or building needs: see the checks")
	}
	switch {
	case f.broken && f.failed:
		return toldError{exitError}
	case f.broken:
		return toldError{exitUnreachable}
	}
	return ctx.Err()
}

// say tells findings, each with what it is for.
func (f *doctorFlags) say(s streams, what string, findings ...engine.Finding) {
	for _, c := range findings {
		check := doctorCheck{What: c.What, State: "ok", For: what, Detail: c.Detail}
		if c.Err != nil {
			check.State, check.Error, check.Remedy = "missing", c.Err.Error(), c.Remedy
			if c.Optional {
				check.State = "note"
			}
			if !c.Optional {
				f.broken = true
				f.failed = f.failed || !isUnreachable(c.Err)
			}
		}
		f.said = append(f.said, check)
		if f.format == "text" {
			fmt.Fprintf(s.out, "%-7s  %s (%s): %s\n", check.State, c.What, what, c.Says())
		}
	}
}

// sources asks what locking asks, from within the engine: the base, apt's sources in it, and the
// index of Python's packages.
func (f *doctorFlags) sources(ctx context.Context, s streams, args []string) {
	c, err := f.subject(args)
	if err != nil {
		f.say(s, forBase, engine.Finding{What: "base image", Err: err, Optional: len(args) == 0 && errors.As(err, new(noBaseError)),
			Remedy: "without one, neither it nor apt's sources and the index were looked at"})
		return
	}
	f.progress = "quiet"
	fmt.Fprintln(s.err, "asking the base image, apt's sources and the index: the first time this takes some seconds")
	e, err := f.open(ctx, s, c)
	if err != nil {
		f.say(s, forBase, engine.Finding{What: "base image", Err: err,
			Remedy: "name another one, or see why it does not answer"})
		return
	}
	defer func() {
		if err := e.Close(); err != nil {
			f.say(s, "to build", engine.Finding{What: "engine", Err: err})
		}
	}()
	name := cmp.Or(c.base.Ref, pins.LayoutPrefix+c.base.Layout)
	f.say(s, forBase, engine.Finding{What: "base image", Detail: name + ", " + c.base.Digest})
	r, q := c.resolver(e), pins.Query{Kind: pins.Deb, Platform: c.manifest.Platforms[0], Python: pins.Install,
		Requests: []pins.Request{{Pin: pins.New(pins.Deb, "ca-certificates", "")}}}
	if c.manifest.Extends { // the base has a Python
		q.Python = ""
	}
	start := time.Now()
	debs, err := r.Resolve(ctx, q)
	f.say(s, "pins of apt, compilers, and the Python of courses without conda", answered("apt's sources", start, err))
	if err != nil {
		return // the Python that asks the index comes from there
	}
	start, q = time.Now(), pins.Query{Kind: pins.Pip, Platform: q.Platform, Below: debs}
	if _, err = r.Releases(ctx, q, map[string]string{"pip": ""}); errors.Is(err, resolve.ErrNoPackage) {
		err = nil // it answers
	}
	f.say(s, "pins of pip", answered("index of Python's packages", start, err))
}

// answered is what doctor says of a source that was asked at a time.
func answered(what string, start time.Time, err error) engine.Finding {
	return engine.Finding{What: what, Err: err, Detail: fmt.Sprintf("answered in %.1f s", time.Since(start).Seconds()),
		Remedy: "see the proxies, certificates and indexes of this machine"}
}

// forBase is what a base image is for.
const forBase = "to lock and build"

// subject is the course that is meant, or one that has nothing but a base.
func (f *doctorFlags) subject(args []string) (*course, error) {
	if len(args) > 0 {
		return openCourse(args[0], f.base)
	}
	if pins.IsCourse(".") {
		return openCourse(".", f.base)
	}
	w, err := pins.FindWorkspace(".")
	if err != nil {
		return nil, err
	}
	c := &course{manifest: &pins.Manifest{Dir: ".", Platforms: []string{pins.DefaultPlatform}, Workspace: w}}
	return c, c.findBase(f.base)
}

// remoteFindings are what is to be said of each engine that is named. That one does not
// answer is no more than a note, where another one does.
func remoteFindings(ctx context.Context, s streams, place enginePlace) (all []engine.Finding) {
	if len(place.addresses()) == 0 {
		return []engine.Finding{remoteFinding(ctx, s, place)}
	}
	some := false
	for _, address := range place.addresses() {
		one := place
		if one.address = address; !strings.HasPrefix(address, "tcp://") {
			one.tls = ""
		}
		f := remoteFinding(ctx, s, one)
		all, some = append(all, f), some || f.Err == nil
	}
	for i := range all {
		all[i].Optional = some && isUnreachable(all[i].Err)
	}
	return all
}

func remoteFinding(ctx context.Context, s streams, place enginePlace) engine.Finding {
	f := engine.Finding{What: "engine " + place.address}
	e, err := place.open(ctx, "", s)
	if err != nil {
		if f.Err = err; isUnreachable(err) {
			f.Remedy = "start buildkitd there, or unset BUILDKIT_HOST to build in this process"
		}
		return f
	}
	info, err := e.Client().Info(ctx)
	if err == nil {
		f.Detail = "BuildKit " + info.BuildkitVersion.Version
	}
	f.Err = errors.Join(err, e.Close())
	return f
}
