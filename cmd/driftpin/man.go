package main

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands to a folder",
		Example: `  driftpin man ~/.local/share/man/man1      # then man driftpin-bump
  sudo driftpin man /usr/local/share/man/man1`,
		Args: arguments(1, 1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			day := sourceDay()
			header := &doc.GenManHeader{Section: "1", Source: "driftpin", Manual: "driftpin", Date: &day}
			return doc.GenManTree(cmd.Root(), header, args[0])
		},
	}
}

// sourceDay is the day of the sources that this program was built from; today's, if it does not know.
func sourceDay() time.Time {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, setting := range info.Settings {
			if day, err := time.Parse(time.RFC3339, setting.Value); setting.Key == "vcs.time" && err == nil {
				return day
			}
		}
	}
	return time.Now()
}
