package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Busy says that another process writes to the data directory.
type Busy struct {
	Path   string
	Holder string // "penstock run, process 4711"; "" if it does not say
}

func (e *Busy) Error() string {
	if e.Holder == "" {
		return e.Path + " is in use by another command: wait for it to end"
	}
	return fmt.Sprintf("%s is in use by %s: wait for it to end", e.Path, e.Holder)
}

const maxHolder = 200

// Lock keeps other commands that write out of the directory until release is called or the process ends, however it
// ends. holder names the command for those who are kept out, who get a *Busy at once. Commands that only read need no
// lock.
func (d *Dir) Lock(holder string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(d.Path, lockName), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w", d.Path, reason(err))
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if !wouldBlock(err) {
			return nil, fmt.Errorf("lock data directory %s: %w", d.Path, err)
		}
		b, _ := io.ReadAll(io.LimitReader(f, maxHolder)) // only for the message
		return nil, &Busy{d.Path, strings.ToValidUTF8(strings.TrimSpace(string(b)), "")}
	}
	text := fmt.Sprintf("%.*s, process %d\n", maxHolder/2, holder, os.Getpid())
	if err := errors.Join(f.Truncate(0), write(f, text)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory %s: %w", d.Path, reason(err)), f.Close())
	}
	return f.Close, nil
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
