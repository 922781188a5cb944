package layers

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// blockSize is that of a tar's blocks, in bytes.
const blockSize = 512

// An entry is what matters here of one of a tar's entries.
type entry struct {
	name, link string
	kind       byte  // tar.TypeReg and the others
	size       int64 // of its content, in bytes
}

// A tarReader reads the entries of a tar, one after the other, and the content
// of the present one. It reads plain headers itself (POSIX.1-1988 and GNU's), with
// the long names and the PAX records that stand before them: nearly all entries
// are of those, and of what archive/tar makes of them little matters here. All
// other headers it leaves to archive/tar.
type tarReader struct {
	r          io.Reader
	left       int64       // of the present entry's content
	pad        int64       // what fills up its last block
	ended      bool        // a block of zeros was read where a header is due
	sparse     *tar.Reader // reads all that is left, since a sparse file has come
	block, rim [blockSize]byte
	head       []byte // the blocks of the present header, where it has more than one
}

// next is the next entry, or io.EOF behind the last.
func (t *tarReader) next() (entry, error) {
	if t.sparse != nil {
		return headerOf(t.sparse.Next())
	}
	if err := discard(t.r, t.left); err != nil {
		return entry{}, err
	}
	// The padding of the last entry may be missing, as archive/tar has it.
	if _, err := io.ReadFull(t.r, t.rim[:t.pad]); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return entry{}, err
	}
	t.left, t.pad, t.head = 0, 0, t.head[:0]
	if _, err := io.ReadFull(t.r, t.block[:]); err != nil {
		return entry{}, err
	}
	e, plain := plainEntry(&t.block)
	if !plain {
		return t.extended()
	}
	t.holds(&e)
	return e, nil
}

// maxRecords is the most that is read here of what stands before a header, in
// bytes.
const maxRecords = 64 << 10

// extended reads an entry whose first block is not its own plain header: long
// names (GNU tar's manual, "Basic Tar Format"), PAX records (POSIX.1-2001, "pax
// Extended Header"), or something for archive/tar.
func (t *tarReader) extended() (entry, error) {
	var more struct{ path, link, size, longName, longLink string }
	for {
		kind := t.block[156]
		size, ok := octal(t.block[124:136], 11)
		sum, summed := octal(t.block[148:155], 6)
		if !ok || !summed || sum != checksum(&t.block) || size > maxRecords || kind != tar.TypeXHeader &&
			kind != tar.TypeGNULongName && kind != tar.TypeGNULongLink {
			return t.odd()
		}
		body, err := t.follow(size)
		if err != nil {
			return t.oddAfter(err)
		}
		switch kind {
		case tar.TypeGNULongName:
			more.longName = text(body)
		case tar.TypeGNULongLink:
			more.longLink = text(body)
		default:
			more.path, more.link, more.size = "", "", ""
			if !records(body, map[string]*string{"path": &more.path, "linkpath": &more.link, "size": &more.size}) {
				return t.odd()
			}
		}
		e, plain := plainEntry(&t.block)
		if !plain {
			continue
		}
		e.name, e.link = cmp.Or(more.longName, more.path, e.name), cmp.Or(more.longLink, more.link, e.link)
		if more.size != "" {
			if e.size, err = strconv.ParseInt(more.size, 10, 64); err != nil || e.size < 0 {
				return t.odd()
			}
		}
		t.holds(&e)
		return e, nil
	}
}

// follow reads what stands between a header and the next one, and that.
func (t *tarReader) follow(size int64) (body []byte, err error) {
	padded := size + -size&(blockSize-1)
	t.head = append(t.head, t.block[:]...)
	start := len(t.head)
	t.head = slices.Grow(t.head, int(padded))[:start+int(padded)]
	n, err := io.ReadFull(t.r, t.head[start:])
	if err != nil {
		t.head = t.head[:start+n]
		return nil, err
	}
	n, err = io.ReadFull(t.r, t.block[:])
	if err != nil {
		t.head = append(t.head, t.block[:n]...)
		return nil, err
	}
	return t.head[start : start+int(size)], nil
}

