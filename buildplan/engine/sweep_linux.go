package engine

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/disk"
	"github.com/moby/buildkit/worker/base"
)

const (
	sweepWait  = 30 * time.Second // an engine that is open for less does not sweep its cache
	sweepEvery = 24 * time.Hour   // unless the last sweep is this long ago
)

// A sweeper is a worker that puts off the sweeps of its cache. BuildKit sweeps
// a second after the start, which reads every record, while the first step runs
// and needs the processors; what runs for a short time adds little to the cache.
type sweeper struct {
	*base.Worker
	opened  time.Time
	eager   bool
	mark    string // file, whose time is that of the last sweep
	closing <-chan struct{}
}

// Prune sweeps the cache when it is time, or not at all if the engine is closed
// before.
func (s *sweeper) Prune(ctx context.Context, freed chan client.UsageInfo, policy ...client.PruneInfo) error {
	var wait time.Duration
	if info, err := os.Stat(s.mark); err == nil && time.Since(info.ModTime()).Abs() < sweepEvery {
		wait = time.Until(s.opened.Add(sweepWait))
	}
	if s.eager {
		wait = 0
	}
	for _, p := range policy {
		if stat, err := disk.GetDiskStat(filepath.Dir(s.mark)); err == nil && stat.Available < p.MinFreeSpace/2 {
			wait = 0 // what is there matters more than the time it takes
		}
	}
	select {
	case <-s.closing:
	case <-ctx.Done():
	case <-time.After(wait):
	}
	select {
	case <-s.closing: // before all else: the databases may be closed
		return nil
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Worker.Prune(ctx, freed, policy...); err != nil {
		return err
	}
	return os.WriteFile(s.mark, nil, 0o600) // it is empty already, or new: this sets its time
}
