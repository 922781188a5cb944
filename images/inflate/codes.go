package inflate

import "math/bits"

// A table is looked up by the next bits of the input. An entry says what they
// mean, and how many of them that takes:
//
//	literal   bit 31, bits 24–25 how many bytes (1 or 2), bits 8–23 the bytes
//	match     bit 15, bits 16–30 the base of its length or distance,
//	          bits 8–11 the bits of the code alone
//	subtable  bit 7, bits 16–27 where it begins, bits 8–11 its bits
//	end       bit 6
//	no code   0
//
// bits 0–5 are the bits that it takes, with those that follow a match's code.
type entry = uint32

const (
	isLiteral  entry = 1 << 31
	isSubtable entry = 1 << 7
	isEnd      entry = 1 << 6
	isMatch    entry = 1 << 15 // of no other entry but a literal

	takes = 63 // mask
)

const (
	literalBits  = 11 // of the first table
	distanceBits = 9
	maxCode      = 15

	literalSize  = 4096 // powers of two that hold the table and its subtables
	distanceSize = 1024
)

// codes are the codes of a block (RFC 1951, 3.2).
type codes struct {
	literals  [literalSize]entry
	distances [distanceSize]entry
	isFixed   bool
	lengths   [286 + 32]uint8 // of the codes, while they are read
	precode   [1 << precodeBits]entry
	sorted    [288]uint16 // symbols, while a table is made
}

var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
		131, 163, 195, 227, 258}
	lengthMore = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
		2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distMore = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12,
		13, 13}
)

// literalEntries and distanceEntries are the entries of the symbols of the two
// alphabets, without the bits of their codes.
var (
	literalEntries  = makeLiterals()
	distanceEntries = makeDistances()
	precodeEntries  = makePrecode()
)

func makeLiterals() (out [288]entry) {
	for i := range 256 {
		out[i] = isLiteral | 1<<24 | entry(i)<<8
	}
	out[256] = isEnd
	for i, base := range lengthBase {
		out[257+i] = isMatch | entry(base)<<16 | entry(lengthMore[i])
	}
	return out
}

func makeDistances() (out [30]entry) {
	for i, base := range distBase {
		out[i] = isMatch | entry(base)<<16 | entry(distMore[i])
	}
	return out
}

func makePrecode() (out [19]entry) {
	for i := range out {
		out[i] = isMatch | entry(i)<<16
	}
	return out
}

// build fills a table for a code that is given by its symbols' lengths. It
// reports whether they make a complete code; one of a single symbol of one bit
// and one without symbols pass too, as they do with zlib.
func (c *codes) build(table []entry, primary uint, lengths []uint8, symbols []entry) bool {
	var count, next [maxCode + 1]uint16
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	left, used := 1, uint16(0)
	for l := 1; l <= maxCode; l++ {
		if left = left<<1 - int(count[l]); left < 0 {
			return false
		}
		next[l] = used
		used += count[l]
	}
	if used == 0 {
		clear(table[:1<<primary])
		return true
	}
	if left > 0 && (used != 1 || count[1] != 1) {
		return false
	}
	for symbol, l := range lengths {
		if l > 0 {
			c.sorted[next[l]] = uint16(symbol)
			next[l]++
		}
	}
	c.fill(table, primary, c.sorted[:used], lengths, symbols, &count)
	return true
}

// fill makes the entries of a table, and its subtables behind them: symbols in
// the order of their codes.
func (c *codes) fill(table []entry, primary uint, sorted []uint16, lengths []uint8, symbols []entry,
	count *[maxCode + 1]uint16) {
	code, before := uint(0), uint(lengths[sorted[0]]) // canonical code, and its length
	end, prefix := uint(1)<<primary, uint(1)<<16      // of the tables so far; of the last subtable
	var start, size uint
	filled := min(before, primary) // the bits for which the table has entries
	clear(table[:1<<filled])
	for _, symbol := range sorted {
		l := uint(lengths[symbol])
		filled = widen(table, filled, min(l, primary))
		code <<= l - before
		before = l
		low := uint(bits.Reverse16(uint16(code))) >> (16 - l)
		code++
		e := symbols[symbol]
		if l <= primary {
			table[low] = coded(e, l)
			count[l]--
			continue
		}
		if low&(1<<primary-1) != prefix {
			prefix, start = low&(1<<primary-1), end
			size = l - primary
			for room := 1<<size - int(count[l]); room > 0 && size+primary < maxCode; {
				size++
				room = room<<1 - int(count[size+primary])
			}
			end += 1 << size
			table[prefix] = isSubtable | entry(start)<<16 | entry(size)<<8 | entry(primary)
			clear(table[start:end])
		}
		count[l]--
		e = coded(e, l)
		for i := low >> primary; i < 1<<size; i += 1 << (l - primary) {
			table[start+i] = e
		}
	}
	widen(table, filled, primary)
}

