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
// other than driftpin's are the base's own affair if they are in the base.
func Verify(ctx context.Context, lock *pins.Lock, base, img *Image) (*Drift, error) {
	found, err := img.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	below, err := base.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	want := LockPackages(lock)
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
	found = slices.DeleteFunc(found, func(p Package) bool { return p.Owner != "" && !locked[place{p.Kind, p.Name, p.Where}] })
	want = slices.DeleteFunc(want, func(p Package) bool { return p.Owner != "" })
	config := []Setting{}
	if got := img.Config.Labels[LockLabel]; got != lock.Digest() {
		config = append(config, Setting{Name: "label." + LockLabel, A: ptr(lock.Digest()), B: ptr(got)})
	}
	for i, l := range base.layers {
		if i >= len(img.layers) || img.layers[i].diffID != l.diffID {
			config = append(config, Setting{Name: fmt.Sprintf("layer %d", i), A: ptr(l.diffID + " of the locked base"), B: ptr("another layer")})
			break
		}
	}
	return New("lock", img.Name, Compare(want, found), config), nil
}

func ptr(s string) *string { return &s }
