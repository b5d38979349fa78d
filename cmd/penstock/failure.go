package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"penstock/internal/datadir"
	"penstock/internal/fault"
	"penstock/internal/trace"
)

// Exit codes; the first that fits.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitNoData      = 3 // no such hour, or nothing is known of it
	exitNotComplete = 4 // the hour waits or runs
	exitFailed      = 5 // the hour's last run failed
	exitRunning     = 6 // somebody else is at it
	exitCorrupt     = 7 // what is stored is not what was written
)

// failure is an error with its exit code; without an error, only the code is meant.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// failf makes a failure of a code.
func failf(code int, format string, args ...any) error {
	return &failure{code, fmt.Errorf(format, args...)}
}

// fail prints err in one line, if there is one, and returns its exit code.
func (c *console) fail(err error) int {
	if err == nil {
		return exitOK
	}
	code := codeOf(err)
	if text := oneLine(err); text != "" {
		fmt.Fprintf(c.Err, "penstock: %s\n", text)
	}
	return code
}

// oneLine is the error's text without line ends and control characters, and not longer than one reads.
func oneLine(err error) string {
	const most = 1000
	text := clean(err.Error())
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.TrimSpace(text)
}

// clean puts blanks for control characters: what is stored may come from anybody, and a terminal obeys them.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func codeOf(err error) int {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	for _, c := range []struct {
		is   func(error) bool
		code int
	}{
		{is[*datadir.Busy], exitRunning},
		{is[*datadir.NotData], exitError},
		{is[*datadir.NotEmpty], exitError},
		{is[*fault.AlreadyRunning], exitRunning},
		{is[*fault.HourNotComplete], exitNotComplete},
		{is[*fault.Unproven], exitNotComplete},
		{is[*fault.StepFailed], exitFailed},
		{is[*fault.ClusterFailed], exitFailed},
		{is[*fault.ClusterLost], exitFailed},
		{is[*fault.ClusterTooOld], exitFailed},
		{is[*fault.ResultMismatch], exitFailed},
		{is[*fault.ArchiveExpired], exitFailed},
		{is[*fault.Corrupt], exitCorrupt},
		{is[*fault.NotFound], exitNoData},
		{is[*trace.NotRecorded], exitNoData},
	} {
		if c.is(err) {
			return c.code
		}
	}
	return exitError
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// withoutPath is an error of the operating system whose message names the path already.
func withoutPath(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

// readFile reads a file that a person named, of at most max bytes.
func readFile(path string, max int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	if info.IsDir() {
		return nil, fmt.Errorf("read %s: it is a directory", path)
	}
	if info.Size() > max {
		return nil, fmt.Errorf("read %s: %d bytes are more than the %d allowed", path, info.Size(), max)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return b, nil
}
