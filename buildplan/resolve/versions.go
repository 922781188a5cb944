package resolve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
)

// maxSiblings is how many packages are asked for a version.
const maxSiblings = 12

// Neighbours asks the index what there is, up to the date q.Before, around a
// version that it does not have; siblings are packages that may have been
// meant, at whatever date. Of a version that there is, be it too new, nothing is
// said.
func (r *Resolver) Neighbours(ctx context.Context, q pins.Query, name, version string,
	siblings []string) (n pins.Neighbours, err error) {
	err = r.asking(ctx, q, func(ctx context.Context, r *resolution) (err error) {
		if err := r.locateBelow(ctx); err != nil {
			return err
		}
		n, err = r.neighbours(ctx, name, version, siblings)
		return err
	})
	return n, err
}

func (r *resolution) neighbours(ctx context.Context, name, version string,
	siblings []string) (n pins.Neighbours, err error) {
	u := r.uvForEnvironment()
	if err := u.locateTool(ctx, steps.UvTool); err != nil {
		return n, err
	}
	before := r.query.Before
	r.query.Before = time.Time{}
	exact, err := u.only(ctx, name+"=="+version)
	if err != nil || exact != "" {
		return n, err
	}
	r.query.Before = before
	if n.Below, err = u.only(ctx, name+"<"+version); err != nil {
		return n, err
	}
	if n.Above, err = u.only(ctx, name+">"+version, "--resolution", "lowest"); err != nil {
		return n, err
	}
	r.query.Before = time.Time{}
	for _, sibling := range siblings[:min(len(siblings), maxSiblings)] {
		found, err := u.only(ctx, sibling+"=="+version)
		if err != nil {
			return n, err
		}
		if found != "" {
			n.Sibling = sibling
			break
		}
	}
	return n, nil
}

// Releases asks the index, the channels, the registry or apt for the newest
// version of each of some requirements of one kind, by itself and up to the date
// q.Before. requirements are constraints by name; apt's mean nothing. A package
// that has none is left out.
func (r *Resolver) Releases(ctx context.Context, q pins.Query,
	requirements map[string]string) (found map[string]pins.Release, err error) {
	err = r.asking(ctx, q, func(ctx context.Context, r *resolution) (err error) {
		if err := r.locateBelow(ctx); err != nil {
			return err
		}
		switch q.Kind {
		case pins.Pip:
			u := r.uvForEnvironment()
			if err := u.locateTool(ctx, steps.UvTool); err != nil {
				return err
			}
			found, err = u.releases(ctx, requirements)
		case pins.Deb:
			found, err = r.candidates(ctx, slices.Sorted(maps.Keys(requirements)))
		default:
			found, err = r.listed(ctx, requirements)
		}
		return err
	})
	return found, err
}

// listed is Releases for conda and npm, which list what there is with dates.
func (r *resolution) listed(ctx context.Context, requirements map[string]string) (map[string]pins.Release, error) {
	versions, err := r.versions(ctx, slices.Sorted(maps.Keys(requirements)))
	if err != nil {
		return nil, err
	}
	found := map[string]pins.Release{}
	for name, constraint := range requirements {
		for _, v := range slices.Sorted(maps.Keys(versions[name])) {
			text := versions[name][v]
			published, err := time.Parse(time.DateOnly, text[:min(len(text), len(time.DateOnly))])
			if err == nil && !r.query.Before.IsZero() && !published.Before(r.query.Before) {
				continue
			}
			if fits, err := r.query.Kind.Scheme().Satisfies(v, constraint); err == nil && fits &&
				(found[name].Version == "" || r.query.Kind.Scheme().Compare(v, found[name].Version) > 0) {
				found[name] = pins.Release{Version: v, Published: published}
			}
		}
	}
	return found, nil
}

// versions are all that there are of conda's or npm's packages, with dates.
func (r *resolution) versions(ctx context.Context, names []string) (map[string]map[string]string, error) {
	title := "list the versions of " + pins.Count(len(names), "package")
	if r.query.Kind == pins.Npm {
		text, err := r.askNpm(ctx, title, npmQuestion{List: names})
		if err != nil {
			return nil, err
		}
		var answer npmAnswer
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, fmt.Errorf("can't read npm's answer: %w", err)
		}
		if answer.Error != nil {
			return nil, r.npmFailure(&answer)
		}
		return answer.Versions, nil
	}
	answer, err := r.askConda(ctx, title, condaQuestion{Specs: names, Channels: r.query.Channels,
		Subdir: subdirs[r.query.Platform], Prefer: []condaPackageID{}, List: true})
	if err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, r.condaFailure(answer.Error)
	}
	return answer.Versions, nil
}
