package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/driftpin/driftpin/buildplan/engine"
	"github.com/driftpin/driftpin/images/report"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The exit statuses, which scripts rely on.
const (
	exitFine  = 0
	exitError = 1
	exitUsage = 2
	exitFound = 3 // drift, a stale lock, findings
)

// errFound ends a command that did its work and found something: what it
// found has been printed.
var errFound = errors.New("something was found")

// A usageError is a command line that can't be carried out as it stands.
type usageError struct{ error }

// A streams is what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(streams{stdin, stdout, stderr})
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFound):
		return exitFound
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "driftpin: interrupted")
		return exitError
	}
	// What an error quotes may come from an image, or from an index.
	lines := strings.Split(err.Error()+hint(err), "\n")
	for i := range lines {
		lines[i] = report.Clean(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	fmt.Fprintln(stderr, "driftpin: "+strings.Join(lines, "\n"))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}

// hint says what to do about an error that comes from deep below.
func hint(err error) string {
	dir, homeErr := home()
	if homeErr != nil || !strings.Contains(err.Error(), unix.ENOSPC.Error()) {
		return ""
	}
	return fmt.Sprintf("\nA disk is full. driftpin keeps its state in %s (%s there): free some space, or set DRIFTPIN_HOME to a larger disk.", dir, engine.FreeSpace(dir))
}

// writable creates a folder where there is none, and says why it can't be
// written to.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "driftpin",
		Short: "Pins, locks, builds and compares the images of JupyterHub courses",
		Long: `Driftpin reads the pins of a course, locks them with hashes, builds exactly that
with BuildKit, and says how two images differ and why.

A COURSE is a folder with a pins.yaml, or one that repo2docker would build.
An IMAGE is a registry reference, oci-layout:DIR or docker-archive:FILE; drift
also takes lock:FILE.

Exit status: 0 fine, 1 error, 2 wrong usage, 3 something was found (drift, a
stale lock, findings). Results go to stdout, all else to stderr.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q: see driftpin --help", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	outside := root.PersistentFlags().Bool("allow-outside", false, "read what a course's files name outside of its repository ($"+outsideVariable+")")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !*outside {
			return nil
		}
		return os.Setenv(outsideVariable, "1")
	}
	root.AddCommand(pinsCommand(s), lockCommand(s), bumpCommand(s), syncCommand(s), outdatedCommand(s), buildCommand(s), driftCommand(s), inventoryCommand(s),
		verifyCommand(s), whyCommand(s), minimizeCommand(s), baseCommand(s), doctorCommand(s), historyCommand(s), adoptCommand(s), exportCommand(s), hubCommand(s), versionCommand(s))
	return root
}

// arguments checks their number, as a usage error.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usageError{fmt.Errorf("%s takes %s: see %s --help", cmd.Name(), what, cmd.CommandPath())}
		}
		return nil
	}
}

// oneOf checks a flag's value.
func oneOf(flag, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return usageError{fmt.Errorf("--%s %s: known are %s", flag, value, strings.Join(known, ", "))}
}

// home is where driftpin keeps its state: $DRIFTPIN_HOME, or a folder in the
// user's cache folder.
func home() (string, error) {
	if dir := os.Getenv("DRIFTPIN_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for driftpin's state: set DRIFTPIN_HOME: %w", err)
	}
	return filepath.Join(cache, "driftpin"), nil
}
