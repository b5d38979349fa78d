package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSequenceNumbersHaveTheServicesLayout(t *testing.T) {
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Shards: 20})
	clock.Advance(90 * time.Minute)
	puts, err := m.PutRecords(context.Background(), putEntries(0, 200))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range puts {
		v, ok := new(big.Int).SetString(p.Sequence, 10)
		if !ok || len(p.Sequence) != 56 {
			t.Fatalf("sequence number %s", p.Sequence)
		}
		// 2, created (9), shard (1), index (16), 00, second (9), shard (8), 2: in hex.
		hex := v.Text(16)
		var created, low, index, second, shard int64
		if _, err := fmt.Sscanf(hex, "2%09x%1x%016x00%09x%08x2", &created, &low, &index, &second, &shard); err != nil {
			t.Fatalf("%s: %v", hex, err)
		}
		if id := fmt.Sprintf("shardId-%012d", shard); id != p.Shard || low != shard&15 ||
			second != clock.Now().Unix() || created != newManual().Now().Unix() || index>>20 != clock.Now().UnixMilli() {
			t.Fatalf("%s of %s: created %d, shard %d, index %x, second %d", hex, p.Shard, created, shard, index, second)
		}
	}
}

func TestSequenceNumbersAreOrderedAsNumbers(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"1", "2", -1}, {"10", "9", 1}, {"0010", "10", 0}, {"5", "5", 0}, {"", "1", -1}, {"99", "100", -1}} {
		if got := stream.CompareSequences(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestTheSameCallsGiveTheSameStream(t *testing.T) {
	run := func(seed uint64) string {
		clock := newManual()
		m := openMemory(t, stream.Options{Now: clock.Now, Shards: 2, Seed: seed, Jitter: time.Second})
		for i := range 5 {
			if _, err := m.PutRecords(context.Background(), putEntries(i*10, 10)); err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Second)
		}
		return asJSON(t, dump(t, m))
	}
	one := run(1)
	if again := run(1); again != one {
		t.Error("seed 1 gave two streams")
	}
	if run(2) == one {
		t.Error("seeds 1 and 2 gave the same stream")
	}
}

func TestJitterMakesArrivalsFallBack(t *testing.T) {
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Jitter: 50 * time.Millisecond})
	for i := range 100 {
		if _, err := m.PutRecords(context.Background(), putEntries(i, 1)); err != nil {
			t.Fatal(err)
		}
		clock.Advance(10 * time.Millisecond)
	}
	back := 0
	records := dump(t, m)
	for i := 1; i < len(records); i++ {
		if records[i].Arrival.Before(records[i-1].Arrival) {
			back++
		}
		put := newManual().Now().Add(time.Duration(i) * 10 * time.Millisecond)
		if d := records[i].Arrival.Sub(put).Abs(); d > 50*time.Millisecond {
			t.Errorf("record %d arrived %s from its put", i, d)
		}
	}
	if back < 20 {
		t.Errorf("arrivals fall back %d times in 99", back)
	}
	ctx := context.Background()
	for i := range records { // a reader from a time misses no record of that time or later behind the first
		it, err := m.Iterator(ctx, "shardId-000000000000", stream.Start{Type: stream.AtTimestamp, Time: records[i].Arrival})
		if err != nil {
			t.Fatal(err)
		}
		page, err := m.Records(ctx, it, 1)
		if err != nil || len(page.Records) != 1 || stream.CompareSequences(page.Records[0].Sequence, records[i].Sequence) > 0 {
			t.Fatalf("from the time of record %d: %v, %v", i, page, err)
		}
	}
}

func TestNumbersGrowBeyondARestoredSnapshotAndABackwardClock(t *testing.T) {
	ctx := context.Background()
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Seed: 4})
	old, err := m.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	lost, err := m.PutRecords(ctx, putEntries(0, 500))
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	again, err := stream.Restore(stream.Options{Now: clock.Now}, old)
	if err != nil {
		t.Fatal(err)
	}
	puts, err := again.PutRecords(ctx, putEntries(0, 1))
	if err != nil || stream.CompareSequences(lost[499].Sequence, puts[0].Sequence) >= 0 {
		t.Errorf("number %s after the lost %s (%v)", puts[0].Sequence, lost[499].Sequence, err)
	}
	clock.Advance(-time.Hour)
	next, err := again.PutRecords(ctx, putEntries(0, 1))
	if err != nil || stream.CompareSequences(puts[0].Sequence, next[0].Sequence) >= 0 {
		t.Errorf("number %s after %s when the clock fell back (%v)", next[0].Sequence, puts[0].Sequence, err)
	}
}

