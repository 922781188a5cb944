package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/moby/sys/userns"
)

// Check reports what this machine lacks for an embedded engine, and returns
// the path of the runc to use.
func Check(ctx context.Context) (runc string, err error) {
	if os.Geteuid() > 0 && !userns.RunningInUserNS() {
		return "", errors.New("building in this process needs root or a user namespace (rootlesskit --net=host " +
			"--copy-up=/etc --copy-up=/run COMMAND); or name a remote engine")
	}
	return findRunc(ctx)
}

// findRunc looks for a runc that knows the --keep flag BuildKit passes; crun
// and runc before 1.1 do not.
func findRunc(ctx context.Context) (string, error) {
	var errs []error
	for _, name := range []string{"buildkit-runc", "runc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		help, err := exec.CommandContext(ctx, path, "run", "--help").CombinedOutput()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s run --help: %w", path, err))
			continue
		}
		if bytes.Contains(help, []byte("--keep")) {
			return path, nil
		}
		errs = append(errs, fmt.Errorf("%s: run has no --keep; runc 1.1 or newer is needed", path))
	}
	return "", fmt.Errorf("no usable runc (install the runc package): %w", errors.Join(errs...))
}
