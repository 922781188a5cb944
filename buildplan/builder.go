package buildplan

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/driftpin/driftpin/buildplan/resolve"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
)

// A Builder builds plans on an engine. What it fetches is kept by its session.
type Builder struct {
	Session *session.Session
	Caches  session.Caches // of results of steps that build images
}

// resolver looks things up on the base of a plan.
func (b Builder) resolver(p *Plan) *resolve.Resolver {
	return &resolve.Resolver{Session: b.Session, Base: p.Base}
}

// locate looks up the addresses of the plan's files that are not remembered: a
// lock that comes from another machine tells hashes only. What no index has any
// more stays unknown; it may still be at hand. others are as those of
// resolve.Resolver.Locate.
func (b Builder) locate(ctx context.Context, p *Plan) (others map[string]string, err error) {
	var tools []steps.Tool
	for _, t := range p.mountedTools() {
		if !b.Session.Files.Known(t.Artifact(p.Platform).SHA256) {
			tools = append(tools, t)
		}
	}
	return b.resolver(p).Locate(ctx, p.query(), b.unknown(p.fetched()), tools...)
}

// unknown are those of some files of which neither the bytes nor an address is
// known.
func (b Builder) unknown(files []pins.Artifact) []pins.Artifact {
	return slices.DeleteFunc(slices.Clone(files), func(a pins.Artifact) bool {
		b.Session.Files.Expect(a.SHA256, path.Base(a.File), a.Size)
		return b.Session.Files.Known(a.SHA256)
	})
}

// Locate looks up where the files of a plan can be fetched, at hand or not, as
// far as that is not remembered.
func (b Builder) Locate(ctx context.Context, p *Plan) error {
	var files []pins.Artifact
	for _, a := range p.fetched() {
		if _, ok := b.Session.Files.Address(a.SHA256); !ok {
			files = append(files, a)
		}
	}
	if _, err := b.resolver(p).Locate(ctx, p.query(), files); err != nil {
		return session.Explain(err)
	}
	return nil
}

// gitTrees sees to the files of all commits that wheels of a plan are built
// from; it returns the sha256 of their archives by the wheel's file.
func (b Builder) gitTrees(ctx context.Context, p *Plan) (map[string]string, error) {
	trees := map[string]string{}
	for _, w := range p.Wheels {
		g, ok := w.Git()
		if !ok {
			continue
		}
		tree, err := b.Session.Git.Tree(ctx, g)
		if err != nil {
			if at, known := p.places.At(w.Artifact); known {
				err = fmt.Errorf("%s: %w", at, err)
			}
			return nil, err
		}
		trees[w.File] = tree
	}
	return trees, nil
}
