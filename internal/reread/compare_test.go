package reread_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"penstock/internal/archive"
	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/reread"
	"penstock/internal/stream"
	"penstock/internal/stream/streamfault"
	"penstock/internal/verify"
)

func TestAnHourIsWhatTheStreamHas(t *testing.T) {
	w := newWorld(t)
	done := 0
	w.Procs, w.Progress = 1, func() { done++ }
	r := w.compare(t)
	if len(r.Findings)+len(r.Notes) > 0 || r.Left != 0 || r.Waiting != 0 || r.Archived != r.Compared || r.Archived < 30 || done != len(w.seal.Pieces) {
		t.Errorf("%+v, progress %d", r, done)
	}
}

func TestWhatHasLeftTheStreamIsCountedAndNotWrong(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"by the retention": func(w *world) {
			w.now = h7.Start().Add(168*time.Hour + 40*time.Minute)
			w.keep(t, h7.Start().Add(40*time.Minute))
		},
		"because it is archived": func(w *world) {
			w.Dropped = map[string]hour.Sequence{}
			for _, p := range w.seal.Pieces {
				if x := w.index(p.Index.Key); !x.LastArrival.After(h7.Start().Add(45 * time.Minute)) {
					w.Dropped[p.Shard] = max(w.Dropped[p.Shard], p.Last)
				}
			}
			w.change(func(shard string, all []stream.Record) []stream.Record {
				for len(all) > 0 && hour.Sequence(all[0].Sequence).Compare(w.Dropped[shard]) <= 0 {
					all = all[1:]
				}
				return all
			})
		},
		"wholly": func(w *world) { w.now = h7.Start().Add(400 * time.Hour); w.keep(t, w.now) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			change(w)
			r := w.compare(t)
			if len(r.Findings) > 0 || r.Left == 0 || r.Left+r.Compared != r.Archived || (r.Compared == 0) != (name == "wholly") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestWhateverTheArchiveSaysOtherwiseIsFound changes one thing of the archive or of the stream.
func TestWhateverTheArchiveSaysOtherwiseIsFound(t *testing.T) {
	first := func(w *world, fn func(r *stream.Record)) {
		w.change(func(shard string, all []stream.Record) []stream.Record {
			if shard == w.seal.Pieces[0].Shard {
				fn(&all[0])
			}
			return all
		})
	}
	for _, c := range []struct {
		name   string
		change func(w *world)
		why    string
		mend   verify.Mend
	}{
		{"a payload of other bytes", func(w *world) {
			first(w, func(r *stream.Record) { r.Data = bytes.Replace(r.Data, []byte("200"), []byte("404"), 1) })
		},
			"a payload is another", verify.MendRestore},
		{"another arrival", func(w *world) { first(w, func(r *stream.Record) { r.Arrival = r.Arrival.Add(time.Millisecond) }) }, "arrived at", verify.MendRestore},
		{"a record in the midst that the index leaves out", func(w *world) {
			p := w.withRejects()
			x := w.index(p.Index.Key)
			rows := must(x.Rows())
			w.change(func(shard string, all []stream.Record) []stream.Record {
				for i := range all {
					if shard == p.Shard && all[i].Sequence == string(rows[1].Sequence) {
						more := all[i]
						more.Sequence = next(all[i].Sequence)
						return append(all[:i+1:i+1], append([]stream.Record{more}, all[i+1:]...)...)
					}
				}
				return all
			})
		}, "it leaves out record", verify.MendRestore},
		{"a record that the stream does not have", func(w *world) {
			w.change(func(shard string, all []stream.Record) []stream.Record {
				if shard == w.seal.Pieces[0].Shard {
					return all[1:]
				}
				return all
			})
		}, "which the stream does not have", verify.MendRestore},
		{"an index that is gone: its records are in none", func(w *world) { w.put(w.seal.Pieces[1].Index.Key, nil) },
			"the hour is published without them", verify.MendRebuild},
		{"an object and its index that were forged together", func(w *world) {
			p := w.withRejects()
			w.forge(p, func(text string) string { return strings.Replace(text, "200", "404", 1) }, nil)
		}, "what it holds of record", verify.MendRestore},
		{"rejects and their index that were forged together", func(w *world) {
			p := w.withRejects()
			w.forge(p, nil, func(text string) string { return strings.Replace(text, `"payload":"e2`, `"payload":"e3`, 1) })
		}, "what it holds of record", verify.MendRestore},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			r := w.compare(t)
			if len(r.Findings) == 0 || !strings.Contains(whys(r), c.why) || r.Findings[0].Mend != c.mend || r.Findings[0].Hour != h7 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// next is a sequence number just behind another.
func next(s string) string {
	b := []byte(s)
	for i := len(b) - 1; ; i-- {
		if b[i] < '9' {
			b[i]++
			return string(b)
		}
		b[i] = '0'
	}
}

// forge replaces what an index names by other bytes, and the index by one that names them.
func (w *world) forge(p *hour.Piece, object, rejects func(string) string) {
	x := w.index(p.Index.Key)
	again := func(f *hour.File, change func(string) string, key func(hour.DataKey) string, n int) *hour.File {
		if change == nil {
			return f
		}
		var b bytes.Buffer
		must(bzip2.Decompress(&b, bytes.NewReader(w.get(f.Key)), bzip2.ReaderConfig{}))
		text := change(b.String())
		if text == b.String() {
			panic("nothing was changed")
		}
		var z bytes.Buffer
		writer := must(bzip2.NewWriter(&z, bzip2.WriterConfig{}))
		must(writer.Write([]byte(text)))
		must(0, writer.Close())
		sum := hour.SHA256(z.Bytes())
		name := key(hour.DataKey{Span: x.Span(), Count: n, Hash: sum[:12]})
		w.put(name, z.Bytes())
		return &hour.File{Key: name, Size: int64(z.Len()), SHA256: sum}
	}
	x.Object = again(x.Object, object, w.keys.ObjectKey, x.Events)
	x.RejectsFile = again(x.RejectsFile, rejects, w.keys.RejectsKey, x.Rejects)
	w.put(p.Index.Key, hour.Encode(x))
}

func TestAnotherEncodersObjectIsTheSame(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	x := w.index(p.Index.Key)
	var b, z bytes.Buffer
	must(bzip2.Decompress(&b, bytes.NewReader(w.get(x.Object.Key)), bzip2.ReaderConfig{}))
	writer := must(bzip2.NewWriter(&z, bzip2.WriterConfig{Level: 1}))
	must(writer.Write(b.Bytes()))
	must(0, writer.Close())
	x.Object = &hour.File{Key: w.keys.ObjectKey(hour.DataKey{Span: x.Span(), Count: x.Events, Hash: hour.SHA256(z.Bytes())[:12]}), Size: int64(z.Len()), SHA256: hour.SHA256(z.Bytes())}
	if x.Object.SHA256 == p.Object.SHA256 {
		t.Fatal("it is the same encoder")
	}
	w.put(x.Object.Key, z.Bytes())
	w.put(p.Index.Key, hour.Encode(x))
	if r := w.compare(t); len(r.Findings)+len(r.Notes) > 0 || r.Compared != r.Archived {
		t.Errorf("%+v", r)
	}
}

func TestAnotherFormatIsANote(t *testing.T) {
	w := newWorld(t)
	w.Format = "text"
	r := w.compare(t)
	if len(r.Findings) > 0 || len(r.Notes) == 0 || !strings.Contains(r.Notes[0].Why, "was archived as r, and this release and format make e of it") {
		t.Errorf("%+v", r)
	}
}

func TestOverlappingBatchesAreComparedEach(t *testing.T) {
	w := newWorld(t)
	// The records of a shard once more, cut otherwise.
	p := w.seal.Pieces[0]
	handler := must(archive.New(archive.Config{Store: w.archive, Keys: w.keys, Now: w.clock}))
	it := must(w.model.Iterator(ctx, p.Shard, stream.Start{Type: stream.TrimHorizon}))
	page := must(w.model.Records(ctx, it, 1000))
	for from := 1; from+7 < len(page.Records); from += 5 {
		must(handler.Invoke(ctx, deliver(p.Shard, page.Records[from:from+7])))
	}
	before := len(w.seal.Pieces)
	r := w.compare(t)
	if len(r.Findings)+len(r.Notes) > 0 || r.Compared != r.Archived || r.Archived < before+30 {
		t.Errorf("%+v", r)
	}
}

func TestRecordsOfAnHourThatIsNotPublishedAreWaitedFor(t *testing.T) {
	w := newWorld(t)
	for o, err := range w.hours.List(ctx, w.keys.LedgerPrefix(h7)) {
		must(0, err)
		must(0, w.hours.Delete(ctx, o.Key))
	}
	n := w.index(w.seal.Pieces[0].Index.Key).Records
	w.put(w.seal.Pieces[0].Index.Key, nil)
	if r := w.compare(t); len(r.Findings) > 0 || r.Waiting != n {
		t.Errorf("%+v, want %d waiting", r, n)
	}
}

func TestADamagedIndexOrObjectIsLeftToVerify(t *testing.T) {
	w := newWorld(t)
	w.put(w.seal.Pieces[0].Index.Key, []byte("x"))
	p := w.withRejects()
	w.forge(p, func(text string) string { return strings.Replace(text, "200", "404", 1) }, nil)
	w.put(w.index(p.Index.Key).Object.Key, []byte("BZh9"))
	r := w.compare(t)
	if len(r.Findings) > 0 || len(r.Notes) != 2 || !strings.Contains(r.Notes[0].Why+r.Notes[1].Why, "it cannot be read") {
		t.Errorf("%+v", r)
	}
}

func TestAStreamThatIsBusyIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	busy := 0
	w.Stream = streamfault.New(w.model, w.model, func(c streamfault.Call) streamfault.Outcome {
		if busy++; busy%3 == 0 {
			return streamfault.Outcome{Err: &fault.Unavailable{Service: "kinesis", Action: "read", Err: errors.New("throttled")}}
		}
		return streamfault.Outcome{}
	})
	w.Procs = 1
	pauses := 0
	w.Pause = func(context.Context, int) error { pauses++; return nil }
	if r := w.compare(t); len(r.Findings) > 0 || r.Compared != r.Archived || pauses == 0 {
		t.Errorf("%+v, %d pauses", r, pauses)
	}
	w.Pause = nil
	if _, err := w.Compare(ctx, h7); err == nil {
		t.Error("an error is none")
	}
}

func TestAStoreThatBreaksOffIsAnErrorNotANote(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	w.forge(p, func(text string) string { return strings.Replace(text, "200", "404", 1) }, nil)
	w.Archive = broken{w.archive}
	if r, err := w.Compare(ctx, h7); err == nil {
		t.Errorf("%+v", r)
	}
}

type broken struct{ reread.Archive }

func (broken) GetRange(context.Context, string, string, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("BZh9"), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
