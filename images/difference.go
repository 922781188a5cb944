package images

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
)

// Matrix compares images: where they disagree.
func (r Reader) Matrix(ctx context.Context, list ...*Image) (*drift.Matrix, error) {
	found, err := r.Inventories(ctx, list...)
	if err != nil {
		return nil, err
	}
	all := make([]drift.Inventory, len(list))
	for i, img := range list {
		all[i] = img.inventory()
		all[i].Packages = found[i]
	}
	return drift.Across(all), nil
}

// Drift returns what changed from image a to image b. Either may be a lock or
// an SBOM, which say nothing of how an image runs.
func (r Reader) Drift(ctx context.Context, a, b *Image) (*drift.Drift, error) {
	from, to := a.inventory(), b.inventory()
	sources := &drift.Sources{A: a.source(), B: b.source()}
	if !r.Layers && sameLayers(a, b) {
		d := drift.Between(from, to, nil) // whatever they hold
		d.Sources = sources
		return d, nil
	}
	found, err := r.Inventories(ctx, a, b)
	if err != nil {
		return nil, err
	}
	from.Packages, to.Packages = found[0], found[1]
	d := drift.Between(from, to, shared(a, b))
	markHidden(d.Packages, a, b)
	d.Unverified, d.Sources = r.Unverified(a, b), sources
	for i, img := range []*Image{a, b} {
		if c := img.Carried; c != nil && !c.Foreign && img.layers != nil && r.carries(img) && !tellsOfSizes(found[i]) {
			d.Untold = append(d.Untold, img.Name)
		}
	}
	return d, nil
}

// tellsOfSizes reports whether packages say how large they are: what driftpin attached to images did not once.
func tellsOfSizes(packages []Package) bool {
	return len(packages) == 0 || slices.ContainsFunc(packages, func(p Package) bool { return p.About.Size > 0 })
}

// source is what is known of an image as a whole.
func (img *Image) source() drift.Source {
	s := drift.Source{Course: img.Config.Labels[pins.CourseLabel], Digest: img.Digest}
	if img.Lock != nil {
		s.Course, s.Created = img.Lock.Course, img.Lock.AsOf
	} else if !img.Created.IsZero() && !img.Created.Equal(pins.Epoch) {
		s.Created = img.Created.UTC().Format(time.DateOnly)
	} else if c := img.Carried; c != nil && c.Reason != nil && c.Reason.Lock != nil {
		s.Created = c.Reason.Lock.AsOf
	}
	for _, l := range img.layers {
		s.Size += l.Size
	}
	return s
}

// inventory is what is known of an image but for its packages.
func (img *Image) inventory() drift.Inventory {
	v := drift.Inventory{Name: img.Name, Digest: img.Digest, Knows: img.knows(), Lock: img.Lock, Platform: img.Platform}
	if img.HasConfig() {
		v.Config = &img.Config
	}
	if img.layers != nil {
		v.Layers = []drift.LayerInfo{} // an image may have none
	}
	for _, l := range img.layers {
		v.Layers = append(v.Layers, drift.LayerInfo{DiffID: l.DiffID, Size: l.Size, Event: l.Event, Key: l.Key()})
	}
	return v
}

// knows says what an image's inventory can tell.
func (img *Image) knows() drift.Knowledge {
	switch c := img.Carried; {
	case img.Lock != nil:
		return drift.OfLock
	case c != nil && c.Foreign:
		return drift.Knowledge{Kinds: drift.Locked, Places: !c.Placeless, Commits: drift.KnowsCommits(c.Packages)}
	case c != nil:
		return drift.Knowledge{Places: !c.Placeless, Commits: true}
	}
	return drift.OfImage
}

// Unverified are those of some images of which layers are read without being hashed.
func (r Reader) Unverified(imgs ...*Image) (all []drift.Unverified) {
	for _, img := range imgs {
		if img.Unverified > 0 && !r.carries(img) && !r.Layers {
			all = append(all, drift.Unverified{Image: img.Name, Layers: img.Unverified})
		}
	}
	return all
}

// shared are the diffIDs of the layers that two images both have.
func shared(a, b *Image) map[string]bool {
	theirs := map[string]bool{}
	for _, l := range b.layers {
		theirs[l.Key()] = true
	}
	out := map[string]bool{}
	for _, l := range a.layers {
		if theirs[l.Key()] {
			out[l.DiffID] = true
		}
	}
	return out
}

// markHidden names the layer of the other image that hides what was removed, where
// that lies in a layer that both images have; and likewise of what was added.
func markHidden(changes []drift.Change, a, b *Image) {
	both := shared(a, b)
	for i := range changes {
		c := &changes[i]
		other := b
		if c.Change == drift.Added {
			other = a
		}
		if c.Change == drift.Changed || !both[c.Layer] || c.Path == "" || len(other.known) != len(other.layers) {
			continue
		}
		if l, ok := other.hiding(c); ok {
			c.Layer, c.Event = l.DiffID, l.Event
		}
	}
}

// hiding is the layer of an image that hides the file by which a package is known
// in a lower one, or of dpkg's one file the first that lacks the package.
func (img *Image) hiding(c *drift.Change) (layers.Layer, bool) {
	from := slices.IndexFunc(img.layers, func(l layers.Layer) bool { return l.DiffID == c.Layer })
	for i := from + 1; i < len(img.layers) && from >= 0; i++ {
		content := img.known[i]
		if content == nil {
			return layers.Layer{}, false
		}
		if fact, ok := content.Files[c.Path[1:]]; ok && c.Kind == pins.Deb {
			name, _, _ := strings.Cut(c.Name, ":")
			if !slices.ContainsFunc(fact.Items, func(item installed.Item) bool { return item.Name == name }) {
				return img.layers[i], true
			}
			continue
		}
		if content.Hides(c.Path[1:]) {
			return img.layers[i], true
		}
	}
	return layers.Layer{}, false
}

// sameLayers reports whether two images consist of the same bytes.
func sameLayers(a, b *Image) bool {
	return a.layers != nil && slices.EqualFunc(a.layers, b.layers, func(x, y layers.Layer) bool {
		return x.Digest != "" && x.Digest == y.Digest
	})
}
