package bzip2

import (
	"fmt"
	"io"

	dsnet "github.com/dsnet/compress/bzip2"
)

// Codec chooses an implementation of the format.
type Codec int

const (
	// CodecOwn is this package's code.
	CodecOwn Codec = iota
	// CodecDsnet is github.com/dsnet/compress/bzip2, slower and written by others: a yardstick and a way out. It uses
	// one goroutine whatever the configuration says.
	CodecDsnet
)

func (c Codec) String() string {
	switch c {
	case CodecOwn:
		return "own"
	case CodecDsnet:
		return "dsnet"
	}
	return fmt.Sprintf("Codec(%d)", int(c))
}

// ParseCodec returns the codec that String calls name.
func ParseCodec(name string) (Codec, error) {
	for c := CodecOwn; c <= CodecDsnet; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%w: codec %q", ErrConfig, name)
}

// MaxProcs is the largest number of goroutines that can be asked for.
const MaxProcs = 256

// WriterConfig configures a Writer, a Joiner or an Encoder. The zero value is level 9 on the caller's goroutine.
type WriterConfig struct {
	Level int   // 1 to 9: blocks of 100 000 bytes times the level; 0 means 9
	Procs int   // blocks compressed at the same time, up to MaxProcs; 0 means 1. The output does not depend on it
	Codec Codec // CodecOwn unless set
}

func (c WriterConfig) normal() (WriterConfig, error) {
	if c.Level == 0 {
		c.Level = 9
	}
	if c.Procs == 0 {
		c.Procs = 1
	}
	switch {
	case c.Level < 1 || c.Level > 9:
		return c, fmt.Errorf("%w: level %d", ErrConfig, c.Level)
	case c.Procs < 1 || c.Procs > MaxProcs:
		return c, fmt.Errorf("%w: %d goroutines", ErrConfig, c.Procs)
	case c.Codec != CodecOwn && c.Codec != CodecDsnet:
		return c, fmt.Errorf("%w: codec %d", ErrConfig, int(c.Codec))
	}
	return c, nil
}

// Writer compresses what is written to it into one bzip2 stream. The stream depends on the bytes and the level alone:
// not on how the bytes are cut into calls of Write, the number of goroutines, the process or the machine. Its blocks
// are cut where libbz2 cuts them.
//
// A Writer must be closed to be complete. It is not safe for concurrent use. Between blocks it keeps its memory, about
// 16 MB for each goroutine at level 9 (up to 45 MB once it has seen random data), so one Writer with Reset is much
// cheaper than a new one for each stream.
type Writer struct {
	splitter splitter
	config   WriterConfig
	fallback *dsnet.Writer
	err      error
}

// NewWriter returns a Writer to w. The error is ErrConfig.
func NewWriter(w io.Writer, c WriterConfig) (*Writer, error) {
	c, err := c.normal()
	if err != nil {
		return nil, err
	}
	z := &Writer{config: c}
	if c.Codec == CodecDsnet {
		z.fallback, err = dsnet.NewWriter(w, &dsnet.WriterConfig{Level: c.Level})
		return z, err
	}
	z.splitter.init(c.Procs)
	z.splitter.limit = limitOf(c.Level)
	z.splitter.stream.start(w, nil, c.Level)
	return z, nil
}

// Reset forgets all that was written and any error, and begins a new stream to w. It waits for running goroutines.
func (z *Writer) Reset(w io.Writer) {
	z.err = nil
	if z.fallback != nil {
		_ = z.fallback.Reset(w) // always nil
		return
	}
	z.splitter.abandon()
	z.splitter.open = false
	z.splitter.stream.start(w, z.splitter.stream.bits.buf[:0], z.config.Level)
}

// Write compresses b. Compressed bytes reach the underlying writer, on the goroutine that calls Write or Close, as
// blocks become complete. An error of that writer is returned then or by a later call, and by all calls after it.
func (z *Writer) Write(b []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	var n int
	if z.fallback != nil {
		n, z.err = z.fallback.Write(b)
	} else {
		n, z.err = z.splitter.write(b)
	}
	return n, z.err
}

// Close compresses what is left and writes the stream's footer. It does not close the underlying writer. A Writer
// without input writes an empty stream. Closing twice does nothing the second time.
func (z *Writer) Close() error {
	if z.err == ErrClosed {
		return nil
	}
	if z.err != nil {
		z.splitter.abandon()
		return z.err
	}
	if z.fallback != nil {
		z.err = z.fallback.Close()
	} else if z.err = z.splitter.cut(); z.err == nil {
		z.err = z.splitter.stream.finish()
	}
	if z.err != nil {
		return z.err
	}
	z.err = ErrClosed
	return nil
}
