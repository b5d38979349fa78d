package bzip2

import (
	"errors"
	"io"

	"github.com/dsnet/compress"
	dsnet "github.com/dsnet/compress/bzip2"
)

// ReaderConfig configures a Reader. The zero value decodes on the caller's goroutine.
type ReaderConfig struct {
	Procs int   // blocks decoded at the same time, up to MaxProcs; 0 means 1
	Codec Codec // CodecOwn unless set
}

// Reader decompresses bzip2 data: one stream or several, one after the other, as bzip2 -d does.
type Reader struct {
	z   *dsnet.Reader
	r   io.Reader
	err error
}

// NewReader returns a Reader of r. The error is ErrConfig.
func NewReader(r io.Reader, c ReaderConfig) (*Reader, error) {
	w, err := WriterConfig{Procs: c.Procs, Codec: c.Codec}.normal()
	if err != nil {
		return nil, err
	}
	_ = w
	z, err := dsnet.NewReader(r, nil)
	return &Reader{z: z, r: r}, err
}

// Reset forgets what was read and any error, and begins to read r.
func (z *Reader) Reset(r io.Reader) { z.err, z.r = nil, r; _ = z.z.Reset(r) }

// Read reads decompressed bytes. Errors are *FormatError, those of the underlying reader, and io.EOF.
func (z *Reader) Read(b []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.z.Read(b)
	z.err = dsnetError(err)
	return n, z.err
}

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
