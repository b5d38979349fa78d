package seal_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/stream"
	"penstock/internal/stream/kpl/kpltest"
)

// mixed is a record's data: one event, a reject, or an aggregate of events and rejects, and the lines that it means.
func mixed(r *rand.Rand, n int) (data []byte, events []string, rejects int) {
	event := func(sub int) string { return fmt.Sprintf(`{"n":%d,"sub":%d}`, n, sub) }
	switch r.IntN(5) {
	case 0:
		return fmt.Appendf(nil, "mangled %d", n), nil, 1
	case 1:
		var records []kpltest.Record
		for sub := range 1 + r.IntN(5) {
			text := event(sub)
			if r.IntN(3) == 0 {
				text, rejects = "mangled", rejects+1
			} else {
				events = append(events, text+"\n")
			}
			records = append(records, kpltest.Record{PartitionKey: "k", Data: []byte(text)})
		}
		return kpltest.Aggregate(records...), events, rejects
	}
	return []byte(event(0)), []string{event(0) + "\n"}, 0
}

// TestRecutRedeliveriesSelectEachRecordOnce delivers the records of two shards and three hours in batches that are cut,
// ordered and repeated at random, until all were delivered. Whatever came how often: the hour's lines are those of the
// stream, in the order of shard and sequence number, and once published they stay, with what comes later behind them.
func TestRecutRedeliveriesSelectEachRecordOnce(t *testing.T) {
	const seed = 41
	for round := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, round))
		w := newWorld(t, func(o *stream.Options) { o.Shards, o.Seed = 2, round })
		events, rejects := map[string][]string{}, map[string]int{}
		w.at(-time.Minute)
		for n := range 60 {
			w.now = w.now.Add(62 * time.Second)
			data, lines, bad := mixed(r, n)
			puts, err := w.stream.PutRecords(ctx, []stream.Entry{{PartitionKey: fmt.Sprint(n), Data: data}})
			if err != nil {
				t.Fatal(err)
			}
			if hr.Contains(w.now) {
				events[puts[0].Shard] = append(events[puts[0].Shard], lines...)
				rejects[puts[0].Shard] += bad
			}
		}
		type shard struct {
			id      string
			records []stream.Record
			held    []bool
		}
		var shards []*shard
		for _, s := range must(w.stream.Shards(ctx, time.Time{})) {
			records := w.records(s.ID, 99)
			shards = append(shards, &shard{s.ID, records, make([]bool, len(records))})
		}
		deliver := func(enough float64) {
			for {
				missing, all := 0, 0
				for _, s := range shards {
					for _, h := range s.held {
						all++
						if !h {
							missing++
						}
					}
				}
				if float64(missing) <= float64(all)*(1-enough) {
					return
				}
				s := shards[r.IntN(len(shards))]
				from := r.IntN(len(s.records))
				to := from + 1 + r.IntN(min(12, len(s.records)-from))
				w.deliver(s.id, s.records[from:to])
				for i := from; i < to; i++ {
					s.held[i] = true
				}
			}
		}
		sealed := func() *hour.Seal {
			w.at(200 * time.Hour) // beyond proof: batches here come in any order, which no mapping does
			in, s := w.seal(hr, hour.Options{AcceptUnproven: true})
			if must(w.ledger.Read(ctx, hr)).Run(in.N).Over() {
				return s
			}
			w.publish(in)
			return s
		}
		check := func(when string, s *hour.Seal, ordered bool) {
			got, bad := lines(t, w.archive, s, false), lines(t, w.archive, s, true)
			var want []string
			wantBad := 0
			for _, x := range shards {
				want, wantBad = append(want, events[x.id]...), wantBad+rejects[x.id]
			}
			if !ordered {
				slices.Sort(got)
				slices.Sort(want)
			}
			if !slices.Equal(got, want) || len(bad) != wantBad || s.Events != len(want) || s.Rejects != wantBad {
				t.Fatalf("seed %d, round %d, %s: %d events and %d rejects (sealed %d and %d), want %d and %d\n%s", seed, round, when,
					len(got), len(bad), s.Events, s.Rejects, len(want), wantBad, strings.Join(got, ""))
			}
			once(t, bad)
		}
		if round%2 == 0 {
			deliver(1)
			first := sealed()
			check("all at once", first, true)
			for range 5 {
				s := shards[r.IntN(len(shards))]
				from := r.IntN(len(s.records))
				w.deliver(s.id, s.records[from:])
			}
			if again := sealed(); again.Revision != first.Revision {
				t.Fatalf("seed %d, round %d: a redelivery makes revision %s of %s", seed, round, again.Revision, first.Revision)
			}
			continue
		}
		deliver(0.4)
		first := sealed()
		before := lines(t, w.archive, first, false)
		deliver(0.7)
		second := sealed()
		deliver(1)
		last := sealed()
		check("in three revisions", last, false)
		for _, s := range []*hour.Seal{second, last} {
			if got := lines(t, w.archive, s, false); !slices.Equal(got[:len(before)], before) {
				t.Fatalf("seed %d, round %d: what was published moved", seed, round)
			} else {
				before = got
			}
		}
	}
}

// once checks that no reject is there twice.
func once(t *testing.T, rejects []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, line := range rejects {
		var r hour.Reject
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(r.Shard, r.Sequence, r.Sub)
		if seen[name] {
			t.Fatalf("reject %s is there twice", name)
		}
		seen[name] = true
	}
}
