package resolve

import (
	"context"
	"path"

	"github.com/driftpin/driftpin/buildplan/steps"
	"github.com/driftpin/driftpin/pins"
)

// locate looks up where files and tools are.
func (r *resolution) locate(ctx context.Context, files []pins.Artifact, tools []steps.Tool) error {
	debs, condas, npms, wheels := byKind(files)
	if len(debs) > 0 {
		if err := r.locateDebs(ctx, debs); err != nil {
			return err
		}
	}
	for _, t := range tools {
		if err := r.uvForSteps().locateTool(ctx, t); err != nil {
			return err
		}
	}
	if len(condas) > 0 {
		if err := r.locateConda(ctx, condas); err != nil {
			return err
		}
	}
	if len(npms) > 0 {
		if err := r.locateNpm(ctx, npms); err != nil {
			return err
		}
	}
	if len(wheels) > 0 {
		return r.uvForEnvironment().locateWheels(ctx, wheels)
	}
	return nil
}

// locateBelow sees to it that what a query resolves on top of can be fetched: a
// lock that comes from another machine tells hashes only.
func (r *resolution) locateBelow(ctx context.Context) error {
	var debs, condas []pins.Artifact
	for _, a := range r.query.Below {
		if a.Use == pins.Held {
			continue
		}
		r.session.Files.Expect(a.SHA256, path.Base(a.File), a.Size)
		switch {
		case r.known(a.SHA256):
		case a.Kind == pins.Deb:
			debs = append(debs, a)
		case a.Kind == pins.Conda:
			condas = append(condas, a)
		}
	}
	if len(debs) > 0 {
		if err := r.locateDebs(ctx, debs); err != nil {
			return err
		}
	}
	if len(condas) > 0 {
		return r.locateConda(ctx, condas)
	}
	return nil
}

// byKind deals files out to those who know where they are.
func byKind(files []pins.Artifact) (debs, condas, npms, wheels []pins.Artifact) {
	for _, a := range files {
		switch a.Kind {
		case pins.Deb:
			debs = append(debs, a)
		case pins.Conda:
			condas = append(condas, a)
		case pins.Npm:
			npms = append(npms, a)
		default:
			wheels = append(wheels, a)
		}
	}
	return debs, condas, npms, wheels
}
