package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/containerd/containerd/v2/core/diff/apply"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/containerd/platforms"
	cachemetadata "github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/executor/resources"
	"github.com/moby/buildkit/executor/runcexecutor"
	containerdsnapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/disk"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/moby/buildkit/util/network"
	"github.com/moby/buildkit/util/winlayers"
	"github.com/moby/buildkit/worker/base"
	"github.com/moby/buildkit/worker/label"
	"github.com/moby/sys/userns"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/semaphore"
)

// newWorker makes the worker that runs build steps with the runc at runcPath.
func newWorker(ctx context.Context, root, runcPath string, hosts docker.RegistryHosts,
	opts Options) (*base.Worker, error) {
	opt, err := workerOptions(root, runcPath, opts.Native)
	if err != nil {
		return nil, err
	}
	if opts.Parallel > 0 {
		opt.ParallelismSem = semaphore.NewWeighted(int64(opts.Parallel))
	}
	opt.RegistryHosts = hosts
	opt.GCPolicy = gcPolicy(root, opts.Keep)
	opt.BuildkitVersion = client.BuildkitVersion{Package: "github.com/moby/buildkit", Version: BuildKitVersion()}
	w, err := base.NewWorker(ctx, opt)
	if err != nil {
		return nil, errors.Join(err, opt.MetadataStore.Close(), opt.ContentMetadata.Close(), opt.Snapshotter.Close())
	}
	return w, nil
}

// namespace is BuildKit's in containerd's databases.
const namespace = "buildkit"

// workerOptions puts a worker's parts together as BuildKit's worker/runc does.
// That one makes a provider of proxies too, and an RSA key for it at every
// start, which takes 0.1 s on average; no step of ours asks for a proxy.
func workerOptions(root, runcPath string, forceNative bool) (opt base.WorkerOpt, err error) {
	name, newSnapshotter := snapshotter(root, forceNative)
	root = filepath.Join(root, "runc-"+name)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return opt, err
	}
	if err := addExecutor(&opt, root, runcPath); err != nil {
		return opt, err
	}
	id, err := base.ID(root)
	if err != nil {
		return opt, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}

	layers, err := newSnapshotter(filepath.Join(root, "snapshots"))
	if err != nil {
		return opt, err
	}
	blobs, err := local.NewStore(filepath.Join(root, "content"))
	if err != nil {
		return opt, errors.Join(err, layers.Close())
	}
	db, err := boltutil.Open(filepath.Join(root, "containerdmeta.db"), 0o644,
		&bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return opt, errors.Join(err, layers.Close())
	}
	meta := metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{name: layers})
	if err := meta.Init(context.Background()); err != nil {
		return opt, errors.Join(err, db.Close(), layers.Close())
	}
	records, err := cachemetadata.NewStore(filepath.Join(root, "metadata_v2.db"))
	if err != nil {
		return opt, errors.Join(err, db.Close(), layers.Close())
	}
	content := containerdsnapshot.NewContentStore(meta.ContentStore(), namespace)
	opt.ID, opt.Root, opt.MountPoolRoot = id, root, filepath.Join(root, "cachemounts")
	opt.Labels = map[string]string{
		label.Executor:       "oci",
		label.Snapshotter:    name,
		label.Hostname:       hostname,
		label.Network:        "host",
		label.OCIProcessMode: oci.ProcessSandbox.String(),
		label.SELinuxEnabled: strconv.FormatBool(false),
	}
	opt.Platforms = []ocispecs.Platform{platforms.Normalize(platforms.DefaultSpec())}
	opt.MetadataStore, opt.ContentMetadata, opt.ContentStore = records, db, content
	opt.Snapshotter = containerdsnapshot.NewSnapshotter(name, meta.Snapshotter(name), namespace, nil)
	opt.Applier = winlayers.NewFileSystemApplierWithWindows(content, apply.NewFileSystemApplier(content))
	opt.Differ = winlayers.NewWalkingDiffWithWindows(content, walking.NewWalkingDiff(content))
	opt.LeaseManager = leaseutil.WithNamespace(metadata.NewLeaseManager(meta), namespace)
	opt.GarbageCollect = meta.GarbageCollect
	return opt, nil
}

// addExecutor adds what runs steps.
func addExecutor(opt *base.WorkerOpt, root, runcPath string) (err error) {
	opt.NetworkProviders = map[pb.NetMode]network.Provider{
		pb.NetMode_UNSET: network.NewHostProvider(),
		pb.NetMode_HOST:  network.NewHostProvider(),
		pb.NetMode_NONE:  network.NewNoneProvider(),
	}
	if opt.ResourceMonitor, err = resources.NewMonitor(); err != nil {
		return err
	}
	opt.Executor, err = runcexecutor.New(runcexecutor.Opt{
		Root:              filepath.Join(root, "executor"),
		CommandCandidates: []string{runcPath},
		Rootless:          userns.RunningInUserNS(),
		ProcessMode:       oci.ProcessSandbox,
		ResourceMonitor:   opt.ResourceMonitor,
	}, opt.NetworkProviders)
	return err
}

// snapshotter returns overlayfs where the kernel and root's file system have
// it, else plain copies.
func snapshotter(root string, forceNative bool) (name string, open func(dir string) (snapshots.Snapshotter, error)) {
	if forceNative || overlayutils.Supported(root) != nil {
		return "native", native.NewSnapshotter
	}
	return "overlayfs", func(dir string) (snapshots.Snapshotter, error) {
		return overlay.NewSnapshotter(dir, overlay.AsynchronousRemove)
	}
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