func TestARestoredStreamAnswersAsTheFirst(t *testing.T) {
	ctx := context.Background()
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Shards: 2, Seed: 4, Jitter: time.Second})
	if _, err := m.PutRecords(ctx, putEntries(0, 50)); err != nil {
		t.Fatal(err)
	}
	if err := m.Split(ctx, "shardId-000000000000", "1000"); err != nil {
		t.Fatal(err)
	}
	snapshot, err := m.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := stream.ParseSnapshot([]byte(asJSON(t, snapshot)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := stream.Restore(stream.Options{Now: clock.Now}, parsed)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	for _, s := range []*stream.Model{m, again} {
		if _, err := s.PutRecords(ctx, putEntries(50, 50)); err != nil {
			t.Fatal(err)
		}
		if err := s.Merge(ctx, "shardId-000000000002", "shardId-000000000003"); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := m.Snapshot(ctx)
	b, _ := again.Snapshot(ctx)
	if asJSON(t, a) != asJSON(t, b) {
		t.Error("the restored stream went another way")
	}
}

func TestTrimConsumedDropsTheOldestThatAllHaveRead(t *testing.T) {
	ctx := context.Background()
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Shards: 2})
	for i := range 20 {
		if _, err := m.PutRecords(ctx, putEntries(10+i, 1)); err != nil { // 6 + 8 bytes each
			t.Fatal(err)
		}
		clock.Advance(time.Second)
	}
	all := dumpShards(t, m)
	at := map[string][]string{}
	for _, r := range all {
		at[r.shard] = append(at[r.shard], r.Sequence)
	}
	first, second := "shardId-000000000000", "shardId-000000000001"
	fast := map[string]string{first: at[first][len(at[first])-1], second: at[second][len(at[second])-1]}
	slow := map[string]string{first: at[first][3]}
	for _, c := range []struct {
		consumers stream.Checkpoints
		keep      int64
		want      int
	}{
		{stream.Checkpoints{}, 0, 0},
		{stream.Checkpoints{"fast": fast}, 20 * 14, 0},
		{stream.Checkpoints{"fast": fast, "slow": slow}, 18 * 14, 2},
		{stream.Checkpoints{"fast": fast, "slow": slow}, 0, 2}, // of the four that slow has read
		{stream.Checkpoints{"fast": fast, "slow": slow}, 0, 0},
		{stream.Checkpoints{"fast": fast}, 10 * 14, 6},
		{stream.Checkpoints{"fast": fast}, 0, 10},
	} {
		before := dump(t, m)
		if got, err := m.TrimConsumed(ctx, c.consumers, c.keep); got != c.want || err != nil {
			t.Errorf("%d consumers, keep %d: dropped %d, want %d (%v)", len(c.consumers), c.keep, got, c.want, err)
		}
		if len(c.consumers) == 1 { // which has read all: the oldest go, whatever their shard
			slices.SortFunc(before, func(a, b stream.Record) int { return a.Arrival.Compare(b.Arrival) })
			for _, r := range dump(t, m) {
				if c.want > 0 && !r.Arrival.After(before[c.want-1].Arrival) {
					t.Errorf("%s is left, and as old as what was dropped", r.Data)
				}
			}
		}
	}
	if left := dump(t, m); len(left) != 0 {
		t.Errorf("%d records left", len(left))
	}
}

