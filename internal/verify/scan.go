package verify

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"penstock/internal/bzip2"
	"penstock/internal/fault"
)

// maxLine is the longest line of events or rejects, in bytes: a record has 10 MiB at most, in base64 a third more.
const maxLine = 16 << 20

// scanned is what reading a compressed object through has shown.
type scanned struct {
	gone bool
	sha  string // hex, of the object's bytes
	size int64
	raw  int64 // decoded bytes
	n    int   // lines
	bad  string
}

// scan reads a compressed object to its end: its hash, and line by line what it holds, up to most bytes. line is given
// each line with its line feed and says what is wrong with it, or "". Memory does not grow with the object.
func (c *check) scan(ctx context.Context, b Bucket, key string, most int64, line func(line []byte) string) (s scanned, err error) {
	st, _ := c.bucket(b)
	body, err := st.GetRange(ctx, key, "", 0, -1)
	var none *fault.NotFound
	if errors.As(err, &none) {
		return scanned{gone: true}, nil
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", key, err)
	}
	defer body.Close()
	sum := sha256.New()
	in := &counted{r: io.TeeReader(body, sum)}
	z, _ := c.readers.Get().(*bzip2.Reader)
	if z == nil {
		if z, err = bzip2.NewReader(in, bzip2.ReaderConfig{Single: true}); err != nil {
			return s, err
		}
	} else {
		z.Reset(in)
	}
	s.lines(z, most, line)
	z.Reset(nil)
	c.readers.Put(z)
	if in.err == nil {
		_, _ = io.Copy(io.Discard, in) // what the decoder left; an error stays in in
	}
	if in.err != nil {
		return s, fmt.Errorf("read %s: %w", key, in.err)
	}
	s.sha, s.size = hex.EncodeToString(sum.Sum(nil)), in.n
	c.count(s.size)
	return s, nil
}

func (s *scanned) lines(z io.Reader, most int64, line func([]byte) string) {
	r := bufio.NewReaderSize(z, 32<<10)
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		s.raw += int64(len(part))
		text := part
		if len(long) > 0 || err == bufio.ErrBufferFull {
			long = append(long, part...)
			text = long
		}
		switch {
		case s.raw > most:
			s.bad = fmt.Sprintf("it holds more than %d bytes", most)
		case len(text) > maxLine:
			s.bad = fmt.Sprintf("line %d is longer than %d bytes", s.n+1, maxLine)
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(text) > 0:
			s.bad = "its last line has no end"
		case err == io.EOF:
			return
		case err != nil:
			s.bad = err.Error()
		default:
			s.n++
			if why := line(text); why != "" && s.bad == "" {
				s.bad = fmt.Sprintf("line %d %s", s.n, why)
			}
			long = long[:0]
			continue
		}
		return
	}
}

// counted counts what is read and keeps the error of the reader below, which is not one of the format.
type counted struct {
	r   io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}
