package trace

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxFile is the greatest size of a trace file, in bytes; what would make it larger is dropped.
const MaxFile = 64 << 20

// Dir is a folder of trace files, one document a line:
//
//	2026/11/23/07/2026-11-23T07-1.ndjson   an execution, under the hour it worked on
//	2026/11/23/07/archive.ndjson           a function's traces of their own, under the hour in which they began
//
// Files are only appended to, without fsync: a crash may tear the last line, which readers skip and the next append
// puts an end to.
type Dir struct {
	path string
}

// NewDir returns the folder at path, which need not exist yet.
func NewDir(path string) *Dir { return &Dir{path: path} }

// Append adds lines to a file.
func (d *Dir) Append(name string, lines []byte) (err error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("append trace: bad file name %q", name)
	}
	file := filepath.Join(d.path, filepath.FromSlash(name))
	f, err := openAppend(file)
	if err != nil {
		return fmt.Errorf("append trace: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			err = fmt.Errorf("append trace: %w", e)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("append trace: %w", err)
	}
	if info.Size()+int64(len(lines)) >= MaxFile {
		return fmt.Errorf("append trace: %s is full (%d bytes)", name, info.Size())
	}
	if info.Size() > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("append trace: %w", err)
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
	}
	if _, err := f.Write(lines); err != nil {
		return fmt.Errorf("append trace: %w", err)
	}
	return nil
}

func openAppend(file string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | os.O_APPEND
	f, err := os.OpenFile(file, flags, 0o644)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(file, flags, 0o644)
}
