package layers

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/driftpin/driftpin/images/inflate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	skipMagic = []byte{0x2a, 0x4d, 0x18} // of zstd's skippable frames, after a byte from 0x50 to 0x5f (RFC 8878, 3.1.2)
)

// Compressed tells by its first bytes whether a layer is compressed: gzip, zstd
// and plain tars are what there is, whatever its media type says.
func Compressed(first []byte) bool {
	return bytes.HasPrefix(first, gzipMagic) || isZstd(first)
}

func isZstd(first []byte) bool {
	return bytes.HasPrefix(first, zstdMagic) || len(first) > 0 && first[0]>>4 == 5 && bytes.HasPrefix(first[1:], skipMagic)
}

// maxWindow is the most memory that a zstd frame may ask for, in bytes.
const maxWindow = 128 << 20

// ours and librarys unpack by our own inflater, and by the library's.
func ours(r io.Reader) (io.ReadCloser, error) {
	return unpack(r, func(r io.Reader) (io.ReadCloser, error) { return &skipping{inflate.NewReader(r), 0}, nil })
}

func librarys(r io.Reader) (io.ReadCloser, error) {
	return unpack(r, func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) })
}

func unpack(r io.Reader, gunzip func(io.Reader) (io.ReadCloser, error)) (io.ReadCloser, error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		return gunzip(b)
	case isZstd(magic):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(b), nil
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
	buf     [16 << 10]byte
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
