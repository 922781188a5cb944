package layers

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/driftpin/driftpin/images/inflate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	skipMagic = []byte{0x2a, 0x4d, 0x18} // of zstd's skippable frames, after a byte from 0x50 to 0x5f (RFC 8878, 3.1.2)
	xzMagic   = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	bzipMagic = []byte("BZh")
)

// magicSize is how many first bytes tell how something is compressed.
const magicSize = 6

// Compressed tells by its first bytes whether a layer, or an archive, is
// compressed: gzip, zstd, xz and bzip2 are what docker load takes, whatever a
// media type says.
func Compressed(first []byte) bool {
	return bytes.HasPrefix(first, gzipMagic) || isZstd(first) || bytes.HasPrefix(first, xzMagic) || isBzip(first)
}

func isZstd(first []byte) bool {
	return bytes.HasPrefix(first, zstdMagic) || len(first) > 0 && first[0]>>4 == 5 &&
		bytes.HasPrefix(first[1:], skipMagic)
}

// isBzip tells bzip2 by its magic and the size of its blocks, 1 to 9.
func isBzip(first []byte) bool {
	return bytes.HasPrefix(first, bzipMagic) && len(first) > 3 && first[3] >= '1' && first[3] <= '9'
}

// maxWindow is the most memory that a zstd frame may ask for, in bytes.
const maxWindow = 128 << 20

// ours and librarys unpack by our own inflater, and by the library's.
func ours(r io.Reader) (io.ReadCloser, bool, error) {
	return unpack(r, func(r io.Reader) (io.ReadCloser, error) { return &skipping{inflate.NewReader(r), 0}, nil })
}

func librarys(r io.Reader) (io.ReadCloser, bool, error) {
	return unpack(r, func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) })
}

func unpack(r io.Reader, gunzip func(io.Reader) (io.ReadCloser, error)) (_ io.ReadCloser, plain bool, err error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(magicSize)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		z, err := gunzip(b)
		return z, false, err
	case isZstd(magic):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, false, err
		}
		return z.IOReadCloser(), false, nil
	case bytes.HasPrefix(magic, xzMagic):
		z, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(b) // streams ask for more by themselves
		if err != nil {
			return nil, false, err
		}
		return io.NopCloser(z), false, nil
	case isBzip(magic):
		return io.NopCloser(bzip2.NewReader(b)), false, nil
	}
	return io.NopCloser(b), true, nil
}

// A skipping reader passes over what archive/tar does not want without a copy:
// it takes a reader that can seek forward for one that can seek.
type skipping struct {
	*inflate.Reader
	at int64
}

// Read implements io.Reader.
func (s *skipping) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.at += int64(n)
	return n, err
}

// Seek implements io.Seeker, from where it is and forward.
func (s *skipping) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return 0, errors.ErrUnsupported
	}
	n, err := s.Discard(offset)
	s.at += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return s.at, err
}

// Close implements io.Closer.
func (s *skipping) Close() error { return nil }

// A hopping reader reads a file in pieces, and only those that are asked for.
type hopping struct {
	at      io.ReaderAt
	size    int64
	pos     int64
	buf     [4 << 10]byte
	from, n int64 // what of the file buf holds
}

// Read implements io.Reader.
func (h *hopping) Read(p []byte) (int, error) {
	if h.pos >= h.size {
		return 0, io.EOF
	}
	if h.pos < h.from || h.pos >= h.from+h.n {
		n, err := h.at.ReadAt(h.buf[:min(int64(len(h.buf)), h.size-h.pos)], h.pos)
		if n == 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		h.from, h.n = h.pos, int64(n)
	}
	n := copy(p, h.buf[h.pos-h.from:h.n])
	h.pos += int64(n)
	return n, nil
}

// blank reports whether what is left is a tar's padding: not too much, and zeros.
func (h *hopping) blank() bool {
	if h.left() > maxTrailer {
		return false
	}
	rest, err := io.ReadAll(h)
	return err == nil && len(bytes.Trim(rest, "\x00")) == 0
}

// left is how much follows what was read.
func (h *hopping) left() int64 { return h.size - h.pos }

// Seek implements io.Seeker, from where it is. Behind the end is an error.
func (h *hopping) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return 0, errors.ErrUnsupported
	}
	if h.pos += offset; h.pos > h.size {
		h.pos = h.size
		return h.pos, io.ErrUnexpectedEOF
	}
	return h.pos, nil
}
