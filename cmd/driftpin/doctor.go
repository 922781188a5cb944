package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/spf13/cobra"
)

func doctorCommand(s streams) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for building, and how to get it",
		Example: `  driftpin doctor
  BUILDKIT_HOST=unix:///run/buildkit/buildkitd.sock driftpin doctor`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := home()
			if err != nil {
				return err
			}
			if address == "" {
				address = os.Getenv("BUILDKIT_HOST")
			}
			return doctor(cmd.Context(), s, dir, address)
		},
	}
	cmd.Flags().StringVar(&address, "engine", "", "embedded, or the address of a buildkitd (default $BUILDKIT_HOST, else embedded)")
	return cmd
}

func doctor(ctx context.Context, s streams, dir, address string) error {
	var checks []engine.Finding
	if address == "" || address == "embedded" {
		checks = engine.Diagnose(ctx, filepath.Join(dir, "engine"))
	} else {
		checks = append(checks, remoteFinding(ctx, address))
	}
	checks = append(checks, buildplan.DiagnoseGit())
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

func remoteFinding(ctx context.Context, address string) engine.Finding {
	f := engine.Finding{What: "engine " + address}
	e, err := engine.Remote(ctx, address, engine.Options{})
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
