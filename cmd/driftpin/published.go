package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// published looks for a course's image in the registry that it is to be pushed to. done is
// whether it is there, from the same plan and with the same checks passed; where it is there
// and other checks are asked for, those are run first, and noted with it.
func (c *course) published(ctx context.Context, s streams, b buildplan.Builder, p *buildplan.Plan,
	out buildplan.Output) (r result, done bool, err error) {
	img, err := images.Open(ctx, out.Push, images.Options{Platform: p.Platform})
	var answer *transport.Error
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusUnauthorized ||
		answer.StatusCode == http.StatusForbidden) {
		return r, false, nil // nothing is there; or pushing says who may not
	}
	if err != nil {
		return r, false, err
	}
	defer img.Close()
	carried := img.Carried
	if img.Config.Labels[pins.PlanLabel] != p.Digest() || carried == nil || carried.Reason == nil {
		return r, false, nil
	}
	res := &buildplan.Result{Tag: p.Tag(), Digest: img.Top}
	if carried.Checked != p.Checked() {
		if err := b.Check(ctx, p); err != nil {
			if errors.As(err, new(*buildplan.CheckError)) {
				r.Outcome = "check failed"
			}
			return r, true, fmt.Errorf("checking %s: %w", p.Course, err)
		}
		if _, err := attach(ctx, s, c, out, p, res); err != nil {
			return r, true, err
		}
	}
	fmt.Fprintf(s.err, "%s: %s is there already, built from the same lock and checked\n", p.Course, out)
	_, err = fmt.Fprintf(s.out, "%s %s %s\n", p.Course, res.Tag, res.Digest)
	return result{Outcome: "is there", Details: buildDetails{Name: p.Course, Reference: out.String(), Digest: res.Digest,
		Tag: res.Tag, Lock: c.lock.Digest(), Checks: []checkDetails{}}}, true, err
}
