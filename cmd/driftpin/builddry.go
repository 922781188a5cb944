package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/driftpin/driftpin/buildplan"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/pins"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A dryDetails is what build would do for a course, as JSON.
type dryDetails struct {
	Name      string   `json:"name"`      // the course's
	Reference string   `json:"reference"` // where the image would go
	Tag       string   `json:"tag"`
	Lock      string   `json:"lock"`          // its digest
	There     bool     `json:"there"`         // an image of this plan is there
	Layers    []string `json:"layers"`        // of packages that the image there does not have
	All       int      `json:"all"`           // layers of packages
	Why       string   `json:"why,omitempty"` // nothing is there to compare with
}

// dryRun says what building a course would make, beside the image that is there. Nothing is
// built, fetched or written.
func (f *buildFlags) dryRun(ctx context.Context, s streams, dir string) (r result, err error) {
	c, e, r, err := f.begin(ctx, s, dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	p, err := buildplan.New(c.manifest, c.lock, c.lock.Platforms[0], c.base)
	if err != nil {
		return result{}, err
	}
	out, err := parseOutput(f.output, f.pushOf(c.manifest), p)
	if err != nil {
		return result{}, err
	}
	d := dryDetails{Name: p.Course, Reference: out.String(), Tag: p.Tag(), Lock: c.lock.Digest(), Layers: []string{}}
	if err := c.compareThere(ctx, out, p, &d); err != nil {
		return result{}, err
	}
	text := fmt.Sprintf("%d of %s of packages to build", len(d.Layers), pins.Count(d.All, "layer"))
	switch {
	case d.There:
		text = "the image is there: only its checks would run"
	case d.Why != "":
		text += ": " + d.Why
	case len(d.Layers) > 0:
		text += ": " + some(d.Layers)
	}
	outcome := "would be built"
	if d.There {
		outcome = "is there"
	}
	_, err = fmt.Fprintf(s.out, "%s %s: %s\n", d.Name, d.Tag, text)
	return result{Outcome: outcome, Details: d}, err
}

// compareThere compares a plan with the image that its output names.
func (c *course) compareThere(ctx context.Context, out buildplan.Output, p *buildplan.Plan, d *dryDetails) error {
	every, all := p.Rebuilt(&buildplan.Plan{})
	d.All = all
	img, err := images.Open(ctx, out.String(), images.Options{Platform: p.Platform})
	if out.Push != "" && err == nil || err == nil && img.Config.Labels[pins.PlanLabel] == p.Digest() {
		d.There = true
		return img.Close()
	}
	if err != nil {
		if isUnreachable(err) {
			return err
		}
		var answer *transport.Error
		d.Layers, d.Why = every, "there is no image yet"
		if missing := errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound; !missing && !errors.Is(err, fs.ErrNotExist) {
			d.Why = "there is no image yet, or it can't be read: " + firstLine(err.Error())
		}
		return nil
	}
	defer img.Close()
	if img.Carried == nil || img.Carried.Reason == nil || img.Carried.Reason.Lock == nil {
		d.Layers, d.Why = every, "the image there does not say what it was built from"
		return nil
	}
	before, err := buildplan.New(c.manifest, img.Carried.Reason.Lock, p.Platform, c.base)
	if err != nil {
		d.Layers, d.Why = every, "the image there is of another driftpin"
		return nil
	}
	d.Layers, d.All = p.Rebuilt(before)
	return nil
}
