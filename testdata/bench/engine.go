package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
)

const buildkit = "github.com/moby/buildkit"

// buildBuildkitd builds the daemon of the BuildKit version that driftpin is
// linked with, in a module of its own.
func buildBuildkitd(ctx context.Context, work, program string) error {
	version, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", buildkit).Output()
	if err != nil {
		return err
	}
	dir := filepath.Join(work, "buildkitd-module")
	text := fmt.Sprintf("module buildkitd\n\ngo 1.26.8\n\nrequire %s %s\ntool %s/cmd/buildkitd\n", buildkit, version,
		buildkit)
	if err := write(filepath.Join(dir, "go.mod"), text); err != nil {
		return err
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", program, buildkit + "/cmd/buildkitd"}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// A daemon is a buildkitd that began with an empty root.
type daemon struct {
	cmd     *exec.Cmd
	dir     string // its root, and all else of it
	address string
}

// startEngine starts a buildkitd and waits until it answers.
func (b *bench) startEngine(ctx context.Context) (*daemon, error) {
	dir, err := os.MkdirTemp(b.work, "engine-*")
	if err != nil {
		return nil, err
	}
	e := &daemon{dir: dir, address: "unix://" + filepath.Join(dir, "socket")}
	config := filepath.Join(dir, "buildkitd.toml")
	if err := write(config, fmt.Sprintf("[registry.%q]\n  http = true\n", b.registry.host)); err != nil {
		return nil, err
	}
	e.cmd = exec.Command(b.buildkitd, "--config", config, "--addr", e.address, "--root", filepath.Join(dir, "root"),
		"--containerd-worker=false")
	e.cmd.Stdout, e.cmd.Stderr = b.log, b.log
	e.cmd.Env = append(os.Environ(), "TMPDIR="+dir) // it leaves empty folders there
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	if err := e.wait(ctx); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	return e, nil
}

func (e *daemon) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := client.New(ctx, e.address)
	if err != nil {
		return err
	}
	return errors.Join(c.Wait(ctx), c.Close())
}

// stop ends the daemon and removes all it has. A daemon that was told to end
// says so with exit status 1.
func (e *daemon) stop() error {
	err := e.cmd.Process.Signal(os.Interrupt)
	var told *exec.ExitError
	if ended := e.cmd.Wait(); !errors.As(ended, &told) {
		err = errors.Join(err, ended)
	}
	return errors.Join(err, os.RemoveAll(e.dir))
}

// write writes a file, and the folder that it lies in.
func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.TrimRight(text, "\n")+"\n"), 0o644)
}
