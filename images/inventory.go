package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/images/drift"
	"github.com/driftpin/driftpin/images/installed"
	"github.com/driftpin/driftpin/images/layers"
	"github.com/driftpin/driftpin/pins"
	"golang.org/x/sync/errgroup"
)

// A Reader reads inventories. The zero Reader is useful: it remembers nothing
// and believes what images carry.
type Reader struct {
	Memory   string           // a folder for what layers say, for the next time; empty: none
	Layers   bool             // layers are read, and to the last byte, even of images that carry an inventory
	Progress *layers.Progress // counts what is read; may be nil
}

// facts is the sieve for metadata.
func (r Reader) facts() layers.Sieve[installed.Fact] {
	return layers.Sieve[installed.Fact]{
		Wanted: installed.IsMetadata, Keep: installed.Reading(), Weigh: installed.Fact.Size, Within: installed.Within,
		Real: installed.Real, Spare: installed.Spare, Alike: installed.Alike, Same: installed.Same,
		Holds: installed.Holds, Check: r.Layers,
	}
}

func (r Reader) memory() layers.Memory {
	return layers.Memory{Dir: r.Memory, Version: "v" + installed.Version}
}

// Inventory returns the packages that an image holds, sorted by pins.Order.
func (img *Image) Inventory(ctx context.Context) ([]Package, error) {
	all, err := Reader{}.Inventories(ctx, img)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Inventories returns the packages that each of some images holds, sorted by
// pins.Order. Layers are read once, however many images have them, and several
// at a time.
func (r Reader) Inventories(ctx context.Context, images ...*Image) ([][]Package, error) {
	out := make([][]Package, len(images))
	known := true
	for i, img := range images {
		out[i] = slices.Clone(img.held[r.Layers])
		known = known && img.held[r.Layers] != nil
	}
	if known {
		return out, nil
	}
	contents, err := r.contents(ctx, images...)
	if err != nil {
		return nil, err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, img := range images {
		group.Go(func() (err error) {
			if out[i], err = r.packages(gctx, img, contents[i]); err != nil {
				return fmt.Errorf("reading %s: %w", img.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, img := range images {
		img.held = map[bool][]Package{r.Layers: slices.Clone(out[i])}
	}
	return out, nil
}

// carries reports whether an image's packages are known without its layers.
func (r Reader) carries(img *Image) bool {
	return img.Lock != nil || img.Carried != nil && (!r.Layers || img.layers == nil)
}

// contents returns what the layers of images say: what is remembered, or else
// what is read.
func (r Reader) contents(ctx context.Context, images ...*Image) ([][]*Content, error) {
	out := make([][]*Content, len(images))
	type place struct{ image, layer int }
	var unread []layers.Layer
	var places []place
	recalled := map[string]*Content{}
	for i, img := range images {
		if r.carries(img) {
			continue
		}
		out[i] = make([]*Content, len(img.layers))
		for k, l := range img.layers {
			if img.known != nil && img.known[k] != nil && (!r.Layers || l.Stream != nil) {
				out[i][k] = img.known[k]
				continue
			}
			c, asked := recalled[l.Key()]
			if !asked && !r.Layers {
				c = layers.Recall[installed.Fact](r.memory(), l)
				recalled[l.Key()] = c
			}
			if c != nil {
				if err := c.Claimed(l); err != nil {
					return nil, fmt.Errorf("reading %s: %w", img.Name, err)
				}
			}
			if out[i][k] = c; c == nil {
				unread, places = append(unread, l), append(places, place{i, k})
			}
		}
	}
	if len(unread) == 0 {
		return out, nil
	}
	read, err := layers.Scan(ctx, unread, r.facts(), r.Progress)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", names(images), err)
	}
	for i, p := range places {
		out[p.image][p.layer] = read[i]
	}
	for i, img := range images {
		img.known = out[i]
	}
	return out, r.remember(unread, read)
}

func names(images []*Image) string {
	var all []string
	for _, img := range images {
		all = append(all, img.Name)
	}
	return strings.Join(slices.Compact(all), ", ")
}

// remember keeps what was read of layers whose bytes have been checked.
func (r Reader) remember(read []layers.Layer, contents []*Content) error {
	if r.Memory == "" {
		return nil
	}
	for i, l := range read {
		if l.Checked(r.Layers) {
			if err := layers.Keep(r.memory(), l, contents[i]); err != nil {
				return fmt.Errorf("remembering what a layer holds: %w", err)
			}
		}
	}
	return r.memory().Trim()
}

// packages makes packages of what the layers of an image say.
func (r Reader) packages(ctx context.Context, img *Image, contents []*Content) ([]Package, error) {
	switch {
	case img.Lock != nil:
		return drift.LockPackagesOn(img.Lock, cmp.Or(img.Platform, img.Lock.Platforms[0])), nil
	case r.carries(img):
		return img.Carried.Packages, nil
	}
	seen, err := layers.Visible(ctx, img.layers, contents, r.facts())
	if err != nil {
		return nil, err
	}
	facts := installed.Facts{}
	for name, s := range seen {
		facts[name] = s.Value
	}
	packages, err := installed.Packages(facts)
	if err != nil {
		return nil, err
	}
	brought := origins{contents, map[string]map[string]bool{}}
	for i := range packages {
		l := img.layers[brought.of(packages[i], seen[packages[i].Path[1:]].Layer)]
		packages[i].Layer, packages[i].Event = l.DiffID, l.Event
	}
	return packages, nil
}

// origins find the layers that brought packages.
type origins struct {
	contents []*Content
	items    map[string]map[string]bool // of a file in a layer
}

// of is the layer that brought a package which is seen in the file of another:
// dpkg's one file tells of all packages, and each layer has it anew. It is the
// lowest from which on no layer with that file lacks the package.
func (o origins) of(p Package, layer int) int {
	if p.Kind != pins.Deb {
		return layer
	}
	name, _, _ := strings.Cut(p.Name, ":")
	for i := layer - 1; i >= 0; i-- {
		f, ok := o.contents[i].Files[p.Path[1:]]
		if !ok {
			continue
		}
		key := fmt.Sprint(i, " ", p.Path)
		if o.items[key] == nil {
			o.items[key] = map[string]bool{}
			for _, item := range f.Items {
				o.items[key][item.Name+" "+item.Version] = true
			}
		}
		if !o.items[key][name+" "+p.Version] {
			break
		}
		layer = i
	}
	return layer
}

// visible returns the wanted files that can be seen in an image, read from its
// layers to the last byte.
func visible[T any](ctx context.Context, img *Image, wanted func(string) bool,
	keep func(string, int64, io.Reader) (T, error)) (map[string]layers.Seen[T], error) {
	if img.layers == nil {
		return nil, errors.New("it has no layers to read")
	}
	s := layers.Sieve[T]{Wanted: wanted, Keep: keep, Symlinks: true, Check: true}
	contents, err := layers.Scan(ctx, img.layers, s, nil)
	if err != nil {
		return nil, err
	}
	return layers.Visible(ctx, img.layers, contents, s)
}
