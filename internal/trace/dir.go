package trace

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
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

// NotRecorded says that no trace is where it was looked for.
type NotRecorded struct {
	What string // "execution 2026-11-23T07-1"
	Hint string // why that may be, and what to do
}

func (e *NotRecorded) Error() string {
	if e.Hint == "" {
		return "no trace of " + e.What
	}
	return "no trace of " + e.What + ": " + e.Hint
}

// Executions returns the names of the executions of an hour that have a trace, the latest last.
func (d *Dir) Executions(hour time.Time) ([]string, error) {
	prefix := hour.UTC().Format(hourLayout) + "-"
	entries, err := os.ReadDir(filepath.Join(d.path, filepath.FromSlash(hourFolder(hour))))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list traces of hour %s: %w", hour.UTC().Format(hourLayout), err)
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if ok && strings.HasPrefix(name, prefix) && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { // 9 before 10
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return names, nil
}

// LoadExecution reads the trace of an execution that is named after its hour, as 2026-11-23T07-1. A name that ran more
// than once gives the latest. Without one the error is a *[NotRecorded].
func (d *Dir) LoadExecution(name string) (*Trace, error) {
	missing := &NotRecorded{What: "execution " + name}
	if _, ok := hourOf(name); !ok || name != fileName(name) {
		missing.Hint = "an execution is named after its hour, as 2026-11-23T07-1"
		return nil, missing
	}
	traces, err := d.readFile(executionFile(name, time.Time{}), "")
	if err != nil {
		return nil, err
	}
	for _, t := range slices.Backward(traces) {
		if t.Execution(name) != nil {
			return t, nil
		}
	}
	if len(traces) > 0 { // its own document is lost; the rest is worth seeing
		return traces[len(traces)-1], nil
	}
	return nil, missing
}

// Load reads a trace by its id: an invocation's, or an execution's that worked on the hour in which it began or the one
// before. Without one the error is a *[NotRecorded].
func (d *Dir) Load(id string) (*Trace, error) {
	began, ok := TraceTime(id)
	if !ok {
		return nil, &NotRecorded{What: fmt.Sprintf("%q", id), Hint: "a trace id looks like 1-65637c00-0123456789abcdef01234567"}
	}
	for _, hour := range []time.Time{began, began.Add(-time.Hour)} {
		folder := hourFolder(hour)
		entries, err := os.ReadDir(filepath.Join(d.path, filepath.FromSlash(folder)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find trace %s: %w", id, err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), extension) || !e.Type().IsRegular() {
				continue
			}
			traces, err := d.readFile(path.Join(folder, e.Name()), id)
			if err != nil {
				return nil, err
			}
			for _, t := range traces {
				if t.ID == id {
					return t, nil
				}
			}
		}
	}
	return nil, &NotRecorded{What: id, Hint: "it was not sampled, or its folder was removed"}
}

// readFile reads the lines of a file that contain match; a file that does not exist has none.
func (d *Dir) readFile(name, match string) ([]*Trace, error) {
	f, err := os.Open(filepath.Join(d.path, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	defer f.Close()
	traces, err := read(f, match)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return traces, nil
}
