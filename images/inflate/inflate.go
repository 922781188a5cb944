// Package inflate reads gzip (RFC 1952), about twice as fast as the library
// that it is tested against: reading an image's layers is inflating them, and
// little else. [NewReader] gives a [Reader], which hands out what it inflates
// in chunks of its own window, so that what nobody wants is not copied either.
//
// It uses no unsafe code, and every member's CRC is checked, so a mistake here
// can show as a false [ErrCorrupt] only, never as other bytes. Who gets that
// error should try the library, github.com/klauspost/compress, before they
// believe it.
package inflate

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// ErrCorrupt says that the input is not gzip, or is damaged.
var ErrCorrupt = errors.New("gzip: the data is corrupt")

const (
	history   = 32 << 10  // how far back a match may reach
	chunkSize = 256 << 10 // about as much is inflated at a time
	slack     = 512       // what a copy may write beyond that
	inputSize = 128 << 10
	padding   = 64 // zeros that follow the input's end, so that loads stay within the buffer
)

// The buffers are larger than what is used of them: an index that is masked
// needs no bounds check then, not even for some bytes that follow.
const (
	inMask  = 1<<18 - 1
	outMask = 1<<19 - 1
)

type (
	input  [inMask + 1 + padding]byte
	window [outMask + 1 + slack]byte
)

// A Reader inflates gzip, member after member.
type Reader struct {
	src io.Reader

	in       *input // in[pos:end] is still to be put into hold
	pos, end int
	realEnd  int // of the input, where eof; what follows is padding
	eof      bool
	hold     uint64 // the next bits, the lowest first
	bits     uint   // how many of them count

	out   *window // history, the chunk, slack
	from  int     // where the chunk begins
	at    int     // where it ends so far
	start int     // where what was inflated of this member begins
	chunk []byte  // what Read has not yet given away
	begun bool    // a member has been begun

	crc   uint32
	size  uint32 // of the member, modulo 2^32
	state state
	final bool // the block is the member's last
	left  int  // bytes of a stored block
	err   error

	code codes
}

// A state says what comes next in the input.
type state int

const (
	atMember state = iota
	atBlock
	inStored
	inBlock
	atTrailer
)

// NewReader returns a Reader of r, which reads ahead.
func NewReader(r io.Reader) *Reader {
	return &Reader{src: r, in: new(input), out: new(window)}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.chunk) == 0 {
		var err error
		if r.chunk, err = r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// Discard passes over n bytes without copying them, and returns how many there
// were: fewer than n with an error only, at the end io.EOF.
func (r *Reader) Discard(n int64) (int64, error) {
	for left := n; ; {
		k := min(left, int64(len(r.chunk)))
		r.chunk = r.chunk[k:]
		if left -= k; left == 0 {
			return n, nil
		}
		var err error
		if r.chunk, err = r.next(); err != nil {
			return n - left, err
		}
	}
}

// next returns the next bytes, good until it is called again.
func (r *Reader) next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.at > history { // keep what matches may reach
		keep := min(history, r.at)
		copy(r.out[history-keep:history], r.out[r.at-keep:r.at])
		r.start = max(0, r.start+history-r.at)
		r.at = history
	} else if r.at == 0 {
		r.at, r.start = history, history
	}
	r.from = r.at
	for r.at < history+chunkSize && r.err == nil {
		if r.err = r.step(); r.overrun() && r.err == nil {
			r.err = io.ErrUnexpectedEOF
		}
		if r.state == atMember && r.at > r.from {
			break // the member's checksum has been looked at
		}
	}
	if r.err != nil && r.err != io.EOF {
		return nil, r.err
	}
	r.sum()
	if r.at == r.from {
		return nil, r.err
	}
	return r.out[r.from:r.at], nil
}

// sum adds what was inflated since the last time to the member's checksum.
func (r *Reader) sum() {
	if r.state != atMember {
		r.crc = crc32.Update(r.crc, crc32.IEEETable, r.out[r.from:r.at])
		r.size += uint32(r.at - r.from)
	}
}

// step goes on with whatever comes next.
func (r *Reader) step() error {
	switch r.state {
	case atMember:
		return r.header()
	case atBlock:
		return r.blockHeader()
	case inStored:
		return r.stored()
	case inBlock:
		return r.block()
	}
	return r.trailer()
}

// overrun reports whether more was taken than the input has.
func (r *Reader) overrun() bool {
	return r.eof && r.pos*8-int(r.bits) > r.realEnd*8
}

