package store

import "os"

// WriteTyped writes as the directory store writes bodies.
func WriteTyped(f *os.File, p []byte) error {
	_, err := (&typedWriter{f, "write body"}).Write(p)
	return err
}

// IOError gives an error of the operating system its type.
func IOError(action string, err error) error { return ioError(action, err) }

// SetPartSize lets uploads have parts of another size.
func (s *S3) SetPartSize(n int) { s.smallPart, s.largePart = n, 2*n }
