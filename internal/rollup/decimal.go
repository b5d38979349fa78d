package rollup

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// Limits of the numbers that are summed; sums themselves have none.
const (
	maxPlaces = 18 // digits after the point
	maxDigits = 36 // digits before the point
)

// decimal is value/10^places, exactly; big holds the value where small cannot.
type decimal struct {
	places int
	small  int64
	big    *big.Int
}

// powers holds the powers of ten; it is read only.
var powers = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// parseDecimal reads a JSON number. ok is false when it is out of range.
func parseDecimal(raw []byte) (d decimal, ok bool) {
	negative, exponent := false, 0
	var mantissa uint64
	n, first, last := 0, -1, -1 // digits read; the first and last other than 0
	point := -1
	i := 0
	if raw[0] == '-' {
		negative, i = true, 1
	}
	for ; i < len(raw); i++ {
		c := raw[i]
		if c == '.' {
			point = n
			continue
		}
		if c|0x20 == 'e' {
			exponent = parseExponent(raw[i+1:])
			break
		}
		if c != '0' {
			if first < 0 {
				first = n
			}
			last = n
		}
		n++
	}
	if first < 0 {
		return decimal{}, true
	}
	if point < 0 {
		point = n
	}
	// The digits first..last are the significant ones; the last of them
	// stands at 10^lowest.
	lowest := point - 1 - last + exponent
	if lowest < -maxPlaces || point-first+exponent > maxDigits {
		return decimal{}, false
	}
	d.places = max(0, -lowest)
	if last-first+max(0, lowest) < 18 {
		for k, j := 0, 0; k <= last; j++ {
			if c := raw[j]; c >= '0' && c <= '9' {
				mantissa = mantissa*10 + uint64(c-'0')
				k++
			}
		}
		d.small = int64(mantissa) * powers[max(0, lowest)]
		if negative {
			d.small = -d.small
		}
		return d, true
	}
	digits := make([]byte, 0, maxDigits+maxPlaces+1)
	for k, j := 0, 0; k <= last; j++ {
		if c := raw[j]; c >= '0' && c <= '9' {
			if k >= first {
				digits = append(digits, c)
			}
			k++
		}
	}
	for range max(0, lowest) {
		digits = append(digits, '0')
	}
	d.big, _ = new(big.Int).SetString(string(digits), 10)
	if negative {
		d.big.Neg(d.big)
	}
	d.shrink()
	return d, true
}

// parseExponent reads the digits after e and stays within a range where
// arithmetic is safe.
func parseExponent(b []byte) int {
	const far = 1 << 40 // longer than any line
	negative := b[0] == '-'
	if negative || b[0] == '+' {
		b = b[1:]
	}
	e := 0
	for _, c := range b {
		e = min(e*10+int(c-'0'), far)
	}
	if negative {
		return -e
	}
	return e
}

// maxSumSize is the longest sum that readSum takes: more than 2^63 numbers of
// the greatest size need.
const maxSumSize = 128

// readSum reads a number as append writes it.
func readSum(raw []byte) (d decimal, ok bool) {
	digits := make([]byte, 0, 24)
	point := -1
	for i, c := range raw {
		switch {
		case c == '.' && point < 0 && i > 0 && i < len(raw)-1:
			point = len(digits)
			continue
		case c == '-' && i == 0 && len(raw) > 1:
		case c < '0' || c > '9':
			return decimal{}, false
		}
		digits = append(digits, c)
	}
	if point >= 0 {
		d.places = len(digits) - point
	}
	if len(raw) == 0 || len(raw) > maxSumSize || d.places > maxPlaces {
		return decimal{}, false
	}
	if len(digits) <= 18 {
		d.small, _ = strconv.ParseInt(string(digits), 10, 64)
		return d, true
	}
	d.big, ok = new(big.Int).SetString(string(digits), 10)
	if ok {
		d.shrink()
	}
	return d, ok
}

// add adds e to d. The result depends on the numbers only, not on their order,
// once it is written.
func (d *decimal) add(e decimal) {
	if d.big == nil && e.big == nil && d.places == e.places {
		if sum := d.small + e.small; (sum > d.small) == (e.small > 0) {
			d.small = sum
			return
		}
	}
	if d.places < e.places {
		d.scale(e.places)
	} else {
		e.scale(d.places)
	}
	if d.big == nil && e.big == nil {
		if sum := d.small + e.small; (sum > d.small) == (e.small > 0) {
			d.small = sum
			return
		}
	}
	d.big = new(big.Int).Add(d.integer(), e.integer())
	d.shrink()
}

// scale raises the places without changing the value.
func (d *decimal) scale(places int) {
	by := powers[places-d.places]
	d.places = places
	if d.big == nil {
		magnitude := uint64(d.small)
		if d.small < 0 {
			magnitude = -magnitude
		}
		if hi, lo := bits.Mul64(magnitude, uint64(by)); hi == 0 && lo <= math.MaxInt64 {
			d.small *= by
			return
		}
	}
	d.big = new(big.Int).Mul(d.integer(), big.NewInt(by))
}

func (d *decimal) integer() *big.Int {
	if d.big != nil {
		return d.big
	}
	return big.NewInt(d.small)
}

func (d *decimal) shrink() {
	if d.big.IsInt64() {
		d.small, d.big = d.big.Int64(), nil
	}
}

// append writes d as a JSON number: no exponent, no zeros at the end of a
// fraction, no minus before zero.
func (d *decimal) append(b []byte) []byte {
	var digits []byte
	negative := false
	if d.big != nil {
		negative = d.big.Sign() < 0
		digits = new(big.Int).Abs(d.big).Append(nil, 10)
	} else {
		if d.places == 0 {
			return strconv.AppendInt(b, d.small, 10)
		}
		magnitude := uint64(d.small)
		if negative = d.small < 0; negative {
			magnitude = -magnitude
		}
		digits = strconv.AppendUint(make([]byte, 0, 24), magnitude, 10)
	}
	places := d.places
	for places > 0 && digits[len(digits)-1] == '0' {
		if len(digits) == 1 { // all of it is zero
			return append(b, '0')
		}
		digits, places = digits[:len(digits)-1], places-1
	}
	if negative {
		b = append(b, '-')
	}
	if places == 0 {
		return append(b, digits...)
	}
	if len(digits) <= places {
		b = append(b, '0', '.')
		for range places - len(digits) {
			b = append(b, '0')
		}
		return append(b, digits...)
	}
	b = append(b, digits[:len(digits)-places]...)
	b = append(b, '.')
	return append(b, digits[len(digits)-places:]...)
}
