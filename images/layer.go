package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Bounds on what a layer may make us hold: layers are foreign bytes.
const (
	maxFile    = 32 << 20 // bytes of one metadata file
	maxEntries = 5 << 20  // entries of a layer
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// A content is what one layer says that matters to an inventory.
type content struct {
	files  map[string][]byte   // metadata files, by path without a leading slash
	links  map[string]string   // metadata files that are hard links: to which path
	soft   map[string]string   // symbolic links: to what
	hidden map[string]bool     // paths that a whiteout removes
	opaque map[string]bool     // folders of which nothing lower is seen
	paths  map[uint64]struct{} // hashes of all that is no folder: it hides what lies lower
	dirs   map[uint64]struct{} // hashes of all folders: each hides a lower file of its name
}

// A sieve says what of a layer is kept: of the files that are wanted, their
// bytes, or what keep makes of them.
type sieve struct {
	wanted   func(name string) bool
	keep     func(h *tar.Header, r io.Reader) ([]byte, error)
	symlinks bool // keep symbolic links too, wanted or not
}

// scan reads a layer to its end.
func (l layer) scan(ctx context.Context, s sieve) (_ *content, err error) {
	raw, err := l.open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	counted := &digester{reader: raw, hash: sha256.New(), ctx: ctx}
	stream, err := decompress(counted)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	c, err := scanTar(stream, s)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.diffID, err)
	}
	// What follows the tar's end still counts for the digest.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.diffID, err)
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.diffID, err)
	}
	if got := "sha256:" + hex.EncodeToString(counted.hash.Sum(nil)); l.digest != "" && got != l.digest {
		return nil, fmt.Errorf("layer %s: its bytes have the digest %s: the image is damaged", l.digest, got)
	}
	return c, nil
}

// A digester hashes what is read through it, and stops when its context ends.
type digester struct {
	reader io.Reader
	hash   hash.Hash
	ctx    context.Context // of the one scan that reads
}

// Read implements io.Reader.
func (d *digester) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.reader.Read(p)
	d.hash.Write(p[:n]) // a hash's Write returns no error
	return n, err
}

// decompress tells gzip, zstd and plain tars apart by their bytes.
func decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	magic, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		return gzip.NewReader(b)
	case bytes.HasPrefix(magic, zstdMagic):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(b), nil
}

// scanTar reads the entries of a layer (OCI image specification, "Layers").
func scanTar(r io.Reader, s sieve) (*content, error) {
	c := &content{files: map[string][]byte{}, links: map[string]string{}, soft: map[string]string{}, hidden: map[string]bool{}, opaque: map[string]bool{}, paths: map[uint64]struct{}{}, dirs: map[uint64]struct{}{}}
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if n > maxEntries {
			return nil, fmt.Errorf("more than %d entries", maxEntries)
		}
		if err := c.add(h, tr, s); err != nil {
			return nil, err
		}
	}
}

func (c *content) add(h *tar.Header, r io.Reader, s sieve) error {
	name := cleanName(h.Name)
	base := path.Base(name)
	if base == ".wh..wh..opq" {
		c.opaque[path.Dir(name)] = true
		return nil
	}
	if removed, ok := strings.CutPrefix(base, ".wh."); ok {
		c.hidden[path.Join(path.Dir(name), removed)] = true
		return nil
	}
	if h.Typeflag == tar.TypeDir {
		c.dirs[pathHash(name)] = struct{}{}
		return nil
	}
	c.paths[pathHash(name)] = struct{}{}
	delete(c.soft, name) // a later entry of the same name replaces an earlier one
	if s.symlinks && h.Typeflag == tar.TypeSymlink {
		c.soft[name] = h.Linkname
	}
	if !s.wanted(name) {
		return nil
	}
	delete(c.files, name)
	delete(c.links, name)
	switch h.Typeflag {
	case tar.TypeReg:
		data, err := s.keep(h, r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.files[name] = data
	case tar.TypeLink:
		c.links[name] = cleanName(h.Linkname)
	}
	return nil
}

// cleanName is a path without a leading slash, and without a way out.
func cleanName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// whole keeps a file's bytes.
func whole(h *tar.Header, r io.Reader) ([]byte, error) {
	if h.Size > maxFile {
		return nil, fmt.Errorf("%d bytes are too many for a package's metadata", h.Size)
	}
	return io.ReadAll(r)
}

// pathHash is seeded anew by each process, so that nobody can make an image in
// which one path hides another by its hash.
func pathHash(p string) uint64 { return maphash.String(hashSeed, p) }

var hashSeed = maphash.MakeSeed()

// hides reports whether a layer hides a file of the layers below it: by a
// whiteout, by an opaque folder, or by something else at its path or at that of
// a folder above it.
func (c *content) hides(name string) bool {
	if _, ok := c.dirs[pathHash(name)]; ok {
		return true
	}
	for p := name; ; p = path.Dir(p) {
		if c.hidden[p] {
			return true
		}
		if _, ok := c.paths[pathHash(p)]; ok {
			return true
		}
		if p == "." || p == "/" {
			return c.opaque["."]
		}
		if c.opaque[path.Dir(p)] {
			return true
		}
	}
}
