package layers

import (
	"context"
	"io"
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
func (v *view[T]) through(ctx context.Context, list []Layer, c *Content[T],
	s Sieve[T]) (_ *Content[T], real map[string]string, err error) {
	moved := map[string]string{}
	for _, name := range c.names() {
		is, err := v.landing(ctx, list, c, name, s)
		if err != nil {
			return nil, nil, err
		}
		if is != name {
			moved[name] = is
		}
	}
	if len(moved) == 0 {
		return c, nil, nil
	}
	c, real = c.moved(moved, s)
	return c, real, nil
}

// moved is what a layer says, with what lies elsewhere than it is called under the
// names of where it lies. A file that would tell of something else there, or of
// nothing, stays under its own; real is where it lies.
func (c *Content[T]) moved(moved map[string]string, s Sieve[T]) (_ *Content[T], real map[string]string) {
	real = map[string]string{}
	told := func(name string) string {
		is, ok := moved[name]
		switch {
		case !ok:
			return name
		case s.Same == nil || s.Same(name, is):
			return is
		}
		real[name] = is
		return name
	}
	at := func(name string) string {
		if real, ok := moved[name]; ok {
			return real
		}
		return name
	}
	out := *c
	out.Files, out.Links, out.Soft, out.Ways = rename(c.Files, told), rename(c.Links, told), rename(c.Soft, told),
		rename(c.Ways, at)
	for name, target := range out.Links {
		out.Links[name] = at(target)
	}
	out.Hidden, out.Opaque = rename(c.Hidden, at), rename(c.Opaque, at)
	hide := slices.Clone(c.Others)
	for _, name := range slices.Concat(slices.Collect(maps.Keys(c.Files)), slices.Collect(maps.Keys(c.Links)),
		slices.Collect(maps.Keys(c.Soft)), slices.Collect(maps.Keys(c.Ways))) {
		if real, ok := moved[name]; ok {
			hide = append(hide, hashOf(real))
		}
	}
	out.Others = sorted(hide)
	return &out, real
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
	return slices.AppendSeq(names, maps.Values(c.Links))
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
func (v *view[T]) linkAbove(ctx context.Context, list []Layer, c *Content[T], name string,
	s Sieve[T]) (link string, end int, err error) {
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
			if !known && v.contents[i].isLeaf(hash) {
				if v.links[i] == nil {
					if _, err := v.learn(ctx, list, i, s.of(nil)); err != nil {
						return "", 0, err
					}
				}
				target, known = v.links[i][dir]
			}
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

// followFolders adds the files that are wanted for the name of a folder which is a
// symbolic link to one that is called otherwise: node_modules -> /opt/modules. For
// those, layers are read once more.
func followFolders[T any](ctx context.Context, list []Layer, v *view[T], seen map[string]Seen[T], s Sieve[T]) error {
	if s.Holds == nil {
		return nil
	}
	links := map[string][]string{} // by folder
	for i, c := range v.contents {
		for link := range c.Ways {
			if !s.Holds(link) || v.layer(link) != i {
				continue
			}
			if folder, ok := v.folder(link); ok && !s.Holds(folder) {
				links[folder] = append(links[folder], link)
			}
		}
	}
	if len(links) == 0 {
		return nil
	}
	return v.behind(ctx, list, links, seen, s)
}

// folder is where a path leads that is a folder, or may be one.
func (v *view[T]) folder(name string) (string, bool) {
	for range maxFollow {
		end, i := v.firstLeaf(name)
		if i < 0 {
			return name, true
		}
		text, ok := v.contents[i].Ways[name[:end]]
		if !ok {
			return "", false
		}
		name = Clean(path.Join(linkTarget(name[:end], text), name[end:]))
	}
	return "", false
}

// behind adds the files of folders by their names behind links.
func (v *view[T]) behind(ctx context.Context, list []Layer, links map[string][]string, seen map[string]Seen[T],
	s Sieve[T]) error {
	called := func(name string) (names []string) {
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
			for _, link := range links[name[:i]] {
				if as := link + name[i:]; s.Wanted(as) && (s.Spare == nil || !s.Spare(as)) {
					names = append(names, as)
				}
			}
		}
		return names
	}
	inner := Sieve[any]{
		Check: s.Check, Weigh: s.of(nil).Weigh,
		Wanted: func(name string) bool { return len(called(name)) > 0 },
		Keep:   func(name string, size int64, r io.Reader) (any, error) { return s.keepAll(called(name), size, r) },
	}
	for i := range list {
		found, err := Scan(ctx, list[i:i+1], inner, nil)
		if err != nil {
			return err
		}
		for name, value := range found[0].Files {
			if v.layer(name) != i {
				continue
			}
			for as, fact := range linked[T](map[string]any{name: value}) {
				seen[as] = Seen[T]{Value: fact, Layer: i, real: name}
			}
		}
	}
	return nil
}
