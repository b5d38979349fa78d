package seal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	stdbzip2 "compress/bzip2"

	"penstock/internal/archive"
	"penstock/internal/bzip2"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/seal"
	"penstock/internal/store"
	"penstock/internal/stream"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
)

const (
	shard0    = "shardId-000000000000"
	margin    = time.Minute
	execution = "2026-11-23T07-1"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// is checks an error's type as Lambda sees it: outermost.
func is[E error](t testing.TB, err error) E {
	t.Helper()
	e, ok := err.(E)
	if !ok {
		t.Fatalf("got %T %v, want %T", err, err, e)
	}
	return e
}

// world is a stream, an archive that reads it when told to, and a handler that seals.
type world struct {
	t       testing.TB
	now     time.Time
	stream  *stream.Model
	archive *store.Memory
	hours   *store.Memory
	failure *store.Memory
	ledger  *ledger.Ledger
	h       *seal.Handler
	mapping hour.Mapping
	read    map[string]string // shard -> last sequence number that the archive has read
	writers map[string]*archive.Handler
}

func (w *world) Mapping(context.Context) (hour.Mapping, error) { return w.mapping, nil }

// newWorld is a world shortly before the hour.
func newWorld(t testing.TB, options ...func(*stream.Options)) *world {
	w := &world{t: t, now: hr.Start().Add(-30 * time.Minute), read: map[string]string{}, writers: map[string]*archive.Handler{}}
	w.mapping = hour.Mapping{ID: "m1", State: "Enabled", Start: stream.TrimHorizon, Factor: 1}
	clock := func() time.Time { return w.now }
	o := stream.Options{Now: clock, Seed: 1}
	for _, f := range options {
		f(&o)
	}
	w.stream = must(stream.NewMemory(o))
	w.archive, w.hours, w.failure = store.NewMemory(clock), store.NewMemory(clock), store.NewMemory(clock)
	w.ledger = &ledger.Ledger{Store: w.hours, Keys: keys, Now: clock}
	w.h = &seal.Handler{Archive: w.archive, Hours: w.hours, Failure: w.failure, Stream: w.stream, Mapping: w, Ledger: w.ledger,
		Keys: keys, Now: clock, Margin: margin, Deadline: 3 * time.Hour}
	return w
}

// at moves the clock to a time from the hour's beginning.
func (w *world) at(d time.Duration) *world {
	w.now = hr.Start().Add(d)
	return w
}

// put puts events, one a record, with their text as the partition key.
func (w *world) put(events ...string) []stream.Put {
	w.t.Helper()
	var entries []stream.Entry
	for _, e := range events {
		entries = append(entries, stream.Entry{PartitionKey: e, Data: []byte(e)})
	}
	puts, err := w.stream.PutRecords(ctx, entries)
	if err != nil {
		w.t.Fatal(err)
	}
	return puts
}

// records reads the next records of a shard, at most n.
func (w *world) records(shard string, n int) []stream.Record {
	w.t.Helper()
	start := stream.Start{Type: stream.TrimHorizon}
	if after := w.read[shard]; after != "" {
		start = stream.Start{Type: stream.AfterSequence, Sequence: after}
	}
	it, err := w.stream.Iterator(ctx, shard, start)
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := w.stream.Records(ctx, it, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Records
}

// delivery is the event that Lambda sends for records.
func delivery(shard string, records []stream.Record) []byte {
	type kinesis struct {
		Sequence string      `json:"sequenceNumber"`
		Arrival  json.Number `json:"approximateArrivalTimestamp"`
		Data     []byte      `json:"data"`
	}
	type record struct {
		EventID string  `json:"eventID"`
		Kinesis kinesis `json:"kinesis"`
	}
	var event struct{ Records []record }
	for _, r := range records {
		ms := r.Arrival.UnixMilli()
		event.Records = append(event.Records, record{shard + ":" + r.Sequence,
			kinesis{r.Sequence, json.Number(fmt.Sprintf("%d.%03d", ms/1000, ms%1000)), r.Data}})
	}
	return must(json.Marshal(event))
}

// deliver hands records to the archive function, as the mapping does or as replay does.
func (w *world) deliver(shard string, records []stream.Record) {
	w.t.Helper()
	w.invoke(hour.WriterMapping, delivery(shard, records))
}

func (w *world) replay(shard string, records []stream.Record) {
	w.t.Helper()
	w.invoke(hour.WriterReplay, delivery(shard, records))
}

func (w *world) invoke(writer string, payload []byte) {
	w.t.Helper()
	if w.writers[writer] == nil {
		w.writers[writer] = must(archive.New(archive.Config{Store: w.archive, Keys: keys, Now: func() time.Time { return w.now },
			Writer: writer, Bzip2: bzip2.WriterConfig{Level: 1}}))
	}
	if _, err := w.writers[writer].Invoke(ctx, payload); err != nil {
		w.t.Fatal(err)
	}
}

// take archives the next n records of a shard, in one batch.
func (w *world) take(shard string, n int) {
	w.t.Helper()
	records := w.records(shard, n)
	if len(records) == 0 {
		w.t.Fatalf("%s has nothing to archive", shard)
	}
	w.deliver(shard, records)
	w.read[shard] = records[len(records)-1].Sequence
}

// takeAll archives everything that the stream holds.
func (w *world) takeAll() {
	w.t.Helper()
	for _, s := range must(w.stream.Shards(ctx, time.Time{})) {
		for len(w.records(s.ID, 1)) > 0 {
			w.take(s.ID, stream.MaxRead)
		}
	}
}

// giveUp moves the next n records of a shard to the failure destination, as Lambda does.
func (w *world) giveUp(shard string, n int) string {
	w.t.Helper()
	records := w.records(shard, n)
	w.read[shard] = records[len(records)-1].Sequence
	doc := must(json.Marshal(map[string]any{"version": "1.0", "payload": string(delivery(shard, records))}))
	key := hour.FailurePrefix + "m1/" + shard + "/" + w.now.Format("2006/01/02/2006-01-02T15.04.05") + "-" + records[0].Sequence[50:]
	must(w.failure.Create(ctx, key, doc))
	return key
}

// claim starts and claims the next run for an hour and returns Seal's input.
func (w *world) claim(h hour.Hour, options hour.Options) seal.In {
	w.t.Helper()
	n := must(w.ledger.Read(ctx, h)).NextRun()
	x := hour.ExecutionName(h, n)
	must2(w.ledger.Start(ctx, h, ledger.Start{ID: x + "/s", By: ledger.BySchedule, Options: options}))
	must(w.ledger.Append(ctx, h, func(*ledger.State) (*hour.Entry, error) {
		return &hour.Entry{ID: x + "/c", Type: hour.EntryClaimed, Run: n, Execution: x}, nil
	}))
	return seal.In{Hour: h, N: n, Execution: x, Started: w.now, Options: options}
}

func must2[T, U any](v T, u U, err error) (T, U) {
	if err != nil {
		panic(err)
	}
	return v, u
}

// seal claims a run for the hour and seals it; it has to be complete.
func (w *world) seal(h hour.Hour, options hour.Options) (seal.In, *hour.Seal) {
	w.t.Helper()
	in := w.claim(h, options)
	return in, w.sealAs(in)
}

// sealAs seals as a run that is claimed.
func (w *world) sealAs(in seal.In) *hour.Seal {
	w.t.Helper()
	out, err := w.h.Handle(ctx, in)
	if err != nil || !out.Complete {
		w.t.Fatalf("seal %s: %+v, %v", in.Hour, out, err)
	}
	s := w.standing(in.Hour, out.Revision)
	if out.Parts != len(s.Parts) || out.Events != s.Events {
		w.t.Fatalf("the answer %+v is not of the seal %+v", out, s)
	}
	return s
}

func (w *world) standing(h hour.Hour, revision string) *hour.Seal {
	w.t.Helper()
	key := keys.SealKey(h, revision)
	data, _, err := w.hours.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		w.t.Fatal(err)
	}
	return must(keys.DecodeSeal(key, data))
}

// publish publishes what a run has sealed.
func (w *world) publish(in seal.In) {
	w.t.Helper()
	s := must(w.ledger.Read(ctx, in.Hour))
	r := s.Run(in.N)
	w.append(in.Hour, hour.Entry{ID: in.Execution + "/p", Type: hour.EntryPublished, Run: in.N, Execution: in.Execution, Revision: r.Revision,
		Publish: &hour.Publication{Seal: *r.Seal}})
	if p := must(w.ledger.Read(ctx, in.Hour)).Published(); p == nil || p.Run != in.N {
		w.t.Fatal("the publication does not count")
	}
}

func (w *world) append(h hour.Hour, e hour.Entry) {
	w.t.Helper()
	if _, err := w.ledger.Append(ctx, h, func(*ledger.State) (*hour.Entry, error) { return &e, nil }); err != nil {
		w.t.Fatal(err)
	}
}

// waiting seals the hour and returns what it waits for.
func (w *world) waiting(in seal.In) string {
	w.t.Helper()
	out, err := w.h.Handle(ctx, in)
	if err != nil || out.Complete || out.Waiting == "" || out.Revision != "" {
		w.t.Fatalf("got %+v, %v; want to wait", out, err)
	}
	return out.Waiting
}

// types are the types of an hour's ledger entries.
func (w *world) types(h hour.Hour) (list []string) {
	for _, e := range must(w.ledger.Read(ctx, h)).Entries {
		list = append(list, e.Type)
	}
	return list
}

// lines reads what a seal selects, pieces in their order, from the archive: events or rejects.
func lines(t testing.TB, from store.Store, s *hour.Seal, rejects bool) []string {
	t.Helper()
	var all []string
	for _, p := range s.Pieces {
		x := must(keys.DecodeIndex(p.Index.Key, get(t, from, p.Index.Key, "")))
		f := p.Object
		if rejects {
			f = p.RejectsFile
		}
		var content [][]byte
		if f != nil {
			content = bytes.SplitAfter(must(io.ReadAll(stdbzip2.NewReader(bytes.NewReader(get(t, from, f.Key, f.ETag))))), []byte("\n"))
		}
		taken := func(i int) bool {
			for _, run := range p.Take {
				if run[0] <= i && i < run[1] {
					return true
				}
			}
			return p.Take == nil
		}
		for i, row := range must(x.Rows()) {
			n, m, _ := row.Kind.Counts()
			if rejects {
				n = m
			}
			if taken(i) {
				for _, line := range content[:n] {
					all = append(all, string(line))
				}
			}
			content = content[n*min(1, len(content)):]
		}
	}
	return all
}

func get(t testing.TB, from store.Store, key, etag string) []byte {
	t.Helper()
	b, o, err := from.Get(ctx, key, hour.MaxDocument)
	if err != nil || etag != "" && o.ETag != etag {
		t.Fatalf("get %s of version %q: %+v, %v", key, etag, o, err)
	}
	return b
}
