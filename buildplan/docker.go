package buildplan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/client"
)

// toDocker loads the image into the Docker Engine that the docker command
// talks to: contexts, hosts and their keys are its affair.
func (e *export) toDocker(ctx context.Context, reference string) error {
	ref, err := dockerName(reference)
	if err != nil {
		return err
	}
	if _, err := docker(exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")); err != nil {
		return err
	}
	load := &dockerLoad{cmd: exec.CommandContext(ctx, "docker", "load", "--quiet")}
	load.cmd.WaitDelay = 5 * time.Second
	e.entry = client.ExportEntry{
		Type:   client.ExporterDocker,
		Attrs:  map[string]string{"name": ref.Name()},
		Output: func(map[string]string) (io.WriteCloser, error) { return load, load.start() },
	}
	e.finish = func(*client.SolveResponse) (string, error) {
		if !strings.Contains(load.said, "Loaded image") {
			return "", fmt.Errorf("docker load ended without having loaded the image: %s", load.said)
		}
		return "", nil
	}
	return nil
}

func dockerName(reference string) (name.Tag, error) {
	return name.NewTag(reference, name.WithDefaultRegistry(""))
}

// docker runs a docker command; its error is what docker says.
func docker(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the docker command is not installed: use --output docker-archive:FILE, which does " +
			"not need it")
	case err != nil:
		return "", fmt.Errorf("docker: %s", strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// A dockerLoad is a docker load that reads what is written here.
type dockerLoad struct {
	cmd  *exec.Cmd
	pipe *io.PipeWriter
	done chan error
	said string
}

func (l *dockerLoad) start() error {
	var stdin *io.PipeReader
	stdin, l.pipe = io.Pipe()
	l.cmd.Stdin = stdin
	l.done = make(chan error, 1)
	go func() {
		var err error
		l.said, err = docker(l.cmd)
		stdin.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // whoever still writes learns why
		l.done <- err
	}()
	return nil
}

// Write implements io.Writer.
func (l *dockerLoad) Write(p []byte) (int, error) { return l.pipe.Write(p) }

// Close waits until docker has loaded the image.
func (l *dockerLoad) Close() error { return errors.Join(l.pipe.Close(), <-l.done) }
