package hour

import "math/bits"

// wide is an unsigned number of 448 bits, the lowest word first: enough for 129 decimal digits. It is what sequence
// numbers are computed in, because math/big allocates for each of them.
type wide [7]uint64

const pow19 = 10_000_000_000_000_000_000 // the largest power of ten in a word

// parseDecimal reads digits; ok is false when there are none, too many, or others than digits among them.
func (w *wide) parseDecimal(s []byte) (ok bool) {
	if len(s) == 0 || len(s) > MaxSequenceDigits {
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

// parseHex reads hex digits of both cases; ok is false when there are none, more than 112, or others among them.
func (w *wide) parseHex(s string) (ok bool) {
	if s == "" || len(s) > 16*len(w) {
		return false
	}
	*w = wide{}
	for i := range len(s) {
		var d byte
		switch c := s[len(s)-1-i]; {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c >= 'a' && c <= 'f':
			d = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			d = c - 'A' + 10
		default:
			return false
		}
		w[i/16] |= uint64(d) << (i % 16 * 4)
	}
	return true
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

func (w *wide) isZero() bool { return *w == wide{} }

// appendHex appends the number in hex digits, without leading zeros.
func (w *wide) appendHex(b []byte) []byte {
	const digits = "0123456789abcdef"
	started := false
	for i := len(w)*16 - 1; i >= 0; i-- {
		d := w[i/16] >> (i % 16 * 4) & 15
		if started = started || d != 0 || i == 0; started {
			b = append(b, digits[d])
		}
	}
	return b
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
