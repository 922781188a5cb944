package drift

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

// betweenLocks adds what two locks say besides the packages of their first platforms: the base, files
// that are others under the same version, and what differs on other platforms.
func (d *Drift) betweenLocks(a, b Inventory) {
	d.Config = append(d.Config, lockSettings(a.Lock, b.Lock)...)
	if a.Platform != "" || b.Platform != "" {
		return
	}
	type key struct{ kind, name, where, a, b string }
	keyOf := func(c Change) key {
		return key{string(c.Kind), c.Name, c.Where, orEmpty(c.A), orEmpty(c.B)}
	}
	known := map[key]bool{}
	for _, c := range d.Packages {
		known[keyOf(c)] = true
	}
	for _, platform := range b.Lock.Platforms[1:] {
		if !slices.Contains(a.Lock.Platforms, platform) {
			continue
		}
		for _, c := range Compare(LockPackagesOn(a.Lock, platform), LockPackagesOn(b.Lock, platform)) {
			if c.Platform = platform; !known[keyOf(c)] {
				d.Packages = append(d.Packages, c)
			}
		}
	}
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// lockSettings are the differences of two locks that are none of packages.
func lockSettings(a, b *pins.Lock) (out []Setting) {
	differ := func(name, was, is string) {
		if was == is {
			return
		}
		s := Setting{Name: name}
		if was != "" {
			s.A = &was
		}
		if is != "" {
			s.B = &is
		}
		out = append(out, s)
	}
	differ("base", a.Base, b.Base)
	differ("environment", cmp.Or(a.Environment, pins.Env), cmp.Or(b.Environment, pins.Env))
	differ("platforms", strings.Join(a.Platforms, " "), strings.Join(b.Platforms, " "))
	refs, images := map[string]bool{}, [2]map[string]string{{}, {}}
	for i, l := range []*pins.Lock{a, b} {
		for _, image := range l.Images {
			images[i][image.Ref], refs[image.Ref] = image.Digest, true
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		differ("image "+ref, images[0][ref], images[1][ref])
	}
	before, after := lockedFiles(a), lockedFiles(b)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, is := before[name], after[name]; was != "" {
			differ(name, was, is)
		}
	}
	return out
}

// lockedFiles are the files of packages that a lock has one of, by what they are called here.
func lockedFiles(l *pins.Lock) map[string]string {
	files := map[string]string{}
	for _, a := range l.Artifacts {
		if a.Use != pins.Install {
			continue
		}
		name := fmt.Sprintf("file of %s %s %s on %s", a.Kind, a.Name, a.Version, a.Platform)
		text := a.File + " sha256:" + a.SHA256
		if other, twice := files[name]; twice { // npm's, in several folders
			text = other + ", " + text
		}
		files[name] = text
	}
	return files
}

// inventoryOf is the inventory of a lock.
func inventoryOf(name string, l *pins.Lock) Inventory {
	return Inventory{Name: name, Digest: l.Digest(), Knows: OfLock, Packages: LockPackages(l), Lock: l}
}