// widen makes a table for more bits, which mean nothing so far.
func widen(table []entry, from, to uint) uint {
	for ; from < to; from++ {
		copy(table[1<<from:2<<from], table[:1<<from])
	}
	return to
}

// coded is a symbol's entry with the bits of its code.
func coded(e entry, bits uint) entry {
	if e&isLiteral == 0 && e&isMatch != 0 {
		e += entry(bits) << 8
	}
	return e + entry(bits)
}

// pair puts two literals into one entry, where the bits of both fit. lengths are
// those of the literals' codes.
func (c *codes) pair(lengths []uint8) {
	shortest := entry(maxCode)
	for _, l := range lengths[:256] {
		if l > 0 && entry(l) < shortest {
			shortest = entry(l)
		}
	}
	if 2*shortest > literalBits {
		return
	}
	for i := 1<<literalBits - 1; i >= 0; i-- {
		e := c.literals[i]
		n := e & takes
		f := c.literals[i>>n] // of what follows: its index is lower, so it is still single
		both := n + f&takes
		pair := isLiteral | 2<<24 | f&0xff00<<8 | e&0xff00 | both
		fits := entry(int32(e&f&(both-literalBits-1)) >> 31) // all ones or none: two literals, and no more bits
		c.literals[i] = e&^fits | pair&fits
	}
}

// fixed makes the codes of a block without its own.
func (c *codes) fixed() error {
	if c.isFixed {
		return nil
	}
	l := c.lengths[:288]
	for i := range l {
		switch {
		case i < 144 || i >= 280:
			l[i] = 8
		case i < 256:
			l[i] = 9
		default:
			l[i] = 7
		}
	}
	if !c.build(c.literals[:], literalBits, l, literalEntries[:]) {
		return ErrCorrupt
	}
	c.pair(l)
	for i := range 1 << distanceBits { // 5 bits each; of the 32, two mean nothing
		c.distances[i] = 0
		if symbol := int(bits.Reverse8(uint8(i&31)) >> 3); symbol < len(distBase) {
			c.distances[i] = distanceEntries[symbol] + 5 | 5<<8
		}
	}
	c.isFixed = true
	return nil
}

// precodeOrder is the order in which the lengths of the precode's codes come.
var precodeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

const precodeBits = 7

// dynamic reads the codes of a block (RFC 1951, 3.2.7).
func (r *Reader) dynamic() error {
	c := &r.code
	c.isFixed = false
	head, err := r.take(14)
	if err != nil {
		return err
	}
	literals, distances, n := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if literals > 286 || distances > 30 {
		return ErrCorrupt
	}
	var pre [19]uint8
	for i := range n {
		l, err := r.take(3)
		if err != nil {
			return err
		}
		pre[precodeOrder[i]] = uint8(l)
	}
	if !c.build(c.precode[:], precodeBits, pre[:], precodeEntries[:]) {
		return ErrCorrupt
	}
	if err := r.lengths(c.lengths[:literals+distances]); err != nil {
		return err
	}
	if !c.build(c.literals[:], literalBits, c.lengths[:literals], literalEntries[:]) ||
		!c.build(c.distances[:], distanceBits, c.lengths[literals:literals+distances], distanceEntries[:]) {
		return ErrCorrupt
	}
	c.pair(c.lengths[:literals])
	return nil
}

// lengths reads the lengths of a block's codes, which are coded themselves.
func (r *Reader) lengths(out []uint8) error {
	for i := 0; i < len(out); {
		if err := r.need(precodeBits + 7); err != nil {
			return err
		}
		e := r.code.precode[r.hold&(1<<precodeBits-1)]
		if e == 0 || r.overrun() {
			return ErrCorrupt
		}
		r.drop(uint(e & takes))
		symbol := e >> 16 & 31
		if symbol < 16 {
			out[i] = uint8(symbol)
			i++
			continue
		}
		var value uint8
		var times uint
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value, times = out[i-1], 3+uint(r.hold&3)
			r.drop(2)
		case 17:
			times = 3 + uint(r.hold&7)
			r.drop(3)
		case 18:
			times = 11 + uint(r.hold&127)
			r.drop(7)
		}
		if i+int(times) > len(out) {
			return ErrCorrupt
		}
		for range times {
			out[i] = value
			i++
		}
	}
	return nil
}
