package bzip2

import (
	"io"

	dsnet "github.com/dsnet/compress/bzip2"
)

// ReaderConfig configures a Reader. The zero value decodes any number of streams on the caller's goroutine.
type ReaderConfig struct {
	Procs  int   // blocks decoded at the same time, up to MaxProcs; 0 means 1. What is read does not depend on it
	Single bool  // a second stream is ErrTrailing
	Codec  Codec // CodecOwn unless set; CodecDsnet ignores Single
}

// Reader decompresses bzip2 data: one stream, or several one after the other, whose contents are then read as one.
//
// Blocks are found by their magic and decoded at the same time, ReaderConfig.Procs of them. For each the Reader keeps
// some 8 MB at level 9, less if blocks are smaller, however far they expand. It reads ahead of what it returns, up to
// Procs+1 blocks. It has no Close: a Reader that is dropped leaves nothing behind. It is not safe for concurrent use.
//
// What Read returned before an error has been checked block by block against the CRCs, but is not all there was.
type Reader struct {
	config   ReaderConfig
	fallback *dsnet.Reader
	cutter   cutter
	jobs     []*decodeJob // a ring
	next     int          // the job to be filled next
	busy     int          // jobs filled and not returned: those before next
	decoders chan *blockDecoder

	current  *decodeJob // what is being read, or nil
	expander expander
	started  bool // the first header has been read
	level    int
	fold     uint32
	err      error // all is read but for current
}

// NewReader returns a Reader of r. The error is ErrConfig.
func NewReader(r io.Reader, c ReaderConfig) (*Reader, error) {
	w, err := WriterConfig{Procs: c.Procs, Codec: c.Codec}.normal()
	if err != nil {
		return nil, err
	}
	c.Procs = w.Procs
	z := &Reader{config: c}
	if c.Codec == CodecDsnet {
		z.fallback, err = dsnet.NewReader(r, nil)
		return z, err
	}
	z.decoders = make(chan *blockDecoder, c.Procs)
	for range c.Procs {
		z.decoders <- new(blockDecoder)
	}
	jobs := c.Procs
	if jobs > 1 {
		jobs++ // one is read while the others are decoded
	}
	for range jobs {
		j := &decodeJob{decoders: z.decoders, done: make(chan struct{}, 1)}
		j.run = j.work
		z.jobs = append(z.jobs, j)
	}
	z.cutter.reset(r)
	return z, nil
}

// Reset forgets what was read and any error, and begins to read r. It waits for running goroutines.
func (z *Reader) Reset(r io.Reader) {
	z.err = nil
	if z.fallback != nil {
		_ = z.fallback.Reset(r) // always nil
		return
	}
	for z.busy > 0 {
		z.oldest().wait()
		z.busy--
	}
	z.cutter.reset(r)
	z.current, z.expander, z.started, z.level, z.fold, z.next = nil, expander{}, false, 0, 0, 0
}

// Read reads decompressed bytes. Errors are *FormatError (all kinds; ErrTrailing once everything before the further
// bytes has been read), those of the underlying reader, and io.EOF after the last stream's footer.
func (z *Reader) Read(b []byte) (int, error) {
	if z.fallback != nil {
		return z.readFallback(b)
	}
	for {
		if n := z.expander.read(b); n > 0 || len(b) == 0 {
			return n, nil
		}
		if z.current != nil {
			z.current = nil
			z.busy--
		}
		if z.err != nil {
			return 0, z.err
		}
		z.err = z.advance()
	}
}

func (z *Reader) oldest() *decodeJob {
	return z.jobs[(z.next-z.busy+len(z.jobs))%len(z.jobs)]
}

// advance makes the next block current, or takes the next footer. The error is that of what follows.
func (z *Reader) advance() error {
	if !z.started {
		if err := z.header(); err != nil {
			return err
		}
	}
	for z.busy < len(z.jobs) && z.cutter.left() > 0 && z.cutter.err == nil {
		j := z.jobs[z.next]
		z.cutter.next(&j.segment)
		j.start(len(z.jobs) > 1)
		z.next = (z.next + 1) % len(z.jobs)
		z.busy++
	}
	if z.busy == 0 {
		if z.cutter.err != nil {
			return z.cutter.err
		}
		return formatError(ErrTruncated, z.cutter.offset(), "no footer at the end")
	}
	j := z.oldest()
	j.wait()
	if j.segment.magic() == footerMagic {
		z.busy--
		return z.footer(&j.segment)
	}
	if j.err == errShort {
		return z.decodeInPlace()
	}
	if j.err != nil {
		z.busy--
		return j.err
	}
	if err := z.take(j, j.crc()); err != nil {
		return err
	}
	if j.end != j.segment.end {
		return z.noMagic(j.segment.at + int64(j.end))
	}
	return nil
}

