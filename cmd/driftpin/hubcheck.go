package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/hub"
	"github.com/spf13/cobra"
)

// hubCheckFlags are the flags of hub check.
type hubCheckFlags struct {
	secrets, version, course, format string
}

func hubCheckCommand(s streams) *cobra.Command {
	var f hubCheckFlags
	cmd := &cobra.Command{
		Use:   "check VALUES…",
		Short: "Check values files of Zero to JupyterHub",
		Long: `Find what in values files of Zero to JupyterHub keeps a hub from starting, has no
effect, or gives somebody more rights than intended. Several files are merged in
their order, as Helm does; --secrets is the last. Nothing of the secrets is printed.
With --course, the launch is compared with the course's lock. Python in
hub.extraConfig is read as far as its result is certain; it is never run. Files that
sops has encrypted are recognised and skipped.

Exit status 3: there is an error or a warning.`,
		Example: `  driftpin hub check config/common.yaml config/prod.yaml
  driftpin hub check config/common.yaml --hub 3.1.1 --course courses/stat159
  sops --decrypt secrets/prod.yaml | driftpin hub check config/common.yaml --secrets -`,
		Args: arguments(1, -1, "one or more values files"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneOf("format", f.format, "text", "json"); err != nil {
				return err
			}
			if f.secrets == "-" && slices.Contains(args, "-") {
				return usageError{errors.New("stdin can be read once: give VALUES or --secrets as a file")}
			}
			return hubCheck(s, args, f)
		},
	}
	cmd.Flags().StringVar(&f.secrets, "secrets", "", "values file with secrets, merged last; - reads it from stdin")
	cmd.Flags().StringVar(&f.version, "hub", "", "version of JupyterHub (default "+hub.Newest+")")
	cmd.Flags().StringVar(&f.course, "course", "", "course whose image is launched")
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	return cmd
}

func hubCheck(s streams, names []string, f hubCheckFlags) error {
	o := hub.CheckOptions{Hub: f.version}
	if f.version == "" {
		fmt.Fprintf(s.err, "checked against JupyterHub %s; --hub names another version\n", hub.Newest)
	} else if err := hub.CheckHub(f.version); err != nil {
		return usageError{err}
	}
	var files []hub.File
	for _, name := range names {
		file, err := readValues(s, name)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	if f.secrets != "" {
		file, err := readValues(s, f.secrets)
		if err != nil {
			return err
		}
		o.Secrets = &file
	}
	if f.course != "" {
		c, err := openManifest(f.course)
		if err != nil {
			return err
		}
		if o.Lock, err = c.locked(); err != nil {
			return err
		}
		o.Course = c.manifest
	}
	return writeFindings(s, hub.CheckValues(files, o), f.format)
}

// writeFindings writes findings: errFound if one of them is more than a note.
func writeFindings(s streams, found pins.Findings, format string) error {
	if format == "json" {
		if err := writeJSON(s.out, struct {
			Findings pins.Findings `json:"findings"`
		}{append(pins.Findings{}, found...)}); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintln(s.out, findingLine(f))
		}
	}
	if len(found.AtLeast(pins.Warning)) > 0 {
		return errFound
	}
	return nil
}
