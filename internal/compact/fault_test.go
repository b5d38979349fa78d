package compact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"penstock/internal/compact"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

func TestADamagedSourceIsFoundAndNothingIsCreated(t *testing.T) {
	for name, of := range map[string]func(p *hour.Piece) string{
		"events":  func(p *hour.Piece) string { return p.Object.Key },
		"rejects": func(p *hour.Piece) string { return p.RejectsFile.Key },
		"index":   func(p *hour.Piece) string { return p.Index.Key },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.next = 1007
			w.batch(4, [2]int{0, 4}) // trimmed, so that its index is read, too
			in := w.seal()
			key := of(&w.pieces[0])
			data, o, err := w.archive.Get(ctx, key, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			d := &damaging{Source: w.archive, key: key}
			w.h.Archive = d
			in.Part = 0
			damages := [][]byte{nil, data[:len(data)-1], append(bytes.Clone(data), 0)}
			step := 1
			if name != "events" {
				step = 37 // the same check; each costs the events' encoding as well
			}
			for bit := 0; bit < 8*len(data); bit += step {
				b := bytes.Clone(data)
				b[bit/8] ^= 1 << (bit % 8)
				damages = append(damages, b)
			}
			for i, b := range damages {
				d.data, d.object = b, o
				out, err := w.h.Handle(ctx, in)
				is[*fault.Corrupt](t, err)
				if out != (compact.Out{}) {
					t.Fatalf("damage %d: %+v", i, out)
				}
			}
			for written := range w.written() { // the events are good, and written first
				if _, _, _, part := keys.ParsePartKey(written); !part || name != "rejects" {
					t.Errorf("%s is created", written)
				}
			}
			w.h.Archive = w.archive
			w.compact(in, 1)
		})
	}
}

// damaging answers other bytes for a key.
type damaging struct {
	compact.Source
	key    string
	data   []byte
	object store.Object
}

func (d *damaging) Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error) {
	if key == d.key {
		return d.data, d.object, nil
	}
	return d.Source.Get(ctx, key, max)
}

func (d *damaging) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	if key == d.key {
		return io.NopCloser(bytes.NewReader(d.data)), nil
	}
	return d.Source.GetRange(ctx, key, etag, off, n)
}

func TestAnObjectThatIsNotAsItsIndexSaysIsCorrupt(t *testing.T) {
	for name, change := range map[string]func(p *hour.Piece){
		"another count of events":  func(p *hour.Piece) { p.Events++ },
		"another count of rejects": func(p *hour.Piece) { p.Rejects++ },
		"fewer bytes":              func(p *hour.Piece) { p.Bytes-- },
		"more bytes":               func(p *hour.Piece) { p.Bytes++ },
		"a negative size":          func(p *hour.Piece) { p.Object.Size = -1 },
		"a size beyond all":        func(p *hour.Piece) { p.Object.Size = 1 << 40 },
		"records that are not there": func(p *hour.Piece) {
			p.Take = [][2]int{{0, 99}}
			p.Events += 5
		},
	} {
		w := newWorld(t)
		w.batch(30)
		change(&w.pieces[0])
		_, err := w.h.Handle(ctx, w.seal())
		is[*fault.Corrupt](t, err)
		for key := range w.written() {
			if _, _, _, part := keys.ParsePartKey(key); !part || name != "another count of rejects" {
				t.Errorf("%s: %s is created", name, key)
			}
		}
	}
	w := newWorld(t)
	w.batch(1100)
	in := w.seal()
	s := w.sealed(in)
	s.Parts[0].Events++ // large objects' lines are not counted, but the sum is
	key := keys.SealKey(hr, s.Revision)
	for o := range w.hours.List(ctx, key) {
		must(w.hours.Replace(ctx, key, o.ETag, hour.Encode(s)))
	}
	_, err := w.h.Handle(ctx, w.run(s.Revision, &hour.Ref{Key: key, SHA256: hour.SHA256(hour.Encode(s))}))
	is[*fault.Corrupt](t, err)
	if len(w.written()) != 0 {
		t.Error("a part is created")
	}
}

func (w *world) sealed(in compact.In) *hour.Seal {
	w.t.Helper()
	return must(w.ledger.ReadSeal(ctx, *must(w.ledger.Read(ctx, hr)).Run(in.N).Seal))
}

func TestAnObjectThatIsGoneOrOtherBytesIsAnErrorUntilItIsBroughtBack(t *testing.T) {
	w := newWorld(t)
	w.batch(3)
	in := w.seal()
	key := w.pieces[0].Object.Key
	data, o, _ := w.archive.Get(ctx, key, 1<<20)
	must(w.archive.Replace(ctx, key, o.ETag, []byte("x")))
	_, err := w.h.Handle(ctx, in)
	is[*fault.Corrupt](t, err)
	if err := w.archive.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	_, err = w.h.Handle(ctx, in)
	is[*fault.NotFound](t, err)
	must(w.archive.Create(ctx, key, data))
	w.compact(in, 1)
}

func TestWhatStandsIsComparedNotReplaced(t *testing.T) {
	for _, rejects := range []bool{false, true} {
		w := newWorld(t)
		w.batch(30)
		in := w.seal()
		key := keys.PartKey(hr, in.Revision, 0)
		if rejects {
			key = keys.HourRejectsKey(hr, in.Revision)
		}
		must(w.hours.Create(ctx, key, []byte("another release's")))
		_, err := w.h.Handle(ctx, in)
		if e := is[*fault.Conflict](t, err); e.Key != key {
			t.Errorf("%v", e)
		}
		if got := w.written()[key]; got != "another release's" {
			t.Errorf("%s is replaced", key)
		}
	}
}

