package bzip2

import "encoding/binary"

// bitReader reads the bits of a byte slice, the most significant bit of a byte first. Past the end it reads zeros;
// the caller compares consumed with the number of bits that there are.
type bitReader struct {
	b   []byte
	acc uint64 // the next n bits at the top; what is below them is either zero or what comes next
	n   uint
	pos int // next byte to take
}

func (r *bitReader) init(b []byte, off int) {
	*r = bitReader{b: b, pos: off >> 3}
	r.refill()
	r.acc <<= off & 7
	r.n -= uint(off & 7)
}

// refill makes at least 56 bits available.
func (r *bitReader) refill() {
	if r.pos+8 <= len(r.b) {
		r.acc |= binary.BigEndian.Uint64(r.b[r.pos:]) >> r.n
		r.pos += int(63-r.n) >> 3
		r.n |= 56
		return
	}
	for r.n <= 56 {
		if r.pos < len(r.b) {
			r.acc |= uint64(r.b[r.pos]) << (56 - r.n)
		}
		r.pos++
		r.n += 8
	}
}

// take returns the next n <= 32 bits.
func (r *bitReader) take(n uint) uint64 {
	if r.n < n {
		r.refill()
	}
	v := r.acc >> (64 - n)
	r.acc <<= n
	r.n -= n
	return v
}

// consumed returns the number of bits taken, from the start of the slice on.
func (r *bitReader) consumed() int { return r.pos*8 - int(r.n) }
