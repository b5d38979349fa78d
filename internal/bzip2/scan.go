package bzip2

import (
	"fmt"
	"io"
	"math/bits"
)

// StreamInfo describes one bzip2 stream.
type StreamInfo struct {
	Level  int    // 1 to 9, from the header
	Blocks int64  // number of blocks
	CRC    uint32 // of the stream, folded from the blocks'
	Bytes  int64  // length of the stream, compressed
	// Spurious is the bit offset of a pattern that looks like the start of a block but is part of one, or 0. Chance
	// makes one in 2^48 bits.
	Spurious int64
}

// Block describes one block of a stream, as its header does.
type Block struct {
	Offset     int64  // bits from the start of the stream
	CRC        uint32 // of the block's content
	Row        uint32 // of the content among its sorted rotations
	Randomised bool   // the block uses a feature that no encoder has used since 1997
}

// Scan reads one bzip2 stream up to the end of r without decoding it and calls visit, unless it is nil, for each block
// found, in order. It needs a quarter of a megabyte whatever the length of the stream.
//
// It checks the header, that a footer ends the data, and that the blocks' CRCs fold to the stream's. That finds missing,
// additional and exchanged blocks, but not a change inside of one: only decoding does. Errors are *FormatError
// (ErrFormat, ErrTruncated, ErrCorrupt, ErrTrailing, ErrRandomised), what visit returns, or what r returns.
// visit sees a StreamInfo.Spurious offset, too, since only the end tells it from a block.
func Scan(r io.Reader, visit func(Block) error) (StreamInfo, error) {
	s := scanner{visit: visit}
	return s.scan(r)
}

const (
	scanSize = 256 << 10 // bytes read at once

	// scanMargin bytes after a probed pair must be at hand: a block header that starts in the byte before it.
	scanMargin = 14

	// maxTracked is the number of blocks of which one can be recognised as spurious.
	maxTracked = 1 << 16
)

// scanner finds the blocks of a stream on its way from r to emit.
type scanner struct {
	visit func(Block) error
	emit  func(b []byte, n int) error // takes the n bits of the blocks in pieces, all but the last of whole bytes

	buf  []byte
	base int64 // bytes before buf
	info StreamInfo

	fold       uint32
	steps      []uint32 // by block: the fold after it ^ the fold before it
	offsets    []int64  // by block: its bit offset
	randomised []int64  // the first two blocks with the bit set
	end        int64    // bit offset of the true footer, or 0
	mismatch   int64    // bit offset of the last footer that does not match, or 0
}

func (s *scanner) scan(r io.Reader) (StreamInfo, error) {
	if s.buf == nil {
		s.buf = make([]byte, scanSize)
	}
	s.base, s.info = 0, StreamInfo{}
	s.fold, s.end, s.mismatch = 0, 0, 0
	s.steps, s.offsets, s.randomised = s.steps[:0], s.offsets[:0], s.randomised[:0]
	err := s.run(r)
	return s.info, err
}

func (s *scanner) run(r io.Reader) error {
	n, err := readFull(r, s.buf)
	if err != nil && err != io.EOF {
		return err
	}
	if s.info.Level, err = parseHeader(s.buf[:n]); err != nil {
		return err
	}
	const first = headerBits / 8
	i, emitted := first+1, first
	for {
		last := n < len(s.buf) // readFull stops short at the end only
		stop := n - scanMargin
		if last {
			stop = n - 1
		}
		for i = nextPair(s.buf, i, stop); i < stop; i = nextPair(s.buf, i+probeStride, stop) {
			if err := magicsAround(s.buf[:n], i, s.found); err != nil {
				return err
			}
		}
		if last {
			return s.finish(n, emitted)
		}
		// All magics that begin before keep are known, and the footer cannot begin before it unless it was found.
		keep := i - probeStride
		if s.end > 0 {
			if s.base+int64(keep) > (s.end+footerBits+7)/8 {
				return s.trailing()
			}
			keep = min(keep, int(s.end/8-s.base))
		}
		if keep > emitted {
			if err := s.pass(s.buf[emitted:keep], (keep-emitted)*8); err != nil {
				return err
			}
			emitted = keep
		} else {
			keep = emitted
		}
		m := copy(s.buf, s.buf[keep:n])
		s.base += int64(keep)
		i -= keep
		emitted -= keep
		k, err := readFull(r, s.buf[m:])
		if err != nil && err != io.EOF {
			return err
		}
		n = m + k
	}
}

