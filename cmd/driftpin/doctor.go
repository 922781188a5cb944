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
	var format string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for building, and how to get it",
		Example: `  driftpin doctor
  driftpin doctor --format json
  BUILDKIT_HOST=unix:///run/buildkit/buildkitd.sock driftpin doctor`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			dir, err := stateDir()
			if err != nil {
				return err
			}
			return doctor(cmd.Context(), s, dir, place, format)
		},
	}
	place.add(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

// A doctorCheck is what doctor says of one thing that building needs.
type doctorCheck struct {
	What   string `json:"what"`
	State  string `json:"state"`            // ok, missing, or note for what building can do without
	Detail string `json:"detail,omitempty"` // what was found
	Error  string `json:"error,omitempty"`  // why it is not fine
	Remedy string `json:"remedy,omitempty"` // what to do then
}

func doctor(ctx context.Context, s streams, dir string, place enginePlace, format string) error {
	var checks []engine.Finding
	if place.embedded() {
		checks = engine.Diagnose(ctx, filepath.Join(dir, "engine"))
	} else {
		checks = append(checks, remoteFinding(ctx, s, place))
	}
	checks = append(checks, git.Diagnose())
	broken := false
	var said []doctorCheck
	for _, c := range checks {
		check := doctorCheck{What: c.What, State: "ok", Detail: c.Detail}
		if c.Err != nil {
			check.State, check.Error, check.Remedy = "missing", c.Err.Error(), c.Remedy
			if c.Optional {
				check.State = "note"
			}
			broken = broken || !c.Optional
		}
		said = append(said, check)
		if format == "text" {
			fmt.Fprintf(s.out, "%-7s  %s: %s\n", check.State, c.What, c.Says())
		}
	}
	if format == "json" {
		if err := writeJSON(s.out, map[string]any{"checks": said}); err != nil {
			return err
		}
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
