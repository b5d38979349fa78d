package hadoop

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how many bytes a spool holds before it uses a file.
const spoolMemory = 4 << 20

// spool keeps what is written to it, in memory or in a temporary file. It can
// be read any number of times once it is written.
type spool struct {
	dir    string // for the file; "" is the system's
	memory bytes.Buffer
	file   *os.File
	size   int64
}

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.file == nil && s.memory.Len()+len(p) <= spoolMemory {
		return s.memory.Write(p)
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "penstock-spool-*")
		if err != nil {
			return 0, fmt.Errorf("create spool: %w", err)
		}
		// Without a name nothing is left behind, however the process ends.
		// Where that is not possible, Close removes the file.
		_ = os.Remove(f.Name())
		s.file = f
		if _, err := f.Write(s.memory.Bytes()); err != nil {
			return 0, err
		}
		s.memory = bytes.Buffer{}
	}
	return s.file.Write(p)
}

// open returns a reader of everything that was written.
func (s *spool) open() io.Reader {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes())
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
		_ = os.Remove(s.file.Name())
	}
	s.file, s.memory = nil, bytes.Buffer{}
}
