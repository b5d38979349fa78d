package bzip2

import "math/bits"

// A bzip2 stream is a string of bits, the most significant bit of a byte first:
//
//	stream = "BZh" level block* footer, zero bits up to the next byte
//	block  = blockMagic(48) CRC(32) randomised(1) row(24) used bytes, tables, selectors, codes
//	footer = footerMagic(48) CRC(32)
//
// Blocks follow each other without padding. The stream's CRC is folded from the blocks', so that blocks can be moved
// from one stream to another without being decoded.
const (
	blockMagic  = 0x314159265359 // BCD of pi
	footerMagic = 0x177245385090 // BCD of its root

	magicBits       = 48
	headerBits      = 32
	footerBits      = magicBits + 32
	blockHeaderBits = magicBits + 32 + 1 + 24

	levelUnit  = 100_000 // bytes of a block at level 1, after the first run-length code
	blockSlack = 19      // libbz2 calls a block full this many bytes below its size; so do we, to cut where it cuts
	maxBlock   = 9 * levelUnit

	groupSize    = 50 // symbols that share a selected table
	maxTables    = 6
	maxSymbols   = 258 // 256 byte values less one, RUNA, RUNB and the end of the block
	maxCodeLen   = 20
	maxSelectors = 18_002 // of a 900 000-byte block: (900 000 + 1) / 50, rounded up, and libbz2's one to spare
)

// foldCRC adds a block's CRC to its stream's.
func foldCRC(stream, block uint32) uint32 { return bits.RotateLeft32(stream, 1) ^ block }

// limitOf returns how many bytes of RLE1 output make a block full at a level.
func limitOf(level int) int { return level*levelUnit - blockSlack }
