package compact_test

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"penstock/internal/bzip2"
	"penstock/internal/compact"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// TestMemoryDoesNotGrowWithTheHour counts what compaction holds, not what the allocator does: bytes read from the
// archive and not yet handed on, and objects opened at the same time.
func TestMemoryDoesNotGrowWithTheHour(t *testing.T) {
	const (
		megabyte   = 1 << 20
		aheadBytes = 16 * megabyte // and the object that goes beyond it
	)
	for name, c := range map[string]struct {
		bytes, objects int // of an object, and how many there are
		limit          int64
		open           int // objects read before the first byte is handed on
	}{
		"large objects": {700_000, 40, aheadBytes + megabyte, 32},
		"small objects": {2_000, 560, 880_000, 500}, // a block of 900 000 bytes, and 32 more
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			raw := make([]byte, c.bytes)
			encoder := &bzip2.Encoder{Level: 1}
			var data []byte
			total := int64(0)
			w := newWorld(t)
			for n := range c.objects {
				if n == 0 || c.bytes < 500_000 { // those that are joined may as well be the same
					for i := range raw {
						raw[i] = byte('0' + r.IntN(64))
					}
					raw[c.bytes-1] = '\n'
					data = encoder.Encode(nil, raw)
				}
				total += int64(len(data))
				key := keys.ObjectKey(hour.DataKey{Span: hour.Span{Hour: hr, Shard: shard, First: "1", Last: "9"}, Count: n + 1, Hash: "0123456789ab"})
				o := must(w.archive.Create(ctx, key, data))
				w.pieces = append(w.pieces, hour.Piece{Kind: hour.PieceRange, Shard: shard, First: "1", Last: "9", Events: 1, Bytes: int64(c.bytes),
					Object: &hour.File{Key: key, Size: o.Size, ETag: o.ETag, SHA256: hour.SHA256(data)}})
				w.events = append(w.events, nil)
			}
			in := w.seal()
			g := &gauge{t: t}
			w.h.Archive, w.h.Hours = measured{w.archive, g}, draining{w.hours, g}
			run := w.compact(in, 1)
			if run.Parts[0].Events != c.objects || run.Parts[0].Bytes != int64(c.objects*c.bytes) {
				t.Errorf("%+v", run.Parts[0])
			}
			if g.read != total || g.most > c.limit || g.open > c.open {
				t.Errorf("of %d bytes read %d were held at a time, limit %d; %d objects before the first byte", g.read, g.most, c.limit, g.open)
			}
			t.Logf("of %d bytes in %d objects at most %d were held", g.read, c.objects, g.most)
		})
	}
}

// gauge counts bytes read less bytes written.
type gauge struct {
	t                     testing.TB
	read, written, most   int64
	objects, open, active int
}

type measured struct {
	compact.Source
	g *gauge
}

func (m measured) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	r, err := m.Source.GetRange(ctx, key, etag, off, n)
	m.g.objects++
	if m.g.active++; m.g.active > 1 {
		m.g.t.Error("a body is left open")
	}
	return counting{r, m.g}, err
}

type counting struct {
	io.ReadCloser
	g *gauge
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.g.read += int64(n)
	c.g.most = max(c.g.most, c.g.read-c.g.written)
	return n, err
}

func (c counting) Close() error {
	c.g.active--
	return c.ReadCloser.Close()
}

// draining takes bodies in small pieces, as an upload does.
type draining struct {
	compact.Hours
	g *gauge
}

func (d draining) CreateFrom(ctx context.Context, key string, r io.Reader) (store.Object, error) {
	return d.Hours.CreateFrom(ctx, key, readerFunc(func(b []byte) (int, error) {
		n, err := r.Read(b[:min(len(b), 5_000)])
		if n > 0 && d.g.written == 0 {
			d.g.open = d.g.objects
		}
		d.g.written += int64(n)
		return n, err
	}))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
