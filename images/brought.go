package images

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
)

// Brought returns what a script changed among packages, by the layer that it made on
// an image of a lock's packages and a base's: those that came, and the locked ones
// that it took away.
func Brought(ctx context.Context, layer, base *Image, lock *pins.Lock) (brought, removed []pins.Pin, err error) {
	all, err := layer.Inventory(ctx)
	if err != nil {
		return nil, nil, err
	}
	gone, err := layer.whiteouts(ctx)
	if err != nil {
		return nil, nil, err
	}
	found, known := drift.Lockable(all), map[pins.Pin]bool{}
	for _, p := range drift.LockPackages(lock) {
		known[bare(p.Pin)] = true
		stays := slices.ContainsFunc(found, func(f Package) bool { return whereabouts(f) == whereabouts(p) })
		if !stays && slices.ContainsFunc(gone, func(file string) bool { return recordsIt(p.Pin, file) }) {
			removed = append(removed, bare(p.Pin))
		}
	}
	// A layer with one package of Debian's lists all that there are.
	if slices.ContainsFunc(found, func(p Package) bool { return p.Kind == pins.Deb }) {
		below, err := base.Inventory(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range below {
			known[bare(p.Pin)] = true
		}
	}
	for _, p := range found {
		if !known[bare(p.Pin)] {
			brought = append(brought, bare(p.Pin))
		}
	}
	return brought, removed, nil
}

// Settle corrects what the scripts of a lock brought by what an image has beyond its
// base: what it does not hold, came in a stage that is not in it. What it holds and no
// script is known for, is the last script's: it was copied from elsewhere.
func Settle(ctx context.Context, added, base *Image, lock *pins.Lock) error {
	all, err := Reader{}.Inventories(ctx, added, base)
	if err != nil {
		return err
	}
	held := map[pins.Pin]bool{}
	for _, p := range drift.Lockable(all[0]) {
		if p.Owner == nil {
			held[bare(p.Pin)] = true
		}
	}
	for _, p := range all[1] {
		delete(held, bare(p.Pin))
	}
	for i := range lock.Recordings {
		r := &lock.Recordings[i]
		r.Brought = slices.DeleteFunc(r.Brought, func(p pins.Pin) bool {
			mine := held[p]
			delete(held, p)
			return !mine
		})
	}
	last := &lock.Recordings[len(lock.Recordings)-1]
	last.Brought = slices.AppendSeq(last.Brought, maps.Keys(held))
	lock.Sort()
	return nil
}

// Varying returns the paths that the layers of two images have differently, sorted:
// their content, or what is said of them.
func Varying(ctx context.Context, a, b *Image) ([]string, error) {
	was, err := a.sums(ctx)
	if err != nil {
		return nil, err
	}
	is, err := b.sums(ctx)
	if err != nil {
		return nil, err
	}
	differ := map[string]bool{}
	for file := range was {
		differ[file] = was[file] != is[file]
	}
	for file := range is {
		differ[file] = was[file] != is[file]
	}
	maps.DeleteFunc(differ, func(_ string, differs bool) bool { return !differs })
	return slices.Sorted(maps.Keys(differ)), nil
}

// bare is a pin without what its version does not say.
func bare(p pins.Pin) pins.Pin {
	p.Detail = pins.Detail{}
	return p
}

// whiteoutPrefix begins the names of what a layer takes away (OCI's image
// specification, "Whiteouts").
const whiteoutPrefix = ".wh."

// whiteouts are the paths that the layers of an image take away.
func (img *Image) whiteouts(ctx context.Context) (gone []string, err error) {
	err = img.each(ctx, func(h *tar.Header, _ io.Reader) error {
		dir, base := path.Split("/" + h.Name)
		if name, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
			gone = append(gone, dir+name)
		}
		return nil
	})
	return gone, err
}

// recordsIt reports whether a file is what says that a package is installed: a
// dist-info of Python's, or a record of conda's.
func recordsIt(p pins.Pin, file string) bool {
	dir, base := path.Split(file)
	if !strings.HasPrefix(dir, p.Where+"/") {
		return false
	}
	switch p.Kind {
	case pins.Pip:
		stem, ok := strings.CutSuffix(base, ".dist-info")
		name, version, _ := strings.Cut(stem, "-")
		return ok && pins.CanonicalName(pins.Pip, name) == p.Name && version == p.Version
	case pins.Conda:
		return strings.HasSuffix(dir, "/conda-meta/") && strings.HasPrefix(base, p.Name+"-"+p.Version+"-")
	}
	return false
}

// sums are digests of the entries of an image's layers, by path: of all that a layer
// says of one, and of its content.
func (img *Image) sums(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	err := img.each(ctx, func(h *tar.Header, r io.Reader) error {
		sum := sha256.New()
		fmt.Fprintln(sum, h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size, h.Linkname, h.ModTime.Unix(), h.Devmajor, h.Devminor)
		for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			fmt.Fprintln(sum, k, h.PAXRecords[k])
		}
		_, err := io.Copy(sum, r)
		found["/"+h.Name] = fmt.Sprintf("%x", sum.Sum(nil))
		return err
	})
	return found, err
}

// each calls f with the entries of an image's layers.
func (img *Image) each(ctx context.Context, f func(h *tar.Header, r io.Reader) error) error {
	for _, l := range img.layers {
		stream := layers.Stream{Open: l.Open}
		if err := stream.Each(ctx, f); err != nil {
			return fmt.Errorf("reading %s: %w", img.Name, err)
		}
	}
	return nil
}
