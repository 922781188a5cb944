package main

import (
	"bytes"
	"context"
	"errors"
	"os"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/buildplan/store"
	"github.com/driftpin/driftpin/pins"
	"github.com/spf13/cobra"
)

func exportCommand(s streams) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export COURSE",
		Short: "Write a course's lock for other tools: pip, uv, conda",
		Long: `Write a course's lock for other tools. For pip packages: a requirements file with
hashes, for pip and uv, or a pylock.toml (PEP 751). For conda packages: an explicit
list with hashes. For both: an environment file, which has no hashes. A pylock.toml
and an explicit list contain addresses: those that this machine does not know are
looked up in the course's base.`,
		Example: `  driftpin export courses/stat159 --format requirements --output requirements.txt
  driftpin export courses/stat159 --format pylock --output pylock.toml
  driftpin export courses/data8 --format conda-explicit --output explicit.txt
  driftpin export courses/data8 --format environment --output environment.yml`,
		Args: arguments(1, 1, "a course"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", f.format, "requirements", "pylock", "conda-explicit", "environment"); err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			return f.export(cmd.Context(), s, args[0])
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.format, "format", "requirements", "requirements, pylock, conda-explicit or environment")
	cmd.Flags().StringVar(&f.output, "output", "", "file to write to (default standard output)")
	return cmd
}

// exportFlags are the flags of export.
type exportFlags struct {
	engineFlags
	format, output string
}

func (f *exportFlags) export(ctx context.Context, s streams, dir string) error {
	c, err := openManifest(dir)
	if err != nil {
		return err
	}
	if err := c.usable(s.err); err != nil {
		return err
	}
	l := c.lock
	var out bytes.Buffer
	switch f.format {
	case "requirements":
		err = pins.WriteRequirements(&out, l, l.Platforms[0])
	case "environment":
		err = pins.WriteEnvironment(&out, l, l.Platforms[0], c.manifest.CondaChannels())
	default:
		write := pins.WritePylock
		if f.format != "pylock" {
			write = pins.WriteCondaExplicit
		}
		err = f.withAddresses(ctx, s, c, func(address func(string) (string, bool)) error {
			out.Reset()
			return write(&out, l, l.Platforms[0], address)
		})
	}
	if err != nil {
		return err
	}
	if f.output != "" {
		return writeOut(f.output, out.Bytes())
	}
	_, err = s.out.Write(out.Bytes())
	return err
}

// withAddresses calls write with the addresses that this machine knows, and if one
// is missing again, when they have been looked up.
func (f *exportFlags) withAddresses(ctx context.Context, s streams, c *course,
	write func(func(string) (string, bool)) error) (err error) {
	unknown := false
	address, err := addresses()
	if err != nil {
		return err
	}
	err = write(func(sum string) (string, bool) {
		a, ok := address(sum)
		unknown = unknown || !ok
		return a, ok
	})
	if !unknown {
		return err
	}
	based, err := openCourse(c.manifest.Dir, f.base)
	if err != nil {
		return err
	}
	based.base.Digest = based.lock.Base
	e, err := f.open(ctx, s, based)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	p, err := buildplan.New(based.manifest, based.lock, based.lock.Platforms[0], based.base)
	if err != nil {
		return err
	}
	if err := (buildplan.Builder{Session: e}).Locate(ctx, p); err != nil {
		return err
	}
	if address, err = addresses(); err != nil {
		return err
	}
	return write(address)
}

// addresses are those that this machine knows.
func addresses() (func(sha256 string) (string, bool), error) {
	dir, err := stateDir()
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
