package buildplan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/owns"
	"github.com/driftpin/driftpin/buildplan/resolve"
	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
	"golang.org/x/sync/errgroup"
)

// KnownOverlaps is Overlaps as far as what packages own is noted in home:
// nothing is fetched.
func KnownOverlaps(home string, m *pins.Manifest, l *pins.Lock) (all pins.Findings) {
	for _, platform := range l.Platforms {
		packages := owns.InEnvironment(l, platform)
		owned := make([]map[string]string, len(packages))
		for i, a := range packages {
			owned[i], _ = session.OwnedIn(home).Known(a)
		}
		all = append(all, overlapsIn(session.OwnedIn(home), m, l, platform, packages, owned)...)
	}
	return all
}

// Overlaps finds the paths that several packages of the environment own, pip's,
// conda's or npm's, with different bytes: only one of them can have its file. Each
// pair of packages is a finding, at the pin that brings the first; paths that
// the manifest's overlaps name are not. It reads what the packages themselves
// say that they own, and of one that is not at hand it fetches only that part.
func (b Builder) Overlaps(ctx context.Context, base steps.Base, m *pins.Manifest, l *pins.Lock) (pins.Findings, error) {
	var all pins.Findings
	for _, platform := range l.Platforms {
		packages := owns.InEnvironment(l, platform)
		owned, err := b.owned(ctx, base, l, platform, packages)
		if err != nil {
			return nil, err
		}
		all = append(all, overlapsIn(b.Session.Owned, m, l, platform, packages, owned)...)
	}
	return all, nil
}

// PostLinks finds the conda packages of a lock that bring a script to be run after they
// were installed.
func (b Builder) PostLinks(ctx context.Context, base steps.Base, l *pins.Lock) (names []string, err error) {
	for _, platform := range l.Platforms {
		packages := slices.DeleteFunc(owns.InEnvironment(l, platform), func(a pins.Artifact) bool { return a.Kind != pins.Conda })
		if len(packages) == 0 {
			continue
		}
		owned, err := b.owned(ctx, base, l, platform, packages)
		if err != nil {
			return nil, err
		}
		for i, a := range packages {
			if _, ok := owned[i][steps.PostLinkFile(a.Name)]; ok {
				names = append(names, a.Name)
			}
		}
	}
	return names, nil
}

// owned are the paths that packages of a lock own, with their hashes, in their order.
func (b Builder) owned(ctx context.Context, base steps.Base, l *pins.Lock, platform string,
	packages []pins.Artifact) ([]map[string]string, error) {
	unknown := slices.DeleteFunc(slices.Clone(packages), func(a pins.Artifact) bool {
		_, known := b.Session.Owned.Known(a)
		return known
	})
	q := pins.Query{Platform: platform, Below: below(l, platform)}
	r := &resolve.Resolver{Session: b.Session, Base: base}
	if _, err := r.Locate(ctx, q, b.unknown(unknown)); err != nil {
		return nil, err
	}
	if err := b.learnBase(ctx, r, q); err != nil {
		return nil, err
	}
	owned := make([]map[string]string, len(packages))
	group, gctx := errgroup.WithContext(ctx)
	for i, a := range packages {
		group.Go(func() (err error) {
			owned[i], err = b.read(gctx, a)
			return err
		})
	}
	return owned, group.Wait()
}

// overlapsIn is overlaps with what an extended base holds.
func overlapsIn(known owns.Memory, m *pins.Manifest, l *pins.Lock, platform string, packages []pins.Artifact,
	owned []map[string]string) pins.Findings {
	if m.Extends {
		held, theirs := known.RecallBase(l, platform)
		packages, owned = append(packages, held...), append(owned, theirs...)
	}
	return owns.Clashes(m, l, packages, owned)
}

// below are what a lock installs on a platform below pip's packages.
func below(l *pins.Lock, platform string) []pins.Artifact {
	return slices.DeleteFunc(l.Below(), func(a pins.Artifact) bool { return a.Platform != platform })
}

// read returns the paths that a package owns, with their hashes.
func (b Builder) read(ctx context.Context, a pins.Artifact) (map[string]string, error) {
	if known, ok := b.Session.Owned.Known(a); ok {
		return known, nil
	}
	b.Session.Files.Expect(a.SHA256, path.Base(a.File), a.Size)
	owned, err := b.peekOwned(ctx, a)
	if err != nil { // of a server's ranges, or of a size that is not true: the whole file has a hash
		if owned, err = b.fileOwned(ctx, a); err != nil {
			return nil, fmt.Errorf("%s: %w", a.File, err)
		}
	}
	if err := b.Session.Owned.Keep(a.SHA256, owned); err != nil {
		return nil, err
	}
	owned, _ = b.Session.Owned.Known(a) // as the lock places it
	return owned, nil
}

func (b Builder) peekOwned(ctx context.Context, a pins.Artifact) (map[string]string, error) {
	if strings.HasSuffix(a.File, ".tar.bz2") || a.Kind == pins.Npm {
		return nil, errors.New("one stream can't be read in parts")
	}
	r, err := b.Session.Files.Peek(ctx, a.SHA256, a.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return owns.Read(a, r, a.Size)
}

func (b Builder) fileOwned(ctx context.Context, a pins.Artifact) (map[string]string, error) {
	name, err := b.Session.Files.File(ctx, a.SHA256)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return owns.Read(a, f, info.Size())
}

// learnBase notes what the packages of an extended base own.
func (b Builder) learnBase(ctx context.Context, r *resolve.Resolver, q pins.Query) error {
	if !r.Base.Extended || b.Session.Owned.HasBase(r.Base.Digest) {
		return nil
	}
	table, err := r.BaseOwns(ctx, q)
	if err != nil {
		return err
	}
	return b.Session.Owned.KeepBase(r.Base.Digest, table)
}
