package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands to a folder",
		Example: `  driftpin man ~/.local/share/man/man1      # then man driftpin-bump
  sudo driftpin man /usr/local/share/man/man1`,
		Args: arguments(1, 1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := manPages(cmd.Root())
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for name, text := range pages {
				if err := whole.WriteFile(filepath.Join(args[0], name), text, 0o644); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(s.out, "%s: %s\n", args[0], pins.Count(len(pages), "page"))
			return err
		},
	}
}

// manPages are the manual pages of a command and of those below it, by the names of their files.
func manPages(cmd *cobra.Command) (map[string][]byte, error) {
	pages := map[string][]byte{}
	if !cmd.IsAvailableCommand() || cmd.IsAdditionalHelpTopicCommand() {
		return pages, nil
	}
	cmd.InitDefaultHelpFlag()
	day := sourceDay()
	var text bytes.Buffer
	header := &doc.GenManHeader{Section: "1", Source: "driftpin", Manual: "driftpin", Date: &day,
		Title: strings.ToUpper(strings.ReplaceAll(cmd.CommandPath(), " ", "-"))}
	if err := doc.GenMan(cmd, header, &text); err != nil {
		return nil, err
	}
	pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"] = text.Bytes()
	for _, sub := range cmd.Commands() {
		below, err := manPages(sub)
		if err != nil {
			return nil, err
		}
		for name, text := range below {
			pages[name] = text
		}
	}
	return pages, nil
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
