package reread_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/reread"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/playbooks"
)

var (
	ctx = context.Background()
	h7  = must(hour.Parse("2026-11-02T07"))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is an hour that the whole path has published, with the stream as it was.
type world struct {
	now            time.Time
	archive, hours *store.Memory
	model          *stream.Model
	keys           hour.Keys
	ledger         *ledger.Ledger
	*reread.Reader
	seal *hour.Seal
}

// newWorld sends 60 events and some mangled ones over two shards, in batches of five minutes, over two hours.
func newWorld(t *testing.T) *world {
	t.Helper()
	c := clock.NewVirtual(h7.Start().Add(30 * time.Minute))
	w := &world{archive: store.NewMemory(c.Now), hours: store.NewMemory(c.Now), keys: must(hour.NewKeys("web"))}
	w.model = must(stream.NewMemory(stream.Options{Now: c.Now, Shards: 2, Seed: 1, Jitter: time.Second}))
	p := must(local.New(local.Config{Clock: c, Seed: 1, Keys: w.keys, Playbook: must(playbook.Parse(playbooks.Web)), Format: "json", Exec: hadoop.InProcess{},
		Archive: w.archive, Hours: w.hours, Stream: w.model, Window: 5 * time.Minute}))
	defer p.EMR.Close()
	var failed error
	if err := c.Run(func() {
		failed = func() error {
			if err := p.Start(ctx); err != nil {
				return err
			}
			for i := range 60 {
				data := fmt.Sprintf(`{"time":"%s","status":200,"method":"GET","bytes":%d}`, c.Now().Format(time.RFC3339), i)
				if i%20 == 7 {
					data = "{mangled"
				}
				if _, err := p.PutRecords(ctx, []stream.Entry{{PartitionKey: fmt.Sprint(i), Data: []byte(data)}}); err != nil {
					return err
				}
				clock.Sleep(c, 47*time.Second)
			}
			return p.Close(ctx, []hour.Hour{h7, h7.Add(1)})
		}()
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	w.now = c.Now().Add(2 * time.Hour)
	w.ledger = &ledger.Ledger{Store: w.hours, Keys: w.keys, Now: w.clock}
	w.Reader = &reread.Reader{Stream: w.model, Archive: w.archive, Ledger: w.ledger, Keys: w.keys, Format: "json", Now: w.clock, Procs: 2}
	m, _, err := w.ledger.ReadManifest(ctx, h7)
	if err != nil || m == nil {
		t.Fatalf("the hour is not published: %v", err)
	}
	w.seal = must(w.ledger.ReadSeal(ctx, m.Seal))
	if len(w.seal.Pieces) < 6 || w.seal.Rejects == 0 {
		t.Fatalf("%d pieces, %d rejects", len(w.seal.Pieces), w.seal.Rejects)
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

// keep lets w.model hold the records from a time on only.
func (w *world) keep(t *testing.T, from time.Time) {
	t.Helper()
	s := must(w.model.Snapshot(ctx))
	for i := range s.Records {
		s.Records[i].Records = slices.DeleteFunc(slices.Clone(s.Records[i].Records), func(r stream.Record) bool { return r.Arrival.Before(from) })
	}
	w.model = must(stream.Restore(stream.Options{Now: w.clock}, s))
	w.Stream = w.model
}

// change changes the records of the stream.
func (w *world) change(fn func(shard string, records []stream.Record) []stream.Record) {
	s := must(w.model.Snapshot(ctx))
	for i := range s.Records {
		for _, shard := range s.Shards {
			if shard.Index == s.Records[i].Index {
				s.Records[i].Records = fn(shard.ID, slices.Clone(s.Records[i].Records))
			}
		}
	}
	w.model = must(stream.Restore(stream.Options{Now: w.clock}, s))
	w.Stream = w.model
}

func (w *world) get(key string) []byte {
	b, _, err := w.archive.Get(ctx, key, 1<<30)
	return must(b, err)
}

// put writes an object of the archive whatever stands; nil deletes it.
func (w *world) put(key string, b []byte) {
	must(0, w.archive.Delete(ctx, key))
	if b != nil {
		must(w.archive.Create(ctx, key, b))
	}
}

func (w *world) index(key string) *hour.Index { return must(w.keys.DecodeIndex(key, w.get(key))) }

func (w *world) compare(t *testing.T) *reread.Report {
	t.Helper()
	r, err := w.Compare(ctx, h7)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// whys are the findings' words.
func whys(r *reread.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Why)
	}
	return strings.Join(all, "; ")
}

// snapshot is all that lies in the archive.
func (w *world) snapshot() map[string]string {
	all := map[string]string{}
	for o, err := range w.archive.List(ctx, "") {
		must(0, err)
		all[o.Key] = string(w.get(o.Key))
	}
	return all
}

// withRejects is a piece with events and rejects.
func (w *world) withRejects() *hour.Piece {
	for i := range w.seal.Pieces {
		if p := &w.seal.Pieces[i]; p.Object != nil && p.RejectsFile != nil {
			return p
		}
	}
	panic("no piece has events and rejects")
}

// deliver is the event that Lambda sends for records of a shard.
func deliver(shard string, records []stream.Record) []byte {
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf(`{"eventID":"%s:%s","kinesis":{"sequenceNumber":%q,"data":%q,"approximateArrivalTimestamp":%.3f}}`, shard, r.Sequence,
			r.Sequence, base64.StdEncoding.EncodeToString(r.Data), float64(r.Arrival.UnixMilli())/1000))
	}
	return []byte(`{"Records":[` + strings.Join(all, ",") + `]}`)
}
