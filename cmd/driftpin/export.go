package main

import (
	"bytes"
	"os"

	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/driftpin/driftpin/pins/whole"
	"github.com/spf13/cobra"
)

func exportCommand(s streams) *cobra.Command {
	var format, output string
	cmd := &cobra.Command{
		Use:   "export COURSE",
		Short: "Write a course's lock for other tools: pip, uv",
		Long: `Write the pip part of a course's lock for other tools: as a requirements file with
hashes, for pip and uv, or as a pylock.toml (PEP 751).`,
		Example: `  driftpin export courses/stat159 --format requirements --output requirements.txt
  driftpin export courses/stat159 --format pylock --output pylock.toml`,
		Args: arguments(1, 1, "a course"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneOf("format", format, "requirements", "pylock"); err != nil {
				return err
			}
			return export(s, args[0], format, output)
		},
	}
	cmd.Flags().StringVar(&format, "format", "requirements", "requirements or pylock")
	cmd.Flags().StringVar(&output, "output", "", "file to write (default: stdout)")
	return cmd
}

func export(s streams, dir, format, output string) error {
	c, err := openManifest(dir)
	if err != nil {
		return err
	}
	l, err := c.locked()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	switch format {
	case "requirements":
		err = pins.WriteRequirements(&out, l, l.Platforms[0])
	case "pylock":
		err = exportPylock(&out, l)
	}
	if err != nil {
		return err
	}
	if output != "" {
		return whole.WriteFile(output, out.Bytes(), 0o644)
	}
	_, err = s.out.Write(out.Bytes())
	return err
}

// exportPylock writes a pylock.toml with the addresses that this machine knows.
func exportPylock(out *bytes.Buffer, l *pins.Lock) error {
	dir, err := home()
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return pins.WritePylock(out, l, l.Platforms[0], func(string) (string, bool) { return "", false })
	}
	files, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	return pins.WritePylock(out, l, l.Platforms[0], files.Address)
}
