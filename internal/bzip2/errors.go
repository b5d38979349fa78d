package bzip2

import (
	"errors"
	"fmt"
)

// The kinds of error that data can cause. They are matched with errors.Is; the error that carries one is a
// *FormatError, which says where in the data it was found.
var (
	// ErrFormat: the data does not begin as a bzip2 stream does.
	ErrFormat = errors.New("not a bzip2 stream")
	// ErrTruncated: the data ends before the stream's footer does.
	ErrTruncated = errors.New("truncated bzip2 stream")
	// ErrCorrupt: the data contradicts the format or one of its checksums.
	ErrCorrupt = errors.New("corrupt bzip2 stream")
	// ErrTrailing: the stream is followed by further bytes where only one stream may stand.
	ErrTrailing = errors.New("data after the bzip2 stream")
	// ErrRandomised: a block has the randomised bit set, a feature no encoder has used since 1997.
	ErrRandomised = errors.New("randomised bzip2 block")
)

// The kinds of error that a caller causes.
var (
	// ErrClosed: the Writer, Joiner or Reader was closed before.
	ErrClosed = errors.New("bzip2: use after Close")
	// ErrConfig: a level, number of goroutines or codec is outside of its range.
	ErrConfig = errors.New("bzip2: invalid configuration")
)

// FormatError reports data that is not what a bzip2 stream holds. It never carries the data.
type FormatError struct {
	Offset int64  // bits from the start of the data to the part that is wrong; -1 where it is not known
	Detail string // what was expected there
	Kind   error  // ErrFormat, ErrTruncated, ErrCorrupt, ErrTrailing or ErrRandomised
}

func (e *FormatError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%v: %s", e.Kind, e.Detail)
	}
	return fmt.Sprintf("%v: bit %d: %s", e.Kind, e.Offset, e.Detail)
}

// Unwrap returns the kind.
func (e *FormatError) Unwrap() error { return e.Kind }

func formatError(kind error, offset int64, detail string) error {
	return &FormatError{Offset: offset, Detail: detail, Kind: kind}
}
