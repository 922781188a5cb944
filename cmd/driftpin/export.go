package main

import (
	"bytes"
	"os"

	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func exportCommand(s streams) *cobra.Command {
	var format, output string
	cmd := &cobra.Command{
		Use:   "export COURSE",
		Short: "Write a course's lock for other tools: pip, uv, conda",
		Long: `Write a course's lock for other tools. Of pip's packages: a requirements file with
hashes, for pip and uv, or a pylock.toml (PEP 751). Of conda's: an explicit list
with hashes. Of both: an environment file, which has no hashes.`,
		Example: `  driftpin export courses/stat159 --format requirements --output requirements.txt
  driftpin export courses/stat159 --format pylock --output pylock.toml
  driftpin export courses/data8 --format conda-explicit --output explicit.txt
  driftpin export courses/data8 --format environment --output environment.yml`,
		Args: arguments(1, 1, "a course"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneOf("format", format, "requirements", "pylock", "conda-explicit", "environment"); err != nil {
				return err
			}
			return export(s, args[0], format, output)
		},
	}
	cmd.Flags().StringVar(&format, "format", "requirements", "requirements, pylock, conda-explicit or environment")
	cmd.Flags().StringVar(&output, "output", "", "file to write (default: stdout)")
	return cmd
}

func export(s streams, dir, format, output string) error {
	c, err := openManifest(dir)
	if err != nil {
		return err
	}
	if err := c.usable(s.err); err != nil {
		return err
	}
	l := c.lock
	var out bytes.Buffer
	switch format {
	case "requirements":
		err = pins.WriteRequirements(&out, l, l.Platforms[0])
	case "environment":
		err = pins.WriteEnvironment(&out, l, l.Platforms[0], c.manifest.CondaChannels())
	default:
		var address func(string) (string, bool)
		if address, err = addresses(); err != nil {
			return err
		}
		if format == "pylock" {
			err = pins.WritePylock(&out, l, l.Platforms[0], address)
		} else {
			err = pins.WriteCondaExplicit(&out, l, l.Platforms[0], address)
		}
	}
	if err != nil {
		return err
	}
	if output != "" {
		return writeOut(output, out.Bytes())
	}
	_, err = s.out.Write(out.Bytes())
	return err
}

// addresses are those that this machine knows.
func addresses() (func(sha256 string) (string, bool), error) {
	dir, err := home()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); err != nil {
		return func(string) (string, bool) { return "", false }, nil
	}
	files, err := store.Open(dir, store.Options{})
	if err != nil {
		return nil, err
	}
	return files.Address, nil
}
