package engine

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/util/disk"
	"github.com/moby/buildkit/util/network/cniprovider"
	"github.com/moby/buildkit/util/network/netproviders"
	"github.com/moby/buildkit/worker/base"
	"github.com/moby/buildkit/worker/runc"
	"github.com/moby/sys/userns"
	"golang.org/x/sync/semaphore"
)

// newWorker makes the worker that runs build steps with the runc at runcPath.
func newWorker(ctx context.Context, root, runcPath string, hosts docker.RegistryHosts, opts Options) (*base.Worker, error) {
	var sem *semaphore.Weighted
	if opts.Parallel > 0 {
		sem = semaphore.NewWeighted(int64(opts.Parallel))
	}
	network := netproviders.Opt{Mode: "host", CNI: cniprovider.Opt{Root: root}}
	opt, err := runc.NewWorkerOpt(root, snapshotter(root, opts.Native), userns.RunningInUserNS(), oci.ProcessSandbox,
		nil, nil, network, nil, runcPath, "", false, sem, "", "", nil)
	if err != nil {
		return nil, err
	}
	opt.RegistryHosts = hosts
	opt.GCPolicy = gcPolicy(root, opts.Keep)
	opt.BuildkitVersion = client.BuildkitVersion{Package: buildkitModule, Version: buildkitVersion()}
	return base.NewWorker(ctx, opt)
}

// snapshotter returns overlayfs where the kernel and root's file system have
// it, else plain copies.
func snapshotter(root string, forceNative bool) runc.SnapshotterFactory {
	if forceNative || overlayutils.Supported(root) != nil {
		return runc.SnapshotterFactory{Name: "native", New: native.NewSnapshotter}
	}
	return runc.SnapshotterFactory{Name: "overlayfs", New: func(dir string) (snapshots.Snapshotter, error) {
		return overlay.NewSnapshotter(dir, overlay.AsynchronousRemove)
	}}
}

const (
	gigabyte    = 1_000_000_000
	defaultKeep = 50 * gigabyte
	freePercent = 10 // of the disk stays free, whatever Keep says
	sweepAge    = 60 * 24 * time.Hour
)

// gcPolicy keeps what was used lately up to keep bytes, as long as the disk
// has room.
func gcPolicy(root string, keep int64) []client.PruneInfo {
	if keep == 0 {
		keep = defaultKeep
	}
	var minFree int64
	if stat, err := disk.GetDiskStat(root); err == nil {
		minFree = stat.Total / 100 * freePercent
	}
	return []client.PruneInfo{
		{KeepDuration: sweepAge, ReservedSpace: keep / 2},
		{All: true, MaxUsedSpace: keep, MinFreeSpace: minFree, ReservedSpace: keep / 10},
	}
}

// buildkitModule is the module whose version the worker reports.
const buildkitModule = "github.com/moby/buildkit"

// buildkitVersion returns the version of BuildKit linked into the program.
func buildkitVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == buildkitModule {
			return m.Version
		}
	}
	return ""
}
