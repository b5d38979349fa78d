package seal_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/stream"
	"penstock/internal/stream/streamfault"
)

// proofs says a seal's proof in short: "tail 0:record 1:tip".
func proofs(s *hour.Seal) string {
	list := []string{s.Proof}
	for _, p := range s.Shards {
		list = append(list, strings.TrimLeft(strings.TrimPrefix(p.Shard, "shardId-"), "0")+":"+p.How)
	}
	return strings.Join(list, " ")
}

// afterHour is when the schedule asks for the first time.
const afterHour = 70 * time.Minute

func TestAnHourIsNotSealedBeforeItsMarginIsOver(t *testing.T) {
	w := newWorld(t)
	in := w.claim(hr, hour.Options{})
	for _, at := range []time.Duration{0, 59 * time.Minute, time.Hour, time.Hour + margin - time.Millisecond} {
		if got := w.at(at).waiting(in); !strings.Contains(got, "ends at 08:00") {
			t.Errorf("at %s: waiting %q", at, got)
		}
	}
	if s := w.at(time.Hour + margin).sealAs(in); s.Events != 0 || proofs(s) != "tail :tip" {
		t.Errorf("%s, %+v", proofs(s), s)
	}
}

func TestUnarchivedRecordsAreWaitedForByShardAndNumber(t *testing.T) {
	w := newWorld(t, func(o *stream.Options) { o.Shards = 2 })
	shards := must(w.stream.Shards(ctx, time.Time{}))
	w.at(10 * time.Minute)
	for n := range 40 {
		w.put(fmt.Sprintf(`{"n":%d}`, n))
	}
	first, second := len(w.records(shards[0].ID, 100)), len(w.records(shards[1].ID, 100))
	if first < 5 || second < 5 {
		t.Fatalf("%d and %d records", first, second)
	}
	in := w.at(afterHour).claim(hr, hour.Options{})
	want := fmt.Sprintf("%s: %d records behind; %s: %d records behind", shards[0].ID, first, shards[1].ID, second)
	if got := w.waiting(in); got != want {
		t.Errorf("waiting %q, want %q", got, want)
	}
	w.take(shards[1].ID, 100)
	w.take(shards[0].ID, first-3)
	if got, want := w.waiting(in), shards[0].ID+": 3 records behind"; got != want {
		t.Errorf("waiting %q, want %q", got, want)
	}
	if got := w.types(hr); len(got) != 2 {
		t.Errorf("waiting wrote to the ledger: %v", got)
	}
	w.take(shards[0].ID, 3)
	out, err := w.h.Handle(ctx, in)
	if err != nil || !out.Complete || out.Events != 40 || out.Parts != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestTheProofOfEachShard(t *testing.T) {
	late := time.Hour + margin
	for name, c := range map[string]struct {
		run  func(w *world)
		want string
	}{
		"a shard without records is at its tip": {func(w *world) {}, "tail :tip"},
		"an archived record of the next hour, after the margin, says that all before is archived": {
			func(w *world) { w.at(0).put("1"); w.at(late).put("2"); w.takeAll() }, "tail :archived"},
		"an archived record of the next hour within the margin does not": {
			func(w *world) { w.at(0).put("1"); w.at(late - time.Millisecond).put("2"); w.takeAll() }, "tail :tip"},
		"a record after the margin in the stream says so, archived or not": {
			func(w *world) { w.at(0).put("1"); w.takeAll(); w.at(late).put("2") }, "tail :record"},
		"an empty hour between others needs no reading of it": {
			func(w *world) { w.at(-time.Minute).put("1"); w.takeAll(); w.at(2 * time.Hour).put("2") }, "tail :record"},
		"records of the hour before are none of it": {
			func(w *world) { w.at(-time.Millisecond).put("1") }, "tail :tip"},
		"a shard that was split in the hour has ended; its children are at their tips": {
			func(w *world) { w.at(0).put("1"); w.split(); w.takeAll() }, "tail :end 1:tip 2:tip"},
		"a child that was written to has a record": {
			func(w *world) {
				w.at(0).put("1")
				w.split()
				w.at(late)
				for n := range 20 {
					w.put(fmt.Sprint(n))
				}
				w.read[shard0] = ""
				w.take(shard0, 9)
				w.take("shardId-000000000001", 99)
			}, "tail :end 1:archived 2:record"},
		"shards that were merged in the hour have ended": {
			func(w *world) { w.at(-time.Minute).split(); w.at(0).merge(); w.put("1"); w.takeAll() }, "tail :end 1:end 2:end 3:tip"},
		"a shard that was split and drained before the hour is not asked": {
			func(w *world) { w.at(-10 * time.Minute).put("1"); w.split(); w.at(late).takeAll() }, "tail 1:tip 2:tip"},
		"a shard that was made after the hour is asked, too": {
			func(w *world) { w.at(late).put("1"); w.takeAll(); w.split() }, "tail :archived 1:tip 2:tip"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.run(w)
			_, s := w.at(afterHour+time.Hour).seal(hr, hour.Options{})
			if got := proofs(s); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			for _, p := range s.Shards {
				if named := p.Sequence != "" && p.Arrival != nil; named != (p.How == "record" || p.How == "archived") {
					t.Errorf("%+v", p)
				}
				if p.Arrival != nil && p.Arrival.Before(hr.End().Add(margin)) {
					t.Errorf("%s proves by a record of %s", p.Shard, p.Arrival)
				}
			}
		})
	}
}

