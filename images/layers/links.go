package layers

import (
	"bytes"
	"context"
	"fmt"

	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// A hard link is what its target is when their layer is laid down. A symbolic link is followed when all layers are:
// what it leads to may lie in a later one.

// maxFollow is how many links a path may lead over, as in Linux.
const maxFollow = 40

// of is a sieve for the targets of links: of each target, by the names of the
// links to it, what is made of a file with such a name.
func (s Sieve[T]) of(links map[string][]string) Sieve[any] {
	return Sieve[any]{
		Check:  s.Check,
		Wanted: func(name string) bool { return links[name] != nil },
		Keep: func(target string, size int64, r io.Reader) (any, error) {
			return s.keepAll(links[target], size, r)
		},
		Weigh: func(kept any) (n int) {
			for name, value := range linked[T](map[string]any{"": kept}) {
				if n += len(name); s.Weigh != nil {
					n += s.Weigh(value)
				}
			}
			return n
		},
	}
}

// maxCopies is how much may be made of one file by several names, in bytes.
const maxCopies = 256 << 20

// keepAll is what is made of one file by each of some names.
func (s Sieve[T]) keepAll(names []string, size int64, r io.Reader) (map[string]T, error) {
	first := map[string]string{} // of the names that are alike, by the last part
	var different []string
	same := map[string]string{}
	for _, name := range names {
		if like, ok := first[path.Base(name)]; ok && s.alike(name, like) {
			same[name] = like
			continue
		}
		first[path.Base(name)] = name
		different = append(different, name)
	}
	out := map[string]T{}
	var data []byte
	if len(different) > 1 {
		if size > maxCopies/int64(len(different)) {
			return nil, fmt.Errorf("%d links to a file of %d bytes are too many for a package's metadata",
				len(names), size)
		}
		var err error
		if data, err = Whole(size, r); err != nil {
			return nil, err
		}
	}
	for _, name := range different {
		from := r
		if data != nil {
			from = bytes.NewReader(data)
		}
		value, err := s.Keep(name, size, from)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	for name, like := range same {
		out[name] = out[like]
	}
	return out, nil
}

// linked are the files that were found for links.
func linked[T any](found map[string]any) map[string]T {
	out := map[string]T{}
	for _, links := range found {
		if values, ok := links.(map[string]T); ok {
			maps.Copy(out, values)
		}
	}
	return out
}

// alike is whether what was made of a link's target will do for the link.
func (s Sieve[T]) alike(link, target string) bool { return s.Alike != nil && s.Alike(link, target) }

// settle takes hard links for files where what they lead to in their own layer
// was kept, and drops what was kept for that alone.
func (c *Content[T]) settle(s Sieve[T]) {
	found, soft := map[string]T{}, map[string]string{}
	for name := range c.Links {
		target := c.hardTarget(name)
		if value, ok := c.Files[target]; ok && s.alike(name, target) {
			found[name] = value
		}
		if text, ok := c.Soft[target]; ok {
			soft[name] = text
		}
	}
	for name, text := range soft { // the link is the symbolic link itself
		c.Soft[name] = text
		delete(c.Links, name)
	}
	for name, value := range found {
		c.Files[name] = value
		delete(c.Links, name)
	}
	if s.Spare != nil {
		maps.DeleteFunc(c.Files, func(name string, _ T) bool { return s.Spare(name) })
		maps.DeleteFunc(c.Links, func(name, _ string) bool { return s.Spare(name) })
	}
}

// hardTarget is where a hard link leads in the end.
func (c *Content[T]) hardTarget(name string) string {
	for range maxFollow {
		next, ok := c.Links[name]
		if !ok {
			break
		}
		name = next
	}
	return name
}

// innerLinks are the hard links that lead to the layer's own files: by target.
func (c *Content[T]) innerLinks() map[string][]string {
	inner := map[string][]string{}
	for name := range c.Links {
		target := c.hardTarget(name)
		if _, loop := c.Links[target]; !loop && c.has(hashOf(target)) {
			inner[target] = append(inner[target], name)
		}
	}
	return inner
}

// followHard adds the wanted files of the last layer that are hard links to
// files of lower layers, or of its own where those were not resolved when it
// came by.
func followHard[T any](ctx context.Context, list []Layer, contents []*Content[T], seen map[string]Seen[T],
	s Sieve[T]) error {
	top := len(contents) - 1
	missing := map[string][]string{}
	for name := range contents[top].Links {
		target := contents[top].hardTarget(name)
		if file, ok := seen[target]; ok && file.Symlink == "" && s.alike(name, target) {
			seen[name] = Seen[T]{Value: file.Value, Layer: top}
			continue
		}
		missing[target] = append(missing[target], name)
	}
	for i := top; i >= 0 && len(missing) > 0; i-- {
		here := map[string][]string{}
		for target, names := range missing {
			if contents[i].has(hashOf(target)) {
				here[target] = names
				delete(missing, target)
			}
		}
		if len(here) == 0 {
			continue
		}
		found, err := Scan(ctx, list[i:i+1], s.of(here), nil)
		if err != nil {
			return err
		}
		for name, value := range linked[T](found[0].Files) {
			seen[name] = Seen[T]{Value: value, Layer: top}
		}
	}
	return nil
}

// followSoft puts the files that symbolic links lead to in the place of the
// links. For what nobody wanted, layers are read once more.
func followSoft[T any](ctx context.Context, list []Layer, v *view[T], seen map[string]Seen[T], s Sieve[T]) error {
	pending := map[string]int{} // the layers of links, by the names of files behind them
	for name, link := range seen {
		if link.Symlink == "" {
			continue
		}
		delete(seen, name)
		if s.Wanted(name) {
			pending[name] = link.Layer
		}
		if s.Within != nil {
			for _, inner := range s.Within(name) {
				pending[path.Join(name, inner)] = link.Layer
			}
		}
	}
	for len(pending) > 0 {
		asked := map[int]map[string][]string{} // by layer: of files, the names behind links
		for name, layer := range pending {
			target, i, isFile := v.follow(name)
			if file, ok := seen[target]; i >= 0 && ok && isFile && s.alike(name, target) {
				seen[name] = Seen[T]{Value: file.Value, Layer: max(layer, i)}
				i = -1
			}
			if i < 0 { // that's it, or it leads nowhere
				delete(pending, name)
				continue
			}
			if asked[i] == nil {
				asked[i] = map[string][]string{}
			}
			if isFile {
				asked[i][target] = append(asked[i][target], name)
			}
		}
		for _, i := range slices.Sorted(maps.Keys(asked)) {

			found, err := v.learn(ctx, list, i, s.of(asked[i]))
			if err != nil {
				return err
			}
			for target, names := range asked[i] {
				value, isFile := found[target]
				_, isLink := v.links[i][target]
				for _, name := range names {
					if isFile {
						seen[name] = Seen[T]{Value: linked[T](map[string]any{target: value})[name],
							Layer: max(pending[name], i)}
					}
					if isFile || !isLink {
						delete(pending, name)
					}
				}
			}
		}
	}
	return nil
}

// A view is what can be seen where all layers lie upon each other.
type view[T any] struct {
	contents []*Content[T]
	covers   []cover[T]
	links    map[int]map[string]string // all symbolic links of the layers that were read for them
}

// settleWays leaves of a layer's symbolic links those that may stand in the place of
// a folder: not those that lead to a file of the layer itself, as most do.
func (c *Content[T]) settleWays() {
	all := maps.Clone(c.Ways)
	c.Leaves = []uint64{}
	maps.DeleteFunc(c.Ways, func(name, text string) bool {
		target := linkTarget(name, text)
		_, onward := all[target]
		leaf := !onward && c.has(hashOf(target))
		if leaf {
			c.Leaves = append(c.Leaves, hashOf(name))
		}
		return leaf
	})
	slices.Sort(c.Leaves)
}

// isLeaf reports whether a symbolic link is one of those that are in no other list.
func (c *Content[T]) isLeaf(hash uint64) bool {
	_, ok := slices.BinarySearch(c.Leaves, hash)
	return ok
}

// learn reads a layer for files, and for all its symbolic links.
func (v *view[T]) learn(ctx context.Context, list []Layer, i int, s Sieve[any]) (map[string]any, error) {
	s.Symlinks = true
	found, err := Scan(ctx, list[i:i+1], s, nil)
	if err != nil {
		return nil, err
	}
	v.links[i] = found[0].Soft
	for name, target := range found[0].Links {
		v.links[i][name] = "/" + target
	}
	return found[0].Files, nil
}

// layer is the one that has what can be seen at a path, unless that is a folder
// or nothing: then it is -1.
func (v *view[T]) layer(name string) int {
	for i := len(v.contents) - 1; i >= 0; i-- {
		switch {
		case v.contents[i].has(v.covers[i].hashes.of(name)):
			return i
		case v.covers[i].file(name):
			return -1
		}
	}
	return -1
}

// follow is where a path leads over symbolic links, as path_resolution(7) has
// it: to a file, and its layer. If there is no such file the layer is -1. If it
// takes the links of another layer to tell, the layer is that.
func (v *view[T]) follow(name string) (target string, layer int, isFile bool) {
	for range maxFollow {
		end, i := v.firstLeaf(name)
		if i < 0 {
			return "", -1, false
		}
		link, known := v.contents[i].Soft[name[:end]]
		if !known && end < len(name) {
			link, known = v.contents[i].Ways[name[:end]]
		}
		if !known {
			link, known = v.links[i][name[:end]]
		}
		switch {
		case known:
			name = Clean(path.Join(linkTarget(name[:end], link), name[end:]))
		case end == len(name):
			return name, i, true
		case v.links[i] != nil || !v.contents[i].isLeaf(hashOf(name[:end])): // a file is no folder
			return "", -1, false
		default:
			return "", i, false
		}
	}
	return "", -1, false
}

// firstLeaf is the shortest beginning of a path at which there is something that
// is no folder, and the layer of that; -1 if there is none.
func (v *view[T]) firstLeaf(name string) (end, layer int) {
	for end < len(name) {
		if next := strings.IndexByte(name[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(name)
		}
		if i := v.layer(name[:end]); i >= 0 {
			return end, i
		}
	}
	return 0, -1
}

// linkTarget is the path that a symbolic link leads to.
func linkTarget(name, target string) string {
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(name), target)
	}
	return Clean(target)
}

// Follow is where a path leads over the symbolic links of an image's folders:
// lib64 of an environment, and the folders that were merged into /usr. What is
// seen has all symbolic links.
func Follow[T any](seen map[string]Seen[T], name string) string {
	for range maxFollow {
		end := 0
		for i, c := range name {
			if c == '/' && seen[name[:i]].Symlink != "" {
				end = i
				break
			}
		}
		if end == 0 {
			break
		}
		name = Clean(path.Join(linkTarget(name[:end], seen[name[:end]].Symlink), name[end:]))
	}
	return name
}
