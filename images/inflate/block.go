package inflate

import (
	"encoding/binary"
	"io"
)

// margin is how much input a round of block's loop may load, in bytes.
const margin = 40

// block inflates a block until it ends, the chunk is full, or there is no more
// input. A round of its loop takes up to three literal entries, or up to two
// and a match. It begins with an entry and 56 bits or more: after three literals
// there are enough to look the next entry up, and a match, which takes 48 at
// most, comes after another filling.
func (r *Reader) block() error {
	if err := r.fill(); err != nil {
		return err
	}
	if r.eof && r.pos >= r.realEnd+8 { // more than hold has is missing
		return io.ErrUnexpectedEOF
	}
	in, out, code, at := r.in, r.out, &r.code, r.at
	last, limit := r.end-margin, history+chunkSize
	f := feed{r.hold, r.bits, r.pos}.filled(in)
	e := code.literal(f)
	var err error
	for f.pos <= last && at < limit { // so it is at first, after fill
		if int32(e) < 0 {
			at, f = out.put(at, e), f.past(e)
			if e = code.literal(f); int32(e) < 0 {
				at, f = out.put(at, e), f.past(e)
				if e = code.literal(f); int32(e) < 0 {
					at, f = out.put(at, e), f.past(e)
					e = code.literal(f)
					f = f.filled(in)
					continue
				}
			}
			f = f.filled(in)
		}
		if e&isSubtable != 0 {
			if e = code.longLiteral(f, e); int32(e) < 0 {
				continue
			}
		}
		if e&isMatch == 0 {
			f, err = r.noMatch(f, e)
			break
		}
		length := f.value(e)
		f = f.past(e)
		d := code.distance(f)
		if d&isSubtable != 0 {
			d = code.longDistance(f, d)
		}
		from := at - f.value(d)
		f = f.past(d)
		if d&isMatch == 0 || from < r.start {
			err = ErrCorrupt
			break
		}
		f = f.filled(in)
		e = code.literal(f) // looked up while the bytes are copied
		if at-from >= 16 && length <= 32 {
			out.copy16(at, from)
			out.copy16(at+16, from+16)
		} else {
			out.match(at, from, length)
		}
		at += length
	}
	r.hold, r.bits, r.pos, r.at = f.hold, f.bits, f.pos, at
	return err
}

// noMatch is what comes of an entry that is neither a literal nor a match.
func (r *Reader) noMatch(f feed, e entry) (feed, error) {
	if e&isEnd == 0 {
		return f, ErrCorrupt
	}
	r.state = atBlock
	return f.past(e), nil
}

// A feed is what block has of the input: the next bits, how many of them count,
// and where in the buffer it goes on.
type feed struct {
	hold uint64
	bits uint
	pos  int
}

// filled has 56 bits or more.
func (f feed) filled(in *input) feed {
	f.hold |= in.load(f.pos) << (f.bits & 63)
	f.pos += int((63 - f.bits) >> 3)
	f.bits |= 56
	return f
}

// past is behind the bits that an entry takes.
func (f feed) past(e entry) feed {
	f.hold >>= e & takes
	f.bits -= uint(e & takes)
	return f
}

// value is the length or the distance of a match's entry, with the bits that
// follow its code.
func (f feed) value(e entry) int {
	return int(e>>16&0x7fff) + int(f.hold&(1<<(e&takes)-1)>>(e>>8&15))
}

// literal and distance look up the entry of the next bits.
func (c *codes) literal(f feed) entry  { return c.literals[f.hold&(1<<literalBits-1)] }
func (c *codes) distance(f feed) entry { return c.distances[f.hold&(1<<distanceBits-1)] }

// longLiteral and longDistance look up what an entry's subtable has.
func (c *codes) longLiteral(f feed, e entry) entry {
	return c.literals[(e>>16+uint32(f.hold>>literalBits)&(1<<(e>>8&15)-1))&(literalSize-1)]
}

func (c *codes) longDistance(f feed, e entry) entry {
	return c.distances[(e>>16+uint32(f.hold>>distanceBits)&(1<<(e>>8&15)-1))&(distanceSize-1)]
}

// load returns the 8 bytes at pos.
func (in *input) load(pos int) uint64 {
	pos &= inMask
	return binary.LittleEndian.Uint64(in[pos : pos+8])
}

// put writes the one or two bytes of a literal's entry, and returns where what
// follows goes.
func (w *window) put(at int, e entry) int {
	i := at & outMask
	binary.LittleEndian.PutUint16(w[i:i+2], uint16(e>>8))
	return at + int(e>>24&3)
}

// match copies what a match refers to; some bytes behind it may be written too.
func (w *window) match(at, from, length int) {
	if at-from < 16 {
		repeat(w[from:at+length+8], at-from)
		return
	}
	w.copy16(at, from)
	for n := 16; n < length; n += 16 {
		w.copy16(at+n, from+n)
	}
}

// copy16 copies 16 bytes that do not overlap.
func (w *window) copy16(at, from int) {
	at &= outMask
	from &= outMask
	*(*[16]byte)(w[at : at+16]) = *(*[16]byte)(w[from : from+16])
}

// repeat fills p, all but its last 8 bytes, with what its first n bytes hold,
// over and over; n is less than 16. The last 8 may be written too.
func repeat(p []byte, n int) {
	end := len(p) - 8
	i := n
	for n < 8 && i < end { // until the period is long enough to be copied by eights
		p[i] = p[i-n]
		if i++; i == 2*n {
			n = i
		}
	}
	for ; i < end; i += 8 {
		*(*[8]byte)(p[i:]) = *(*[8]byte)(p[i-n:])
	}
}
