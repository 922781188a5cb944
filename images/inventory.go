package images

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
	"golang.org/x/sync/errgroup"
)

// environment is where driftpin installs pip's and conda's packages
// (buildplan.Env).
const environment = "/opt/env"

// Inventory returns the packages that an image holds, sorted by pins.Order. It
// reads every layer, several at once, and holds only the metadata files.
func (img *Image) Inventory(ctx context.Context) ([]Package, error) {
	if img.Lock != nil {
		return LockPackages(img.Lock), nil
	}
	files, err := img.visible(ctx, sieve{wanted: isMetadata, keep: whole})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", img.Name, err)
	}
	packages, err := readAll(files)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", img.Name, err)
	}
	for i := range packages {
		f := files[packages[i].Path[1:]]
		packages[i].Layer, packages[i].Event = img.layers[f.layer].diffID, img.layers[f.layer].event
	}
	if err := own(packages, files); err != nil {
		return nil, fmt.Errorf("reading %s: %w", img.Name, err)
	}
	slices.SortFunc(packages, func(a, b Package) int { return pins.Order(a.Pin, b.Pin) })
	return packages, nil
}

// LockPackages is what a lock says will be in the image. Of the base's own
// packages it has those of an extended environment that pins need.
func LockPackages(l *pins.Lock) []Package {
	var out []Package
	for _, a := range l.Present(l.Platforms[0]) {
		p := Package{Pin: a.Pin}
		switch a.Kind {
		case pins.Pip, pins.Conda:
			p.Where = cmp.Or(l.Environment, environment)
		case pins.Npm: // node_modules/NAME/FILE, or further down
			place := path.Dir(a.File)
			p.Where = path.Join(cmp.Or(l.Environment, environment), "lib", place[:strings.LastIndex(place, "node_modules/")])
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Package) int { return pins.Order(a.Pin, b.Pin) })
	return out
}

// A file is what a sieve kept of a file, and the layer that it is seen from.
type file struct {
	data    []byte
	layer   int
	symlink string // what a symbolic link leads to; it has no data
}

// visible returns the wanted files that can be seen in the image, with
// whiteouts honoured, by path without a leading slash.
func (img *Image) visible(ctx context.Context, s sieve) (map[string]file, error) {
	contents := make([]*content, len(img.layers))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, l := range img.layers {
		group.Go(func() (err error) {
			contents[i], err = l.scan(gctx, s)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	seen := map[string]file{}
	for i, c := range contents {
		maps.DeleteFunc(seen, func(name string, _ file) bool { return c.hides(name) })
		for name, data := range c.files {
			seen[name] = file{data: data, layer: i}
		}
		for name, target := range c.soft {
			seen[name] = file{layer: i, symlink: target}
		}
		if err := img.followLinks(ctx, contents[:i+1], seen, s); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// followLinks adds the wanted files of the last layer that are hard links to
// other files of the image. A link's target is mostly not wanted itself (a
// package cache), so its layer is read once more for it.
func (img *Image) followLinks(ctx context.Context, contents []*content, seen map[string]file, s sieve) error {
	top := len(contents) - 1
	missing := map[string][]string{}
	for name, target := range contents[top].links {
		if f, ok := seen[target]; ok {
			seen[name] = file{data: f.data, layer: top}
			continue
		}
		missing[target] = append(missing[target], name)
	}
	for i := top; i >= 0 && len(missing) > 0; i-- {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(missing)), func(t string) bool {
			_, ok := contents[i].paths[pathHash(t)]
			return ok
		}) {
			continue
		}
		c, err := img.layers[i].scan(ctx, sieve{wanted: func(p string) bool { return missing[p] != nil }, keep: s.keep})
		if err != nil {
			return err
		}
		for target, data := range c.files {
			for _, name := range missing[target] {
				seen[name] = file{data: data, layer: top}
			}
			delete(missing, target)
		}
	}
	return nil
}

// A reader reads one kind of metadata file. It gets bytes and opens nothing.
type reader struct {
	match func(dir, base string) bool
	read  func(name string, files map[string]file) ([]Package, error)
}

// readers are tried in order; the first that matches reads the file. A reader
// without read marks a file that another one looks at.
func readers() []reader {
	return []reader{
		{isDpkgStatus, readDpkg},
		{isDpkgList, nil},
		{isPythonMetadata, readPython},
		{isPythonOrigin, nil},
		{isCondaMeta, readConda},
		{isNodePackage, readNode},
		{isRDescription, readR},
	}
}

func isMetadata(name string) bool {
	return readerOf(readers(), name) >= 0
}

func readerOf(table []reader, name string) int {
	dir, base := path.Dir(name), path.Base(name)
	return slices.IndexFunc(table, func(r reader) bool { return r.match(dir, base) })
}

// readAll reads all metadata files. One that can't be read is an error: an
// inventory is complete or it is none.
func readAll(files map[string]file) ([]Package, error) {
	table := readers()
	out := []Package{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		r := table[readerOf(table, name)]
		if r.read == nil {
			continue
		}
		found, err := r.read(name, files)
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", name, err)
		}
		for i := range found {
			found[i].Path = "/" + name
		}
		out = append(out, found...)
	}
	return out, nil
}
