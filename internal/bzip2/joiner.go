package bzip2

import (
	"fmt"
	"io"
	"math/bits"
)

// Joiner makes one bzip2 stream out of the blocks of many, without decoding them, and of bytes that it compresses
// itself. The result has a level 9 header whatever the sources' levels are (a decoder then reserves memory for the
// largest block, nothing else), decodes to the contents of all sources in the order of the calls, and depends on them
// alone.
//
// Blocks are moved bit by bit: copying costs less than a hundredth of decoding and encoding. What was compressed into
// small blocks stays so; contents that are short of a full block are better written to the Joiner decoded, one after
// the other, so that they share one.
//
// After any error a Joiner refuses to go on: all later calls, Close included, return it, and what was written so far
// has no footer, so that no reader takes it for a whole stream.
//
// A Joiner needs about half a megabyte whatever the length of the streams and, once it has been written to, the memory
// of a Writer. It is not safe for concurrent use.
type Joiner struct {
	// Procs is how many goroutines compress what is written, up to MaxProcs; 0 means 1. Set it before the first call.
	Procs int

	splitter splitter
	scanner  scanner
	err      error
}

// NewJoiner returns a Joiner that writes to w.
func NewJoiner(w io.Writer) *Joiner {
	j := new(Joiner)
	j.Reset(w)
	return j
}

// Reset forgets all that was done and any error, and begins a new stream to w.
func (j *Joiner) Reset(w io.Writer) {
	j.err = nil
	j.splitter.abandon()
	j.splitter.open = false
	j.splitter.limit = limitOf(9)
	j.splitter.stream.start(w, j.splitter.stream.bits.buf[:0], 9)
}

// Add appends the blocks of the one stream that r holds, up to its end. It reads and checks as Scan does. The errors
// are those of Scan and of the underlying writer.
func (j *Joiner) Add(r io.Reader) (StreamInfo, error) {
	if j.err != nil {
		return StreamInfo{}, j.err
	}
	if j.err = j.splitter.cut(); j.err != nil {
		return StreamInfo{}, j.err
	}
	s := &j.splitter.stream
	if j.scanner.emit == nil {
		j.scanner.emit = func(b []byte, n int) error {
			s.bits.appendBits(b, n)
			return s.drain(drainSize)
		}
	}
	info, err := j.scanner.scan(r)
	if err != nil {
		j.err = err
		return info, err
	}
	s.crc = bits.RotateLeft32(s.crc, int(info.Blocks%32)) ^ info.CRC
	s.blocks += info.Blocks
	return info, nil
}

// Write compresses b. Bytes from calls that follow each other share blocks; a call of Add ends the block.
func (j *Joiner) Write(b []byte) (int, error) {
	if j.err != nil {
		return 0, j.err
	}
	if j.splitter.jobs == nil {
		c, err := WriterConfig{Procs: j.Procs}.normal()
		if err != nil {
			j.err = err
			return 0, err
		}
		j.splitter.init(c.Procs)
	}
	n, err := j.splitter.write(b)
	j.err = err
	return n, err
}

// AddRaw compresses what r holds, up to its end, as Write does, and returns the number of bytes read.
func (j *Joiner) AddRaw(r io.Reader) (int64, error) {
	if j.err != nil {
		return 0, j.err
	}
	if j.scanner.buf == nil {
		j.scanner.buf = make([]byte, scanSize)
	}
	var total int64
	for {
		n, err := readFull(r, j.scanner.buf)
		total += int64(n)
		if err != nil && err != io.EOF {
			j.err = err
			return total, err
		}
		if _, err := j.Write(j.scanner.buf[:n]); err != nil {
			return total, err
		}
		if err == io.EOF {
			return total, nil
		}
	}
}

// Blocks returns the number of blocks that are complete in the joined stream.
func (j *Joiner) Blocks() int64 { return j.splitter.stream.blocks }

// Close compresses what is left and writes the footer. It does not close the underlying writer. Closing twice does
// nothing the second time.
func (j *Joiner) Close() error {
	if j.err == ErrClosed {
		return nil
	}
	if j.err == nil {
		if j.err = j.splitter.cut(); j.err == nil {
			j.err = j.splitter.stream.finish()
		}
	}
	if j.err != nil {
		j.splitter.abandon()
		return fmt.Errorf("join bzip2 streams: the output is incomplete: %w", j.err)
	}
	j.err = ErrClosed
	return nil
}
