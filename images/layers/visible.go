package layers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"path"
	"slices"
)

// A Seen is a wanted file that can be seen in an image.
type Seen[T any] struct {
	Value   T
	Layer   int    // the index of the layer that holds it
	Symlink string // what a symbolic link leads to; it has no value
	real    string // where it lies, if not under its name
}

// Visible lays the contents of an image's layers upon each other, the lowest
// first, and returns the wanted files that can be seen, by path. Links to files
// that nobody wanted are followed: for those, layers are read once more.
func Visible[T any](ctx context.Context, list []Layer, contents []*Content[T], s Sieve[T]) (map[string]Seen[T], error) {
	seen := map[string]Seen[T]{}
	hashes := hasher{}
	contents = slices.Clone(contents)
	view := view[T]{links: map[int]map[string]string{}}
	for i, c := range contents {
		c, real, err := view.through(ctx, list, c, s)
		if err != nil {
			return nil, err
		}
		contents[i] = c
		view.contents = append(view.contents, c)
		cover := cover[T]{c, hashes, map[string]bool{}}
		view.covers = append(view.covers, cover)
		maps.DeleteFunc(seen, func(name string, s Seen[T]) bool { return cover.file(cmp.Or(s.real, name)) })
		for name, value := range c.Files {
			seen[name] = Seen[T]{Value: value, Layer: i, real: real[name]}
		}
		for name, target := range c.Soft {
			seen[name] = Seen[T]{Layer: i, Symlink: target, real: real[name]}
		}
		if err := followHard(ctx, list[:i+1], contents[:i+1], seen, s); err != nil {
			return nil, err
		}
	}
	if s.Symlinks {
		return seen, nil
	}
	if err := followSoft(ctx, list, &view, seen, s); err != nil {
		return nil, err
	}
	return seen, followFolders(ctx, list, &view, seen, s)
}

// hashOf is a path's hash. It is cut from SHA-256, so that nobody can make an
// image in which one path hides another by its hash.
func hashOf(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.LittleEndian.Uint64(sum[:])
}

// A hasher remembers hashes.
type hasher map[string]uint64

func (h hasher) of(name string) uint64 {
	v, ok := h[name]
	if !ok {
		v = hashOf(name)
		h[name] = v
	}
	return v
}

// has reports whether the layer has something at a path that is no folder.
func (c *Content[T]) has(hash uint64) bool {
	_, ok := slices.BinarySearch(c.Others, hash)
	return ok
}

func (c *Content[T]) hasFolder(hash uint64) bool {
	_, ok := slices.BinarySearch(c.Folders, hash)
	return ok
}

// Hides reports whether the layer hides a file of lower layers.
func (c *Content[T]) Hides(name string) bool {
	return cover[T]{c, hasher{}, map[string]bool{}}.file(name)
}

// A cover says what a layer hides of the layers below it: by a whiteout, by an
// opaque folder, or by something else at a path or at that of a folder above it.
type cover[T any] struct {
	c       *Content[T]
	hashes  hasher
	folders map[string]bool // what is known of folders
}

func (v cover[T]) file(name string) bool {
	return v.c.Hidden[name] || v.c.has(v.hashes.of(name)) || v.c.hasFolder(v.hashes.of(name)) ||
		v.folder(path.Dir(name))
}

func (v cover[T]) folder(name string) bool {
	if name == "." || name == "/" || name == "" {
		return v.c.Opaque["."] || v.c.Hidden["."]
	}
	hidden, known := v.folders[name]
	if !known {
		hidden = v.c.Hidden[name] || v.c.Opaque[name] || v.c.has(v.hashes.of(name)) || v.folder(path.Dir(name))
		v.folders[name] = hidden
	}
	return hidden
}
