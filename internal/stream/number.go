package stream

import (
	"cmp"
	"fmt"
	"math/big"
	"math/bits"
	"strings"

	"penstock/internal/fault"
)

// place says where a record stands, in the fields that the service's own 56-digit sequence numbers are made of. From
// the highest digit on: when the shard was created, the shard, the index within it, when the record arrived. The
// service does not document it, and nobody outside this file relies on it.
type place struct {
	created int64  // Unix seconds at which the shard was created
	shard   uint32 // index of the shard
	index   uint64 // grows within the shard; begins with the milliseconds of its time, see nextIndex
	second  int64  // Unix seconds at which the number was given
}

const (
	sequenceDigits = 56
	indexTimeShift = 20 // an index is Unix milliseconds << indexTimeShift plus a count
	pow19          = 10_000_000_000_000_000_000
)

// sequence formats the place as a decimal number of 56 digits: hex 2, 9 digits created, 1 the shard's last, 16 index,
// 00, 9 second, 8 shard, 2.
func (p place) sequence() string {
	w0 := 2 | uint64(p.shard)<<4 | uint64(p.second)<<36
	w1 := uint64(p.second)>>28&0xff | p.index<<16
	w2 := p.index>>48 | uint64(p.shard&15)<<16 | uint64(p.created)&(1<<36-1)<<20 | 2<<56
	var low, middle uint64
	w2, w1, w0, low = divide(w2, w1, w0)
	_, _, w0, middle = divide(w2, w1, w0)
	var digits [sequenceDigits]byte
	decimal(digits[:18], w0)
	decimal(digits[18:37], middle)
	decimal(digits[37:], low)
	return string(digits[:])
}

// divide divides a number of three words by 10^19.
func divide(w2, w1, w0 uint64) (q2, q1, q0, rest uint64) {
	q2, rest = w2/pow19, w2%pow19
	q1, rest = bits.Div64(rest, w1, pow19)
	q0, rest = bits.Div64(rest, w0, pow19)
	return q2, q1, q0, rest
}

func decimal(to []byte, v uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = byte('0' + v%10)
		v /= 10
	}
}

// CompareSequences orders two decimal sequence numbers of one shard as numbers, whatever their lengths.
func CompareSequences(a, b string) int {
	if len(a) == len(b) {
		return strings.Compare(a, b)
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

const maxSequenceDigits = 129

func checkSequence(s string) error {
	if s == "" || len(s) > maxSequenceDigits || !isDecimal(s) {
		return &fault.BadInput{Detail: fmt.Sprintf("sequence number %.140q is not 1 to %d digits", s, maxSequenceDigits)}
	}
	return nil
}

func isDecimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// hashKey is a key of 128 bits; shards are ranges of them.
type hashKey struct{ high, low uint64 }

const maxHashDigits = 39

func maxHash() hashKey { return hashKey{^uint64(0), ^uint64(0)} }

func (h hashKey) compare(o hashKey) int {
	if c := cmp.Compare(h.high, o.high); c != 0 {
		return c
	}
	return cmp.Compare(h.low, o.low)
}

func (h hashKey) big() *big.Int {
	v := new(big.Int).SetUint64(h.high)
	return v.Or(v.Lsh(v, 64), new(big.Int).SetUint64(h.low))
}

func (h hashKey) String() string { return h.big().String() }

func (h hashKey) next() hashKey {
	low, carry := bits.Add64(h.low, 1, 0)
	return hashKey{h.high + carry, low}
}

func (h hashKey) previous() hashKey {
	low, borrow := bits.Sub64(h.low, 1, 0)
	return hashKey{h.high - borrow, low}
}

func hashOf(v *big.Int) hashKey {
	low := new(big.Int).And(v, new(big.Int).SetUint64(^uint64(0)))
	return hashKey{new(big.Int).Rsh(v, 64).Uint64(), low.Uint64()}
}

func parseHash(s string) (hashKey, error) {
	if s == "" || len(s) > maxHashDigits || !isDecimal(s) {
		return hashKey{}, &fault.BadInput{Detail: fmt.Sprintf("hash key %.50q is not a decimal number of 128 bits", s)}
	}
	v, _ := new(big.Int).SetString(s, 10)
	if v.BitLen() > 128 {
		return hashKey{}, &fault.BadInput{Detail: fmt.Sprintf("hash key %s has more than 128 bits", s)}
	}
	return hashOf(v), nil
}

// mix is a fixed, well spread function of its inputs (splitmix64's finisher); it stands in for a random source, so
// that nothing but the inputs has to be kept in a snapshot.
func mix(seed uint64, values ...uint64) uint64 {
	for _, v := range values {
		seed = (seed ^ v) + 0x9e3779b97f4a7c15
		seed = (seed ^ seed>>30) * 0xbf58476d1ce4e5b9
		seed = (seed ^ seed>>27) * 0x94d049bb133111eb
		seed ^= seed >> 31
	}
	return seed
}
