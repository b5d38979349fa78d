package bzip2

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The symbols after move-to-front (MTF) and the second run-length code (RLE2).
const (
	runA = 0 // adds 1 << k to a run of rank 0 as its digit k
	runB = 1 // adds 2 << k
)

// appendMTF appends the symbols of b to s: the rank of each byte in a list where it then moves to the front, runs of
// rank 0 as bijective binary numbers of the digits runA and runB, and other ranks one higher. used says which bytes
// occur in b. The last symbol is the end of the block. It returns the number of symbols in the alphabet as well.
//
// Ranks 0 to 7 and 8 to 15 of the list are the bytes of two words, the lowest first, so that a search and a move are
// a few word operations without a branch; far holds the rest.
func appendMTF(s []uint16, used *[256]bool, b []byte) ([]uint16, int) {
	var list [256]uint8
	n := 0
	for c, u := range used {
		if u {
			list[n] = uint8(c)
			n++
		}
	}
	near0 := binary.LittleEndian.Uint64(list[:])
	near1 := binary.LittleEndian.Uint64(list[8:])
	far := list[16:]
	ns := len(s)
	s = s[:cap(s)]
	for i := 0; i < len(b); {
		c := b[i]
		if c == byte(near0) {
			n := equalPrefix(b[i:], c)
			i += n
			for n++; n != 1; n >>= 1 { // a 0 bit is runA, a 1 bit runB
				s[ns] = runA + uint16(n&1)
				ns++
			}
			continue
		}
		i++
		// A false hit of zeroBytes lies above the true one, and only the lowest is looked at. Bytes that the list
		// does not have in its unused places are 0, after all others.
		if z := zeroBytes(near0 ^ uint64(c)*lowBits); z != 0 {
			mask := z ^ (z - 1) // up to and including the byte found
			near0 = (near0<<8|uint64(c))&mask | near0&^mask
			s[ns] = uint16(bits.TrailingZeros64(z)>>3 + 1)
			ns++
			continue
		}
		carry := near0 >> 56
		near0 = near0<<8 | uint64(c)
		if z := zeroBytes(near1 ^ uint64(c)*lowBits); z != 0 {
			mask := z ^ (z - 1)
			near1 = (near1<<8|carry)&mask | near1&^mask
			s[ns] = uint16(bits.TrailingZeros64(z)>>3 + 9)
			ns++
			continue
		}
		k := bytes.IndexByte(far, c)
		copy(far[1:k+1], far[:k])
		far[0] = byte(near1 >> 56)
		near1 = near1<<8 | carry
		s[ns] = uint16(k + 17)
		ns++
	}
	s[ns] = uint16(n + 1)
	return s[:ns+1], n + 2
}

// equalPrefix returns how many bytes at the start of b equal c.
func equalPrefix(b []byte, c byte) int {
	i := 0
	for all := uint64(c) * lowBits; i+8 <= len(b); i += 8 {
		if x := binary.LittleEndian.Uint64(b[i:]) ^ all; x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < len(b) && b[i] == c {
		i++
	}
	return i
}
