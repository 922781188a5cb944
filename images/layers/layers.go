// Package layers reads the layers of an image: which of their files can be
// seen in the image, and what is in those that somebody wants.
//
// A [Layer] says where its bytes are. [Scan] reads some layers, several at
// once, each one time and as a stream: nothing is unpacked, and of a file that
// nobody wants no byte is looked at. What a layer says comes out as a
// [Content]: the wanted files, as the caller's [Sieve] makes something of them,
// and what hides files of the layers below. A [Memory] keeps contents for the
// next time. [Visible] lays contents upon each other, as the OCI image
// specification has it ("Layers").
//
// Layers are foreign bytes. Their digests are checked to the last byte, and
// what one can make us hold is bounded.
package layers

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/driftpin/driftpin/images/inflate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// A Layer is one layer of an image.
type Layer struct {
	DiffID string // sha256:HEX of the uncompressed tar, as the image's config claims
	Digest string // sha256:HEX of the bytes as they are stored, which reading them checks; empty if nothing tells
	Size   int64  // of those bytes; 0 if not known
	Event  string // the history entry that made it; may be empty
	Place  string // where the bytes lie: other copies of them lie at other places

	// Open gives the bytes as they are stored.
	Open func(context.Context) (io.ReadCloser, error)
	// Seekable: Open gives an io.ReaderAt of a tar that is not compressed. Unwanted
	// entries are skipped, and the digest is not verified.
	Seekable bool
	// Stream is set where the bytes come by once only, with those of other layers;
	// then Open is not.
	Stream *Stream
	// Entry is the layer's name in the stream.
	Entry string

	unpacks bool // the tar that it unpacks to is hashed too
}

// maxSmall is the size of layers, as they are stored, up to which the tars that
// they unpack to are always hashed: that takes no time. In bytes.
const maxSmall = 1 << 20

// Key names the bytes of a layer: layers of one key are the same, for that is by
// a digest that is checked, or by the place.
func (l Layer) Key() string { return cmp.Or(l.Digest, l.Place, l.DiffID) }

// Title names the layer in messages.
func (l Layer) Title() string { return cmp.Or(l.Digest, l.DiffID, l.Place) }

// Checked reports whether reading the layer, with Check or without, hashes its
// bytes.
func (l Layer) Checked(check bool) bool { return check || !l.Seekable }

// A Sieve says what of a layer is kept. Functions but Wanted and Keep may be nil.
type Sieve[T any] struct {
	Wanted func(name string) bool
	Keep   func(name string, size int64, r io.Reader) (T, error) // what is made of a wanted file
	Weigh  func(T) int                                           // how much of it is held, in bytes
	// the files of a folder that are wanted, should the folder be a symbolic link
	Within func(folder string) []string
	// whether a wanted file is one only if it is no symbolic link
	Real func(name string) bool
	// whether a wanted file is one only by the hard links to it within its layer
	Spare func(name string) bool
	// whether Keep makes the same of a file by either name
	Alike func(a, b string) bool
	// whether a file tells of the same where it is by either name
	Same func(a, b string) bool
	// whether files below a folder are wanted for its name
	Holds    func(folder string) bool
	Symlinks bool // all symbolic links are kept, and none is followed
	// all bytes of every copy of a layer are hashed, and so is the tar that they unpack to
	Check bool
}

// maxHeld is how much may be held of a layer, in bytes: of names, and of what
// the sieve weighs.
const maxHeld = 64 << 20

// maxEntries is how many entries a layer may have.
const maxEntries = 5 << 20

// A Content is what one layer says. Paths have no leading slash.
type Content[T any] struct {
	Files  map[string]T      // the wanted files
	Links  map[string]string // wanted files that are hard links to files of lower layers
	Soft   map[string]string // symbolic links that may lead to wanted files, or all
	Ways   map[string]string // symbolic links that may stand in the place of a folder
	Hidden map[string]bool   // what a whiteout removes
	Opaque map[string]bool   // folders of which nothing lower is seen
	// the digest of the tar that the layer unpacks to, sha256:HEX; empty where that was not hashed
	Tar     string
	Folders []uint64 // hashes of all folders, sorted: each hides what is none
	Others  []uint64 // hashes of all else, sorted: it hides what lies lower
	// hashes of symbolic links to what is no folder in the layer, sorted: those that are not in Ways
	Leaves []uint64
}

func newContent[T any]() *Content[T] {
	return &Content[T]{Files: map[string]T{}, Links: map[string]string{}, Soft: map[string]string{},
		Ways: map[string]string{}, Hidden: map[string]bool{}, Opaque: map[string]bool{}}
}

// Progress counts the bytes that are read, as they are stored.
type Progress struct{ Read, Total atomic.Int64 }

