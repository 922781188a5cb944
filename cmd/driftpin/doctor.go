package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/git"
	"github.com/spf13/cobra"
)

func doctorCommand(s streams) *cobra.Command {
	var place enginePlace
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for building, and how to get it",
		Example: `  driftpin doctor
  BUILDKIT_HOST=unix:///run/buildkit/buildkitd.sock driftpin doctor`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := stateDir()
			if err != nil {
				return err
			}
			return doctor(cmd.Context(), s, dir, place)
		},
	}
	place.add(cmd)
	return cmd
}

func doctor(ctx context.Context, s streams, dir string, place enginePlace) error {
	var checks []engine.Finding
	if place.embedded() {
		checks = engine.Diagnose(ctx, filepath.Join(dir, "engine"))
	} else {
		checks = append(checks, remoteFinding(ctx, s, place))
	}
	checks = append(checks, git.Diagnose())
	broken := false
	for _, c := range checks {
		mark := "ok     "
		if c.Err != nil {
			mark = "missing"
			if c.Optional {
				mark = "note   "
			}
			broken = broken || !c.Optional
		}
		fmt.Fprintf(s.out, "%s  %s: %s\n", mark, c.What, c.Says())
	}
	if broken {
		return errors.New("this machine can't build yet: see above")
	}
	return nil
}

func remoteFinding(ctx context.Context, s streams, place enginePlace) engine.Finding {
	f := engine.Finding{What: "engine " + place.address}
	e, err := place.open(ctx, "", s)
	if err != nil {
		f.Err, f.Remedy = err, "start buildkitd there, or unset BUILDKIT_HOST to build in this process"
		return f
	}
	info, err := e.Client().Info(ctx)
	if err == nil {
		f.Detail = "BuildKit " + info.BuildkitVersion.Version
	}
	f.Err = errors.Join(err, e.Close())
	return f
}
