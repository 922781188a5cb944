package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strings"

	"github.com/docker/cli/cli/connhelper/commandconn"
	"github.com/moby/buildkit/client/connhelper"
)

// dockerScheme is that of the address of Docker Engine's own builder.
const dockerScheme = "docker"

// The docker command leads to the socket of the engine that it talks to: contexts, hosts
// and their keys are its affair. From version 29 on the socket speaks BuildKit's gRPC.
func init() {
	connhelper.Register(dockerScheme, func(u *url.URL) (*connhelper.ConnectionHelper, error) {
		return &connhelper.ConnectionHelper{ContextDialer: func(context.Context, string) (net.Conn, error) {
			// It ends with the connection, and not with the dialing.
			return commandconn.New(context.Background(), "docker", dockerArgs(u, "system", "dial-stdio")...)
		}}, nil
	})
}

func dockerArgs(u *url.URL, args ...string) []string {
	if u.Host != "" {
		return append([]string{"--context", u.Host}, args...)
	}
	return args
}

// firstDocker is the first version of Docker Engine whose socket speaks BuildKit's gRPC.
const firstDocker = 29

// orDocker explains what came of asking an engine, if it is a Docker Engine that is too old
// or does not answer.
func orDocker(ctx context.Context, address string, err error) error {
	u, wrong := url.Parse(address)
	if wrong != nil || u.Scheme != dockerScheme || errors.As(err, new(*UnableError)) {
		return err
	}
	out, failed := exec.CommandContext(ctx, "docker", dockerArgs(u, "version", "--format", "{{.Server.Version}}")...).Output()
	var exit *exec.ExitError
	switch major := 0; {
	case errors.As(failed, &exit):
		return fmt.Errorf("docker: %s", strings.TrimSpace(string(exit.Stderr)))
	case failed != nil:
		return failed
	default:
		version := strings.TrimSpace(string(out))
		if _, wrong := fmt.Sscanf(version, "%d.", &major); wrong != nil || major >= firstDocker {
			return err
		}
		return &UnableError{fmt.Sprintf("this is Docker Engine %s, whose builder is too old; %d or newer is needed, "+
			"or a BuildKit beside it: %s", version, firstDocker, ownBuildKit)}
	}
}
