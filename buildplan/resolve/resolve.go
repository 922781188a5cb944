// Package resolve finds what satisfies a course's pins: apt, rattler, uv and npm
// run inside the course's own base, so that markers, the C library and the
// Python are the real ones.
//
// A [Resolver] is a pins.Resolver. Beside that it says what versions there are
// ([Resolver.Releases], [Resolver.Neighbours]), and where locked files can be
// fetched ([Resolver.Locate]).
package resolve

import (
	"context"
	"fmt"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// A Resolver resolves on a base, in one session.
type Resolver struct {
	Session *session.Session
	Base    steps.Base
}

// asking lets f ask, in the place of a query: on the base, of which all is known
// then.
func (r *Resolver) asking(ctx context.Context, q pins.Query, f func(context.Context, *resolution) error) error {
	_, err := r.Session.Run(ctx, session.Job{Base: r.Base, Platform: q.Platform},
		func(ctx context.Context, t session.Talk) (*gateway.Result, error) {
			base, err := t.Learn(ctx, r.Base)
			if err != nil {
				return nil, err
			}
			return gateway.NewResult(), f(ctx, &resolution{session: r.Session, talk: t, base: base, query: q,
				others: map[string]string{}})
		})
	return err
}

// Resolve implements pins.Resolver. The kinds that it knows are deb, conda, pip
// and npm.
func (r *Resolver) Resolve(ctx context.Context, q pins.Query) (found []pins.Artifact, err error) {
	err = r.asking(ctx, q, func(ctx context.Context, r *resolution) (err error) {
		if err := r.base.CheckEnvironment(); err != nil {
			return err
		}
		if err := r.locateBelow(ctx); err != nil {
			return err
		}
		switch q.Kind {
		case pins.Deb:
			found, err = r.debs(ctx)
		case pins.Conda:
			found, err = r.conda(ctx)
		case pins.Pip:
			found, err = r.pip(ctx)
		case pins.Npm:
			found, err = r.npm(ctx)
		default:
			err = fmt.Errorf("%s pins can't be resolved yet", q.Kind)
		}
		return err
	})
	if err != nil {
		return nil, session.Explain(err)
	}
	return found, nil
}

// Locate looks up where files can be fetched, and tools, in the place of a
// query, and has the session's store remember it. What no index has any more
// stays unknown. others are, by the sha256 of a file that an index has otherwise,
// the sha256 of what it has under that name.
func (r *Resolver) Locate(ctx context.Context, q pins.Query, files []pins.Artifact,
	tools ...steps.Tool) (others map[string]string, err error) {
	if len(files)+len(tools) == 0 {
		return nil, nil
	}
	err = r.asking(ctx, q, func(ctx context.Context, r *resolution) error {
		others = r.others
		return r.locate(ctx, files, tools)
	})
	return others, err
}

// BaseOwns asks an extended base which paths its packages own: a table as
// owns.Memory.KeepBase takes it.
func (r *Resolver) BaseOwns(ctx context.Context, q pins.Query) (table []byte, err error) {
	err = r.asking(ctx, q, func(ctx context.Context, r *resolution) error {
		if err := r.locateBelow(ctx); err != nil {
			return err
		}
		ref, _, err := r.askHeld(ctx)
		if err == nil {
			table, err = session.ReadFile(ctx, ref, "/", "owned.tsv")
		}
		return err
	})
	return table, err
}
