package bzip2

import "io"

// drainSize is how many bytes a stream collects before it writes them.
const drainSize = 64 << 10

// stream writes the bits of one bzip2 stream whose blocks come from elsewhere. With w nil it keeps all bytes.
type stream struct {
	w      io.Writer
	bits   bitWriter
	crc    uint32 // folded from the blocks so far
	blocks int64
}

// start begins a stream after the bytes of buf.
func (s *stream) start(w io.Writer, buf []byte, level int) {
	s.w, s.crc, s.blocks = w, 0, 0
	s.bits.reset(append(buf, 'B', 'Z', 'h', byte('0'+level)))
}

// add appends the n bits of blocks with the given CRCs.
func (s *stream) add(blocks []byte, n int, crcs []uint32) {
	s.bits.appendBits(blocks, n)
	for _, crc := range crcs {
		s.crc = foldCRC(s.crc, crc)
	}
	s.blocks += int64(len(crcs))
}

// drain writes the whole bytes collected once there are at least as many.
func (s *stream) drain(atLeast int) error {
	s.bits.settle()
	if s.w == nil || len(s.bits.buf) < atLeast || len(s.bits.buf) == 0 {
		return nil
	}
	n, err := s.w.Write(s.bits.buf)
	if err == nil && n < len(s.bits.buf) {
		err = io.ErrShortWrite
	}
	s.bits.buf = s.bits.buf[:0]
	return err
}

// finish appends the footer and writes all that is left.
func (s *stream) finish() error {
	s.bits.put48(footerMagic)
	s.bits.put(uint64(s.crc), 32)
	s.bits.flush()
	return s.drain(0)
}