// finish checks the end of the data, n bytes in the buffer, and passes on what is left.
func (s *scanner) finish(n, emitted int) error {
	s.info.Bytes = s.base + int64(n)
	bitLen := s.info.Bytes * 8
	switch {
	case s.end == 0 && s.mismatch > 0 && (s.mismatch+footerBits+7)/8 == s.info.Bytes:
		return formatError(ErrCorrupt, s.mismatch, "the CRCs of the blocks do not fold to the stream's")
	case s.end == 0:
		return formatError(ErrTruncated, bitLen, "no footer at the end")
	case (s.end+footerBits+7)/8 < s.info.Bytes:
		return s.trailing()
	case s.end+footerBits > bitLen:
		return formatError(ErrTruncated, bitLen, "the footer is cut")
	}
	if pad := uint(bitLen - s.end - footerBits); s.buf[n-1]&(1<<pad-1) != 0 {
		return formatError(ErrCorrupt, s.end+footerBits, "padding is not zero")
	}
	for _, b := range s.randomised {
		if b != s.info.Spurious {
			return formatError(ErrRandomised, b, "block with the randomised bit")
		}
	}
	return s.pass(s.buf[emitted:n], int(s.end-(s.base+int64(emitted))*8))
}

func (s *scanner) trailing() error {
	return formatError(ErrTrailing, (s.end+footerBits+7)/8*8, "bytes after the footer")
}

func (s *scanner) pass(b []byte, n int) error {
	if s.emit == nil || n == 0 {
		return nil
	}
	return s.emit(b, n)
}

// found takes a magic at a bit offset of the buffer.
func (s *scanner) found(off int, magic uint64) error {
	at := s.base*8 + int64(off)
	if at < headerBits || s.end > 0 {
		return nil
	}
	if at > headerBits && s.info.Blocks == 0 {
		return formatError(ErrCorrupt, headerBits, "neither a block nor a footer after the header")
	}
	crc := uint32(bitsAt(s.buf, off+magicBits, 32))
	if magic == footerMagic {
		if s.matches(crc) {
			s.end, s.info.CRC = at, crc
		} else {
			s.mismatch = at
		}
		return nil
	}
	before := s.fold
	s.fold = foldCRC(s.fold, crc)
	s.info.Blocks++
	if len(s.steps) < maxTracked {
		s.steps = append(s.steps, s.fold^before)
		s.offsets = append(s.offsets, at)
	}
	b := Block{Offset: at, CRC: crc, Row: uint32(bitsAt(s.buf, off+magicBits+33, 24)), Randomised: bitsAt(s.buf, off+magicBits+32, 1) == 1}
	if b.Randomised && len(s.randomised) < 2 {
		s.randomised = append(s.randomised, at)
	}
	if s.visit != nil {
		return s.visit(b)
	}
	return nil
}

// matches says whether the blocks found fold to crc, all of them or all but one that is spurious. Without block j of
// n (from 1), the fold is that of all n, ^ rotl(fold after j ^ fold before j, n-j).
func (s *scanner) matches(crc uint32) bool {
	if s.fold == crc {
		return true
	}
	for i, step := range s.steps {
		if i > 0 && bits.RotateLeft32(step, int((s.info.Blocks-1-int64(i))%32)) == s.fold^crc {
			s.info.Spurious = s.offsets[i]
			s.info.Blocks--
			return true
		}
	}
	return false
}

// parseHeader returns the level of the stream that b begins.
func parseHeader(b []byte) (int, error) {
	const magic = "BZh"
	n := min(len(b), len(magic))
	switch {
	case string(b[:n]) != magic[:n]:
		return 0, formatError(ErrFormat, 0, "no stream header")
	case len(b) < headerBits/8:
		return 0, formatError(ErrTruncated, int64(len(b))*8, "stream header")
	case b[3] < '1' || b[3] > '9':
		return 0, formatError(ErrFormat, 24, "level is not between 1 and 9")
	}
	return int(b[3] - '0'), nil
}

// maxEmptyReads is how many reads in a row may bring neither bytes nor an error.
const maxEmptyReads = 100

// readFull reads until b is full or r ends; then the error is io.EOF. Other errors are those of r.
func readFull(r io.Reader, b []byte) (int, error) {
	n, empty := 0, 0
	for n < len(b) {
		k, err := r.Read(b[n:])
		n += k
		switch {
		case err == io.EOF:
			return n, err
		case err != nil:
			return n, fmt.Errorf("read bzip2 stream: %w", err)
		case k > 0:
			empty = 0
		case empty == maxEmptyReads:
			return n, fmt.Errorf("read bzip2 stream: %w", io.ErrNoProgress)
		default:
			empty++
		}
	}
	return n, nil
}