// fill reads input until there is enough for some steps, or no more.
func (r *Reader) fill() error {
	if r.eof || r.end-r.pos >= padding {
		return nil
	}
	copy(r.in[:], r.in[r.pos:r.end])
	r.pos, r.end = 0, r.end-r.pos
	for r.end < padding {
		n, err := r.src.Read(r.in[r.end:inputSize])
		r.end += n
		if err == io.EOF {
			r.eof, r.realEnd = true, r.end
			clear(r.in[r.end : r.end+padding])
			r.end += padding
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// need sees to it that at least n bits, at most 56, are in hold.
func (r *Reader) need(n uint) error {
	if r.bits >= n {
		return nil
	}
	if err := r.fill(); err != nil {
		return err
	}
	for r.bits < n {
		if r.pos >= r.end {
			return io.ErrUnexpectedEOF
		}
		r.hold |= uint64(r.in[r.pos]) << r.bits
		r.pos++
		r.bits += 8
	}
	return nil
}

// take returns the next n bits, at most 32.
func (r *Reader) take(n uint) (uint32, error) {
	if err := r.need(n); err != nil {
		return 0, err
	}
	v := uint32(r.hold & (1<<n - 1))
	r.drop(n)
	return v, nil
}

func (r *Reader) drop(n uint) {
	r.hold >>= n
	r.bits -= n
}

// align passes over what is left of a byte, and forgets what hold has beyond
// the bits that count.
func (r *Reader) align() {
	r.drop(r.bits & 7)
	r.hold &= 1<<r.bits - 1
}

// header reads a member's header; at the input's end it returns io.EOF.
func (r *Reader) header() error {
	if err := r.need(8); err != nil {
		return err
	}
	if r.begun && r.overrunBy(8) {
		return io.EOF
	}
	r.begun = true
	h := headerReader{r: r}
	var fixed [10]byte
	for i := range fixed {
		fixed[i] = h.byte()
	}
	if h.err == nil && (fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8) {
		return ErrCorrupt
	}
	flags := fixed[3]
	if flags&4 != 0 { // extra
		for n := uint(h.byte()) | uint(h.byte())<<8; n > 0 && h.err == nil; n-- {
			h.byte()
		}
	}
	for _, flag := range []byte{8, 16} { // name, comment
		for n := 0; flags&flag != 0 && h.byte() != 0 && h.err == nil; n++ {
			if n == maxName {
				return ErrCorrupt
			}
		}
	}
	if sum := uint16(h.crc); flags&2 != 0 && h.err == nil { // the header's own checksum
		if got := uint16(h.byte()) | uint16(h.byte())<<8; h.err == nil && got != sum {
			return ErrCorrupt
		}
	}
	if flags>>5 != 0 && h.err == nil { // reserved
		return ErrCorrupt
	}
	r.crc, r.size, r.state, r.start = 0, 0, atBlock, r.at
	return h.err
}

// maxName is the longest name or comment, in bytes: the library's bound.
const maxName = 511

// A headerReader reads the bytes of a header, and sums them up.
type headerReader struct {
	r   *Reader
	crc uint32
	err error
}

func (h *headerReader) byte() byte {
	if h.err != nil {
		return 0
	}
	v, err := h.r.take(8)
	if h.err = err; err == nil && h.r.overrun() {
		h.err = io.ErrUnexpectedEOF
	}
	h.crc = crc32.Update(h.crc, crc32.IEEETable, []byte{byte(v)})
	return byte(v)
}

// overrunBy reports whether taking n more bits would be an overrun.
func (r *Reader) overrunBy(n int) bool { return r.eof && r.pos*8-int(r.bits)+n > r.realEnd*8 }

func (r *Reader) bytes(p []byte) error {
	for i := range p {
		c, err := r.take(8)
		if err != nil {
			return err
		}
		p[i] = byte(c)
	}
	return nil
}

// trailer compares a member's checksum and size.
func (r *Reader) trailer() error {
	r.sum()
	r.align()
	var t [8]byte
	if err := r.bytes(t[:]); err != nil {
		return err
	}
	if r.overrun() {
		return io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(t[:]) != r.crc || binary.LittleEndian.Uint32(t[4:]) != r.size {
		return ErrCorrupt
	}
	r.state = atMember
	return nil
}

// blockHeader reads the three bits that a block begins with, and its codes.
func (r *Reader) blockHeader() error {
	if r.final {
		r.final, r.state = false, atTrailer
		return nil
	}
	b, err := r.take(3)
	if err != nil {
		return err
	}
	r.final = b&1 != 0
	switch b >> 1 {
	case 0:
		r.align()
		n, err := r.take(32)
		if err != nil {
			return err
		}
		if uint16(n) != ^uint16(n>>16) {
			return ErrCorrupt
		}
		r.left, r.state = int(uint16(n)), inStored
		return nil
	case 1:
		r.state = inBlock
		return r.code.fixed()
	case 2:
		r.state = inBlock
		return r.dynamic()
	}
	return ErrCorrupt
}

// stored copies of a stored block what fits.
func (r *Reader) stored() error {
	if r.left == 0 {
		r.state = atBlock
		return nil
	}
	if r.bits > 0 { // whole bytes, since the block is aligned
		r.out[r.at] = byte(r.hold)
		r.drop(8)
		r.at++
		r.left--
		return nil
	}
	r.hold = 0
	if err := r.fill(); err != nil {
		return err
	}
	end := r.end
	if r.eof {
		end = r.realEnd
	}
	n := copy(r.out[r.at:min(history+chunkSize+slack, r.at+r.left)], r.in[min(r.pos, end):end])
	if n == 0 {
		return io.ErrUnexpectedEOF
	}
	r.pos += n
	r.at += n
	r.left -= n
	return nil
}
