package images

import (
	"context"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/pins"
)

// Verify compares what a lock says is installed with what lies in an image's
// layers: a is the lock, b the image. Of Debian's packages, those of the base
// are part of what is expected; base is the base image. Python environments
// other than driftpin's are the base's own affair if they are in the base. What
// the image says of itself is not believed, and all layers are read.
func Verify(ctx context.Context, lock *pins.Lock, base, img *Image) (*drift.Drift, error) {
	all, err := Reader{Layers: true}.Inventories(ctx, img, base)
	if err != nil {
		return nil, err
	}
	found, below, want := drift.Lockable(all[0]), drift.Lockable(all[1]), drift.LockPackages(lock)
	locked := map[pins.Pin]bool{}
	for _, p := range want {
		locked[whereabouts(p)] = true
	}
	for _, p := range below {
		if !locked[whereabouts(p)] {
			want = append(want, p)
		}
	}
	// What a Debian package brings along for other ecosystems is locked by that
	// package.
	found = slices.DeleteFunc(found, func(p Package) bool { return p.Owner != nil && !locked[whereabouts(p)] })
	want = slices.DeleteFunc(want, func(p Package) bool { return p.Owner != nil })
	config := []drift.Setting{}
	if got := img.Config.Labels[pins.LockLabel]; got != lock.Digest() {
		config = append(config, drift.Setting{Name: "label." + pins.LockLabel, A: ptr(lock.Digest()), B: ptr(got)})
	}
	for i, l := range base.layers {
		if i >= len(img.layers) || img.layers[i].DiffID != l.DiffID {
			config = append(config, drift.Setting{Name: fmt.Sprintf("layer %d", i),
				A: ptr(l.DiffID + " of the locked base"), B: ptr("another layer")})
			break
		}
	}
	return drift.New("lock", img.Name, drift.Compare(want, found), config), nil
}

// whereabouts are of which package something is, and where.
func whereabouts(p Package) pins.Pin { return pins.Pin{Kind: p.Kind, Name: p.Name, Where: p.Where} }

func ptr(s string) *string { return &s }
