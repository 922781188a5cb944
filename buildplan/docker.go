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
	load := &dockerLoad{}
	e.entry = client.ExportEntry{
		Type:   client.ExporterDocker,
		Attrs:  map[string]string{"name": ref.Name()},
		Output: func(map[string]string) (io.WriteCloser, error) { load.start(ctx); return load, nil },
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

// A dockerLoad is a docker load that reads what is written here. It may be started again,
// if nothing more is written to what was started before.
type dockerLoad struct {
	pipe *io.PipeWriter
	done chan error
	said string
}

func (l *dockerLoad) start(ctx context.Context) {
	cmd := exec.CommandContext(ctx, "docker", "load", "--quiet")
	cmd.WaitDelay = 5 * time.Second
	stdin, pipe := io.Pipe()
	done := make(chan error, 1)
	cmd.Stdin, l.pipe, l.done = stdin, pipe, done
	go func() {
		var err error
		l.said, err = docker(cmd)
		stdin.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // whoever still writes learns why
		done <- err
	}()
}

// Write implements io.Writer.
func (l *dockerLoad) Write(p []byte) (int, error) { return l.pipe.Write(p) }

// Close waits until docker has loaded the image.
func (l *dockerLoad) Close() error { return errors.Join(l.pipe.Close(), <-l.done) }