// take makes the block of job j, whose CRC is given, current.
func (z *Reader) take(j *decodeJob, crc uint32) error {
	if len(j.out) > z.level*levelUnit { // not known when the block was decoded: it may have been cut before its header was read
		z.busy--
		return formatError(ErrCorrupt, j.segment.at, "block is longer than its level allows")
	}
	z.current = j
	z.expander = expander{src: j.out}
	z.fold = foldCRC(z.fold, crc)
	return nil
}

func (z *Reader) noMagic(at int64) error {
	return formatError(ErrCorrupt, at, "neither a block nor a footer after a block")
}

// header reads the first stream's header and what must follow it.
func (z *Reader) header() error {
	c := &z.cutter
	c.need(headerBits + magicBits)
	level, err := parseHeader(c.buf[:c.n])
	if c.err != nil && c.left() < headerBits+magicBits {
		return c.err
	}
	if err != nil {
		return err
	}
	z.level, z.started = level, true
	c.pos += headerBits
	if c.left() < magicBits {
		return formatError(ErrTruncated, c.offset(), "neither a block nor a footer after the header")
	}
	return z.expectMagic()
}

// expectMagic checks that the next segment begins with a magic.
func (z *Reader) expectMagic() error {
	if m := bitsAt(z.cutter.buf[:z.cutter.n], z.cutter.pos, magicBits); m != blockMagic && m != footerMagic {
		return formatError(ErrCorrupt, z.cutter.offset(), "neither a block nor a footer where one should begin")
	}
	return nil
}

// footer checks a footer and what follows it: nothing, or the header of the next stream. It returns io.EOF at the end.
func (z *Reader) footer(s *segment) error {
	at := s.at + int64(s.start)
	rest := s.end - s.start - footerBits
	if rest < 0 {
		if z.cutter.err != nil {
			return z.cutter.err
		}
		return formatError(ErrTruncated, at, "the footer is cut")
	}
	if uint32(bitsAt(s.data, s.start+magicBits, 32)) != z.fold {
		return formatError(ErrCorrupt, at, "the CRCs of the blocks do not fold to the stream's")
	}
	z.fold = 0
	next := (s.start + footerBits + 7) / 8 // bytes up to what follows
	switch {
	case next*8 >= s.end && s.final && z.cutter.err != nil:
		return z.cutter.err
	case next*8 >= s.end && s.final:
		return io.EOF
	case z.config.Single || s.end-next*8 != headerBits:
		return formatError(ErrTrailing, s.at+int64(next)*8, "bytes after the footer")
	}
	level, err := parseHeader(s.data[next:])
	if err != nil {
		return formatError(ErrTrailing, s.at+int64(next)*8, "bytes after the footer")
	}
	z.level = level
	return nil
}

// decodeInPlace decodes the oldest block, which does not end where the next segment begins: a spurious magic is inside
// it, or it is cut. All that was cut ahead is put back. So a block is decoded twice at most, whatever it holds.
func (z *Reader) decodeInPlace() error {
	c := &z.cutter
	segments := make([]*segment, 0, z.busy)
	for z.busy > 0 {
		j := z.oldest()
		j.wait()
		segments = append(segments, &j.segment)
		z.busy--
	}
	c.unread(segments)
	c.need(maxBlockBytes * 8)
	j := z.jobs[z.next]
	d := <-z.decoders
	var end int
	j.out, end, j.err = d.decode(c.buf[:c.n], c.pos, c.n*8, c.base*8, j.out)
	z.decoders <- d
	switch {
	case j.err == errShort && c.err != nil:
		return c.err
	case j.err == errShort && c.ended:
		return formatError(ErrTruncated, c.base*8+int64(c.n)*8, "the last block is cut")
	case j.err == errShort:
		return formatError(ErrCorrupt, c.offset(), "block without an end")
	case j.err != nil:
		return j.err
	}
	crc := uint32(bitsAt(c.buf[:c.n], c.pos+magicBits, 32))
	j.segment.at = c.offset()
	c.pos = end
	z.next = (z.next + 1) % len(z.jobs)
	z.busy++
	if err := z.take(j, crc); err != nil {
		return err
	}
	if c.left() < magicBits && c.err != nil {
		return c.err
	}
	if c.left() < magicBits {
		return formatError(ErrTruncated, c.offset(), "neither a block nor a footer after the last block")
	}
	return z.expectMagic()
}
