package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"penstock/internal/bzip2"
	"penstock/internal/datadir"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/stream"
)

// fixture makes a data directory whose hours of 2026-11-23 are in every state:
//
//	07 published: 3 events, a reject, a result, a trace
//	08 failed: a step on a healthy cluster
//	09 running: its cluster works
//	10 waiting: archived only
//	11 published, and a batch came after
//	12 published without events
//	13 published, and a run by hand failed since
//	14 published, but its manifest was never written
//	15 published, its manifest damaged
func fixture(path string) (err error) {
	if err := datadir.Init(path, datadir.Marker{Name: hour.DefaultName, Format: "json"}); err != nil {
		return err
	}
	f := &fixtures{ctx: context.Background(), clock: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)}
	if f.Dir, err = datadir.Open(path, datadir.Options{Now: f.now, NoSync: true}); err != nil {
		return err
	}
	defer f.Close()
	f.ledger = &ledger.Ledger{Store: f.Hours, Keys: f.Keys, Now: f.now}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fixture: %v", p)
		}
	}()
	f.day()
	return nil
}

type fixtures struct {
	*datadir.Dir
	ctx    context.Context
	clock  time.Time
	ledger *ledger.Ledger
}

func (f *fixtures) now() time.Time { return f.clock }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (f *fixtures) day() {
	seven, err := hour.Parse("2026-11-23T07")
	must(err)
	at := func(n int) hour.Hour {
		h := seven.Add(n - 7)
		f.clock = h.End().Add(time.Minute)
		return h
	}
	h := at(7)
	f.archive(h, "100", 3, 1)
	f.publish(h, 1, 3, 1)
	f.trace(h)

	h = at(8)
	f.archive(h, "200", 2, 0)
	f.run(h, 1, f.start(ledger.BySchedule), f.claim(h, 1), f.seal(h, 1, 2), f.cluster(h, 1), f.judged(h, 1, hour.VerdictStepFailed),
		hour.Entry{Type: hour.EntryFailed, ID: "f1", Execution: f.execution(h, 1), Error: "StepFailed", Cause: "rollup: exit status 2\n\x1b[31mbad field"})

	h = at(9)
	f.archive(h, "300", 2, 0)
	f.run(h, 1, f.start(ledger.BySchedule), f.claim(h, 1), f.seal(h, 1, 2), f.cluster(h, 1))

	h = at(10)
	f.archive(h, "400", 4, 2)

	h = at(11)
	f.archive(h, "500", 2, 0)
	f.publish(h, 1, 2, 0)
	f.archive(h, "510", 1, 0)

	h = at(12)
	f.publish(h, 1, 0, 0)

	h = at(13)
	f.archive(h, "600", 2, 0)
	f.publish(h, 1, 2, 0)
	f.run(h, 2, f.start(ledger.ByRerun), f.claim(h, 2),
		hour.Entry{Type: hour.EntryFailed, ID: "f2", Execution: f.execution(h, 2), Error: "ClusterFailed", Cause: "no capacity"})

	h = at(14)
	f.archive(h, "700", 2, 0)
	f.publish(h, 1, 2, 0)
	must(f.Hours.Delete(f.ctx, f.Keys.ManifestKey(h)))

	h = at(15)
	f.archive(h, "800", 2, 0)
	f.publish(h, 1, 2, 0)
	name := filepath.Join(f.Path, "hours", filepath.FromSlash(f.Keys.ManifestKey(h)))
	b, err := os.ReadFile(name)
	must(err)
	b[len(b)/2] ^= 4
	must(os.WriteFile(name, b, 0o666))
}

func compress(b []byte) []byte {
	var out bytes.Buffer
	w, err := bzip2.NewWriter(&out, bzip2.WriterConfig{Level: 1})
	must(err)
	_, err = w.Write(b)
	must(err)
	must(w.Close())
	return out.Bytes()
}

