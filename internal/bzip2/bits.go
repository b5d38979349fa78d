package bzip2

import "encoding/binary"

// bitWriter appends bits to a byte slice, the most significant bit first. Less than 32 bits are pending in acc.
type bitWriter struct {
	buf []byte
	acc uint64
	n   uint
}

func (w *bitWriter) reset(buf []byte) { *w = bitWriter{buf: buf} }

// put appends the low n bits of v, which has no other; n is at most 32.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc = w.acc<<n | v
	w.n += n
	if w.n >= 32 {
		w.n -= 32
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(w.acc>>w.n))
	}
}

func (w *bitWriter) put48(v uint64) {
	w.put(v>>24, 24)
	w.put(v&(1<<24-1), 24)
}

// settle moves whole pending bytes to the buffer; less than 8 bits stay pending.
func (w *bitWriter) settle() {
	for w.n >= 8 {
		w.n -= 8
		w.buf = append(w.buf, byte(w.acc>>w.n))
	}
}

// flush pads the last byte with zero bits and returns how many bits are not padding.
func (w *bitWriter) flush() int {
	w.settle()
	total := len(w.buf)*8 + int(w.n)
	if w.n > 0 {
		w.buf = append(w.buf, byte(w.acc<<(8-w.n)))
		w.n = 0
	}
	return total
}

// appendBits appends the first n bits of src: the whole cost of moving a block to another bit offset.
func (w *bitWriter) appendBits(src []byte, n int) {
	w.settle()
	k := w.n // 0..7 bits stand before each byte of src
	out := w.buf
	carry := w.acc << (64 - k) // a shift by 64 gives 0
	i := 0
	for ; i+8 <= n>>3; i += 8 {
		v := binary.BigEndian.Uint64(src[i:])
		out = binary.BigEndian.AppendUint64(out, carry|v>>k)
		carry = v << (64 - k)
	}
	w.buf, w.acc = out, carry>>(64-k)
	for ; i < n>>3; i++ {
		w.put(uint64(src[i]), 8)
	}
	if r := uint(n & 7); r > 0 {
		w.put(uint64(src[i]>>(8-r)), r)
	}
}

// bitsAt returns the n <= 57 bits at bit offset off of b; past its end they are zero.
func bitsAt(b []byte, off, n int) uint64 {
	i := off >> 3
	var v uint64
	if i+8 <= len(b) {
		v = binary.BigEndian.Uint64(b[i:])
	} else if i < len(b) {
		var t [8]byte
		copy(t[:], b[i:])
		v = binary.BigEndian.Uint64(t[:])
	}
	return v << (off & 7) >> (64 - n)
}
