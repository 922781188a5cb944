package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins/hub"
	"github.com/spf13/cobra"
)

func hubSetImageCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "set-image VALUES PATH REF",
		Short: "Change the image in a values file, and nothing else",
		Long: `Change the image in a values file, and no other byte of it. PATH is the place: keys,
separated by dots. There must be a mapping with name and tag, as in the chart, or a
whole reference. A number selects an item of a list.`,
		Example: `  driftpin hub set-image config/common.yaml jupyterhub.singleuser.image hub/stat159:a9f2c4a2da6d
  driftpin hub set-image hubploy.yaml images.images.0.name hub/stat159:a9f2c4a2da6d`,
		Args: arguments(3, 3, "a values file, a path and a reference"),
		RunE: func(_ *cobra.Command, args []string) error { return hubSetImage(s, args[0], args[1], args[2]) },
	}
}

func hubSetImage(s streams, name, path, ref string) error {
	file, err := readValues(s, name)
	if err != nil {
		return err
	}
	now, err := hub.SetImage(file, path, ref)
	if err != nil {
		return err
	}
	if bytes.Equal(now, file.Data) {
		fmt.Fprintf(s.err, "%s: %s is already %s\n", name, path, ref)
		return nil
	}
	if err := (change{{name, file.Data, now}}).write(); err != nil {
		return err
	}
	_, err = io.WriteString(s.out, report.Lines(string(file.Data), string(now), useColour("auto", s.out)))
	return err
}
