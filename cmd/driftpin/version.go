package main

import (
	"fmt"
	"io"
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
			_, err := io.WriteString(s.out, versions())
			return err
		},
	}
}

// version is driftpin's.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// builders are the programs that make images, with their versions.
func builders() map[string]string {
	return map[string]string{"driftpin": version(), "buildkit": engine.BuildKitVersion()}
}

// versions are those of driftpin and of the tools that it builds with, a line each.
func versions() string {
	text := fmt.Sprintf("driftpin %s\nbuildkit %s\n", version(), engine.BuildKitVersion())
	for _, t := range steps.Toolbox() {
		text += fmt.Sprintf("%s %s\n", t.Name, t.Version)
	}
	return text
}
