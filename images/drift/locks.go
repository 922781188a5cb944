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
	d.Config = append(d.Config, lockSettings(a, b)...)
	if a.Platform == "" && b.Platform == "" {
		d.Packages = append(d.Packages, otherPlatforms(d.Packages, a.Lock, b.Lock)...)
	}
}

// CompareLocks returns what changed from one lock to another: see Compare. What only another than the first
// platform has says so.
func CompareLocks(a, b *pins.Lock) []Change {
	x, y := onOnePlatform(inventoryOf("", a), inventoryOf("", b))
	changes := Compare(x.Packages, y.Packages)
	return append(changes, otherPlatforms(changes, a, b)...)
}

// otherPlatforms are the changes on the other platforms of two locks that those on the first do not tell.
func otherPlatforms(first []Change, a, b *pins.Lock) (more []Change) {
	type key struct{ kind, name, where, a, b string }
	keyOf := func(c Change) key {
		return key{string(c.Kind), c.Name, c.Where, orEmpty(c.A), orEmpty(c.B)}
	}
	known := map[key]bool{}
	for _, c := range first {
		known[keyOf(c)] = true
	}
	for _, platform := range b.Platforms[1:] {
		if !slices.Contains(a.Platforms, platform) {
			continue
		}
		for _, c := range Compare(LockPackagesOn(a, platform), LockPackagesOn(b, platform)) {
			if c.Platform = platform; !known[keyOf(c)] {
				more = append(more, c)
			}
		}
	}
	return more
}

// onOnePlatform has two locks compared on the first platform that both have, if neither's is named.
func onOnePlatform(a, b Inventory) (Inventory, Inventory) {
	if a.Lock == nil || b.Lock == nil || a.Platform != "" || b.Platform != "" || a.Lock.Platforms[0] == b.Lock.Platforms[0] {
		return a, b
	}
	for _, platform := range b.Lock.Platforms {
		if slices.Contains(a.Lock.Platforms, platform) {
			a.Packages, b.Packages = LockPackagesOn(a.Lock, platform), LockPackagesOn(b.Lock, platform)
			return a, b
		}
	}
	return a, b
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// lockSettings are the differences of two locks that are none of packages.
func lockSettings(x, y Inventory) (out []Setting) {
	a, b := x.Lock, y.Lock
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
	before, after := lockedFiles(x), lockedFiles(y)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, is := before[name], after[name]; was.hashes != "" && was.hashes != is.hashes {
			differ(name, was.text, is.text)
		}
	}
	return out
}

// A lockedFile is what a lock has of a package's file, or of several: npm's lie in several folders.
type lockedFile struct{ hashes, text string }

// lockedFiles are the files of a lock's packages, by what they are called here. An index may move a file:
// by its hash it is the same.
func lockedFiles(v Inventory) map[string]lockedFile {
	files := map[string]lockedFile{}
	for _, a := range v.Lock.Artifacts {
		if a.Use != pins.Install || v.Platform != "" && v.Platform != a.Platform {
			continue
		}
		name := fmt.Sprintf("file of %s %s %s on %s", a.Kind, a.Name, a.Version, a.Platform)
		f := files[name]
		f.hashes, f.text = f.hashes+a.SHA256+" ", strings.TrimPrefix(f.text+", "+a.File+" sha256:"+a.SHA256, ", ")
		files[name] = f
	}
	return files
}

// inventoryOf is the inventory of a lock.
func inventoryOf(name string, l *pins.Lock) Inventory {
	return Inventory{Name: name, Digest: l.Digest(), Knows: OfLock, Packages: LockPackages(l), Lock: l}
}
