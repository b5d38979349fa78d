package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	stdbzip2 "compress/bzip2"

	"penstock/internal/archive"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/seal"
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

// record is one record of the stream.
type record struct {
	seq     int
	arrival time.Duration // after the hour's begin
	data    string
}

// world is an archive that records are delivered to, a failure destination and a ledger.
type world struct {
	t                       testing.TB
	now                     time.Time
	archive, failure, hours *store.Memory
	ledger                  *ledger.Ledger
	format, split           string // of the archive function and of replay
	gets                    map[string]int
	mu                      sync.Mutex
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: hr.End().Add(time.Minute), format: archive.FormatJSON, gets: map[string]int{}}
	clock := func() time.Time { return w.now }
	w.archive, w.failure, w.hours = store.NewMemory(clock), store.NewMemory(clock), store.NewMemory(clock)
	w.ledger = &ledger.Ledger{Store: w.hours, Keys: keys, Now: clock}
	return w
}

// payload is the event that Lambda sends for records.
func payload(records []record) []byte {
	type kinesis struct {
		Sequence string      `json:"sequenceNumber"`
		Arrival  json.Number `json:"approximateArrivalTimestamp"`
		Data     []byte      `json:"data"`
	}
	type one struct {
		EventID string  `json:"eventID"`
		Kinesis kinesis `json:"kinesis"`
	}
	var event struct{ Records []one }
	for _, r := range records {
		at := hr.Start().Add(r.arrival).UnixMilli()
		event.Records = append(event.Records, one{fmt.Sprintf("%s:%d", shard, r.seq),
			kinesis{fmt.Sprint(r.seq), json.Number(fmt.Sprintf("%d.%03d", at/1000, at%1000)), []byte(r.data)}})
	}
	return must(json.Marshal(event))
}

// deliver archives records as the mapping does.
func (w *world) deliver(records ...record) {
	w.t.Helper()
	a := must(archive.New(archive.Config{Store: w.archive, Failures: w.failure, Keys: keys, Now: func() time.Time { return w.now }, Format: w.format,
		Split: w.split}))
	if _, err := a.Invoke(ctx, payload(records)); err != nil {
		w.t.Fatal(err)
	}
}

// giveUp writes records to the failure destination as Lambda does.
func (w *world) giveUp(records ...record) string {
	w.t.Helper()
	return w.fail(fmt.Sprintf("batch-%d", records[0].seq), string(must(json.Marshal(map[string]string{"payload": string(payload(records))}))))
}

func (w *world) fail(name, doc string) string {
	w.t.Helper()
	return must(w.failure.Create(ctx, hour.FailurePrefix+"m1/"+shard+"/2026/11/29/"+name, []byte(doc))).Key
}

// counting counts reads of the failure destination.
type counting struct {
	store.Store
	w *world
}

func (c counting) Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error) {
	c.w.mu.Lock()
	c.w.gets[key]++
	c.w.mu.Unlock()
	return c.Store.Get(ctx, key, max)
}

func (c counting) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return c.Store.List(ctx, prefix)
}

func (w *world) handler(archive Archive, failure Failure) *Handler {
	w.t.Helper()
	return must(New(Config{Archive: archive, Failure: failure, Ledger: w.ledger, Keys: keys, Format: w.format, Split: w.split,
		Now: func() time.Time { return w.now }, Retention: 7 * 24 * time.Hour}))
}

var theHour = &hour.Range{From: hr, To: hr}

// replay replays all failure objects, or with a range those of it and its rejects.
func (w *world) replay(r *hour.Range) *Report {
	w.t.Helper()
	return must(w.handler(w.archive, counting{w.failure, w}).Handle(ctx, Request{Range: r}))
}

