package inflate

import (
	"encoding/binary"
	"io"
)

// margin is how much input a round of block's loop may load, in bytes.
const margin = 40

// block inflates a block until it ends, the chunk is full, or there is no more
// input. A round of its loop takes up to three literal entries, or up to two
// and a match; hold has 56 bits or more whenever it was filled up, and a match
// takes 48 at most.
func (r *Reader) block() error {
	if err := r.fill(); err != nil {
		return err
	}
	if r.eof && r.pos >= r.realEnd+8 { // more than hold has is missing
		return io.ErrUnexpectedEOF
	}
	in, out := r.in, r.out
	pos, hold, bits, at := r.pos, r.hold, r.bits, r.at
	literals, distances := &r.code.literals, &r.code.distances
	last, limit := r.end-margin, history+chunkSize
	hold |= in.load(pos) << (bits & 63)
	pos += int((63 - bits) >> 3)
	bits |= 56
	e := literals[hold&(1<<literalBits-1)]
	var err error
	ended := false
	for {
		if int32(e) < 0 {
			out.put(at, uint16(e>>8))
			at += int(e >> 24 & 3)
			hold >>= e & takes
			bits -= uint(e & takes)
			if e = literals[hold&(1<<literalBits-1)]; int32(e) < 0 {
				out.put(at, uint16(e>>8))
				at += int(e >> 24 & 3)
				hold >>= e & takes
				bits -= uint(e & takes)
				if e = literals[hold&(1<<literalBits-1)]; int32(e) < 0 {
					out.put(at, uint16(e>>8))
					at += int(e >> 24 & 3)
					hold >>= e & takes
					bits -= uint(e & takes)
					if pos > last || at >= limit {
						break
					}
					hold |= in.load(pos) << (bits & 63)
					pos += int((63 - bits) >> 3)
					bits |= 56
					e = literals[hold&(1<<literalBits-1)]
					continue
				}
			}
			hold |= in.load(pos) << (bits & 63)
			pos += int((63 - bits) >> 3)
			bits |= 56
		}
		if e&isMatch == 0 {
			if e&isSubtable != 0 {
				hold >>= literalBits
				bits -= literalBits
				e = literals[(e>>16+uint32(hold)&(1<<(e>>8&15)-1))&(literalSize-1)]
				if int32(e) < 0 {
					out[at&outMask] = byte(e >> 8)
					at++
					hold >>= e & takes
					bits -= uint(e & takes)
					if pos > last || at >= limit {
						break
					}
					hold |= in.load(pos) << (bits & 63)
					pos += int((63 - bits) >> 3)
					bits |= 56
					e = literals[hold&(1<<literalBits-1)]
					continue
				}
			}
			if e&isMatch == 0 {
				if e&isEnd == 0 {
					err = ErrCorrupt
					break
				}
				hold >>= e & takes
				bits -= uint(e & takes)
				ended = true
				break
			}
		}
		length := int(e>>16&0x1ff) + int(hold&(1<<(e&takes)-1)>>(e>>8&15))
		hold >>= e & takes
		bits -= uint(e & takes)
		d := distances[hold&(1<<distanceBits-1)]
		if d&isMatch == 0 {
			if d&isSubtable != 0 {
				hold >>= distanceBits
				bits -= distanceBits
				d = distances[(d>>16+uint32(hold)&(1<<(d>>8&15)-1))&(distanceSize-1)]
			}
			if d&isMatch == 0 {
				err = ErrCorrupt
				break
			}
		}
		from := at - int(d>>16&0x7fff) - int(hold&(1<<(d&takes)-1)>>(d>>8&15))
		hold >>= d & takes
		bits -= uint(d & takes)
		if from < r.start {
			err = ErrCorrupt
			break
		}
		more := pos <= last
		if more { // look the next code up while the bytes are copied
			hold |= in.load(pos) << (bits & 63)
			pos += int((63 - bits) >> 3)
			bits |= 56
			e = literals[hold&(1<<literalBits-1)]
		}
		if at-from >= 16 {
			out.copy16(at, from)
			for n := 16; n < length; n += 16 {
				out.copy16(at+n, from+n)
			}
		} else {
			repeat(out[from:at+length+8], at-from)
		}
		at += length
		if !more || at >= limit {
			break
		}
	}
	r.pos, r.hold, r.bits, r.at = pos, hold, bits, at
	if ended {
		r.state = atBlock
	}
	return err
}

// load returns the 8 bytes at pos.
func (in *input) load(pos int) uint64 {
	pos &= inMask
	return binary.LittleEndian.Uint64(in[pos : pos+8])
}

// put writes two bytes.
func (w *window) put(at int, v uint16) {
	at &= outMask
	binary.LittleEndian.PutUint16(w[at:at+2], v)
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
