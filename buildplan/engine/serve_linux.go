package engine

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/moby/buildkit/cache/remotecache"
	inlinecache "github.com/moby/buildkit/cache/remotecache/inline"
	localcache "github.com/moby/buildkit/cache/remotecache/local"
	registrycache "github.com/moby/buildkit/cache/remotecache/registry"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/frontend"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/util/archutil"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/buildkit/util/resolver"
	resolverconfig "github.com/moby/buildkit/util/resolver/config"
	"github.com/moby/buildkit/worker"
	"github.com/moby/buildkit/worker/base"
	bolt "go.etcd.io/bbolt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

// pipeBuffer is the size of the in-process connection's buffer.
const pipeBuffer = 1 << 20

// A server is BuildKit's controller behind an in-process connection.
type server struct {
	root, runc string
	lis        *bufconn.Listener
	grpc       *grpc.Server
	ctrl       *control.Controller
	worker     *base.Worker
	stop       context.CancelFunc
}

// serve starts a controller with its state under root.
func serve(ctx context.Context, root, runc string, opts Options) (*server, error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &server{root: root, runc: runc, lis: bufconn.Listen(pipeBuffer), stop: stop}
	hosts := registryHosts(opts.PlainHTTP)
	go archutil.SupportedPlatforms(false) // the first solve asks, and it takes a program's start for each
	var err error
	if s.worker, err = newWorker(ctx, root, runc, hosts, opts); err != nil {
		stop()
		return nil, err
	}
	if s.ctrl, err = newController(ctx, root, opts.Eager, s.worker, hosts); err != nil {
		stop()
		return nil, errors.Join(err, s.worker.Close(), s.worker.Snapshotter.Close())
	}
	// Without these interceptors typed errors (source maps, exit codes) get lost.
	s.grpc = grpc.NewServer(
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize),
	)
	s.ctrl.Register(s.grpc)
	go func() { _ = s.grpc.Serve(s.lis) }() // ends with Stop
	return s, nil
}

// dial connects a client.
func (s *server) dial(ctx context.Context, _ string) (net.Conn, error) {
	return s.lis.DialContext(ctx)
}

// close stops the server, waits for cancelled steps to end, and closes the
// databases. BuildKit itself leaves the snapshotter's open, and with it a lock
// on which the next engine of this process would hang.
func (s *server) close() error {
	s.stop()
	s.grpc.Stop()
	drain(s.root)
	err := errors.Join(s.ctrl.Close(), s.worker.Snapshotter.Close())
	return errors.Join(err, reap(context.Background(), s.root, s.runc))
}

// newController puts BuildKit's parts together as buildkitd does. On error w
// stays open.
func newController(ctx context.Context, root string, eager bool, w *base.Worker,
	hosts docker.RegistryHosts) (*control.Controller, error) {
	sessions, err := session.NewManager()
	if err != nil {
		return nil, err
	}
	workers := &worker.Controller{}
	if err := workers.Add(&sweeper{w, time.Now(), eager, filepath.Join(root, "swept"), ctx.Done()}); err != nil {
		return nil, err
	}
	cache, err := bboltcachestorage.NewStore(filepath.Join(root, "cache.db"))
	if err != nil {
		return nil, err
	}
	history, err := boltutil.SafeOpen(filepath.Join(root, "history.db"), 0o600,
		&bolt.Options{FreelistType: bolt.FreelistMapType, NoSync: true})
	if err != nil {
		return nil, errors.Join(err, cache.Close())
	}
	ctrl, err := control.NewController(control.Opt{
		SessionManager:            sessions,
		WorkerController:          workers,
		Frontends:                 map[string]frontend.Frontend{}, // client.Build needs none
		CacheManager:              openCache(ctx, cache, worker.NewCacheResultStorage(workers)),
		ResolveCacheExporterFuncs: cacheExporters(sessions, hosts),
		ResolveCacheImporterFuncs: cacheImporters(sessions, hosts, w),
		HistoryDB:                 history,
		HistoryConfig:             &config.HistoryConfig{MaxEntries: new(int64)}, // 0: none is kept
		CacheStore:                cache,
		LeaseManager:              w.LeaseManager(),
		ContentStore:              w.ContentStore(),
		GarbageCollect:            w.GarbageCollect,
		GracefulStop:              ctx.Done(),
	})
	if err != nil {
		return nil, errors.Join(err, cache.Close(), history.Close())
	}
	return ctrl, nil
}

// openCache opens the solver's cache on its store. BuildKit would first look for
// every result that the store names; it does so again after each sweep, and a
// result that is gone is found out when it is asked for.
func openCache(ctx context.Context, store *bboltcachestorage.Store,
	results solver.CacheResultStorage) solver.CacheManager {
	s := &unwalked{Store: store, opening: true}
	cache := solver.NewCacheManager(ctx, "local", s, results)
	s.opening = false
	return cache
}

// unwalked is a store that shows nothing to a walk while it is opened.
type unwalked struct {
	*bboltcachestorage.Store
	opening bool
}

// Walk implements solver.CacheKeyStorage.
func (s *unwalked) Walk(f func(id string) error) error {
	if s.opening {
		return nil
	}
	return s.Store.Walk(f)
}

// registryHosts configures how registries are reached.
func registryHosts(plainHTTP []string) docker.RegistryHosts {
	yes := true
	registries := make(map[string]resolverconfig.RegistryConfig, len(plainHTTP))
	for _, host := range plainHTTP {
		registries[host] = resolverconfig.RegistryConfig{PlainHTTP: &yes}
	}
	return resolver.NewRegistryConfig(registries)
}

// cacheExporters returns where a build's cache can be written to.
func cacheExporters(sm *session.Manager, hosts docker.RegistryHosts) map[string]remotecache.ResolveCacheExporterFunc {
	return map[string]remotecache.ResolveCacheExporterFunc{
		"registry": registrycache.ResolveCacheExporterFunc(sm, hosts),
		"local":    localcache.ResolveCacheExporterFunc(sm),
		"inline":   inlinecache.ResolveCacheExporterFunc(),
	}
}

// cacheImporters returns where a build's cache can be read from.
func cacheImporters(sm *session.Manager, hosts docker.RegistryHosts,
	w *base.Worker) map[string]remotecache.ResolveCacheImporterFunc {
	return map[string]remotecache.ResolveCacheImporterFunc{
		"registry": registrycache.ResolveCacheImporterFunc(sm, w.ContentStore(), hosts),
		"local":    localcache.ResolveCacheImporterFunc(sm),
	}
}