// states are the ranges' states, "archived 2-4, unreadable".
func (r *Report) states() string {
	var all []string
	for _, one := range r.Ranges {
		s := one.State
		if one.First != "" {
			s += fmt.Sprintf(" %s-%s", one.First, one.Last)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// look is what a seal made now would select.
func (w *world) look(h hour.Hour) *seal.Sighting {
	w.t.Helper()
	return must((&seal.Handler{Archive: w.archive, Ledger: w.ledger, Keys: keys}).Look(ctx, h))
}

// publish seals and publishes the hour as it is archived now.
func (w *world) publish(h hour.Hour) *hour.Seal {
	w.t.Helper()
	s := w.look(h)
	doc := &hour.Seal{Version: hour.Version, Hour: h, Layout: hour.Layout, Pieces: s.Selection.Pieces, Events: s.Selection.Events, Rejects: s.Selection.Rejects,
		Duplicates: s.Duplicates, Proof: hour.ProofTail}
	doc.Revision = hour.RevisionOf(doc.Layout, doc.Pieces)
	b := hour.Encode(doc)
	ref := hour.Ref{Key: keys.SealKey(h, doc.Revision), SHA256: hour.SHA256(b)}
	var exists *fault.Exists
	if _, err := w.hours.Create(ctx, ref.Key, b); err != nil && !errors.As(err, &exists) {
		w.t.Fatal(err)
	}
	n := s.State.NextRun()
	x := hour.ExecutionName(h, n)
	state := s.State
	for _, e := range []hour.Entry{{Type: hour.EntryStarted, By: ledger.ByRerun}, {Type: hour.EntryClaimed}, {Type: hour.EntrySealed, Revision: doc.Revision, Seal: &ref},
		{Type: hour.EntryPublished, Revision: doc.Revision, Publish: &hour.Publication{Seal: ref, Events: doc.Events, RejectN: doc.Rejects,
			Batches: len(doc.Pieces) + len(doc.Duplicates)}}} {
		e.ID, e.Run, e.Execution = x+e.Type, n, x
		state = must(w.ledger.Append(ctx, h, func(*ledger.State) (*hour.Entry, error) { return &e, nil }))
	}
	must(w.ledger.WriteManifest(ctx, state))
	return doc
}

// lines reads what a selection takes from the archive: events, and what is left of the rejects, as "sequence.sub".
func (w *world) lines(h hour.Hour) (events, rejects []string) {
	w.t.Helper()
	s := w.look(h)
	repaired := hour.Repaired(s.Selection.Pieces)
	read := func(f *hour.File, keep [][2]int) (some []string) {
		if f == nil {
			return nil
		}
		data, _, err := w.archive.Get(ctx, f.Key, hour.MaxDocument)
		if err != nil || hour.SHA256(data) != f.SHA256 {
			w.t.Fatalf("read %s: %v", f.Key, err)
		}
		all := strings.Split(strings.TrimSuffix(string(must(io.ReadAll(stdbzip2.NewReader(bytes.NewReader(data))))), "\n"), "\n")
		for _, k := range keep {
			some = append(some, all[k[0]:k[1]]...)
		}
		return some
	}
	for _, p := range s.Selection.Pieces {
		e, r := [][2]int{{0, p.Events}}, [][2]int(nil)
		if p.Kind == hour.PieceRange {
			x := must(keys.DecodeIndex(p.Index.Key, must3(w.archive.Get(ctx, p.Index.Key, hour.MaxDocument))))
			rows := must(x.Rows())
			e, r = must(hour.Lines(rows, p.Take, false)), hour.Without(must(hour.Lines(rows, p.Take, true)), repaired(&p))
		}
		mine := read(p.Object, e)
		if len(mine) != p.Events || hour.Count(r) != p.Rejects {
			w.t.Errorf("piece %s %s-%s has %d events and %d rejects, it says %d and %d", p.Kind, p.First, p.Last, len(mine), hour.Count(r), p.Events, p.Rejects)
		}
		events = append(events, mine...)
		for _, line := range read(p.RejectsFile, r) {
			var one hour.Reject
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				w.t.Fatal(err)
			}
			rejects = append(rejects, fmt.Sprintf("%s.%d", one.Sequence, one.Sub))
		}
	}
	if len(events) != s.Selection.Events || len(rejects) != s.Selection.Rejects {
		w.t.Errorf("%d events and %d rejects, the selection says %d and %d", len(events), len(rejects), s.Selection.Events, s.Selection.Rejects)
	}
	slices.Sort(events)
	slices.Sort(rejects)
	return events, rejects
}

// holds checks what a selection takes, blanks apart.
func (w *world) holds(events, rejects string) {
	w.t.Helper()
	e, r := w.lines(hr)
	if got := strings.Join(e, " "); got != events {
		w.t.Errorf("events %s, want %s", got, events)
	}
	if got := strings.Join(r, " "); got != rejects {
		w.t.Errorf("rejects %s, want %s", got, rejects)
	}
}

func must3[A, B any](a A, _ B, err error) A {
	if err != nil {
		panic(err)
	}
	return a
}

func keysOf(t testing.TB, s store.Store, prefix string) (all []string) {
	t.Helper()
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}
