package bzip2

import "encoding/binary"

// crcPoly is the generator of CRC-32 with the most significant bit first; hash/crc32 has the reflected form only.
const crcPoly = 0x04c11db7

// crcTable[k][b] is the CRC of byte b followed by k zero bytes ("slicing by eight"): eight bytes cost eight
// independent look-ups in place of a chain of eight.
var crcTable = makeCRCTable()

func makeCRCTable() (t [8][256]uint32) {
	for i := range 256 {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ crcPoly
			} else {
				c <<= 1
			}
		}
		t[0][i] = c
	}
	for i := range 256 {
		c := t[0][i]
		for k := 1; k < 8; k++ {
			c = t[0][c>>24] ^ c<<8
			t[k][i] = c
		}
	}
	return t
}

// updateCRC continues the CRC register c, which starts as ^0 and is inverted at the end, with b.
func updateCRC(c uint32, b []byte) uint32 {
	for len(b) >= 8 {
		c ^= binary.BigEndian.Uint32(b)
		c = crcTable[7][c>>24] ^ crcTable[6][c>>16&255] ^ crcTable[5][c>>8&255] ^ crcTable[4][c&255] ^
			crcTable[3][b[4]] ^ crcTable[2][b[5]] ^ crcTable[1][b[6]] ^ crcTable[0][b[7]]
		b = b[8:]
	}
	for _, x := range b {
		c = c<<8 ^ crcTable[0][byte(c>>24)^x]
	}
	return c
}
