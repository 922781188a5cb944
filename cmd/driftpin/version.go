package main

import (
	"fmt"
	"runtime/debug"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/spf13/cobra"
)

func versionCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of driftpin and of the tools that it builds with",
		Example: `  driftpin version`,
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			version := "(devel)"
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				version = info.Main.Version
			}
			_, err := fmt.Fprintf(s.out, "driftpin %s\nbuildkit %s\n", version, engine.BuildKitVersion())
			for _, t := range steps.Toolbox() {
				if err == nil {
					_, err = fmt.Fprintf(s.out, "%s %s\n", t.Name, t.Version)
				}
			}
			return err
		},
	}
}
