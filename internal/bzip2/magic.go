package bzip2

// A magic can begin at any bit. Wherever it does, four neighbouring pairs of bytes lie wholly inside it (bytes 1-2 to
// 4-5, counted from the one it begins in), so it is enough to look at every fourth pair: a bitmap of 65 536 bits tells
// whether a pair can be part of a magic, which is true of one pair in a thousand, and only then all 32 places are
// compared.

// probeStride is the distance between the pairs looked at.
const probeStride = 4

// magicPairs has bit p set if the byte pair p lies inside a block's or footer's magic at some bit offset.
var magicPairs = makeMagicPairs()

func makeMagicPairs() (t [1 << 16 / 64]uint64) {
	for _, magic := range []uint64{blockMagic, footerMagic} {
		for k := range 8 { // the magic begins k bits into byte 0
			w := magic << (16 - k) // bytes 0 to 7
			for i := 1; i <= probeStride; i++ {
				p := w >> (48 - 8*i) & 0xffff
				t[p/64] |= 1 << (p % 64)
			}
		}
	}
	return t
}

// nextPair returns the first i, i+4, i+8, ... before end at which a magic may be, or one that is not before end.
// b[end] must exist.
func nextPair(b []byte, i, end int) int {
	for ; i < end; i += probeStride {
		p := uint(b[i])<<8 | uint(b[i+1])
		if magicPairs[p/64]>>(p%64)&1 != 0 {
			return i
		}
	}
	return i
}

// magicsAround calls found with the bit offset of each magic that has the pair b[i], b[i+1] inside it, in their order.
func magicsAround(b []byte, i int, found func(off int, magic uint64) error) error {
	for off := max(i-probeStride, 0) * 8; off < i*8; off++ {
		if m := bitsAt(b, off, magicBits); m == blockMagic || m == footerMagic {
			if err := found(off, m); err != nil {
				return err
			}
		}
	}
	return nil
}
