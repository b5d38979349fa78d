package compact_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	stdbzip2 "compress/bzip2"

	"penstock/internal/bzip2"
	"penstock/internal/compact"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
)

const shard = "shardId-000000000000"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func is[E error](t testing.TB, err error) E {
	t.Helper()
	e, ok := err.(E) // outermost, as Lambda sees it
	if !ok {
		t.Fatalf("got %T %v, want %T", err, err, e)
	}
	return e
}

// world is an archive, and an hour's ledger.
type world struct {
	t       testing.TB
	archive *store.Memory
	hours   *store.Memory
	ledger  *ledger.Ledger
	h       *compact.Handler
	next    int // sequence number

	pieces  []hour.Piece
	events  [][]string // taken, by piece
	rejects []string   // taken
}

func now() time.Time { return hr.End().Add(10 * time.Minute) }

func newWorld(t testing.TB) *world {
	w := &world{t: t, archive: store.NewMemory(now), hours: store.NewMemory(now), next: 1000}
	w.ledger = &ledger.Ledger{Store: w.hours, Keys: keys, Now: now}
	w.h = &compact.Handler{Archive: w.archive, Hours: w.hours, Ledger: w.ledger, Keys: keys}
	return w
}

// event is a line of some 500 bytes, of which most are a run, so that tests sort little.
func event(n int) string {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	b := fmt.Appendf(nil, `{"n":%d,"type":"play","publisher":"example","session":"`, n)
	for range 40 {
		b = append(b, "abcdefghijklmnopqrstuvwxyz012345"[r.IntN(32)])
	}
	return string(b) + `","text":"` + strings.Repeat("-", 390) + `"}` + "\n"
}

// batch archives n records and takes those of take, or all. Each tenth is a reject, each seventh holds two events.
func (w *world) batch(n int, take ...[2]int) {
	w.t.Helper()
	first := w.next
	w.next += n
	taken := func(i int) bool {
		for _, run := range take {
			if run[0] <= i && i < run[1] {
				return true
			}
		}
		return len(take) == 0
	}
	var rows []hour.Row
	var events, rejects bytes.Buffer
	p := hour.Piece{Kind: hour.PieceRange, Shard: shard, Take: take}
	x := &hour.Index{Version: hour.Version, Hour: hr, Shard: shard, Records: n, Writer: hour.WriterMapping, ArchivedAt: hour.At(now())}
	var mine []string
	for i := range n {
		fates := "e"
		switch no := first + i; {
		case no%10 == 0:
			fates = "r"
		case no%7 == 0:
			fates = "ere"
		}
		for sub, fate := range fates {
			line := event(10*(first+i) + sub)
			if fate == 'e' {
				events.WriteString(line)
				x.Events++
			} else {
				line = fmt.Sprintf(`{"version":1,"sub":%d,"payload":"%d"}`, sub, first+i) + "\n"
				rejects.WriteString(line)
				x.Rejects++
			}
			switch {
			case !taken(i):
			case fate == 'e':
				mine, p.Events = append(mine, line), p.Events+1
			default:
				w.rejects, p.Rejects = append(w.rejects, line), p.Rejects+1
			}
		}
		rows = append(rows, hour.Row{Sequence: hour.Sequence(fmt.Sprint(first + i)), Arrival: hr.Start(), Kind: hour.KindOf([]byte(fates))})
	}
	x.First, x.Last = rows[0].Sequence, rows[n-1].Sequence
	x.FirstArrival, x.LastArrival = hour.At(hr.Start()), hour.At(hr.Start())
	x.Columns, x.Bytes = must(hour.EncodeRows(rows)), int64(events.Len())
	x.RecordsHash = hour.SHA256(events.Bytes())
	name := func(n int) hour.DataKey { return hour.DataKey{Span: x.Span(), Count: n, Hash: "0123456789ab"} }
	x.Object = w.store(keys.ObjectKey(name(x.Events)), events.Bytes())
	x.RejectsFile = w.store(keys.RejectsKey(name(x.Rejects)), rejects.Bytes())
	doc := hour.Encode(x)
	p.Index = hour.Ref{Key: keys.IndexKey(x.Span()), SHA256: hour.SHA256(doc)}
	must(w.archive.Create(ctx, p.Index.Key, doc))
	p.First, p.Last, p.RecordsHash, p.Object, p.RejectsFile, p.Bytes = x.First, x.Last, x.RecordsHash, x.Object, x.RejectsFile, x.Bytes
	w.pieces, w.events = append(w.pieces, p), append(w.events, mine)
}

