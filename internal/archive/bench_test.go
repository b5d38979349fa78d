package archive

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"runtime"
	"strings"
	"testing"
	"time"

	"penstock/internal/generate"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// fullRecords is how many records of the talk's events make a full payload of 6 MiB.
const fullRecords = 4856

// fullPayload is a delivery of what one of ten shards gets at the talk's load, 100 million events a day.
func fullPayload(t testing.TB, n int) (payload, lines []byte) {
	t.Helper()
	g, err := generate.New(generate.Config{Seed: 1, Start: time.UnixMilli(noon), Duration: 24 * time.Hour, Events: 100_000_000, MangledEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	var now time.Time
	kinesis, err := stream.NewMemory(stream.Options{Now: func() time.Time { return now }, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var recs []rec
	for len(recs) < n {
		e, _ := g.Next()
		if h := fnv.New32a(); func() bool { h.Write([]byte(e.Key)); return h.Sum32()%10 != 0 }() {
			continue
		}
		now = e.Time
		put, err := kinesis.PutRecords(t.Context(), []stream.Entry{{PartitionKey: e.Key, Data: e.Data}})
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec{put[0].Sequence, e.Time.UnixMilli(), string(e.Data)})
		lines = append(append(lines, e.Data...), '\n')
	}
	return delivery("shardId-000000000001", recs...), lines
}

// sink is a store that keeps nothing but sizes, and what is written first: the events' object.
type sink struct {
	bytes int
	first []byte
}

func (s *sink) Create(_ context.Context, _ string, data []byte) (store.Object, error) {
	s.bytes += len(data)
	if s.first == nil {
		s.first = bytes.Clone(data)
	}
	return store.Object{}, nil
}

func (s *sink) Get(context.Context, string, int64) ([]byte, store.Object, error) {
	panic("nothing was created twice")
}

// The gates: less than 200 allocations and 200 kB for a full payload. The archive may be 2 % more than the events' bzip2
// where arrivals and sequence numbers are regular, as make bench has them. Here arrivals are random (4.5 bits each) and
// so are the gaps between sequence numbers (3.3 bits): that alone is 1.5 %, base64 and the document's other fields make
// it 2.6.
func TestAFullPayloadCostsLittle(t *testing.T) {
	records, most := fullRecords, 1.03
	if raceEnabled { // each access to memory costs many there: a quarter, which still has more records than allocations
		records, most = records/4, 1.04
	}
	payload, lines := fullPayload(t, records)
	var s sink
	var metrics bytes.Buffer
	h := newHandler(t, &s, func(c *Config) { c.Figures.Out = &metrics })
	invoke := func() {
		metrics.Reset()
		if _, err := h.Invoke(context.Background(), payload); err != nil {
			t.Fatal(err)
		}
	}
	invoke()
	if got := strings.Join(unzip(t, string(s.first)), ""); got != string(lines) { // so it is the events' bzip2 that the index is held against
		t.Fatalf("what was written first holds %d bytes, not the %d of the events", len(got), len(lines))
	}
	raw := len(s.first)
	ratio := float64(s.bytes) / float64(raw)
	if ratio > most {
		t.Errorf("object and index are %.4f of %d bytes", ratio, raw)
	}
	var before, after runtime.MemStats
	const rounds = 1
	runtime.ReadMemStats(&before)
	for range rounds {
		invoke()
	}
	runtime.ReadMemStats(&after)
	n, size := (after.Mallocs-before.Mallocs)/rounds, (after.TotalAlloc-before.TotalAlloc)/rounds
	if n >= 200 || size >= 200_000 {
		t.Errorf("%d allocations, %d bytes a batch", n, size)
	}
	t.Logf("payload %d bytes, events %d, bzip2 %d, archive %.4f of it, %d allocations, %d bytes", len(payload), len(lines), raw, ratio, n, size)
}

func BenchmarkInvoke(b *testing.B) {
	for _, records := range []int{10, 500, fullRecords} {
		for _, procs := range []int{1, 2} {
			b.Run(fmt.Sprintf("records=%d/procs=%d", records, procs), func(b *testing.B) {
				payload, lines := fullPayload(b, records)
				h := newHandler(b, &sink{}, func(c *Config) { c.Bzip2.Procs = procs })
				b.SetBytes(int64(len(lines)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := h.Invoke(b.Context(), payload); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPrepareWithoutCompression(b *testing.B) {
	payload, lines := fullPayload(b, fullRecords)
	h := newHandler(b, &sink{})
	w := newWorkspace(h)
	b.SetBytes(int64(len(lines)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.batch.read(payload); err != nil {
			b.Fatal(err)
		}
		w.sorter.reset("s")
		for i := range w.batch.records {
			w.sorter.add(&w.batch.records[i], w.batch.bytes(&w.batch.records[i]))
		}
	}
}
