package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"

	"github.com/moby/buildkit/client/connhelper/dockercontainer"
	"github.com/moby/buildkit/client/connhelper/kubepod"
	"github.com/moby/buildkit/client/connhelper/nerdctlcontainer"
	"github.com/moby/buildkit/client/connhelper/podmancontainer"
	"github.com/moby/buildkit/client/connhelper/ssh"
)

// explainReach says why an engine that a program leads to can't be reached, in that program's
// words; of others, err is enough. The connection itself tells of the program no more than
// that it has ended, so that it is asked for buildctl's version.
func explainReach(ctx context.Context, address string, err error) error {
	argv := reachedBy(address)
	if argv == nil || errors.As(err, new(*UnableError)) || ctx.Err() != nil {
		return err
	}
	_, failed := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	var exit *exec.ExitError
	switch {
	case failed == nil:
		return err
	case errors.Is(failed, exec.ErrNotFound):
		return fmt.Errorf("the program %s, which leads there, is not installed", argv[0])
	case errors.As(failed, &exit) && len(exit.Stderr) > 0:
		lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
		return fmt.Errorf("%s says: %s", argv[0], strings.TrimSpace(lines[len(lines)-1]))
	}
	return fmt.Errorf("%s: %w", strings.Join(argv, " "), failed)
}

// reachedBy is the command that asks for buildctl's version where an address leads; nil if no
// program leads there.
func reachedBy(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	version := []string{"buildctl", "--version"}
	switch u.Scheme {
	case "docker-container":
		if s, err := dockercontainer.SpecFromURL(u); err == nil {
			return append(withContext(s.Context, "docker"), append([]string{"exec", s.Container}, version...)...)
		}
	case "podman-container":
		if s, err := podmancontainer.SpecFromURL(u); err == nil {
			return append([]string{"podman", "exec", s.Container}, version...)
		}
	case "nerdctl-container":
		if s, err := nerdctlcontainer.SpecFromURL(u); err == nil {
			return append([]string{"nerdctl", "exec", s.Container}, version...)
		}
	case "kube-pod":
		if s, err := kubepod.SpecFromURL(u); err == nil {
			argv := []string{"kubectl", "--context=" + s.Context, "--namespace=" + s.Namespace, "exec", "--container=" + s.Container,
				s.Pod, "--"}
			return append(argv, version...)
		}
	case "ssh":
		if s, err := ssh.SpecFromURL(u); err == nil {
			argv := []string{"ssh", "-o", "BatchMode=yes"}
			if s.User != "" {
				argv = append(argv, "-l", s.User)
			}
			if s.Port != "" {
				argv = append(argv, "-p", s.Port)
			}
			return append(append(argv, "--", s.Host), version...)
		}
	}
	return nil
}

func withContext(name string, argv ...string) []string {
	if name != "" {
		argv = append(argv, "--context="+name)
	}
	return argv
}
