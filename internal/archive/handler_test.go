package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	stdbzip2 "compress/bzip2"

	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

const noon = 1_795_435_200_000 // 2026-11-23T12

func clockAt(ms int64) func() time.Time { return func() time.Time { return time.UnixMilli(ms).UTC() } }

func memory() *store.Memory { return store.NewMemory(clockAt(noon)) }

func testKeys(t testing.TB) hour.Keys {
	t.Helper()
	k, err := hour.NewKeys("events")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newHandler(t testing.TB, s Store, change ...func(*Config)) *Handler {
	t.Helper()
	c := Config{Store: s, Keys: testKeys(t), Now: clockAt(noon + 5000)}
	for _, f := range change {
		f(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// stored is all that stands in a store.
func stored(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := s.Get(t.Context(), o.Key, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		all[o.Key] = string(b)
	}
	return all
}

func unzip(t testing.TB, s string) []string {
	t.Helper()
	b, err := io.ReadAll(stdbzip2.NewReader(strings.NewReader(s)))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(b)))
}

// archived reads an archive as compaction does: per hour and shard the committed batches in their order, each adding
// what lies beyond the mark. It checks every document on the way.
func archived(t testing.TB, k hour.Keys, all map[string]string) (events, rejects map[hour.Hour][]string) {
	t.Helper()
	events, rejects = map[hour.Hour][]string{}, map[hour.Hour][]string{}
	marks := map[string]hour.Sequence{}
	var batches []*hour.Index
	for key, b := range all {
		if _, ok := k.ParseIndexKey(key); !ok {
			continue
		}
		x, err := k.DecodeIndex(key, []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, x)
	}
	slices.SortFunc(batches, func(a, b *hour.Index) int { return a.First.Compare(b.First) })
	for _, x := range batches {
		rows, err := x.Rows()
		if err != nil {
			t.Fatal(err)
		}
		content := func(f *hour.File, n int) []string {
			if (f == nil) != (n == 0) {
				t.Fatalf("index of %d lines names %v", n, f)
			}
			if f == nil {
				return nil
			}
			b, ok := all[f.Key]
			if !ok || hour.SHA256([]byte(b)) != f.SHA256 || int64(len(b)) != f.Size {
				t.Fatalf("%s is not what its index says", f.Key)
			}
			return unzip(t, b)
		}
		e, r := content(x.Object, x.Events), content(x.RejectsFile, x.Rejects)
		lane := x.Hour.String() + x.Shard
		for _, row := range rows {
			ne, nr, _ := row.Kind.Counts()
			if mark, ok := marks[lane]; !ok || row.Sequence.Compare(mark) > 0 {
				marks[lane] = row.Sequence
				events[x.Hour] = append(events[x.Hour], e[:ne]...)
				rejects[x.Hour] = append(rejects[x.Hour], r[:nr]...)
			}
			e, r = e[ne:], r[nr:]
		}
		if len(e)+len(r) > 0 {
			t.Fatal("an object has more lines than its index")
		}
	}
	return events, rejects
}

func TestADeliveryIsArchivedByHour(t *testing.T) {
	s := memory()
	var metrics bytes.Buffer
	h := newHandler(t, s, func(c *Config) { c.Figures.Out = &metrics })
	answer, err := h.Invoke(t.Context(), delivery("shardId-000000000001",
		rec{"10", noon - 1, `{"a":1}`}, rec{"11", noon, "{\"a\":\n2}"}, rec{"13", noon - 1, "mangled"}, rec{"17", noon + 3, aggregate("3", "4")}))
	if err != nil || string(answer) != `{"batchItemFailures":[]}` {
		t.Fatal(string(answer), err)
	}
	all := stored(t, s)
	names := slices.Sorted(maps.Keys(all))
	pad := strings.Repeat("0", 54)
	for i, prefix := range []string{
		"2026/11/_events.2026112311.shardId-000000000001." + pad + "10-" + pad + "13.1.", // rejects
		"2026/11/_events.2026112311.shardId-000000000001." + pad + "10-" + pad + "13.index",
		"2026/11/_events.2026112312.shardId-000000000001." + pad + "11-" + pad + "17.index",
		"2026/11/events.2026112311.shardId-000000000001." + pad + "10-" + pad + "13.1.",
		"2026/11/events.2026112312.shardId-000000000001." + pad + "11-" + pad + "17.3.",
	} {
		if len(names) != 5 || !strings.HasPrefix(names[i], prefix) {
			t.Fatalf("%q, want %q", names, prefix)
		}
	}
	events, rejects := archived(t, h.Keys, all)
	eleven, twelve := hour.Of(time.UnixMilli(noon-1)), hour.Of(time.UnixMilli(noon))
	if fmt.Sprint(events[eleven], events[twelve]) != "[{\"a\":1}\n] [{\"a\":2}\n 3\n 4\n]" || len(rejects[eleven]) != 1 || len(rejects[twelve]) != 0 {
		t.Errorf("%q, %q", events, rejects)
	}
	x, err := h.Keys.DecodeIndex(names[2], []byte(all[names[2]]))
	if err != nil {
		t.Fatal(err)
	}
	if x.Bytes != 12 || x.Records != 2 || x.Writer != hour.WriterMapping || x.ArchivedAt.UnixMilli() != noon+5000 ||
		x.FirstArrival.UnixMilli() != noon || x.LastArrival.UnixMilli() != noon+3 {
		t.Errorf("%+v", x)
	}
	var line map[string]any
	if err := json.Unmarshal(metrics.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["ArchivedEvents"] != 4.0 || line["Rejects"] != 1.0 || line["ArchivedBytes"] != 20.0 || line["ArchiveLag"] != 4.997 || line["DuplicateBatches"] != 0.0 {
		t.Error(line)
	}
}

// someRecords is a run of records over two hours, with rejects, aggregates and arrivals that do not grow.
func someRecords(n int) (recs []rec) {
	for i := range n {
		ms := int64(noon - 40 + i*2)
		if i%5 == 0 {
			ms -= 9
		}
		data := fmt.Sprintf(`{"i":%d}`, i)
		switch i % 7 {
		case 3:
			data = fmt.Sprintf(`{"i":%d`, i)
		case 5:
			data = aggregate(fmt.Sprintf(`{"i":%d}`, i), "x", fmt.Sprintf(`[%d]`, i))
		}
		recs = append(recs, rec{fmt.Sprint(100 + 3*i), ms, data})
	}
	return recs
}

// want is what an archive of the records must hold.
func want(t testing.TB, recs []rec) (events, rejects map[hour.Hour][]string) {
	t.Helper()
	s := memory()
	h := newHandler(t, s)
	if _, err := h.Invoke(t.Context(), delivery("s", recs...)); err != nil {
		t.Fatal(err)
	}
	return archived(t, h.Keys, stored(t, s))
}

func check(t *testing.T, s store.Store, recs []rec) {
	t.Helper()
	events, rejects := want(t, recs)
	checkLines(t, s, events, rejects)
}

func checkLines(t *testing.T, s store.Store, wantEvents, wantRejects map[hour.Hour][]string) {
	t.Helper()
	events, rejects := archived(t, testKeys(t), stored(t, s))
	if !maps.EqualFunc(events, wantEvents, slices.Equal) || !maps.EqualFunc(rejects, wantRejects, slices.Equal) {
		t.Errorf("archive holds\n%q\n%q, want\n%q\n%q", events, rejects, wantEvents, wantRejects)
	}
}

func TestARedeliveryChangesNothing(t *testing.T) {
	s := memory()
	recs := someRecords(40)
	h := newHandler(t, s)
	var before map[string]string
	for range 3 {
		var metrics bytes.Buffer
		h.Figures.Out = &metrics
		if _, err := h.Invoke(t.Context(), delivery("s", recs...)); err != nil {
			t.Fatal(err)
		}
		now := stored(t, s)
		if before != nil && (!maps.Equal(now, before) || !strings.Contains(metrics.String(), `"DuplicateBatches":2`)) {
			t.Errorf("a redelivery changed the archive, or is not counted: %s", metrics.String())
		}
		before = now
		h.Now = clockAt(noon + 9000)
	}
	check(t, s, recs)
}

func TestRecutDeliveriesHoldEveryRecordOnce(t *testing.T) {
	const seed = 4
	r := rand.New(rand.NewPCG(seed, 0))
	recs := someRecords(40)
	events, rejects := want(t, recs)
	h := newHandler(t, memory())
	for round := range 8 {
		s := memory()
		h.Store = s
		for done := 0; done < len(recs); {
			from := done - r.IntN(min(done, 12)+1) // at least once: some of it comes again
			to := min(len(recs), done+1+r.IntN(15))
			if _, err := h.Invoke(t.Context(), delivery("s", recs[from:to]...)); err != nil {
				t.Fatal(err)
			}
			if r.IntN(4) > 0 {
				done = to
			}
		}
		checkLines(t, s, events, rejects)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
}

func TestADeathBetweenAnyTwoWritesLosesNothing(t *testing.T) {
	recs := someRecords(40)
	events, rejects := want(t, recs)
	clean := storefault.NewProcess(nil, nil)
	if _, err := newHandler(t, clean.Wrap("archive", memory())).Invoke(t.Context(), delivery("s", recs...)); err != nil {
		t.Fatal(err)
	}
	if clean.Writes() != 6 {
		t.Fatalf("%d writes, want object, rejects and index of two hours", clean.Writes())
	}
	other := func(c *Config) { c.Bzip2 = bzip2.WriterConfig{Level: 1, Codec: bzip2.CodecDsnet} }
	harms := []func(int) storefault.Schedule{storefault.DieBeforeWrite, storefault.DieAfterWrite, storefault.FailWrite, storefault.LoseWrite}
	for k := 1; k <= clean.Writes(); k++ {
		for i, harm := range harms {
			for _, later := range []struct {
				name   string
				change []func(*Config)
				cuts   []int
			}{{"the same", nil, []int{0, 40}}, {"another encoder", []func(*Config){other}, []int{0, 40}}, {"other cuts", nil, []int{0, 11, 29, 40}}} {
				s := memory()
				func() {
					defer func() {
						if d := recover(); d != nil {
							_ = d.(storefault.Death)
						}
					}()
					p := storefault.NewProcess(harm(k), nil)
					_, err := newHandler(t, p.Wrap("archive", s)).Invoke(t.Context(), delivery("s", recs...))
					if _, ok := err.(*fault.Unavailable); !ok {
						t.Errorf("write %d, harm %d: %T %v", k, i, err, err)
					}
				}()
				h := newHandler(t, s, later.change...)
				for c := 1; c < len(later.cuts); c++ {
					if _, err := h.Invoke(t.Context(), delivery("s", recs[later.cuts[c-1]:later.cuts[c]]...)); err != nil {
						t.Fatalf("write %d, harm %d, then %s: %v", k, i, later.name, err)
					}
				}
				checkLines(t, s, events, rejects)
				if t.Failed() {
					t.Fatalf("write %d, harm %d, then %s", k, i, later.name)
				}
			}
		}
	}
}

func TestAnotherEncodersObjectIsHarmless(t *testing.T) {
	s := memory()
	recs := someRecords(40)
	for i, c := range []bzip2.WriterConfig{{}, {Level: 1, Codec: bzip2.CodecDsnet}, {Procs: 2}} {
		h := newHandler(t, s, func(x *Config) { x.Bzip2 = c })
		if _, err := h.Invoke(t.Context(), delivery("s", recs...)); err != nil {
			t.Fatal(err)
		}
		check(t, s, recs)
		if n := len(stored(t, s)); i == 0 && n != 6 || i > 0 && n != 10 {
			t.Errorf("encoder %d: %d keys", i, n)
		}
	}
}

func TestADifferentBatchUnderTheSameRangeIsAConflict(t *testing.T) {
	recs := []rec{{"1", noon, "1"}, {"2", noon, "2"}}
	changed := []rec{{"1", noon, "1"}, {"2", noon, "\"mango\""}}
	for name, failures := range map[string]*store.Memory{"kept": memory(), "reported only": nil} {
		s := memory()
		var log, metrics bytes.Buffer
		h := newHandler(t, s, func(c *Config) {
			c.Log, c.Figures.Out = slog.New(slog.NewJSONHandler(&log, nil)), &metrics
			if failures != nil {
				c.Failures = failures
			}
		})
		for _, d := range [][]rec{recs, changed, changed} {
			if _, err := h.Invoke(t.Context(), delivery("s", d...)); err != nil {
				t.Fatal(name, err)
			}
		}
		check(t, s, recs)
		if strings.Count(log.String(), "Conflict") != 2 || strings.Count(metrics.String(), `"Conflicts":1`) != 2 || strings.Contains(log.String(), "mango") {
			t.Errorf("%s: %s%s", name, log.String(), metrics.String())
		}
		if failures == nil {
			continue
		}
		kept := stored(t, failures)
		for key, b := range kept {
			span, _, ok := h.Keys.ParseConflictKey(key)
			if !ok || span.First != "1" || span.Last != "2" || b != string(delivery("s", changed...)) || len(kept) != 1 {
				t.Errorf("%s: %.100s", key, b)
			}
		}
		// Where it cannot be kept, the batch comes again.
		h.Failures = storefault.NewProcess(storefault.FailWrite(1), nil).Wrap("failures", memory())
		if _, err := h.Invoke(t.Context(), delivery("s", changed...)); err == nil {
			t.Error("a conflict that was not kept succeeds")
		}
	}
}

func TestAnIndexOfANewerReleaseStandsToo(t *testing.T) {
	recs := []rec{{"1", noon, "1"}}
	s := memory()
	h := newHandler(t, s)
	if _, err := h.Invoke(t.Context(), delivery("s", recs...)); err != nil {
		t.Fatal(err)
	}
	for key, b := range stored(t, s) {
		x, err := h.Keys.DecodeIndex(key, []byte(b))
		if err != nil {
			continue
		}
		for want, document := range map[string][]byte{
			`"DuplicateBatches":1`: func() []byte { y := *x; y.Version = 2; return hour.Encode(y) }(),
			`"Conflicts":1`:        []byte("garbage"),
		} {
			s, metrics := memory(), &bytes.Buffer{}
			if _, err := s.Create(t.Context(), key, document); err != nil {
				t.Fatal(err)
			}
			if _, err := newHandler(t, s, func(c *Config) { c.Figures.Out = metrics }).Invoke(t.Context(), delivery("s", recs...)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(metrics.String(), want) {
				t.Errorf("%s: %s", want, metrics)
			}
		}
	}
}

func TestErrorsOfTheStoreFailTheBatchByTheirName(t *testing.T) {
	payload := delivery("s", rec{"1", noon, "1"})
	for _, c := range []struct {
		err  error
		want string
	}{
		{&fault.Unavailable{Service: "s3", Action: "put", Err: io.EOF}, "*fault.Unavailable"},
		{&fault.AccessDenied{Service: "s3", Action: "put", Err: io.EOF}, "*fault.AccessDenied"},
		{context.DeadlineExceeded, "*fault.Unavailable"},
		{io.ErrUnexpectedEOF, "*fault.Unavailable"},
	} {
		for k := 1; k <= 3; k++ {
			s := memory()
			if k == 3 { // the read after a 412
				if _, err := newHandler(t, s).Invoke(t.Context(), delivery("s", rec{"1", noon, "1"})); err != nil {
					t.Fatal(err)
				}
			}
			p := storefault.NewProcess(func(op storefault.Op) storefault.Outcome {
				if op.Call == k {
					return storefault.Outcome{Err: fmt.Errorf("wrapped: %w", c.err)}
				}
				return storefault.Outcome{}
			}, nil)
			_, err := newHandler(t, p.Wrap("archive", s)).Invoke(t.Context(), payload)
			if got := fmt.Sprintf("%T", err); got != c.want || !errors.Is(err, c.err) && !errors.As(err, new(*fault.Unavailable)) && !errors.As(err, new(*fault.AccessDenied)) {
				t.Errorf("call %d, %v: %s %v", k, c.err, got, err)
			}
		}
	}
	if _, err := newHandler(t, memory()).Invoke(t.Context(), []byte("{}")); fmt.Sprintf("%T", err) != "*fault.BadInput" {
		t.Errorf("%T", err)
	}
}

func TestAHandlerIsUsedConcurrentlyAndItsMemoryAgain(t *testing.T) {
	s := memory()
	h := newHandler(t, s)
	recs := someRecords(200)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := w; i < 20; i += 8 {
				if _, err := h.Invoke(t.Context(), delivery("s", recs[i*10:i*10+10]...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	check(t, s, recs)
	if len(h.idle) > maxIdle {
		t.Errorf("%d workspaces are kept", len(h.idle))
	}
}

func TestThePureWorkIsHandedOver(t *testing.T) {
	n := 0
	s := memory()
	h := newHandler(t, s, func(c *Config) {
		c.Compute = func(fn func()) {
			n++
			fn()
			if len(stored(t, s)) != 0 {
				t.Error("something was written within it")
			}
		}
	})
	if _, err := h.Invoke(t.Context(), delivery("s", someRecords(9)...)); err != nil || n != 1 {
		t.Error(n, err)
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no store": func(c *Config) { c.Store = nil }, "no clock": func(c *Config) { c.Now = nil }, "no keys": func(c *Config) { c.Keys = hour.Keys{} },
		"format": func(c *Config) { c.Format = "csv" }, "split": func(c *Config) { c.Split = "words" }, "writer": func(c *Config) { c.Writer = "me" },
		"level": func(c *Config) { c.Bzip2.Level = 10 },
	} {
		c := Config{Store: memory(), Keys: testKeys(t), Now: clockAt(0)}
		change(&c)
		if _, err := New(c); !errors.As(err, new(*fault.BadInput)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
