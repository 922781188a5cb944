package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins/history"
	"github.com/spf13/cobra"
)

func historyCommand(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "history [COURSE] NAME",
		Short: "Show what a course has asked for of a package: when, and in which commit",
		Long: `Show what a course has asked for of a package: when, and in which commit. Of a package
that no file ever asked for, the versions are shown that the lock had: by the commits of
the mainline, where a merge is one commit.`,
		Example: `  driftpin history courses/stat159 jupyterlab
  driftpin history courses/stat159 bokeh --format json`,
		Args: arguments(1, 2, "a course and a package"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			dir, names := oneCourse(args)
			if len(names) != 1 {
				return usageError{fmt.Errorf("%s: name one package too", dir)}
			}
			return showHistory(cmd.Context(), s, dir, names[0], format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

func showHistory(ctx context.Context, s streams, dir, name, format string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%s: there is no such folder; if it was moved, name its new place", dir)
	}
	events, err := history.Of(ctx, dir, name, sources(dir)...)
	if err == nil && len(events) == 0 { // it may only come along
		events, err = history.Locked(ctx, dir, name)
	}
	if err != nil {
		return err
	}
	shallow := history.Shallow(ctx, dir)
	if shallow {
		fmt.Fprintf(s.err, "%s: %s\n", dir, history.ShallowHint)
	}
	if format == "json" {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(map[string]any{"name": name, "shallow": shallow,
			"events": append([]history.Event{}, events...)})
	}
	if len(events) == 0 && shallow {
		return fmt.Errorf("%s: no commit in this shallow clone asks for %s, or locks it", dir, name)
	}
	if len(events) == 0 {
		return fmt.Errorf("%s: no commit ever asked for %s, or locked it", dir, name)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, e := range events {
		what := e.Spec
		if what == "" {
			what = "(gone)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Time.Format("2006-01-02"), e.Commit[:12], report.Clean(what),
			report.Clean(e.File), report.Clean(e.Subject))
	}
	return w.Flush()
}
