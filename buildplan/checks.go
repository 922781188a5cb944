package buildplan

import (
	"context"
	"runtime"
	"time"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/pins"
	"github.com/moby/buildkit/client/llb"
	"golang.org/x/sync/errgroup"
)

// Checked is a check that passed.
type Checked struct {
	Check string        // its first line
	At    pins.Position // where it is asked for
	Took  time.Duration // from when it was begun; that of the first has the laying out of the image
}

// runChecks runs a plan's checks, as many at a time as there are processors: each has the
// image to itself, so that they can't disturb each other. The error is that of the first
// in the list that fails; those after it are ended, those before it are not.
func runChecks(ctx context.Context, t session.Talk, p *Plan, checks []llb.State) ([]Checked, error) {
	out, errs := make([]Checked, len(checks)), make([]error, len(checks))
	contexts, cancels := make([]context.Context, len(checks)), make([]context.CancelFunc, len(checks))
	for i := range checks {
		contexts[i], cancels[i] = context.WithCancel(ctx)
		defer cancels[i]()
	}
	defs := make([]*llb.Definition, len(checks))
	for i, check := range checks { // one at a time: they share states
		var err error
		if defs[i], err = t.Marshal(ctx, check); err != nil {
			return nil, err
		}
	}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, def := range defs {
		group.Go(func() error {
			if contexts[i].Err() != nil {
				return nil
			}
			start := time.Now()
			_, errs[i] = t.SolveDefinition(contexts[i], def, true)
			out[i] = Checked{caption(p.checks[i].Value), p.checks[i].At, time.Since(start)}
			if errs[i] != nil {
				for _, cancel := range cancels[i+1:] {
					cancel()
				}
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in the list's order
	for _, err := range errs {
		if session.ExitStatus(err) > 0 {
			return nil, &CheckError{err}
		}
		if err != nil {
			return nil, err
		}
	}
	return out, ctx.Err()
}