func (w *world) split() {
	if err := w.stream.Split(ctx, shard0, "170141183460469231731687303715884105728"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) merge() {
	if err := w.stream.Merge(ctx, "shardId-000000000001", "shardId-000000000002"); err != nil {
		w.t.Fatal(err)
	}
}

func TestRecordsBehindOneAfterTheHourAreWaitedFor(t *testing.T) {
	w := newWorld(t, func(o *stream.Options) { o.Jitter = 20 * time.Second })
	const n = 300
	w.at(59 * time.Minute)
	for i := range n {
		w.now = w.now.Add(400 * time.Millisecond) // two minutes, over the hour's end
		w.put(fmt.Sprintf(`{"n":%d}`, i))
	}
	records := w.records(shard0, n)
	mixed := !slices.IsSortedFunc(records, func(a, b stream.Record) int { return a.Arrival.Compare(b.Arrival) })
	inHour := 0
	for _, r := range records {
		if hr.Contains(r.Arrival) {
			inHour++
		}
	}
	if !mixed || inHour == 0 {
		t.Fatal("the arrivals do not mix")
	}
	in := w.at(afterHour).claim(hr, hour.Options{})
	for archived := 0; archived < n; archived += 20 {
		out, err := w.h.Handle(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if out.Complete && out.Events != inHour {
			t.Fatalf("complete with %d events of %d when %d records are archived", out.Events, inHour, archived)
		}
		w.take(shard0, 20)
	}
	if out, err := w.h.Handle(ctx, in); err != nil || out.Events != inHour {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestEmptyPagesAreReadOn(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1", "2", "3")
	pages := 0
	w.h.Stream = streamfault.New(nil, w.stream, func(c streamfault.Call) streamfault.Outcome {
		if c.Action == "Records" {
			pages++
			return streamfault.Outcome{Empty: pages <= 3}
		}
		return streamfault.Outcome{}
	})
	in := w.at(afterHour).claim(hr, hour.Options{})
	if got := w.waiting(in); got != shard0+": 3 records behind" || pages != 4 {
		t.Errorf("waiting %q after %d pages", got, pages)
	}
	for _, action := range []string{"Shards", "Iterator", "Records", "Retention"} {
		w.h.Stream = streamfault.New(nil, w.stream, func(c streamfault.Call) streamfault.Outcome {
			if c.Action == action {
				return streamfault.Outcome{Err: &fault.Unavailable{Service: "kinesis", Action: action}}
			}
			return streamfault.Outcome{}
		})
		if _, err := w.h.Handle(ctx, in); err == nil {
			t.Errorf("%s fails unseen", action)
		} else {
			is[*fault.Unavailable](t, err)
		}
	}
}

func TestReadingAShardIsBounded(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1")
	pages := 0
	endless := func(empty func(page int) bool) {
		pages = 0
		w.h.Stream = streamfault.New(nil, w.stream, func(c streamfault.Call) streamfault.Outcome {
			if c.Action != "Records" {
				return streamfault.Outcome{}
			}
			pages++
			return streamfault.Outcome{Empty: empty(pages)}
		})
	}
	in := w.at(afterHour).claim(hr, hour.Options{})
	endless(func(int) bool { return true })
	if got := w.waiting(in); got != shard0+": no record in 200 answers, still to be read" || pages != 200 {
		t.Errorf("waiting %q after %d pages", got, pages)
	}
}

func TestBeyondRetentionNothingIsProven(t *testing.T) {
	for _, c := range []struct {
		after time.Duration // from the hour's begin
		ok    bool
	}{{24*time.Hour - margin - time.Hour, true}, {24*time.Hour - margin - time.Hour + time.Millisecond, false}, {99 * time.Hour, false}} {
		w := newWorld(t, func(o *stream.Options) { o.Retention = 24 * time.Hour })
		w.at(0).put("1")
		w.takeAll()
		in := w.at(c.after).claim(hr, hour.Options{})
		out, err := w.h.Handle(ctx, in)
		if c.ok {
			if err != nil || !out.Complete {
				t.Errorf("after %s: %+v, %v", c.after, out, err)
			}
			continue
		}
		if e := is[*fault.Unproven](t, err); !strings.Contains(e.Error(), "--accept-unproven") {
			t.Errorf("the advice is %q", e)
		}
		in.Options.AcceptUnproven = true
		if out, err = w.h.Handle(ctx, in); err != nil || !out.Complete || out.Events != 1 {
			t.Fatalf("after %s, accepted: %+v, %v", c.after, out, err)
		}
		if s := w.standing(hr, out.Revision); proofs(s) != "none" || s.Mapping == nil {
			t.Errorf("%s, %v", proofs(s), s.Mapping)
		}
	}
}

func TestWhatWasProvenStaysSoBeyondRetention(t *testing.T) {
	w := newWorld(t, func(o *stream.Options) { o.Retention = 24 * time.Hour })
	w.at(0).put("1", "2", "3")
	w.at(time.Hour + margin).put("4")
	all := w.recordsFrom(stream.Start{Type: stream.TrimHorizon})
	w.take(shard0, 1)
	w.giveUp(shard0, 1)
	w.takeAll()
	in, first := w.at(afterHour).seal(hr, hour.Options{})
	w.publish(in)
	w.mapping.ID = "m2"
	w.at(48*time.Hour).replay(shard0, all[1:2])
	_, s := w.seal(hr, hour.Options{})
	if s.Events != 3 || s.Lost != nil || s.Proof != first.Proof || !reflect.DeepEqual(s.Shards, first.Shards) || *s.Mapping != *first.Mapping {
		t.Errorf("%+v after %+v", s, first)
	}
}

func TestAcceptUnprovenChangesNothingWhereTheStreamProves(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1")
	in := w.at(afterHour).claim(hr, hour.Options{AcceptUnproven: true})
	if got := w.waiting(in); got != shard0+": 1 records behind" {
		t.Errorf("waiting %q", got)
	}
}

// gap archives records 1 and 3 of the hour and one of the next, but not 2, as a mapping that was made anew would.
func (w *world) gap() {
	w.at(0).put("1", "2", "3")
	w.at(time.Hour + margin).put("4")
	w.take(shard0, 1)
	w.read[shard0] = w.records(shard0, 1)[0].Sequence
	w.takeAll()
}

func TestAfterAChangeOfTheMappingTheHourIsReadThrough(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w *world)
		change func(m *hour.Mapping)
		full   bool
	}{
		"the same mapping":          {func(w *world) { w.sealBefore(-2) }, func(*hour.Mapping) {}, false},
		"another mapping":           {func(w *world) { w.sealBefore(-2) }, func(m *hour.Mapping) { m.ID = "m2" }, true},
		"another state":             {func(w *world) { w.sealBefore(-2) }, func(m *hour.Mapping) { m.State = "Disabled" }, true},
		"several batches at a time": {func(w *world) { w.sealBefore(-2) }, func(m *hour.Mapping) { m.Factor = 2 }, true},
		"a filter":                  {func(w *world) {}, func(m *hour.Mapping) { m.Filtered = true }, true},
		"the first hour of all":     {func(w *world) {}, func(*hour.Mapping) {}, false},
		"a first hour from the tip": {func(w *world) {}, func(m *hour.Mapping) { m.Start = stream.Latest }, true},
		"a seal that was cleaned": {func(w *world) {
			w.sealBefore(-2)
			st := must(w.h.Ledger.Read(ctx, hr.Add(-2)))
			must(0, w.hours.Delete(ctx, st.Runs[0].Seal.Key))
		}, func(*hour.Mapping) {}, true},
		"hours of outage":            {func(w *world) { w.sealBefore(-20) }, func(m *hour.Mapping) { m.ID = "m2" }, true},
		"an hour sealed in the hour": {func(w *world) { w.sealBefore(-2); w.mapping.ID = "m2"; w.sealBefore(-1) }, func(*hour.Mapping) {}, true},
		"an hour sealed before it":   {func(w *world) { w.sealBefore(-3); w.mapping.ID = "m2"; w.sealBefore(-2) }, func(*hour.Mapping) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.before(w)
			c.change(&w.mapping)
			w.gap()
			in := w.at(afterHour).claim(hr, hour.Options{})
			out, err := w.h.Handle(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			if !c.full {
				if !out.Complete {
					t.Errorf("%+v", out)
				}
				return
			}
			if out.Complete || out.Waiting != shard0+": 1 records behind" {
				t.Fatalf("the record that the mapping skipped is not missed: %+v", out)
			}
			w.read[shard0] = ""
			w.take(shard0, 3)
			if out, err = w.h.Handle(ctx, in); err != nil || !out.Complete || out.Events != 3 {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := w.standing(hr, out.Revision); proofs(s) != "full :record" || *s.Mapping != w.mapping {
				t.Errorf("%s, %+v", proofs(s), s.Mapping)
			}
		})
	}
}

// sealBefore seals an empty hour some hours before, ten minutes after its end.
func (w *world) sealBefore(hours int) {
	h := hr.Add(hours)
	w.now = h.End().Add(10 * time.Minute)
	w.seal(h, hour.Options{})
}

func TestTheMappingMayBeUnknown(t *testing.T) {
	w := newWorld(t)
	w.h.Mapping = nil
	w.at(0).put("1")
	w.takeAll()
	if _, s := w.at(afterHour).seal(hr, hour.Options{}); s.Mapping != nil || s.Proof != hour.ProofTail {
		t.Errorf("%+v", s)
	}
}

func TestABatchArchivedVeryLateHasTheHourReadThrough(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		want string
	}{{5 * 24 * time.Hour, "tail :record"}, {5*24*time.Hour + time.Millisecond, "full :record"}} {
		w := newWorld(t)
		w.at(0).put("1", "2")
		w.at(c.age)
		w.take(shard0, 2)
		w.put("3")
		if _, s := w.seal(hr, hour.Options{}); proofs(s) != c.want {
			t.Errorf("archived after %s: %s, want %s", c.age, proofs(s), c.want)
		}
	}
}

func (w *world) recordsFrom(start stream.Start) []stream.Record {
	return must(w.stream.Records(ctx, must(w.stream.Iterator(ctx, shard0, start)), 1000)).Records
}

func TestWhatReplayArchivesProvesNoProgress(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1", "2", "3")
	w.at(time.Hour + margin).put("4")
	all := w.recordsFrom(stream.Start{Type: stream.TrimHorizon})
	w.replay(shard0, all[2:]) // records 3 and 4
	in := w.at(afterHour).claim(hr, hour.Options{})
	if got := w.waiting(in); got != shard0+": 2 records behind" {
		t.Errorf("waiting %q", got)
	}
	w.replay(shard0, all[:2])
	if s := w.sealAs(in); proofs(s) != "tail :record" || s.Events != 3 {
		t.Errorf("%s, %d events", proofs(s), s.Events)
	}
}
