package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/client"
)

// A NoAnswerError says that nobody answered at an engine's address.
type NoAnswerError struct{ Err error }

// Error is the cause's.
func (e *NoAnswerError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// remoteTimeout is how long Remote waits for a first answer.
const remoteTimeout = 15 * time.Second

// Remote connects to the buildkitd at address, such as
// unix:///run/buildkit/buildkitd.sock or tcp://host:1234, and checks that it
// answers. Of opts, Log and TLS matter.
func Remote(ctx context.Context, address string, opts Options) (*Engine, error) {
	opts.redirectLog()
	more, err := opts.credentials(address)
	if err != nil {
		return nil, fmt.Errorf("engine %s: %w", address, err)
	}
	c, err := client.New(ctx, address, more...)
	if err != nil {
		return nil, fmt.Errorf("engine %s: %w", address, err)
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	if _, err := c.Info(ctx); err != nil {
		return nil, errors.Join(&NoAnswerError{fmt.Errorf("engine %s: %w", address, err)}, c.Close())
	}
	e := &Engine{client: c}
	e.onClose(c.Close)
	return e, nil
}

// credentials are the certificates in the TLS folder, under the names that
// buildctl knows. The server's certificate is for the host that the address
// names.
func (o Options) credentials(address string) ([]client.ClientOpt, error) {
	if o.TLS == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "tcp" {
		return nil, nil // other ways have no TLS
	}
	var files [3]string
	for i, names := range [][]string{{"ca.pem", "ca.crt"}, {"cert.pem", "tls.crt"}, {"key.pem", "tls.key"}} {
		for _, name := range names {
			file := filepath.Join(o.TLS, name)
			if _, err := os.Stat(file); err == nil {
				files[i] = file
				break
			}
		}
		if files[i] == "" {
			return nil, fmt.Errorf("the TLS folder %s has neither %s nor %s", o.TLS, names[0], names[1])
		}
	}
	return []client.ClientOpt{client.WithServerConfig(u.Hostname(), files[0]), client.WithCredentials(files[1],
		files[2])}, nil
}