// records reads PAX records, and puts those that are wanted where they belong.
// It reports whether there is nothing in them that is archive/tar's affair.
func records(body []byte, wanted map[string]*string) bool {
	for len(body) > 0 {
		digits, rest, ok := bytes.Cut(body, []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || len(digits) > 6 || digits[0] == '+' || n > len(body) || n < len(digits)+3 ||
			body[n-1] != '\n' {
			return false
		}
		key, value, ok := bytes.Cut(rest[:n-len(digits)-2], []byte("="))
		if !ok || bytes.HasPrefix(key, []byte("GNU.sparse.")) || bytes.IndexByte(value, 0) >= 0 {
			return false
		}
		if to := wanted[string(key)]; to != nil {
			*to = string(value)
		}
		body = body[n:]
	}
	return true
}

// holds notes what follows an entry's header.
func (t *tarReader) holds(e *entry) {
	switch e.kind {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		e.size = 0 // whatever it says, nothing follows
	}
	t.left, t.pad = e.size, -e.size&(blockSize-1)
}

// odd leaves the entry whose header was begun to archive/tar, which reads what
// belongs to the header and no more.
func (t *tarReader) odd() (entry, error) {
	return t.oddFrom(append(bytes.Clone(t.head), t.block[:]...), t.r)
}

// oddAfter is odd where the tar ends within the header.
func (t *tarReader) oddAfter(err error) (entry, error) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return t.oddFrom(bytes.Clone(t.head), bytes.NewReader(nil))
	}
	return entry{}, err
}

func (t *tarReader) oddFrom(begun []byte, r io.Reader) (entry, error) {
	rest := &io.LimitedReader{R: r, N: math.MaxInt64}
	tr := tar.NewReader(io.MultiReader(bytes.NewReader(begun), rest))
	h, err := tr.Next()
	if err == io.EOF {
		t.ended = t.block == [blockSize]byte{}
	}
	if err == nil && isSparse(h) {
		t.sparse = tr
	}
	e, err := headerOf(h, err)
	t.holds(&e)
	if e.kind == tar.TypeXGlobalHeader {
		t.pad = -(math.MaxInt64 - rest.N) & (blockSize - 1) // which is not read with that
	}
	return e, err
}

func headerOf(h *tar.Header, err error) (entry, error) {
	if err != nil {
		return entry{}, err
	}
	return entry{h.Name, h.Linkname, h.Typeflag, h.Size}, nil
}

// isSparse is whether less of a file is in the tar than the file's size says.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// Read implements io.Reader: the content of the present entry.
func (t *tarReader) Read(p []byte) (int, error) {
	if t.sparse != nil {
		return t.sparse.Read(p)
	}
	if t.left == 0 {
		return 0, io.EOF
	}
	n, err := t.r.Read(p[:min(int64(len(p)), t.left)])
	if t.left -= int64(n); err == io.EOF && t.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// discard passes over n bytes, which have to be there.
func discard(r io.Reader, n int64) error {
	if n == 0 {
		return nil
	}
	if s, ok := r.(io.Seeker); ok {
		_, err := s.Seek(n, io.SeekCurrent)
		return err
	}
	_, err := io.CopyN(io.Discard, r, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// plainEntry reads a header (POSIX.1-1988, "ustar Interchange Format"), unless it
// needs an extension, is not as all tars write it, or is none.
func plainEntry(b *[blockSize]byte) (entry, bool) {
	sum, ok := octal(b[148:155], 6)
	if !ok || sum != checksum(b) {
		return entry{}, false
	}
	e := entry{name: text(b[:100]), link: text(b[157:257]), kind: b[156]}
	if e.size, ok = octal(b[124:136], 11); !ok {
		return entry{}, false
	}
	switch e.kind {
	case tar.TypeReg, tar.TypeLink, tar.TypeSymlink, tar.TypeDir:
	default:
		return entry{}, false
	}
	switch prefix := b[345:500]; {
	case string(b[257:265]) == "ustar\x0000" && string(b[508:512]) != "tar\x00": // that is star's
		if prefix[0] != 0 {
			e.name = text(prefix) + "/" + e.name
		}
	case string(b[257:265]) != "ustar  \x00" || len(bytes.Trim(prefix, "\x00")) > 0: // GNU's has times there
		return entry{}, false
	}
	return e, true
}

// text is a field up to its first NUL.
func text(field []byte) string {
	if end := bytes.IndexByte(field, 0); end >= 0 {
		field = field[:end]
	}
	return string(field)
}

// octal reads a number of so many octal digits, which a NUL or a space ends.
func octal(field []byte, digits int) (n int64, ok bool) {
	for _, c := range field[:digits] {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, field[digits] == 0 || field[digits] == ' '
}

// checksum is the sum of a header's bytes, with spaces for the sum itself. It
// adds eight bytes at once, each two of them in 16 bits of their own.
func checksum(b *[blockSize]byte) int64 {
	const evens = 0x00ff00ff00ff00ff
	var sums uint64
	for i := 0; i < blockSize; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		sums += x&evens + x>>8&evens
	}
	sum := int64(sums&0xffff + sums>>16&0xffff + sums>>32&0xffff + sums>>48)
	for _, c := range b[148:156] {
		sum += ' ' - int64(c)
	}
	return sum
}