func TestSnapshotsThatNoStreamWroteAreRefused(t *testing.T) {
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Shards: 2})
	if _, err := m.PutRecords(context.Background(), putEntries(0, 10)); err != nil {
		t.Fatal(err)
	}
	snapshot, err := m.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	good := asJSON(t, snapshot)
	if _, err := stream.ParseSnapshot([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"version":1`, `"version":0`}, {`"retention_ms":`, `"retention_ms":-`}, {`"id":"shardId-000000000001"`, `"id":"shardId-000000000007"`},
		{`"start_hash":"0"`, `"start_hash":"5"`}, {`"end_hash":"3402`, `"end_hash":"2402`}, {`"next_shard":2`, `"next_shard":1`},
		{`"index":1,"records"`, `"index":0,"records"`}, {`"sequence":"`, `"sequence":"9`}, {`{"version"`, `{"version" ` + `x`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s is not in the snapshot", change[0])
		}
		if _, err := stream.ParseSnapshot([]byte(bad)); !errors.As(err, new(*fault.Corrupt)) {
			t.Errorf("%s: %v, want a Corrupt", change[1], err)
		}
	}
	newer := strings.Replace(good, `"version":1`, `"version":2`, 1)
	if _, err := stream.ParseSnapshot([]byte(newer)); !errors.As(err, new(*fault.NewerVersion)) {
		t.Errorf("newer version: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []stream.Options{{}, {Now: time.Now, Shards: -1}, {Now: time.Now, Retention: -1}, {Now: time.Now, Jitter: -1}, {Now: time.Now, Shards: 1 << 20}} {
		if _, err := stream.NewMemory(o); !errors.As(err, new(*fault.BadInput)) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func FuzzParseSnapshot(f *testing.F) {
	clock := newManual()
	m, err := stream.NewMemory(stream.Options{Now: clock.Now, Shards: 3})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := m.PutRecords(context.Background(), putEntries(0, 5)); err != nil {
		f.Fatal(err)
	}
	snapshot, _ := m.Snapshot(context.Background())
	data, _ := json.Marshal(snapshot)
	f.Add(data)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"retention_ms":1,"next_shard":1,"shards":[{"id":"shardId-000000000000","start_hash":"0","end_hash":"340282366920938463463374607431768211455","first":"1"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := stream.ParseSnapshot(data)
		if err != nil {
			return
		}
		m, err := stream.Restore(stream.Options{Now: clock.Now}, s)
		if err != nil {
			t.Fatalf("a parsed snapshot is not restored: %v", err)
		}
		if _, err := m.PutRecords(context.Background(), putEntries(0, 3)); err != nil {
			t.Errorf("put into a restored stream: %v", err)
		}
		if _, err := m.Shards(context.Background(), time.Time{}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzIterator(f *testing.F) {
	clock := newManual()
	m, err := stream.NewMemory(stream.Options{Now: clock.Now})
	if err != nil {
		f.Fatal(err)
	}
	it, _ := m.Iterator(context.Background(), "shardId-000000000000", stream.Start{Type: stream.Latest})
	f.Add(it)
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := m.Records(context.Background(), s, 1); err != nil && !errors.As(err, new(*fault.BadInput)) {
			t.Errorf("iterator %q: %v", s, err)
		} else if err == nil && s != it {
			t.Errorf("iterator %q is taken", s)
		}
	})
}

func TestManyRandomCallsKeepTheOrder(t *testing.T) {
	const seed = 12
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx := context.Background()
	clock := newManual()
	m := openMemory(t, stream.Options{Now: clock.Now, Shards: 3, Retention: 24 * time.Hour})
	n := 0
	for range 600 {
		shards, err := m.Shards(ctx, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		a, b := shards[rng.IntN(len(shards))], shards[rng.IntN(len(shards))]
		switch rng.IntN(8) {
		case 0:
			key := new(big.Int).Rsh(new(big.Int).SetUint64(rng.Uint64()), uint(rng.IntN(64)))
			m.Split(ctx, a.ID, key.Lsh(key, 64).String()) // may be refused
		case 1:
			m.Merge(ctx, a.ID, b.ID)
		case 2:
			clock.Advance(time.Duration(rng.IntN(3600)) * time.Second)
		default:
			if _, err := m.PutRecords(ctx, putEntries(n, 5)); err != nil {
				t.Fatal(err)
			}
			n += 5
		}
		last := map[string]string{}
		for _, r := range dumpShards(t, m) {
			if stream.CompareSequences(last[r.shard], r.Sequence) >= 0 {
				t.Fatalf("%s: %s follows %s", r.shard, r.Sequence, last[r.shard])
			}
			last[r.shard] = r.Sequence
		}
		for _, s := range shards {
			for _, parent := range []string{s.Parent, s.AdjacentParent} {
				if parent != "" && last[parent] != "" && stream.CompareSequences(last[parent], s.First) >= 0 {
					t.Fatalf("%s begins at %s, its parent %s holds %s", s.ID, s.First, parent, last[parent])
				}
			}
		}
	}
}
