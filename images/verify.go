package images

import (
	"context"
	"fmt"
	"slices"

	"github.com/driftpin/driftpin/pins"
)

// Verify compares what a lock says is installed with what lies in an image's
// layers: a is the lock, b the image. Of Debian's packages, those of the base
// are part of what is expected; base is the base image. Python environments
// other than driftpin's are the base's own affair if they are in the base. What
// the image says of itself is not believed, and all layers are read.
func Verify(ctx context.Context, lock *pins.Lock, base, img *Image) (*Drift, error) {
	all, err := Reader{Layers: true}.Inventories(ctx, img, base)
	if err != nil {
		return nil, err
	}
	found, below, want := lockable(all[0]), lockable(all[1]), LockPackages(lock)
	locked := map[place]bool{}
	for _, p := range want {
		locked[place{p.Kind, p.Name, p.Where}] = true
	}
	for _, p := range below {
		if !locked[place{p.Kind, p.Name, p.Where}] {
			want = append(want, p)
		}
	}
	// What a Debian package brings along for other ecosystems is locked by that
	// package.
	found = slices.DeleteFunc(found, func(p Package) bool { return p.Owner != nil && !locked[place{p.Kind, p.Name, p.Where}] })
	want = slices.DeleteFunc(want, func(p Package) bool { return p.Owner != nil })
	config := []Setting{}
	if got := img.Config.Labels[pins.LockLabel]; got != lock.Digest() {
		config = append(config, Setting{Name: "label." + pins.LockLabel, A: ptr(lock.Digest()), B: ptr(got)})
	}
	for i, l := range base.layers {
		if i >= len(img.layers) || img.layers[i].DiffID != l.DiffID {
			config = append(config, Setting{Name: fmt.Sprintf("layer %d", i), A: ptr(l.DiffID + " of the locked base"), B: ptr("another layer")})
			break
		}
	}
	return New("lock", img.Name, Compare(want, found), config), nil
}

// lockable are the packages of kinds that locks hold; other packages bring the
// rest.
func lockable(packages []Package) []Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p Package) bool {
		return !slices.Contains([]pins.Kind{pins.Deb, pins.Conda, pins.Pip, pins.Npm, pins.R}, p.Kind)
	})
}

func ptr(s string) *string { return &s }
