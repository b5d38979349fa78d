package compact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"

	"golang.org/x/sync/errgroup"
)

// kind says which of a piece's two objects is read.
type kind int

const (
	events kind = iota
	rejects
)

const (
	smallObject = 500_000  // bytes raw: objects below are re-encoded together
	ahead       = 32       // objects fetched at a time
	aheadBytes  = 16 << 20 // compressed bytes fetched at a time
	maxObject   = 64 << 20 // bytes of one archive object

	// maxRejects is how long one batch's rejects may be, decoded. Each mangled sub-record becomes a line of more than 200
	// bytes however short it was, so that a batch's rejects can be ten times as long as its payload.
	maxRejects = 256 << 20
)

// reader makes a part as it is read: it fetches the next objects, joins them into its buffer, and hands that out. It
// lives in the caller's goroutine; only the joining, which is pure, and the fetching, if the handler allows it, run
// elsewhere.
type reader struct {
	h      *Handler
	ctx    context.Context
	pieces []hour.Piece
	kind   kind
	want   int // events or rejects in all

	repaired func(p *hour.Piece) [][2]int // rejects that repairs make good

	next   int // piece to fetch next
	out    bytes.Buffer
	join   *bzip2.Joiner
	decode *bzip2.Reader
	text   []byte // of one decoded object, reused
	hash   hash.Hash
	lines  int   // events or rejects so far
	raw    int64 // their bytes, line feeds included
	closed bool
	err    error
}

func (h *Handler) newReader(ctx context.Context, pieces []hour.Piece, k kind, want int) *reader {
	r := &reader{h: h, ctx: ctx, pieces: pieces, kind: k, want: want, hash: sha256.New(), repaired: hour.Repaired(pieces)}
	r.join = bzip2.NewJoiner(&r.out)
	r.join.Procs = h.Procs
	return r
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	for r.out.Len() == 0 && r.err == nil {
		r.err = r.advance()
	}
	if r.out.Len() > 0 {
		n, _ := r.out.Read(b)
		r.hash.Write(b[:n])
		return n, nil
	}
	return 0, r.err
}

func (r *reader) sum() string { return hex.EncodeToString(r.hash.Sum(nil)) }

// source is one fetched object.
type source struct {
	piece *hour.Piece
	file  *hour.File
	data  []byte
	keep  [][2]int // lines kept, nil for all
}

// advance fetches and joins the next objects; at the end it closes the stream and returns io.EOF.
func (r *reader) advance() error {
	if r.closed {
		return io.EOF
	}
	batch, err := r.fetchNext()
	if err != nil {
		return err
	}
	work := func() {
		for i := range batch {
			if err = r.add(&batch[i]); err != nil {
				return
			}
		}
		if r.next < len(r.pieces) {
			return
		}
		r.closed = true
		if r.lines != r.want { // before the end is seen: nothing is created
			err = &fault.Corrupt{Key: "seal", Detail: fmt.Sprintf("%d lines instead of %d", r.lines, r.want)}
			return
		}
		err = r.join.Close()
	}
	if r.h.Compute != nil {
		r.h.Compute(work)
	} else {
		work()
	}
	return err
}

// fetchNext reads the next objects, up to a number and a size.
func (r *reader) fetchNext() ([]source, error) {
	var batch []source
	for size := int64(0); r.next < len(r.pieces) && len(batch) < ahead && size < aheadBytes; r.next++ {
		p := &r.pieces[r.next]
		f, n := p.Object, p.Events
		if r.kind == rejects {
			f, n = p.RejectsFile, p.Rejects
		}
		if f == nil || n == 0 {
			continue
		}
		if f.Size < 0 || f.Size > maxObject {
			return nil, &fault.Corrupt{Key: f.Key, Detail: "not of an archive object's size"}
		}
		batch = append(batch, source{piece: p, file: f})
		size += f.Size
	}
	if r.h.Fetch <= 1 {
		for i := range batch {
			if err := r.fetch(r.ctx, &batch[i]); err != nil {
				return nil, err
			}
		}
		return batch, nil
	}
	g, ctx := errgroup.WithContext(r.ctx)
	g.SetLimit(min(r.h.Fetch, ahead))
	for i := range batch {
		g.Go(func() error { return r.fetch(ctx, &batch[i]) })
	}
	return batch, g.Wait()
}

