package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/driftpin/driftpin/images/report"
	"github.com/spf13/cobra"
)

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(streams{stdin, stdout, stderr})
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil, errors.Is(err, errFound):
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "driftpin: interrupted")
		return exitInterrupted
	case !errors.As(err, new(toldError)):
		printError(stderr, err)
	}
	return statusOf(err)
}

// printError says what a command failed of.
func printError(w io.Writer, err error) {
	// What an error quotes may come from an image, or from an index.
	lines := strings.Split(err.Error()+hint(err), "\n")
	for i := range lines {
		lines[i] = report.Clean(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	fmt.Fprintln(w, "driftpin: "+strings.Join(lines, "\n"))
}

// knownCommand says which command may be meant by one that there is not.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); args[0] != "" && len(near) > 0 {
		hint = ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("unknown command %q%s: see driftpin --help", args[0], hint)}
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "driftpin",
		Short: "Pins, locks, builds and compares the images of JupyterHub courses",
		Long: `Driftpin reads the pins of a course, locks them with hashes, builds exactly that
with BuildKit, and says how two images differ and why.

A COURSE is a folder with a pins.yaml, or one that repo2docker would build.
An IMAGE is a registry reference, oci-layout:DIR, docker-archive:FILE or
docker:NAME; drift and inventory also take lock:FILE, sbom:FILE and values:FILE.

Exit status: 0 fine, 1 error, 2 wrong usage, 3 something was found (drift, a
stale lock, findings), 4 a course's check failed, 5 a server, a registry or an
engine could not be reached, 130 interrupted. With several courses, that of those
that are not fine, or 1 if they differ. Results go to stdout, all else to stderr.`,
		Version:       versions(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}")
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	repoDir := root.PersistentFlags().String("repo-dir", "",
		"where the folder of a course without a pins.yaml lies in the image ($"+repoDirVariable+")")
	environment := root.PersistentFlags().String("environment", "",
		"the environment of a pixi.toml that is meant, unless pins.yaml says (default $"+environmentVariable+", else default)")
	outside := root.PersistentFlags().Bool("allow-outside", false,
		"allow a course's files to name files outside of its repository ($"+outsideVariable+")")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		given := map[string]string{repoDirVariable: *repoDir, environmentVariable: *environment}
		if *outside {
			given[outsideVariable] = "1"
		}
		for name, value := range given {
			if value == "" {
				continue
			}
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
		return nil
	}
	root.AddCommand(initCommand(s), pinsCommand(s), lockCommand(s), buildCommand(s), verifyCommand(s), driftCommand(s),
		inventoryCommand(s), bumpCommand(s), addCommand(s), removeCommand(s), syncCommand(s), outdatedCommand(s),
		minimizeCommand(s), whyCommand(s), historyCommand(s), affectedCommand(s), adoptCommand(s), exportCommand(s), baseCommand(s),
		doctorCommand(s), cleanCommand(s), hubCommand(s), manCommand(), schemaCommand(s), versionCommand(s))
	complete(root)
	return root
}