// TestCompactionSurvivesACrashAtAnyWrite ends, refuses or silences each write in turn, then tries again.
func TestCompactionSurvivesACrashAtAnyWrite(t *testing.T) {
	w := newWorld(t)
	w.batch(30)
	w.batch(5)
	in := w.seal(1)
	before := w.all()
	compacting := func(schedule storefault.Schedule) (map[string]string, int) {
		again := *w
		again.hours = store.NewMemory(now)
		for key, data := range before {
			must(again.hours.Create(ctx, key, []byte(data)))
		}
		writes := 0
		for _, s := range []storefault.Schedule{schedule, nil} {
			p := storefault.NewProcess(s, nil)
			hours := p.Wrap("hours", again.hours)
			h := *w.h
			h.Hours, h.Ledger = hours, &ledger.Ledger{Store: hours, Keys: keys, Now: now}
			in := in
			func() {
				defer func() {
					if r := recover(); r != nil && p.Dead() == nil {
						panic(r)
					}
				}()
				for in.Part = range 2 {
					if _, err := h.Handle(ctx, in); err != nil {
						if s == nil {
							t.Fatalf("after the fault: %v", err)
						}
						return
					}
				}
			}()
			writes = max(writes, p.Writes())
		}
		return again.all(), writes
	}
	want, writes := compacting(nil)
	if writes != 5 { // two parts, the rejects, two entries
		t.Fatalf("%d writes", writes)
	}
	for name, fail := range map[string]func(int) storefault.Schedule{"dies before": storefault.DieBeforeWrite, "dies after": storefault.DieAfterWrite,
		"refuses": storefault.FailWrite, "is silent after": storefault.LoseWrite} {
		for k := 1; k <= writes; k++ {
			if got, _ := compacting(fail(k)); !maps.Equal(got, want) {
				t.Errorf("%s write %d: %v", name, k, slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

// all is all that stands in the hours.
func (w *world) all() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for o, err := range w.hours.List(ctx, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		data, _, err := w.hours.Get(ctx, o.Key, 1<<30)
		if err != nil {
			w.t.Fatal(err)
		}
		all[o.Key] = string(data)
	}
	return all
}

func TestAnotherRunTakesOverWhatStands(t *testing.T) {
	w := newWorld(t)
	w.batch(30)
	w.batch(5)
	in := w.seal(1)
	first := w.compact(in, 2)
	want := w.written()
	counted := storefault.NewProcess(nil, nil)
	w.h.Archive = counted.Wrap("archive", nil) // a read would panic
	second := w.compact(w.seal(1), 2)
	if !slices.Equal(second.Parts, first.Parts) || *second.Rejects != *first.Rejects {
		t.Errorf("%+v instead of %+v", second, first)
	}
	w.h.Archive = w.archive
	for key := range want {
		if err := w.hours.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		third := w.compact(w.seal(1), 2)
		if !maps.Equal(w.written(), want) || !slices.Equal(third.Parts, first.Parts) || *third.Rejects != *first.Rejects {
			t.Errorf("without %s: %+v", key, third)
		}
	}
}

func TestOnlyTheRunThatHoldsTheHourCompacts(t *testing.T) {
	w := newWorld(t)
	w.batch(3)
	in := w.seal()
	for name, c := range map[string]struct {
		change func(*compact.In)
		check  func(error)
	}{
		"another execution": {func(in *compact.In) { in.Execution = "x" }, func(err error) { is[*fault.Superseded](t, err) }},
		"another run":       {func(in *compact.In) { in.N = 7 }, func(err error) { is[*fault.Superseded](t, err) }},
		"another revision":  {func(in *compact.In) { in.Revision = "0123456789ab" }, func(err error) { is[*fault.BadInput](t, err) }},
		"no such part":      {func(in *compact.In) { in.Part = 1 }, func(err error) { is[*fault.BadInput](t, err) }},
		"a negative part":   {func(in *compact.In) { in.Part = -1 }, func(err error) { is[*fault.BadInput](t, err) }},
	} {
		t.Run(name, func(*testing.T) {
			other := in
			c.change(&other)
			_, err := w.h.Handle(ctx, other)
			c.check(err)
		})
	}
	if len(w.written()) > 0 {
		t.Error("something is written")
	}
}

func TestRejectsAloneMakeNoPart(t *testing.T) {
	w := newWorld(t)
	w.next = 1010
	w.batch(1)
	run := w.compact(w.seal(), 1)
	if len(run.Parts) != 0 || run.Rejects == nil || len(w.written()) != 1 {
		t.Errorf("%+v", run)
	}
}

func TestErrorsOfTheStoresKeepTheirNames(t *testing.T) {
	w, in := mixture(t)
	for _, fetch := range []int{0, 8} {
		w.h.Fetch = fetch
		for n := 1; n <= 6; n++ {
			p := storefault.NewProcess(storefault.OnNth(n, storefault.Calls("archive", "GetRange"), storefault.Outcome{
				Err: &fault.Unavailable{Service: "s3", Action: "get", Err: errors.New("503")}}), nil)
			w.h.Archive = p.Wrap("archive", w.archive)
			_, err := w.h.Handle(ctx, in)
			is[*fault.Unavailable](t, err)
		}
	}
	if len(w.written()) > 1 { // the sixth call is for the rejects
		t.Errorf("%v are created", slices.Sorted(maps.Keys(w.written())))
	}
}
