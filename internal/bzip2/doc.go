// Package bzip2 writes, reads and joins bzip2 streams: Go alone, without cgo and unsafe, and faster than libbz2.
//
// # Use
//
// A Writer compresses what is written to it, as those of compress/gzip do; Reset makes it ready for the next stream
// without new memory. An Encoder compresses whole buffers into equal blocks, so that several cores share a single
// buffer evenly. A Reader decompresses one stream or several, on several goroutines if it is told to. A Joiner makes one
// stream out of many without decoding them. Scan lists the blocks of a stream and checks how they fit together.
//
// What is written depends on the input and the level alone: not on the number of goroutines, the sizes of calls of Write,
// the process, or the machine. None of the types is safe for concurrent use; different values are independent.
//
// Nothing here has to be closed for the sake of memory or goroutines, but a Writer or Joiner must be closed to be
// complete: without its footer a stream is truncated for every reader.
//
// # How it works
//
// The encoder takes these steps for each block of 900 000 bytes (at level 9); each is explained where it lives.
//
//	RLE1     runs of four to 255 bytes become five              rle1.go
//	BWT      the last column of the sorted rotations            bwt.go, rotation.go, naming.go, phrases.go, rankstring.go
//	MTF      ranks in a move-to-front list, runs of 0 counted   mtf.go
//	Huffman  up to six codes, one selected for each 50 symbols  tables.go, huffman.go
//
// Nearly all time goes into sorting the rotations, so that is where it differs from others: rotations are sorted as the
// suffixes of a Lyndon word, in linear time, and phrases that occur again and again, as in logs and events, are named
// by a hash table and sorted once.
//
// The decoder undoes the steps from the last to the first (huffdecode.go, blockdecoder.go, inverse.go, expand.go). It is
// bound by cache misses in the inverse BWT, so that takes two bytes a step, from both ends of the block at once.
// For several goroutines the data are cut wherever a block seems to begin (magic.go, cutter.go); a place that only seems
// so is found out when the block before it turns out to go on.
//
// Blocks are at bit offsets, and their CRCs fold to the stream's. So they can be moved from stream to stream by shifting
// bits, which is what a Joiner does.
//
// # Hostile input
//
// Data to be read may be anything. Whatever is wrong with them is a *FormatError that says where, never a panic; memory
// stays within what is said at each type, and time within a constant for each byte read and written. Data to be written
// cannot make the sorter slow: it is linear but for the sort of different phrases, whose comparisons are bounded by the
// length of the block, and the multipliers of its hash table are drawn at random for each Writer. (They decide only
// where in the table a phrase is kept.)
//
// # The fallback
//
// github.com/dsnet/compress/bzip2 stands behind the same types (CodecDsnet), to compare with and to fall back to.
package bzip2
