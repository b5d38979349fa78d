package bzip2

import (
	"fmt"
	"io"
)

// copySize is how many bytes Compress and Decompress read at once.
const copySize = 256 << 10

// Compress writes one stream that holds what r holds to w and returns the number of bytes read. The errors are
// ErrConfig and those of r and w; after any, what was written has no footer and is truncated for every reader.
func Compress(w io.Writer, r io.Reader, c WriterConfig) (int64, error) {
	z, err := NewWriter(w, c)
	if err != nil {
		return 0, err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{z}, struct{ io.Reader }{r}, make([]byte, copySize))
	if err != nil {
		z.Reset(nil) // waits for goroutines
		return n, fmt.Errorf("compress: %w", err)
	}
	return n, z.Close()
}

// Decompress writes what the stream or streams of r hold to w and returns the number of bytes written. The errors are
// those of Reader.Read and w; bytes that were written before an error are not all there is.
func Decompress(w io.Writer, r io.Reader, c ReaderConfig) (int64, error) {
	z, err := NewReader(r, c)
	if err != nil {
		return 0, err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{z}, make([]byte, copySize))
	if err != nil {
		return n, fmt.Errorf("decompress: %w", err)
	}
	return n, nil
}
