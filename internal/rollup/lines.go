package rollup

import (
	"bytes"
	"errors"
	"io"
)

// MaxLine is the longest line that Map reads, without its line end: more than
// Kinesis takes as a record.
const MaxLine = 16 << 20

// lines reads lines of limited length. A line ends with LF, CRLF or the end of
// the input.
type lines struct {
	r          io.Reader
	buf        []byte
	begin, end int // what is read and not yet handed out
	err        error
	limit      int
	full       bool // the last read filled the buffer
}

// The buffer grows from the first size to the second when reads fill it, and
// further for a long line only. Small inputs are many in a simulation.
const (
	firstBuffer = 16 << 10
	fullBuffer  = 256 << 10
)

func newLines(r io.Reader, limit int) *lines {
	return &lines{r: r, buf: make([]byte, firstBuffer), limit: limit}
}

// next returns the next line, valid until the next call. A line longer than
// the limit is skipped and returned as oversized. At the end err is io.EOF.
func (l *lines) next() (line []byte, oversized bool, err error) {
	searched := 0
	for {
		if at := bytes.IndexByte(l.buf[l.begin+searched:l.end], '\n'); at >= 0 {
			line = l.buf[l.begin : l.begin+searched+at]
			l.begin += searched + at + 1
			break
		}
		searched = l.end - l.begin
		if searched > l.limit+1 { // a CR may still be part of the line end
			oversized, l.begin, searched = true, l.end, 0
		}
		if l.err != nil {
			if !errors.Is(l.err, io.EOF) {
				return nil, false, l.err
			}
			if line = l.buf[l.begin:l.end]; len(line) == 0 && !oversized {
				return nil, false, io.EOF
			}
			l.begin = l.end
			break
		}
		l.fill()
	}
	if oversized {
		return nil, true, nil
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if len(line) > l.limit {
		return nil, true, nil
	}
	return line, false, nil
}

func (l *lines) fill() {
	if l.begin > 0 && (l.begin == l.end || l.end == len(l.buf)) {
		l.end = copy(l.buf, l.buf[l.begin:l.end])
		l.begin = 0
	}
	if l.end == len(l.buf) || l.full && len(l.buf) < fullBuffer {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	for range 100 { // as bufio: a reader may return nothing, but not for ever
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		l.err, l.full = err, l.end == len(l.buf)
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}