func (w *world) store(key string, raw []byte) *hour.File {
	if len(raw) == 0 {
		return nil
	}
	data := new(bzip2.Encoder).Encode(nil, raw)
	o := must(w.archive.Create(ctx, key, data))
	return &hour.File{Key: key, Size: o.Size, ETag: o.ETag, SHA256: hour.SHA256(data)}
}

// seal seals the pieces, cut into parts that end with the pieces given and the last, and returns the first part's input.
func (w *world) seal(ends ...int) compact.In {
	w.t.Helper()
	s := &hour.Seal{Version: hour.Version, Hour: hr, Layout: hour.Layout, Revision: hour.RevisionOf(hour.Layout, w.pieces), Pieces: w.pieces}
	from := 0
	for _, to := range append(ends, len(w.pieces)) {
		p := hour.PartPlan{From: from, To: to}
		for _, piece := range w.pieces[from:to] {
			p.Events += piece.Events
			s.Rejects += piece.Rejects
		}
		s.Events += p.Events
		s.Parts = append(s.Parts, p)
		from = to
	}
	key, doc := keys.SealKey(hr, s.Revision), hour.Encode(s)
	if _, err := w.hours.Create(ctx, key, doc); err != nil {
		doc, _, _ = w.hours.Get(ctx, key, 1<<30)
	}
	in := w.run(s.Revision, &hour.Ref{Key: key, SHA256: hour.SHA256(doc)})
	return in
}

// run starts, claims and seals the next run.
func (w *world) run(revision string, seal *hour.Ref) compact.In {
	w.t.Helper()
	st := must(w.ledger.Read(ctx, hr))
	n := st.NextRun()
	x := hour.ExecutionName(hr, n)
	if before := st.Holder(); before != nil {
		w.append(hour.Entry{ID: x + "/f", Type: hour.EntryFailed, Run: before.N, Execution: before.Execution})
	}
	w.append(hour.Entry{ID: x + "/s", Type: hour.EntryStarted, Run: n})
	w.append(hour.Entry{ID: x + "/c", Type: hour.EntryClaimed, Run: n, Execution: x})
	w.append(hour.Entry{ID: x + "/S", Type: hour.EntrySealed, Run: n, Execution: x, Revision: revision, Seal: seal})
	return compact.In{Hour: hr, N: n, Execution: x, Revision: revision}
}

func (w *world) append(e hour.Entry) {
	w.t.Helper()
	must(w.ledger.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return &e, nil }))
}

// compact writes all parts and returns the run.
func (w *world) compact(in compact.In, parts int) *ledger.Run {
	w.t.Helper()
	for in.Part = range parts {
		out, err := w.h.Handle(ctx, in)
		if err != nil || out.Part != in.Part {
			w.t.Fatalf("part %d: %+v, %v", in.Part, out, err)
		}
	}
	return must(w.ledger.Read(ctx, hr)).Run(in.N)
}

// read returns a stored file after checking it against its description.
func (w *world) read(f *hour.File) []byte {
	w.t.Helper()
	data, o, err := w.hours.Get(ctx, f.Key, 1<<30)
	if err != nil || o.ETag != f.ETag || o.Size != f.Size || hour.SHA256(data) != f.SHA256 {
		w.t.Fatalf("%+v stands as %+v, %v", f, o, err)
	}
	return data
}

func decode(t testing.TB, data []byte) string {
	t.Helper()
	b, err := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// written is what stands in the hours besides the ledger and the seals.
func (w *world) written() map[string]string {
	all := map[string]string{}
	for o, err := range w.hours.List(ctx, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		_, _, _, part := keys.ParsePartKey(o.Key)
		_, _, rejects := keys.ParseHourRejectsKey(o.Key)
		if part || rejects {
			data, _, err := w.hours.Get(ctx, o.Key, 1<<30)
			if err != nil {
				w.t.Fatal(err)
			}
			all[o.Key] = string(data)
		}
	}
	return all
}
