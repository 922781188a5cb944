package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const (
	stopGrace = 10 * time.Second     // how long Close waits for cancelled steps to end by themselves
	stopPoll  = 5 * time.Millisecond // how often it looks
	cgroupAge = time.Hour            // an empty control group this old is nobody's
)

// reap ends the containers and removes the mounts under root that an earlier
// process did not live to remove. The caller has the root's lock.
func reap(ctx context.Context, root, runc string) error {
	for _, bundle := range bundles(root) {
		// It fails where the container is gone already; only the bundle is left then.
		_ = exec.CommandContext(ctx, runc, "delete", "--force", filepath.Base(bundle)).Run()
	}
	if err := unmountAll(root); err != nil {
		return err
	}
	removeCgroups()
	for _, bundle := range bundles(root) {
		if err := os.RemoveAll(bundle); err != nil {
			return err
		}
	}
	return nil
}

// bundles lists the folders of running steps; a folder's name is the
// container's. BuildKit removes each when its step has ended.
func bundles(root string) []string {
	configs, err := filepath.Glob(filepath.Join(root, "runc-*", "executor", "*", "rootfs"))
	if err != nil {
		panic(err) // the pattern is ours
	}
	for i, c := range configs {
		configs[i] = filepath.Dir(c)
	}
	return configs
}

// mountsUnder lists the mounts below root, oldest first. A mount at root
// itself is the user's.
func mountsUnder(root string) ([]string, error) {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(root))
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	var points []string
	for _, m := range infos {
		if m.Mountpoint != root {
			points = append(points, m.Mountpoint)
		}
	}
	return points, nil
}

// unmountAll unmounts everything below root, the newest first.
func unmountAll(root string) error {
	points, err := mountsUnder(root)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range slices.Backward(points) {
		err := unix.Unmount(p, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // these two: it is gone
			errs = append(errs, fmt.Errorf("unmounting %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

// removeCgroups removes control groups of steps that were killed while they
// were set up, which nobody else does. The age keeps us off other engines'
// steps, and the kernel refuses where there is a process.
func removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/buildkit/*", "/sys/fs/cgroup/*/buildkit/*"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // the patterns are ours
		}
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			if err == nil && info.IsDir() && time.Since(info.ModTime()) > cgroupAge {
				_ = os.Remove(dir)
			}
		}
	}
}

// drain waits until no step runs and nothing is mounted below root, or
// stopGrace is over.
func drain(root string) {
	for end := time.Now().Add(stopGrace); time.Now().Before(end); time.Sleep(stopPoll) {
		points, err := mountsUnder(root)
		if err != nil || len(points) == 0 && len(bundles(root)) == 0 {
			return
		}
	}
}
