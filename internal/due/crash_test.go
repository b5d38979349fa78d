package due_test

import (
	"context"
	"testing"
	"time"

	"penstock/internal/due"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

// Dies before or after each write, or loses its answer: the next tick starts the same executions, none twice and none
// under another name.
func TestATickSurvivesDeathBetweenAnyTwoWrites(t *testing.T) {
	const writes = 4 // Ended, Started of the failed hour and of two new ones
	for k := 1; k <= writes; k++ {
		for name, schedule := range map[string]storefault.Schedule{
			"before": storefault.DieBeforeWrite(k), "after": storefault.DieAfterWrite(k), "lost": storefault.LoseWrite(k), "refused": storefault.FailWrite(k),
		} {
			w := newWorld()
			w.batch(h7.Add(-2), 1)
			w.h.Rules.Backoff = 0
			w.append(h7.Add(-2), hour.Entry{Type: hour.EntryStarted, Run: 1})
			w.claim(h7.Add(-2), 1)
			w.executions["2026-11-23T05-1"] = "TIMED_OUT"
			p := storefault.NewProcess(schedule, nil)
			func() {
				defer func() { recover() }()
				l, sick := *w.l, *w.h
				l.Store = p.Wrap("hours", w.hours)
				sick.Ledger = &l
				sick.Handle(ctx, due.In{Time: w.now})
			}()
			if p.Writes() < k {
				t.Fatalf("%s write %d: only %d writes were made", name, k, p.Writes())
			}
			want(t, w.tick(), "2026-11-23T07-1 2026-11-23T06-1 2026-11-23T05-2", "")
			for i := range 3 {
				if s := must(w.l.Read(ctx, h7.Add(-i))); len(s.Ignored) != 0 || len(s.Open()) != 1 {
					t.Errorf("%s write %d: hour %s has %d open runs, %v ignored", name, k, s.Hour, len(s.Open()), s.Ignored)
				}
			}
		}
	}
}

// counter counts the reads of a store.
type counter struct {
	*store.Memory
	gets *int
}

func (c counter) Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error) {
	*c.gets++
	return c.Memory.Get(ctx, key, max)
}

func TestAQuietHourCostsOneRead(t *testing.T) {
	w := newWorld()
	const hours = 48
	for i := range hours {
		h := h7.Add(-i)
		index := w.batch(h, 1)
		w.append(h, hour.Entry{Type: hour.EntryStarted, Run: 1})
		w.publish(h, 1, index)
	}
	gets := 0
	l := *w.l
	l.Store = counter{w.hours, &gets}
	w.h.Ledger = &l
	want(t, w.tick(), "", "")
	if gets != hours {
		t.Errorf("%d reads for %d hours", gets, hours)
	}
}

// BenchmarkTicks is a simulation's share of due: 84 hourly ticks, each of which finds one more hour published.
func BenchmarkTicks(b *testing.B) {
	for range b.N {
		w := newWorld()
		for i := range 84 {
			h := h7.Add(i)
			w.now = h.End().Add(5 * time.Minute)
			var indexes []string
			for n := range 20 {
				indexes = append(indexes, w.batch(h, n+1))
			}
			if got := names(w.tick()); got != hour.ExecutionName(h, 1) {
				b.Fatalf("started %q", got)
			}
			w.publish(h, 1, indexes...)
		}
	}
}