func lines(h hour.Hour, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"hour":"%s","n":%d}`+"\n", h, i)
	}
	return b.Bytes()
}

func (f *fixtures) span(h hour.Hour, first string) hour.Span {
	return hour.Span{Hour: h, Shard: "shardId-000000000000", First: hour.Sequence(first), Last: hour.Sequence(first[:1] + "9")}
}

// archive writes a batch.
func (f *fixtures) archive(h hour.Hour, first string, events, rejects int) {
	s := f.span(h, first)
	if s.First.Compare(s.Last) > 0 {
		s.Last = s.First
	}
	x := &hour.Index{Version: hour.Version, Hour: h, Shard: s.Shard, First: s.First, Last: s.Last, Records: 1, Events: events, Rejects: rejects,
		Writer: hour.WriterMapping}
	b := compress(lines(h, events))
	key := f.Keys.ObjectKey(hour.DataKey{Span: s, Count: events, Hash: hour.SHA256(b)[:12]})
	_, err := f.Archive.Create(f.ctx, key, b)
	must(err)
	if rejects > 0 {
		_, err := f.Archive.Create(f.ctx, f.Keys.RejectsKey(hour.DataKey{Span: s, Count: rejects, Hash: hour.SHA256(b)[:12]}), b)
		must(err)
	}
	_, err = f.Archive.Create(f.ctx, f.Keys.IndexKey(s), hour.Encode(x))
	must(err)
}

func (f *fixtures) execution(h hour.Hour, n int) string {
	return "arn:aws:states:local:1:execution:hour:" + hour.ExecutionName(h, n)
}

const revision = "0123456789ab"

func (f *fixtures) sealRef(h hour.Hour) hour.Ref {
	return hour.Ref{Key: f.Keys.SealKey(h, revision), SHA256: hour.SHA256([]byte(h.String()))}
}

func (f *fixtures) start(by string) hour.Entry {
	return hour.Entry{Type: hour.EntryStarted, By: by, Reason: "the hour is over"}
}

func (f *fixtures) claim(h hour.Hour, n int) hour.Entry {
	return hour.Entry{Type: hour.EntryClaimed, Execution: f.execution(h, n)}
}

func (f *fixtures) seal(h hour.Hour, n, _ int) hour.Entry {
	ref := f.sealRef(h)
	return hour.Entry{Type: hour.EntrySealed, Execution: f.execution(h, n), Revision: revision, Seal: &ref}
}

func (f *fixtures) cluster(h hour.Hour, n int) hour.Entry {
	return hour.Entry{Type: hour.EntryClusterRequested, Execution: f.execution(h, n), Cluster: &hour.Cluster{Number: 1, Name: "penstock-" + h.Compact()}}
}

func (f *fixtures) judged(h hour.Hour, n int, verdict string) hour.Entry {
	return hour.Entry{Type: hour.EntryClusterEnded, Execution: f.execution(h, n), Cluster: &hour.Cluster{Number: 1, Name: "penstock-" + h.Compact(),
		ID: "j-1", Verdict: verdict, Minutes: 12.5}}
}

// run appends the entries of run n.
func (f *fixtures) run(h hour.Hour, n int, entries ...hour.Entry) *ledger.State {
	var s *ledger.State
	for i, e := range entries {
		e.Run = n
		if e.ID == "" {
			e.ID = fmt.Sprintf("%d-%d", n, i)
		}
		f.clock = f.clock.Add(90 * time.Second)
		var err error
		s, err = f.ledger.Append(f.ctx, h, func(*ledger.State) (*hour.Entry, error) { return &e, nil })
		must(err)
	}
	if len(s.Ignored) > 0 {
		panic(fmt.Sprintf("entries %v of %s are ignored", s.Ignored, h))
	}
	return s
}

// publish writes a part, rejects and a result, and the ledger and manifest of a run that published them.
func (f *fixtures) publish(h hour.Hour, n, events, rejects int) {
	p := hour.Publication{Seal: f.sealRef(h), Events: events, RejectN: rejects, Batches: 1, Objects: 1, Job: "video"}
	file := func(key string, b []byte) hour.File {
		o, err := f.Hours.Create(f.ctx, key, b)
		must(err)
		return hour.File{Key: key, Size: o.Size, ETag: o.ETag, SHA256: hour.SHA256(b)}
	}
	entries := []hour.Entry{f.start(ledger.BySchedule), f.claim(h, n), f.seal(h, n, events)}
	if events > 0 {
		text := lines(h, events)
		part := hour.Part{File: file(f.Keys.PartKey(h, revision, 0), compress(text)), Events: events, Bytes: int64(len(text))}
		p.Parts, p.Bytes, p.Cluster, p.Minutes = []hour.Part{part}, part.Bytes, 1, 12.5
		if h.String() == "2026-11-23T07" { // the others as releases before estimates wrote them
			p.Cost = &hour.Cost{Prices: "2026-11-23", Dollars: 0.1409}
		}
		p.Result = f.Keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: h, Revision: revision, Run: n, Cluster: 1})
		p.Results = []hour.File{
			file(p.Result+"_SUCCESS", nil),
			file(p.Result+"part-00000", []byte(`{"publisher":"a.com","provider":null}`+"\t"+`{"events":2,"views":1}`+"\n")),
			file(p.Result+"part-00001", []byte(`{"publisher":"b.fr","provider":"x\u001b[31m"}`+"\t"+`{"events":1,"views":0}`+"\n")),
		}
		entries = append(entries, hour.Entry{Type: hour.EntryCompacted, Execution: f.execution(h, n), Revision: revision, Part: &part}, f.cluster(h, n),
			f.judged(h, n, hour.VerdictCompleted))
	} else {
		p.Objects, p.Batches = 0, 0
	}
	if rejects > 0 {
		r := file(f.Keys.HourRejectsKey(h, revision), compress([]byte(`{"version":1,"reason":"not valid JSON"}`+"\n")))
		p.Rejects = &r
	}
	entries = append(entries, hour.Entry{Type: hour.EntryPublished, Execution: f.execution(h, n), Revision: revision, Publish: &p})
	_, err := f.ledger.WriteManifest(f.ctx, f.run(h, n, entries...))
	must(err)
}

// trace writes the trace of an hour's first run.
func (f *fixtures) trace(h hour.Hour) {
	start := h.End().Add(time.Minute)
	id := fmt.Sprintf("1-%08x-0123456789abcdef01234567", start.Unix())
	doc := fmt.Sprintf(`{"name":"hour","id":"0123456789abcdef","trace_id":"%s","origin":"AWS::StepFunctions::StateMachine","start_time":%d,"end_time":%d,`+
		`"annotations":{"hour":"%s","execution":"%s"},"subsegments":[{"name":"Seal","id":"0123456789abcd00","start_time":%d,"end_time":%d}]}`+"\n",
		id, start.Unix(), start.Unix()+90, h, hour.ExecutionName(h, 1), start.Unix()+1, start.Unix()+30)
	folder := filepath.Join(f.Traces(), filepath.FromSlash(h.Start().Format("2006/01/02/15")))
	must(os.MkdirAll(folder, 0o777))
	must(os.WriteFile(filepath.Join(folder, hour.ExecutionName(h, 1)+".ndjson"), []byte(doc), 0o666))
}

// monthDir makes a data directory of a month of published hours.
func monthDir(path string) error {
	if err := datadir.Init(path, datadir.Marker{Name: hour.DefaultName, Format: "json"}); err != nil {
		return err
	}
	d, err := datadir.Open(path, datadir.Options{Now: time.Now, NoSync: true})
	if err != nil {
		return err
	}
	defer d.Close()
	s := &site{Keys: d.Keys, Archive: d.Archive, Hours: d.Hours, now: time.Now}
	for h := at("2026-11-01T00"); h.Before(at("2026-12-01T00")); h = h.Add(1) {
		publishIn(s, h, 12)
	}
	return nil
}

// waiting adds to a fixture the hour 16, whose run waits for the archive: three records of it are in the stream only.
func waiting(path string) error {
	ctx := context.Background()
	h := at("2026-11-23T16")
	f := &fixtures{ctx: ctx, clock: h.Start().Add(20 * time.Minute)}
	var err error
	if f.Dir, err = datadir.Open(path, datadir.Options{Now: f.now, NoSync: true}); err != nil {
		return err
	}
	defer f.Close()
	f.ledger = &ledger.Ledger{Store: f.Hours, Keys: f.Keys, Now: f.now}
	model, err := stream.NewMemory(stream.Options{Now: f.now, Shards: 1, Seed: 1})
	if err != nil {
		return err
	}
	var entries []stream.Entry
	for i := range 3 {
		entries = append(entries, stream.Entry{PartitionKey: "k", Data: fmt.Appendf(nil, `{"n":%d,"publisher":"p%d"}`, i, i%2)})
	}
	if _, err := model.PutRecords(ctx, entries); err != nil {
		return err
	}
	f.clock = h.End().Add(5 * time.Minute)
	f.run(h, 1, f.start(ledger.BySchedule), f.claim(h, 1))
	snapshot, err := model.Snapshot(ctx)
	if err != nil {
		return err
	}
	b, err := json.Marshal(local.Saved{Version: 1, Clock: hour.At(f.clock), Input: "fixture", Done: true, Stream: snapshot})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(path, "stream", "state.json"), b, 0o666)
}

// archived adds to a fixture a batch of the hour 16, as a function archived it: of the records 901 and 902.
func archived(path string) error {
	h := at("2026-11-23T16")
	d, err := datadir.Open(path, datadir.Options{Now: time.Now, NoSync: true})
	if err != nil {
		return err
	}
	defer d.Close()
	x := &hour.Index{Version: hour.Version, Hour: h, Shard: "shardId-000000000000", First: "901", Last: "902", Records: 2, Events: 2, Writer: hour.WriterMapping,
		ArchivedAt: hour.At(h.End().Add(5 * time.Minute)), FirstArrival: hour.At(h.Start()), LastArrival: hour.At(h.Start()), Request: "6f3c"}
	if x.Columns, err = hour.EncodeRows([]hour.Row{{Sequence: "901", Arrival: h.Start(), Kind: "e"}, {Sequence: "902", Arrival: h.Start(), Kind: "e"}}); err != nil {
		return err
	}
	_, err = d.Archive.Create(context.Background(), d.Keys.IndexKey(x.Span()), hour.Encode(x))
	return err
}
