package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/gofrs/flock"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/resolver/retryhandler"
)

// maxRegistryPause is the longest pause before a registry that fails is asked again. They
// double from a second on, so that it is given a minute in all.
const maxRegistryPause = 32 * time.Second

// lockPoll is how often a root held by another process is tried again.
const lockPoll = 200 * time.Millisecond

// Embedded starts BuildKit's solver in this process with its state under root,
// which is created. One process at a time has a root; others wait until ctx
// ends. What an earlier process that was killed left under root is removed.
//
// It needs Linux, runc, and either root or a user namespace; [Check] tells
// what is missing. It sets TMPDIR, the output of logrus, and BuildKit's patience with registries for the process.
func Embedded(ctx context.Context, root string, opts Options) (*Engine, error) {
	e := &Engine{}
	if err := e.open(ctx, root, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("engine in %s: %w", root, err), e.Close())
	}
	return e, nil
}

// open does the work of Embedded; on error the caller closes e.
func (e *Engine) open(ctx context.Context, root string, opts Options) error {
	opts.redirectLog()
	runc, err := Check(ctx)
	if err != nil {
		return err
	}
	if root, err = makeRoot(root); err != nil {
		return err
	}
	unlock, err := lock(ctx, root, opts)
	if err != nil {
		return err
	}
	e.onClose(unlock)
	if err := reap(ctx, root, runc); err != nil {
		return err
	}
	restore, err := moveTemp(filepath.Join(root, "tmp"))
	if err != nil {
		return err
	}
	e.onClose(restore)

	retryhandler.MaxRetryBackoff = maxRegistryPause
	srv, err := serve(ctx, root, runc, opts)
	if err != nil {
		return err
	}
	e.onClose(srv.close)
	c, err := client.New(ctx, "", client.WithContextDialer(srv.dial))
	if err != nil {
		return err
	}
	e.members = []*member{{address: "embedded", client: c}}
	e.onClose(c.Close)
	return nil
}

// makeRoot creates root and returns it absolute and free of symbolic links,
// the form in which the kernel lists mounts.
func makeRoot(root string) (string, error) {
	if err := os.MkdirAll(root, 0o711); err != nil {
		return "", err
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(root)
}

// lock takes the lock of root, saying so if it has to wait.
func lock(ctx context.Context, root string, opts Options) (unlock func() error, err error) {
	file := filepath.Join(root, "engine.lock")
	l := flock.New(file)
	ok, err := l.TryLock()
	if err == nil && !ok {
		who := "another process"
		if pid, err := os.ReadFile(file); err == nil && len(pid) > 0 {
			who = "process " + strings.TrimSpace(string(pid))
		}
		fmt.Fprintf(opts.notice(), "waiting for %s, which builds in %s\n", who, root)
		_, err = l.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	// For those who wait; it is no fault if it can't be written.
	_ = os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	return l.Unlock, nil
}

// moveTemp points TMPDIR to an emptied dir, because BuildKit leaves empty
// folders there, and has containerd, which took note of TMPDIR when the process
// began, mount there too, where reap finds it. It returns a function that sets
// both back.
func moveTemp(dir string) (restore func() error, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	old, had := os.LookupEnv("TMPDIR")
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return nil, err
	}
	if err := mount.SetTempMountLocation(dir); err != nil {
		return nil, err
	}
	return func() error {
		err := os.Unsetenv("TMPDIR")
		if had {
			err = os.Setenv("TMPDIR", old)
		}
		return errors.Join(err, mount.SetTempMountLocation(os.TempDir()))
	}, nil
}
