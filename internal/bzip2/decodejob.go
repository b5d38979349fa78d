package bzip2

import (
	"errors"
	"io"

	"github.com/dsnet/compress"
)

// decodeJob is one segment on its way through a blockDecoder.
type decodeJob struct {
	segment segment
	out     []byte // the content before RLE1 is undone
	end     int    // the bit of the segment's data where the block ends
	err     error

	waiting  bool
	decoders chan *blockDecoder
	done     chan struct{}
	run      func() // the method work: a go statement on a stored function allocates nothing
}

// start decodes the segment, on another goroutine if there are several.
func (j *decodeJob) start(several bool) {
	j.waiting = several && j.segment.magic() == blockMagic
	switch {
	case j.waiting:
		go j.run()
	case j.segment.magic() == blockMagic:
		j.decode()
	}
}

func (j *decodeJob) work() {
	j.decode()
	j.done <- struct{}{}
}

func (j *decodeJob) decode() {
	d := <-j.decoders
	s := &j.segment
	j.out, j.end, j.err = d.decode(s.data, s.start, s.end, s.at, j.out)
	j.decoders <- d
}

func (j *decodeJob) wait() {
	if j.waiting {
		<-j.done
		j.waiting = false
	}
}

func (j *decodeJob) crc() uint32 {
	return uint32(bitsAt(j.segment.data, j.segment.start+magicBits, 32))
}

func (s *segment) magic() uint64 { return bitsAt(s.data, s.start, magicBits) }

func (z *Reader) readFallback(b []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.fallback.Read(b)
	z.err = dsnetError(err)
	return n, z.err
}

// dsnetError turns an error of the fallback codec into one of ours.
func dsnetError(err error) error {
	var e compress.Error
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return formatError(ErrTruncated, -1, "unexpected end")
	case errors.As(err, &e) && e.IsDeprecated():
		return formatError(ErrRandomised, -1, "block with the randomised bit")
	case errors.As(err, &e) && e.IsCorrupted():
		return formatError(ErrCorrupt, -1, err.Error())
	}
	return err
}
