package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/driftpin/driftpin/buildplan/debian"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func baseCommand(s streams) *cobra.Command {
	var o debian.Options
	cmd := &cobra.Command{
		Use:   "base DIR",
		Short: "Make a base image from Debian's packages, as an OCI layout",
		Long: `Make a base image from Debian's packages with mmdebstrap, as an OCI layout in DIR.
The packages are written to DIR.lock, one a line, with their sha256. If that file
exists, exactly those packages are installed.`,
		Example: `  driftpin base --suite bookworm build/base/bookworm
  driftpin base --upgrade build/base/bookworm      # today's packages`,
		Args: arguments(1, 1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := strings.TrimPrefix(args[0], pins.LayoutPrefix)
			o.Log, o.Arch = s.err, runtime.GOARCH
			digest, err := debian.Make(cmd.Context(), dir, o)
			if err != nil {
				return fmt.Errorf("making a base in %s: %w", dir, err)
			}
			_, err = fmt.Fprintln(s.out, digest)
			return err
		},
	}
	cmd.Flags().StringVar(&o.Suite, "suite", "bookworm", "Debian's suite")
	cmd.Flags().StringSliceVar(&o.Sources, "sources", nil, "apt sources files (default: those of this machine)")
	cmd.Flags().StringVar(&o.Lock, "lock", os.Getenv("DRIFTPIN_BASE_LOCK"), "the base's lock (default DIR.lock)")
	cmd.Flags().BoolVar(&o.Upgrade, "upgrade", false, "install today's packages and rewrite the lock")
	return cmd
}
