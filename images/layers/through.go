package layers

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
)

// through is what a layer says, by the paths at which it comes to lie upon the
// layers of the view: where a lower layer has a symbolic link in the place of a
// folder, and this one writes below that without making it a folder, the files go
// where the link leads, and so do whiteouts. (So containerd and docker lay layers
// down.)
func (v *view[T]) through(ctx context.Context, list []Layer, c *Content[T], s Sieve[T]) (*Content[T], error) {
	moved := map[string]string{}
	for _, name := range c.names() {
		real, err := v.landing(ctx, list, c, name, s)
		if err != nil {
			return nil, err
		}
		if real != name {
			moved[name] = real
		}
	}
	if len(moved) == 0 {
		return c, nil
	}
	at := func(name string) string {
		if real, ok := moved[name]; ok {
			return real
		}
		return name
	}
	out := *c
	out.Files, out.Links, out.Soft, out.Ways = rename(c.Files, at), rename(c.Links, at), rename(c.Soft, at), rename(c.Ways, at)
	out.Hidden, out.Opaque = rename(c.Hidden, at), rename(c.Opaque, at)
	hide := slices.Clone(c.Others)
	for _, name := range slices.Concat(slices.Collect(maps.Keys(c.Files)), slices.Collect(maps.Keys(c.Links)), slices.Collect(maps.Keys(c.Soft)), slices.Collect(maps.Keys(c.Ways))) {
		if real, ok := moved[name]; ok {
			hide = append(hide, hashOf(real))
		}
	}
	out.Others = sorted(hide)
	return &out, nil
}

func rename[V any](all map[string]V, at func(string) string) map[string]V {
	out := make(map[string]V, len(all))
	for name, value := range all {
		out[at(name)] = value
	}
	return out
}

// names are the paths of which a layer says something.
func (c *Content[T]) names() []string {
	names := slices.Collect(maps.Keys(c.Files))
	for _, more := range []map[string]string{c.Links, c.Soft, c.Ways} {
		names = slices.AppendSeq(names, maps.Keys(more))
	}
	for _, more := range []map[string]bool{c.Hidden, c.Opaque} {
		names = slices.AppendSeq(names, maps.Keys(more))
	}
	return names
}

// landing is where a path of a layer comes to lie upon the layers of the view.
func (v *view[T]) landing(ctx context.Context, list []Layer, c *Content[T], name string, s Sieve[T]) (string, error) {
	for range maxFollow {
		link, end, err := v.linkAbove(ctx, list, c, name, s)
		if err != nil || end == 0 {
			return name, err
		}
		name = Clean(path.Join(linkTarget(name[:end], link), name[end:]))
	}
	return name, nil
}

// linkAbove is the symbolic link that stands in the place of the first folder of a
// path that is none in the view, and how far into the path that is; 0 if all are.
func (v *view[T]) linkAbove(ctx context.Context, list []Layer, c *Content[T], name string, s Sieve[T]) (link string, end int, err error) {
	if len(v.contents) == 0 {
		return "", 0, nil
	}
	for end = strings.IndexByte(name, '/'); end > 0; {
		dir := name[:end]
		hash := v.covers[0].hashes.of(dir)
		if _, folder := slices.BinarySearch(c.Folders, hash); folder || c.has(hash) {
			return "", 0, nil // the layer makes it what it is
		}
		if i := v.layer(dir); i >= 0 {
			target, known := v.contents[i].Ways[dir]
			if !known {
				return "", 0, nil // a file
			}
			return target, end, nil
		}
		next := strings.IndexByte(name[end+1:], '/')
		if next < 0 {
			break
		}
		end += 1 + next
	}
	return "", 0, nil
}