// fetch reads one object whole and, where it is taken in part, works out which lines.
func (r *reader) fetch(ctx context.Context, s *source) error {
	// Without the sealed ETag: the hash below says more, and bytes that a person brought back have another.
	body, err := r.h.Archive.GetRange(ctx, s.file.Key, "", 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := bytes.NewBuffer(make([]byte, 0, s.file.Size+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(body, s.file.Size+1)); err != nil {
		return err
	}
	s.data = buf.Bytes()
	if int64(len(s.data)) != s.file.Size || hour.SHA256(s.data) != s.file.SHA256 {
		return &fault.Corrupt{Key: s.file.Key, Detail: "not the bytes that its index names"}
	}
	s.keep, err = r.keep(ctx, s.piece)
	return err
}

// keep works out which lines of its object a piece takes, nil for all: those of the records taken, without rejects that
// the hour's repairs make good.
func (r *reader) keep(ctx context.Context, p *hour.Piece) ([][2]int, error) {
	var repaired [][2]int
	if r.kind == rejects {
		repaired = r.repaired(p)
	}
	if p.Whole() {
		if repaired == nil {
			return nil, nil
		}
		return hour.Without([][2]int{{0, p.Rejects + hour.Count(repaired)}}, repaired), nil
	}
	data, _, err := r.h.Archive.Get(ctx, p.Index.Key, hour.MaxDocument)
	if err != nil {
		return nil, err
	}
	x, err := r.h.Keys.DecodeIndex(p.Index.Key, data)
	if err != nil {
		return nil, err
	}
	if !p.Means(x, hour.SHA256(data)) {
		return nil, &fault.Corrupt{Key: p.Index.Key, Detail: "not the index that was sealed"}
	}
	rows, err := x.Rows()
	if err != nil {
		return nil, err
	}
	lines, err := hour.Lines(rows, p.Take, r.kind == rejects)
	if err != nil || repaired == nil {
		return lines, err
	}
	return hour.Without(lines, repaired), nil
}

// add joins one object. It is pure but for the reader's own state.
func (r *reader) add(s *source) error {
	if r.kind == events && s.keep == nil && s.piece.Bytes >= smallObject {
		if _, err := r.join.Add(bytes.NewReader(s.data)); err != nil {
			return &fault.Corrupt{Key: s.file.Key, Detail: err.Error()}
		}
		r.lines += s.piece.Events
		r.raw += s.piece.Bytes
		return nil
	}
	text, err := r.decompress(s)
	if err != nil {
		return err
	}
	if s.keep != nil {
		text, err = pick(text, s.keep)
		if err != nil {
			return &fault.Corrupt{Key: s.file.Key, Detail: err.Error()}
		}
	}
	want := s.piece.Events
	if r.kind == rejects {
		want = s.piece.Rejects
	}
	if n := bytes.Count(text, []byte{'\n'}); n != want || n > 0 && text[len(text)-1] != '\n' {
		return &fault.Corrupt{Key: s.file.Key, Detail: fmt.Sprintf("%d lines instead of %d", n, want)}
	}
	r.lines += want
	r.raw += int64(len(text))
	_, err = r.join.Write(text)
	return err
}

func (r *reader) decompress(s *source) ([]byte, error) {
	if r.decode == nil {
		z, err := bzip2.NewReader(bytes.NewReader(s.data), bzip2.ReaderConfig{Procs: r.h.Procs, Single: true})
		if err != nil {
			return nil, err
		}
		r.decode = z
	} else {
		r.decode.Reset(bytes.NewReader(s.data))
	}
	buf := bytes.NewBuffer(r.text[:0])
	limit := int64(maxRejects)
	if r.kind == events {
		limit = s.piece.Bytes
	}
	n, err := buf.ReadFrom(io.LimitReader(r.decode, limit+1))
	r.text = buf.Bytes()
	if err != nil {
		return nil, &fault.Corrupt{Key: s.file.Key, Detail: err.Error()}
	}
	if n > limit || r.kind == events && n != limit {
		return nil, &fault.Corrupt{Key: s.file.Key, Detail: "not as long as its index says"}
	}
	return r.text, nil
}

// pick moves the kept runs of lines to the front of text.
func pick(text []byte, keep [][2]int) ([]byte, error) {
	line, pos, end := 0, 0, 0
	skip := func(n int) error {
		for ; line < n; line++ {
			i := bytes.IndexByte(text[pos:], '\n')
			if i < 0 {
				return fmt.Errorf("%d lines, too few for the records that its index names", line)
			}
			pos += i + 1
		}
		return nil
	}
	for _, k := range keep {
		if err := skip(k[0]); err != nil {
			return nil, err
		}
		from := pos
		if err := skip(k[1]); err != nil {
			return nil, err
		}
		end += copy(text[end:], text[from:pos])
	}
	return text[:end], nil
}

func digest(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}
