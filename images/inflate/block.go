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
	in, out := r.in[:r.end], r.out
	pos, hold, bits, at := r.pos, r.hold, r.bits, r.at
	literals, distances := &r.code.literals, &r.code.distances
	last, limit := len(in)-margin, history+chunkSize
	hold, pos, bits = load(in, pos, hold, bits)
	e := literals[hold&(1<<literalBits-1)]
	var err error
	ended := false
	for {
		if int32(e) < 0 {
			binary.LittleEndian.PutUint16(out[at:], uint16(e>>8))
			at += int(e >> 24 & 3)
			hold >>= e & takes
			bits -= uint(e & takes)
			if e = literals[hold&(1<<literalBits-1)]; int32(e) < 0 {
				binary.LittleEndian.PutUint16(out[at:], uint16(e>>8))
				at += int(e >> 24 & 3)
				hold >>= e & takes
				bits -= uint(e & takes)
				if e = literals[hold&(1<<literalBits-1)]; int32(e) < 0 {
					binary.LittleEndian.PutUint16(out[at:], uint16(e>>8))
					at += int(e >> 24 & 3)
					hold >>= e & takes
					bits -= uint(e & takes)
					if pos > last || at >= limit {
						break
					}
					hold |= binary.LittleEndian.Uint64(in[pos:]) << (bits & 63)
					pos += int((63 - bits) >> 3)
					bits |= 56
					e = literals[hold&(1<<literalBits-1)]
					continue
				}
			}
			hold |= binary.LittleEndian.Uint64(in[pos:]) << (bits & 63)
			pos += int((63 - bits) >> 3)
			bits |= 56
		}
		if e&isMatch == 0 {
			if e&isSubtable != 0 {
				hold >>= literalBits
				bits -= literalBits
				e = literals[(e>>16+uint32(hold)&(1<<(e>>8&15)-1))&(literalSize-1)]
				if int32(e) < 0 {
					out[at] = byte(e >> 8)
					at++
					hold >>= e & takes
					bits -= uint(e & takes)
					if pos > last || at >= limit {
						break
					}
					hold |= binary.LittleEndian.Uint64(in[pos:]) << (bits & 63)
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
		length := int(e>>16&0x1ff) + int(hold>>(e>>8&15)&(1<<(e&takes-e>>8&15)-1))
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
		from := at - int(d>>16&0x7fff) - int(hold>>(d>>8&15)&(1<<(d&takes-d>>8&15)-1))
		hold >>= d & takes
		bits -= uint(d & takes)
		if from < r.start {
			err = ErrCorrupt
			break
		}
		more := pos <= last
		if more { // look the next code up while the bytes are copied
			hold |= binary.LittleEndian.Uint64(in[pos:]) << (bits & 63)
			pos += int((63 - bits) >> 3)
			bits |= 56
			e = literals[hold&(1<<literalBits-1)]
		}
		if at-from >= 16 {
			*(*[16]byte)(out[at:]) = *(*[16]byte)(out[from:])
			for n := 16; n < length; n += 16 {
				*(*[16]byte)(out[at+n:]) = *(*[16]byte)(out[from+n:])
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

// load fills hold up to 56 bits or more.
func load(in []byte, pos int, hold uint64, bits uint) (uint64, int, uint) {
	hold |= binary.LittleEndian.Uint64(in[pos:]) << (bits & 63)
	return hold, pos + int((63-bits)>>3), bits | 56
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
