package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
)

// A NoAnswerError says that nobody answered at an engine's address.
type NoAnswerError struct{ Err error }

// Error is the cause's.
func (e *NoAnswerError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// How long Remote waits for a first answer, and for those of others once one has come.
const (
	remoteTimeout = 15 * time.Second
	othersTimeout = 8 * time.Second // ssh and kubectl take their time
)

// Remote connects to the engines at some addresses, one at least, and checks that they
// answer and can build what driftpin has built. An address is
//
//	unix:///run/buildkit/buildkitd.sock
//	tcp://HOST:PORT
//	docker-container://NAME      by docker exec; so podman-container: and nerdctl-container:
//	kube-pod://POD?namespace=NS  by kubectl exec
//	ssh://USER@HOST              by ssh; buildctl must be there
//	docker://CONTEXT             Docker Engine's own builder, by docker system dial-stdio
//
// Where there are several, those that do not answer are told to opts.Notice and left out;
// if none answers the error is a *NoAnswerError. Of opts, Log, Notice and TLS matter.
func Remote(ctx context.Context, addresses []string, opts Options) (*Engine, error) {
	opts.redirectLog()
	if len(addresses) == 0 {
		return nil, errors.New("no engine is named: write embedded, or an address such as tcp://HOST:PORT")
	}
	for _, address := range addresses {
		if err := known(address); err != nil {
			return nil, err
		}
	}
	timely, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	time.AfterFunc(remoteTimeout, func() { cancel(fmt.Errorf("it did not answer within %v", remoteTimeout)) })
	engines, errs := make([]*Engine, len(addresses)), make([]error, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() {
			if engines[i], errs[i] = dial(timely, address, opts); errs[i] == nil {
				time.AfterFunc(othersTimeout, func() { cancel(fmt.Errorf("it did not answer within %v of another", othersTimeout)) })
			}
		})
	}
	group.Wait()
	all := several(slices.DeleteFunc(engines, func(e *Engine) bool { return e == nil }), opts.notice())
	err := errors.Join(errs...)
	for _, one := range errs {
		if one != nil && !errors.As(one, new(*NoAnswerError)) {
			return nil, errors.Join(one, all.Close())
		}
	}
	if len(all.members) == 0 || ctx.Err() != nil {
		return nil, errors.Join(err, context.Cause(ctx), all.Close())
	}
	if err != nil {
		fmt.Fprintf(all.notice, "%v\nbuilding goes on with the others\n", err)
	}
	return all, nil
}

// schemes are those of addresses.
var schemes = []string{"unix", "tcp", "docker-container", "podman-container", "nerdctl-container", "kube-pod", "ssh",
	dockerScheme}

// known reports an address of which it can't be told how to get there.
func known(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("an engine's address can't be read: write it as tcp://HOST:PORT or unix:///PATH")
	case u.User != nil && passwordOf(u) != "":
		return fmt.Errorf("engine %s: plain-text password is not supported: take it out of the address", u.Redacted())
	case address == "embedded":
		return errors.New("engine embedded: it can't stand beside others: name it alone")
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("engine %s: driftpin can't get there: write embedded, or an address that begins with %s://", address,
			strings.Join(schemes, "://, "))
	case u.Scheme == "tcp" && (u.Port() == "" || u.User != nil):
		return fmt.Errorf("engine %s: write its address as tcp://HOST:PORT", u.Redacted())
	case u.Scheme == "unix" && u.Host != "":
		return fmt.Errorf("engine %s: write its address as unix:///PATH, with three slashes", address)
	case strings.HasPrefix(u.Host, "-"):
		return fmt.Errorf("engine %s: a name does not begin with -", address)
	case u.Host == "" && u.Path == "" && u.Scheme != dockerScheme:
		return fmt.Errorf("engine %s: its address names nothing after %s://", address, u.Scheme)
	}
	return nil
}

func passwordOf(u *url.URL) string {
	password, _ := u.User.Password()
	return password
}

// dial connects to the engine at one address.
func dial(ctx context.Context, address string, opts Options) (*Engine, error) {
	more, err := opts.credentials(address)
	if err != nil {
		return nil, fmt.Errorf("engine %s: %w", address, err)
	}
	m := &member{address: address}
	c, err := client.New(ctx, address, append(more, client.WithGRPCDialOption(grpc.WithStatsHandler(&m.ends)))...)
	if err != nil {
		return nil, fmt.Errorf("engine %s: %w", address, err)
	}
	if err := able(ctx, c); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		err = fmt.Errorf("engine %s: %w", address, explainReach(ctx, address, orDocker(ctx, address, err)))
		if !errors.As(err, new(*UnableError)) {
			err = &NoAnswerError{err}
		}
		return nil, errors.Join(err, c.Close())
	}
	m.client = c
	e := &Engine{members: []*member{m}, notice: opts.notice()}
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
