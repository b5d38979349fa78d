package bzip2

import (
	"fmt"

	dsnet "github.com/dsnet/compress/bzip2"
)

// Encoder compresses whole buffers. The zero value is ready: level 9, one goroutine. An Encoder keeps its memory, as a
// Writer does, so that from its second buffer on it allocates next to nothing. It is not safe for concurrent use.
//
// Unlike a Writer, which does not know how much is still to come, an Encoder cuts a buffer into equal blocks by a rule
// of its length alone: as few as hold it, since each block more costs some percent of the output. The bytes are the same
// on any machine, whatever Procs is, and goroutines share the work evenly: where the number of blocks is not a multiple
// of theirs, they take turns at the blocks. (Where the first run-length code makes a block longer than it may be, it is
// cut once more.)
type Encoder struct {
	Level int   // as in WriterConfig
	Procs int   // as in WriterConfig
	Codec Codec // as in WriterConfig; CodecDsnet does not cut equal blocks

	pipeline pipeline
	fallback *dsnet.Writer
	made     WriterConfig // what the two above were made for
}

// Encode appends one bzip2 stream that holds src to dst and returns the result. It panics with ErrConfig if a field
// is out of range.
func (e *Encoder) Encode(dst, src []byte) []byte {
	c, err := WriterConfig{e.Level, e.Procs, e.Codec}.normal()
	if err != nil {
		panic(err)
	}
	if c.Codec == CodecDsnet {
		return e.encodeFallback(dst, src, c)
	}
	if e.made.Procs != c.Procs || e.made.Codec != c.Codec {
		e.pipeline.init(c.Procs)
	}
	e.made = c
	p := &e.pipeline
	p.stream.start(nil, dst, c.Level)
	limit := limitOf(c.Level)
	n := equalBlocks(len(src), limit)
	p.setWidth(width(n, c.Procs))
	for ; n > 0; n-- {
		size := (len(src) + n - 1) / n
		j := p.current()
		j.source, j.limit = src[:size], limit
		src = src[size:]
		_ = p.submit() // a stream without a writer has no errors
	}
	_ = p.drain()
	_ = p.stream.finish()
	out := p.stream.bits.buf
	p.stream.bits.reset(nil)
	return out
}

// equalBlocks returns into how many equal blocks n bytes are cut.
func equalBlocks(n, limit int) int {
	return (n + limit - 1) / limit
}

// width returns how many of a number of equal blocks should be under way at a time so that all end together: those that
// are too many for whole rounds share the turns of the first round.
func width(blocks, procs int) int {
	if blocks <= procs {
		return procs
	}
	return procs + blocks%procs
}

// appendWriter appends to a slice.
type appendWriter []byte

func (w *appendWriter) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func (e *Encoder) encodeFallback(dst, src []byte, c WriterConfig) []byte {
	out := appendWriter(dst)
	if e.fallback == nil || e.made != c {
		z, err := dsnet.NewWriter(&out, &dsnet.WriterConfig{Level: c.Level})
		if err != nil {
			panic(fmt.Errorf("%w: %v", ErrConfig, err))
		}
		e.fallback, e.made = z, c
	} else {
		_ = e.fallback.Reset(&out) // always nil
	}
	_, err := e.fallback.Write(src)
	if err == nil {
		err = e.fallback.Close()
	}
	if err != nil { // appending does not fail
		panic(fmt.Errorf("encode %d bytes with dsnet: %w", len(src), err))
	}
	return out
}