// Scan reads layers, those of one key once, the largest first: with the sieve's
// Check those of one key and place. If one copy of some bytes can't be read,
// another is. The contents are in the order of the layers. Progress may be nil.
func Scan[T any](ctx context.Context, list []Layer, s Sieve[T], p *Progress) ([]*Content[T], error) {
	if p == nil {
		p = &Progress{}
	}
	copies := map[string][]int{} // by what is read once
	key := func(l Layer) string {
		if s.Check {
			return l.Key() + " " + l.Place + " " + l.DiffID
		}
		return l.Key()
	}
	var order []int
	for i, l := range list {
		if copies[key(l)] == nil {
			order = append(order, i)
			p.Total.Add(l.Size)
		}
		copies[key(l)] = append(copies[key(l)], i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(list[b].Size, list[a].Size) })
	out := make([]*Content[T], len(list))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	streams := map[*Stream][]int{}
	for _, i := range order {
		if st := list[i].Stream; st != nil {
			streams[st] = append(streams[st], i)
			continue
		}
		group.Go(func() (err error) {
			out[i], err = scanAny(gctx, list, copies[key(list[i])], s, p)
			return err
		})
	}
	for st, members := range streams {
		group.Go(func() error { return scanStream(gctx, st, list, members, s, out) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, l := range list {
		out[i] = out[copies[key(l)][0]]
		if err := out[i].Claimed(l); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Claimed compares the diffID that an image's config claims for a layer with what
// the layer was found to unpack to.
func (c *Content[T]) Claimed(l Layer) error {
	if c.Tar == "" || l.DiffID == "" || c.Tar == l.DiffID {
		return nil
	}
	return fmt.Errorf("layer %s: unpacked it has the digest %s, and the image's config says %s: the diffID in the "+
		"config is wrong, or the layer is cut short or from another image", l.Title(), c.Tar, l.DiffID)
}

// scanAny reads the first of some copies of a layer that can be read.
func scanAny[T any](ctx context.Context, list []Layer, copies []int, s Sieve[T], p *Progress) (*Content[T], error) {
	var first error
	tried := map[string]bool{}
	unpacks := slices.ContainsFunc(copies, func(i int) bool { return list[i].DiffID != list[copies[0]].DiffID })
	for _, i := range copies {
		if tried[list[i].Place] || list[i].Stream != nil {
			continue
		}
		tried[list[i].Place] = true
		l := list[i]
		l.unpacks = unpacks || s.Check || l.Digest == "" || l.Size <= maxSmall
		c, err := scan(ctx, l, s, p)
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// scan reads a layer to its end, and again where its own links lead to files
// that were not wanted, or where our inflater can't read it.
func scan[T any](ctx context.Context, l Layer, s Sieve[T], p *Progress) (*Content[T], error) {
	open := ours
	c, err := scanOnce(ctx, l, s, p, open)
	if errors.Is(err, inflate.ErrCorrupt) {
		open = librarys
		c, err = scanOnce(ctx, l, s, p, open)
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Title(), damaged(err))
	}
	if inner := c.innerLinks(); len(inner) > 0 {
		again, err := scanOnce(ctx, l, s.of(inner), &Progress{}, open)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Title(), damaged(err))
		}
		for name, value := range linked[T](again.Files) {
			c.Files[name] = value
			delete(c.Links, name)
		}
	}
	return c, nil
}

// damaged says of an error of what unpacks a layer that the layer is damaged.
func damaged(err error) error {
	for _, cause := range []error{tar.ErrHeader, gzip.ErrHeader, gzip.ErrChecksum, inflate.ErrCorrupt,
		io.ErrUnexpectedEOF, zstd.ErrMagicMismatch, zstd.ErrCRCMismatch} {
		if errors.Is(err, cause) {
			return fmt.Errorf("it is damaged: %w", err)
		}
	}
	return err
}

// An unpacker makes a tar of stored bytes, and says whether they are one as they
// are.
type unpacker func(io.Reader) (tarred io.ReadCloser, plain bool, err error)

func scanOnce[T any](ctx context.Context, l Layer, s Sieve[T], p *Progress,
	unpack unpacker) (_ *Content[T], err error) {
	raw, err := l.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	if at, ok := raw.(io.ReaderAt); ok && l.Seekable && !s.Check {
		h := &hopping{at: at, size: l.Size}
		c, ended, err := scanTar(ctx, h, s)
		if err == nil && ended && h.blank() {
			p.Read.Add(l.Size)
			return c, nil
		}
		// It may have been cut: only its digest can tell.
	}
	sums := &sums{reader: raw, stored: sha256.New(), ctx: ctx, read: &p.Read, unpacks: l.unpacks}
	c, err := scanStored(ctx, sums, s, unpack)
	if err != nil {
		return nil, err
	}
	return c, sums.match(l)
}

// Hash returns the digest of a layer's bytes as they are stored, sha256:HEX.
func Hash(ctx context.Context, l Layer) (_ string, err error) {
	raw, err := l.Open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	d := &sums{reader: raw, stored: sha256.New(), ctx: ctx, read: &new(Progress).Read}
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{d}, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return text256(d.stored), nil
}

// maxTrailer is how much may follow the end of a tar that is skipped, in
// bytes: tar programs fill up a record of 20 blocks, or of some more.
const maxTrailer = 64 << 10

// scanStored reads a layer as it is stored, to the last byte.
func scanStored[T any](ctx context.Context, d *sums, s Sieve[T], unpack unpacker) (*Content[T], error) {
	tarred, plain, err := unpack(d)
	if err != nil {
		return nil, err
	}
	defer tarred.Close()
	r := io.Reader(tarred)
	if d.unpacks && !plain {
		d.unpacked = sha256.New()
		r = &hashing{tarred, d.unpacked}
	} else if plain {
		d.unpacked = d.stored
	}
	c, _, err := scanTar(ctx, r, s)
	if err != nil {
		return nil, err
	}
	// What follows the tar's end still counts for the digest.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, d)
	if d.unpacked != nil {
		c.Tar = text256(d.unpacked)
	}
	return c, err
}

// A sums reader hashes and counts what is read through it, and stops when its
// context ends.
type sums struct {
	reader   io.Reader
	stored   hash.Hash
	unpacks  bool            // the tar that the bytes unpack to is hashed too
	unpacked hash.Hash       // of that, once it is known what it is; nil if it is not hashed
	ctx      context.Context // of the one scan that reads
	read     *atomic.Int64
}

// Read implements io.Reader.
func (d *sums) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.reader.Read(p)
	d.stored.Write(p[:n]) // a hash's Write returns no error
	d.read.Add(int64(n))
	return n, err
}

func text256(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// match compares what was read with the digest that a layer is said to have.
func (d *sums) match(l Layer) error {
	if got := text256(d.stored); l.Digest != "" && got != l.Digest {
		return fmt.Errorf("its bytes have the digest %s: the image is damaged", got)
	}
	return nil
}

// A hashing reader hashes what is read through it.
type hashing struct {
	io.Reader
	hash hash.Hash
}

// Read implements io.Reader.
func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.hash.Write(p[:n]) // a hash's Write returns no error
	return n, err
}

// scanTar reads the entries of a tar, and reports whether it found its end, by
// the blocks of zeros that mark it.
func scanTar[T any](ctx context.Context, r io.Reader, s Sieve[T]) (_ *Content[T], ended bool, err error) {
	c := newContent[T]()
	held := 0
	at := places{above: map[string]bool{}}
	tr := &tarReader{r: r}
	for n := 0; ; n++ {
		e, err := tr.next()
		if err == io.EOF {
			c.Others, c.Folders = sorted(c.Others), sorted(c.Folders)
			c.settle(s)
			c.settleWays()
			return c, tr.ended, nil
		}
		if err != nil {
			return nil, false, err
		}
		if n >= maxEntries {
			return nil, false, fmt.Errorf("more than %d entries", maxEntries)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		weight, err := add(c, e, tr, s, &at)
		if err != nil {
			return nil, false, err
		}
		if held += weight; held > maxHeld {
			return nil, false, fmt.Errorf("the layer's metadata, and the names in its whiteouts and links, take "+
				"more than %d bytes", maxHeld)
		}
	}
}

func sorted(hashes []uint64) []uint64 {
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// places are what a scan knows of paths.
type places struct {
	above        map[string]bool // the folders of what was noted
	last, landed string          // the folder of the last entry, and where that is over the layer's own links
}

// add notes an entry, and returns how much of it is held at most, in bytes.
func add[T any](c *Content[T], e entry, r io.Reader, s Sieve[T], at *places) (int, error) {
	name := c.inner(Clean(e.name), at)
	above := at.above
	if above[name] && e.kind != tar.TypeDir && !strings.HasPrefix(path.Base(name), ".wh.") {
		c.forgetBelow(name) // a folder that becomes something else
	}
	if e.kind == tar.TypeSymlink && e.link == "" {
		e.kind = tar.TypeFifo // Linux has no links to nothing: it is as little to read as that
	}
	held := len(name) + len(e.link)
	if c.hide(name) {
		return held, nil
	}
	if e.kind == tar.TypeDir {
		c.Folders = append(c.Folders, hashOf(name))
		c.noteWay(name, e, at)
		c.forget(name)
		return 0, nil
	}
	c.Others = append(c.Others, hashOf(name))
	wanted := s.Wanted(name)
	c.noteWay(name, e, at)
	if _, link := c.Soft[name]; link || wanted || e.kind == tar.TypeSymlink {
		c.forget(name) // a later entry of the same name replaces an earlier one
	}
	if e.kind == tar.TypeSymlink {
		real := s.Real != nil && s.Real(name)
		if s.Symlinks || wanted && !real || s.Within != nil && len(s.Within(name)) > 0 {
			c.Soft[name] = e.link
			noteAbove(above, name)
		}
		return held, nil
	}
	if !wanted {
		return 0, nil
	}
	noteAbove(above, name)
	switch e.kind {
	case tar.TypeReg:
		kept, err := s.Keep(name, e.size, r)
		if err != nil {
			return 0, fmt.Errorf("/%s: %w", name, err)
		}
		c.Files[name] = kept
		if s.Weigh != nil {
			held += s.Weigh(kept)
		}
	case tar.TypeLink:
		target := c.inner(Clean(e.link), at)
		if value, ok := c.Files[target]; ok && s.alike(name, target) {
			c.Files[name] = value // as it is now: a later entry may replace it
		} else {
			c.Links[name] = target
		}
	}
	return held, nil
}

// noteAbove notes the folders of a file.
func noteAbove(above map[string]bool, name string) {
	for dir := path.Dir(name); dir != "." && !above[dir]; dir = path.Dir(dir) {
		above[dir] = true
	}
}

// forgetBelow drops what was said of what lies below a name.
func (c *Content[T]) forgetBelow(name string) {
	below := func(file string) bool { return strings.HasPrefix(file, name+"/") }
	maps.DeleteFunc(c.Files, func(file string, _ T) bool { return below(file) })
	maps.DeleteFunc(c.Links, func(file, _ string) bool { return below(file) })
	maps.DeleteFunc(c.Soft, func(file, _ string) bool { return below(file) })
}

// inner is where an entry comes to lie, if one of its folders is a symbolic link that
// the layer itself had before.
func (c *Content[T]) inner(name string, at *places) string {
	if len(c.Ways) == 0 {
		return name
	}
	end := strings.LastIndexByte(name, '/')
	if end < 0 {
		return name
	}
	if dir := name[:end]; dir != at.last || at.last == "" {
		at.last, at.landed = dir, c.innerFolder(dir)
	}
	if at.landed == at.last {
		return name
	}
	return Clean(at.landed + name[end:])
}

func (c *Content[T]) innerFolder(dir string) string {
	for range maxFollow {
		end := 0
		for {
			next := strings.IndexByte(dir[min(end+1, len(dir)):], '/')
			if next < 0 {
				end = len(dir)
			} else {
				end += 1 + next
			}
			if _, ok := c.Ways[dir[:end]]; ok || end == len(dir) {
				break
			}
		}
		text, ok := c.Ways[dir[:end]]
		if !ok {
			return dir
		}
		dir = Clean(path.Join(linkTarget(dir[:end], text), dir[end:]))
	}
	return dir
}

// noteWay notes a symbolic link, or a hard link to one.
func (c *Content[T]) noteWay(name string, e entry, at *places) {
	if _, way := c.Ways[name]; way || e.kind == tar.TypeSymlink {
		at.last, at.landed = "", ""
	}
	switch {
	case e.kind == tar.TypeSymlink:
		c.Ways[name] = e.link
	case len(c.Ways) == 0:
	case e.kind == tar.TypeLink && c.Ways[Clean(e.link)] != "":
		c.Ways[name] = c.Ways[Clean(e.link)]
	default:
		delete(c.Ways, name)
	}
}

// hide notes a whiteout, if an entry's name is one's.
func (c *Content[T]) hide(name string) bool {
	base := path.Base(name)
	removed, ok := strings.CutPrefix(base, ".wh.")
	if base == ".wh..wh..opq" {
		c.Opaque[path.Dir(name)] = true
	} else if ok {
		c.Hidden[path.Join(path.Dir(name), removed)] = true
	}
	return ok
}

// forget drops what was said of a name before.
func (c *Content[T]) forget(name string) {
	delete(c.Files, name)
	delete(c.Links, name)
	delete(c.Soft, name)
}

// Clean is a path without a leading slash, and without a way out.
func Clean(name string) string {
	if plain := strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/"); plain != "." && fs.ValidPath(plain) {
		return plain // as most are
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// maxFile is the most that is held of one file, in bytes.
const maxFile = 64 << 20

// Whole reads a file that is not too large to be held.
func Whole(size int64, r io.Reader) ([]byte, error) {
	if size > maxFile {
		return nil, fmt.Errorf("%d bytes are too many for a package's metadata", size)
	}
	return io.ReadAll(io.LimitReader(r, maxFile))
}
