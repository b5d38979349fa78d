package hour

import "math/bits"

// wide is an unsigned number of 448 bits, the lowest word first: enough for 129 decimal digits. It is what sequence
// numbers are computed in, because math/big allocates for each of them.
type wide [7]uint64

// maxWideDigits is how many decimal digits always fit: 10^134 is less than 2^448.
const maxWideDigits = 134

const pow19 = 10_000_000_000_000_000_000 // the largest power of ten in a word

// parseDecimal reads digits; ok is false when there are none, too many, or others than digits among them.
func (w *wide) parseDecimal(s []byte) (ok bool) {
	if len(s) == 0 || len(s) > maxWideDigits {
		return false
	}
	*w = wide{}
	for len(s) > 0 {
		n := (len(s)-1)%19 + 1
		var v, scale uint64 = 0, 1
		for _, c := range s[:n] {
			if c < '0' || c > '9' {
				return false
			}
			v = v*10 + uint64(c-'0')
			scale *= 10
		}
		w.mulAdd(scale, v)
		s = s[n:]
	}
	return true
}

// mulAdd sets w to w*m + a.
func (w *wide) mulAdd(m, a uint64) {
	carry := a
	for i := range w {
		hi, lo := bits.Mul64(w[i], m)
		lo, c := bits.Add64(lo, carry, 0)
		w[i], carry = lo, hi+c
	}
}

// add sets w to w + v and says whether it fits.
func (w *wide) add(v *wide) (ok bool) {
	var c uint64
	for i := range w {
		w[i], c = bits.Add64(w[i], v[i], c)
	}
	return c == 0
}

// sub returns w - v and says whether v is at most w.
func (w *wide) sub(v *wide) (d wide, ok bool) {
	var c uint64
	for i := range w {
		d[i], c = bits.Sub64(w[i], v[i], c)
	}
	return d, c == 0
}

// div returns w / d, for d > 0.
func (w wide) div(d uint64) wide {
	var rest uint64
	for i := len(w) - 1; i >= 0; i-- {
		w[i], rest = bits.Div64(rest, w[i], d)
	}
	return w
}

// bitLen returns the number of bits without leading zeros.
func (w *wide) bitLen() int {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != 0 {
			return i*64 + bits.Len64(w[i])
		}
	}
	return 0
}

// bit returns the bit of value 2^i, 0 for a negative i.
func (w *wide) bit(i int) uint64 {
	if i < 0 {
		return 0
	}
	return w[i/64] >> (i % 64) & 1
}

// byte returns the byte of value 2^(8i).
func (w *wide) byte(i int) byte { return byte(w[i/8] >> (i % 8 * 8)) }

// setByte sets a byte that is zero.
func (w *wide) setByte(i int, b byte) { w[i/8] |= uint64(b) << (i % 8 * 8) }

// signed returns v * 2^shift in two's complement; add and sub compute with such, too, apart from what they report.
func signed(v int64, shift int) (w wide) {
	for i := range w {
		from := i*64 - shift // the lowest bit of v that lies in the word
		switch {
		case from <= -64:
		case from < 0:
			w[i] = uint64(v) << -from
		case from < 64:
			w[i] = uint64(v >> from)
		default:
			w[i] = uint64(v >> 63)
		}
	}
	return w
}

// less orders two's complement.
func (w *wide) less(v *wide) bool {
	d, _ := w.sub(v)
	return int64(d[len(d)-1]) < 0 // sequence numbers and times leave room: nothing overflows
}

// significant counts the bytes that are not zero in the absolute value of two's complement.
func (w wide) significant() (n int) {
	if int64(w[len(w)-1]) < 0 {
		var zero wide
		w, _ = zero.sub(&w)
	}
	for _, v := range w {
		for ; v != 0; v >>= 8 {
			if byte(v) != 0 {
				n++
			}
		}
	}
	return n
}

// zigzag turns two's complement into a number that is small when the absolute value is: 0, -1, 1, -2 to 0, 1, 2, 3.
func (w wide) zigzag() (z wide) {
	sign := uint64(int64(w[len(w)-1]) >> 63)
	var carry uint64
	for i := range w {
		z[i] = (w[i]<<1 | carry) ^ sign
		carry = w[i] >> 63
	}
	return z
}

// unzigzag undoes zigzag.
func (w wide) unzigzag() (z wide) {
	sign := -(w[0] & 1)
	for i := range w {
		var above uint64
		if i+1 < len(w) {
			above = w[i+1] << 63
		}
		z[i] = (w[i]>>1 | above) ^ sign
	}
	return z
}

// appendDecimal appends the number in decimal digits, without leading zeros.
func (w wide) appendDecimal(b []byte) []byte {
	var buf [140]byte // 448 bits are at most 135 digits
	at := len(buf)
	for n := len(w); ; {
		for n > 0 && w[n-1] == 0 {
			n--
		}
		var rest uint64
		for i := n - 1; i >= 0; i-- {
			w[i], rest = bits.Div64(rest, w[i], pow19)
		}
		last := w == wide{}
		for k := 0; k < 19 && (!last || rest != 0 || k == 0 && at == len(buf)); k++ {
			at--
			buf[at] = byte('0' + rest%10)
			rest /= 10
		}
		if last {
			return append(b, buf[at:]...)
		}
	}
}
