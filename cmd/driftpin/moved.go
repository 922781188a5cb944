package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/buildplan/session"
	"github.com/driftpin/driftpin/images"
	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/report"
	"github.com/driftpin/driftpin/pins"
)

// A movedImage is an image that a course stands on, as it was locked and as it is to be.
type movedImage struct {
	request  pins.Request
	was, is  string // references with digests, as package images opens them
	unlocked error  // why the one that was locked can't be read any more
}

// moved are the images that a course stands on whose tags mean others today than when
// it was locked. Of which that can't be told is said.
func (c *course) moved(ctx context.Context, s streams, e *session.Session) (all []movedImage) {
	for _, r := range c.manifest.Listed {
		if r.Kind != pins.FromImage || strings.HasPrefix(r.Spec, pins.LayoutPrefix) {
			continue
		}
		ref, _, _ := strings.Cut(r.Spec, "@")
		if r.Version == "" && ref != r.Spec {
			continue // by its digest alone: it never is another
		}
		digest, err := c.today(ctx, e, ref)
		if err != nil { // of the others it can be told
			fmt.Fprintf(s.err, "%s: whether the tag of image %s has moved is not known: %s\n", r.At, r.Spec, report.Clean(err.Error()))
			continue
		}
		if was := c.lockedDigest(c.lock, r); was != digest {
			all = append(all, movedImage{request: r, was: r.Name + "@" + was, is: r.Name + "@" + digest})
		}
	}
	return all
}

// lockedDigest is the digest that a lock of the course has for an image.
func (c *course) lockedDigest(l *pins.Lock, r pins.Request) string {
	if c.manifest.Dockerfile.Value == "" {
		return l.Base
	}
	for _, i := range l.Images {
		if i.Ref == r.Spec {
			return i.Digest
		}
	}
	return ""
}

// moved are the images that a bump names, and others that are not what they were: one
// version may be written for several.
func (o *outcome) moved() (all []movedImage) {
	var now []pins.Request
	for _, q := range o.Manifest.Listed {
		if q.Kind == pins.FromImage {
			now = append(now, q)
		}
	}
	for _, r := range o.course.manifest.Listed {
		if r.Kind != pins.FromImage || len(now) == 0 {
			continue
		}
		is := now[0] // an edit moves no pin in the list
		now = now[1:]
		m := movedImage{request: r, was: r.Name + "@" + o.course.lockedDigest(o.course.lock, r),
			is: is.Name + "@" + o.course.after.lockedDigest(o.Lock, is)}
		if layout := o.course.base.Layout; layout != "" && o.course.moving {
			m.was, m.is = pins.LayoutPrefix+layout+"@"+o.course.lock.Base, pins.LayoutPrefix+layout+"@"+o.Lock.Base
		}
		named := slices.ContainsFunc(o.Bumps, func(b pins.Bump) bool { return b.Request.Kind == r.Kind && b.Request.At == r.At })
		if named || m.was != m.is {
			all = append(all, m)
		}
	}
	return all
}

// compare is the drift between the two states of an image; nil if they are one. One
// that can't be read any more is noted.
func (m *movedImage) compare(ctx context.Context, s streams) (d *drift.Drift, err error) {
	if m.was == m.is {
		return nil, nil
	}
	was, err := images.Open(ctx, m.was, images.Options{})
	if err != nil {
		m.unlocked = err
		return nil, nil
	}
	defer func() { err = errors.Join(err, was.Close()) }()
	is, err := images.Open(ctx, m.is, images.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, is.Close()) }()
	r, done := newReader(s)
	defer done()
	return r.Drift(ctx, was, is)
}

// showMoved shows what the images of a bump bring that are others than they were, and
// returns it as Markdown too.
func (o *outcome) showMoved(ctx context.Context, s streams, text *strings.Builder, colour bool) (markdown string, err error) {
	for _, m := range o.moved() {
		d, err := m.compare(ctx, s)
		what := fmt.Sprintf("%s: image %s", m.request.At, m.request.Spec)
		switch {
		case err != nil:
			return "", err
		case m.unlocked != nil:
			fmt.Fprintf(s.err, "%s: what it held when the course was locked can't be read any more: %s\n", what,
				report.Clean(m.unlocked.Error()))
		case d == nil:
			fmt.Fprintf(s.err, "%s: it is what it was when the course was locked\n", what)
		default:
			fmt.Fprintln(text, what)
			if err := report.Text(text, d, colour); err != nil {
				return "", err
			}
			markdown += fmt.Sprintf("\n%s: %s\n\n%s\n", report.MarkdownText(what), report.MarkdownText(report.Headline(d)),
				report.MarkdownPackages(d))
		}
	}
	return markdown, nil
}
