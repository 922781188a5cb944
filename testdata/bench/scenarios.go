package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// sides are what is compared; ratios are relative to pip.
var sides = []string{"driftpin", "pip", "uv"}

// The scenarios, in the order in which they run.
const (
	coldFetch  = "cold, all to fetch"
	noChange   = "no change"
	bumpFetch  = "one pin bumped, its wheel to fetch"
	coldAtHand = "cold, all at hand"
	bumpAtHand = "one pin bumped, at hand" // only for growth
)

// A build is one scenario of one side.
type build struct {
	scenario string
	course   *course
	atHand   bool
}

// measureSide measures one side in all scenarios. The first three share an
// engine and, for driftpin, a home that begins empty. Those at hand have new
// engines, and the home as it is then.
func (b *bench) measureSide(ctx context.Context, side string, full *course) error {
	t := &trial{bench: b, side: side, home: filepath.Join(b.work, "home")}
	if err := os.RemoveAll(t.home); err != nil {
		return err
	}
	groups := [][]build{
		{{coldFetch, full, false}, {noChange, full, false}, {bumpFetch, full.after, false}},
		{{coldAtHand, full, true}},
	}
	if side != "uv" {
		for _, c := range b.growth {
			groups = append(groups, []build{{c.name + ": " + coldAtHand, c, true}, {c.name + ": " + bumpAtHand,
				c.after, true}})
		}
	}
	for _, builds := range groups {
		if err := t.onNewEngine(ctx, builds); err != nil {
			return err
		}
	}
	return nil
}

// A trial is one side at work, on one engine after another.
type trial struct {
	*bench
	side   string
	home   string // driftpin's
	engine *daemon
}

// onNewEngine measures builds, one after the other, on an engine of their own
// and with an empty registry.
func (t *trial) onNewEngine(ctx context.Context, builds []build) (err error) {
	if err := t.registry.clear(); err != nil {
		return err
	}
	if t.engine, err = t.startEngine(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.engine.stop()) }()
	for _, b := range builds {
		cmd, err := t.client(ctx, b)
		if err != nil {
			return err
		}
		f, err := t.measure(t.engine, cmd)
		if err != nil {
			return err
		}
		t.results.add(b.scenario, t.side, f)
		say("%s, %s: %.1f s, %.1f MB pushed, %.0f MB of memory", t.side, b.scenario, f.seconds, float64(f.pushed)/1e6,
			float64(f.memory)/1e6)
	}
	return nil
}

// client is the command that is measured.
func (t *trial) client(ctx context.Context, b build) (*exec.Cmd, error) {
	if t.side != "driftpin" {
		return t.dockerfile(ctx, t.engine, t.side, "push:"+t.registry.host+"/"+t.side+":1", b.atHand),
			t.writeContext(b.course.packages(), b.atHand)
	}
	cmd := t.command(ctx, t.driftpin, "build", b.course.dir, "--engine", t.engine.address, "--progress", "plain",
		"--push", t.registry.host+"/driftpin")
	cmd.Env = append(os.Environ(), "DRIFTPIN_HOME="+t.home)
	return cmd, nil
}
