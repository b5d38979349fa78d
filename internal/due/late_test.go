package due_test

import (
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/ledger"
)

func TestLateDataStartsOneRunAfterAQuietWhile(t *testing.T) {
	w := newWorld()
	w.h.Rules.MaxRunning = 1000
	first := w.batch(h7, 1)
	w.tick()
	w.publish(h7, 1, first)
	want(t, w.tick(), "", "")
	w.now = w.now.Add(10 * time.Minute)
	second := w.batch(h7, 2)
	w.now = w.now.Add(29 * time.Minute)
	want(t, w.tick(), "", "not quiet before")
	w.now = w.now.Add(time.Minute)
	w.adds = false
	want(t, w.tick(), "", "")
	w.adds = true
	want(t, w.tick(), "2026-11-23T07-2", "1 batches came after the publication")
	if w.asked != 2 {
		t.Errorf("asked %d times what it adds", w.asked)
	}
	if r := must(w.l.Read(ctx, h7)).Run(2); r.By != ledger.ByLate {
		t.Errorf("started by %s", r.By)
	}
	w.publish(h7, 2, first, second)
	want(t, w.tick(), "", "")
	w.batch(h7, 3)
	w.now = w.now.Add(5 * time.Hour)
	want(t, names2(w.tick(), h7), "", "the next run for it is due")
	w.now = w.now.Add(time.Hour)
	want(t, names2(w.tick(), h7), "2026-11-23T07-3", "")
}

func TestLateDataThatARunFoundToAddNothingStaysQuiet(t *testing.T) {
	w := newWorld()
	first := w.batch(h7, 1)
	w.tick()
	w.publish(h7, 1, first)
	w.batch(h7, 2)
	w.now = w.now.Add(40 * time.Minute)
	want(t, w.tick(), "2026-11-23T07-2", "")
	// The seal was the published one: the run ends itself.
	x := w.claim(h7, 2)
	w.append(h7, hour.Entry{Type: hour.EntryEnded, Run: 2, Execution: x, Status: "SUCCEEDED"})
	w.adds = false
	w.now = w.now.Add(7 * time.Hour)
	want(t, names2(w.tick(), h7), "", "")
}

func TestARepairIsLateData(t *testing.T) {
	w := newWorld()
	first := w.batch(h7, 1)
	w.tick()
	w.publish(h7, 1, first)
	repair := must(w.archive.Create(ctx, keys.RepairKey(hour.DataKey{Span: hour.Span{Hour: h7, Shard: "shardId-0", First: "1", Last: "1"}, Count: 1,
		Hash: "0123456789ab"}), []byte("x"))).Key
	w.now = w.now.Add(29 * time.Minute)
	want(t, w.tick(), "", "not quiet before")
	w.now = w.now.Add(time.Minute)
	want(t, w.tick(), "2026-11-23T07-2", "1 batches came after the publication")
	w.publish(h7, 2, first, repair)
	w.now = w.now.Add(7 * time.Hour)
	want(t, names2(w.tick(), h7), "", "")
}
