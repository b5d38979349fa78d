package reread

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/verify"
)

// content compares events and rejects line by line, of the records that the stream has.
func (c *comparison) content(ctx context.Context, key string, x *hour.Index, rows []hour.Row, both []int, again *remade) error {
	if n := kinds(rows, both, again.rows); n >= 0 {
		c.note(key, "record %s was archived as %s, and this release and format make %s of it: its lines are not compared", again.rows[n].Sequence,
			rows[both[n]].Kind, again.rows[n].Kind)
		return nil
	}
	for _, f := range []struct {
		file *hour.File
		made []byte
		n    func(hour.Kind) int
		same func(a, b []byte) bool
	}{
		{x.Object, again.object, func(k hour.Kind) int { e, _, _ := k.Counts(); return e }, bytes.Equal},
		{x.RejectsFile, again.rejects, func(k hour.Kind) int { _, r, _ := k.Counts(); return r }, sameReject},
	} {
		if f.file == nil {
			continue
		}
		stored, err := c.stored(ctx, f.file)
		if err != nil || stored == nil {
			return err
		}
		made, err := lines(f.made)
		if err != nil {
			return err
		}
		if at := differs(rows, both, stored, made, f.n, f.same); at >= 0 {
			c.find(f.file.Key, verify.MendRestore, "what it holds of record %s is not what the stream has", rows[at].Sequence)
		}
	}
	return nil
}

// differs is the place of the first row whose lines differ, or -1. made are the lines of the rows in both.
func differs(rows []hour.Row, both []int, stored, made [][]byte, count func(hour.Kind) int, same func(a, b []byte) bool) int {
	for i := range rows {
		n := count(rows[i].Kind)
		if len(stored) < n {
			return i
		}
		of := stored[:n]
		stored = stored[n:]
		if len(both) == 0 || both[0] != i {
			continue
		}
		both = both[1:]
		if len(made) < n || !slices.EqualFunc(of, made[:n], same) {
			return i
		}
		made = made[n:]
	}
	return -1
}

// sameReject compares what rejects keep; the reason is a release's words.
func sameReject(a, b []byte) bool {
	var x, y hour.Reject
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x.Shard == y.Shard && x.Sequence == y.Sequence && x.Sub == y.Sub &&
		x.Arrival.Equal(y.Arrival.Time) && bytes.Equal(x.Payload, y.Payload)
}

// stored reads the lines of an archive object; nil, with a note, if it cannot be read.
func (c *comparison) stored(ctx context.Context, f *hour.File) ([][]byte, error) {
	all, err := c.readLines(ctx, f.Key)
	var corrupt *fault.Corrupt
	var none *fault.NotFound
	if errors.As(err, &corrupt) || errors.As(err, &none) {
		c.note(f.Key, "it was not compared with the stream: it cannot be read")
		return nil, nil
	}
	return all, err
}

// readLines decodes an object of at most maxHeld bytes.
func (r *Reader) readLines(ctx context.Context, key string) ([][]byte, error) {
	body, err := r.Archive.GetRange(ctx, key, "", 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, in := &limited{}, &source{r: body}
	if _, err := bzip2.Decompress(b, in, bzip2.ReaderConfig{Single: true}); err != nil {
		if in.err != nil {
			return nil, fmt.Errorf("read %s: %w", key, in.err)
		}
		return nil, &fault.Corrupt{Key: key, Detail: err.Error()}
	}
	all := bytes.SplitAfter(b.Bytes(), []byte("\n"))
	return all[:len(all)-1], nil
}

// source keeps the error of the store, which is not one of the format.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// limited is a buffer that refuses more than maxHeld.
type limited struct{ bytes.Buffer }

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > maxHeld {
		return 0, fmt.Errorf("it holds more than %d MB", maxHeld>>20)
	}
	return l.Buffer.Write(b)
}
