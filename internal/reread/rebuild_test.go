package reread_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/reread"
	"penstock/internal/seal"
	"penstock/internal/store/storefault"
	"penstock/internal/stream"
	"penstock/internal/verify"
)

func (w *world) rebuild(t *testing.T, write bool) []reread.Lost {
	t.Helper()
	all, err := w.Rebuild(ctx, h7, write)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sound fails unless the hour verifies, but for notes that contain one of some words, and its revision is what it was.
func (w *world) sound(t *testing.T, notes ...string) {
	t.Helper()
	v := &verify.Verifier{Archive: w.archive, Hours: w.hours, Keys: w.keys, Now: w.clock, ArchiveKeep: 840 * time.Hour}
	r, err := v.Hour(ctx, h7)
	if err != nil || len(r.Findings) > 0 || len(r.Notes) != len(notes) {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, n := range notes {
		if !strings.Contains(r.Notes[i].Why, n) {
			t.Errorf("note %q", r.Notes[i].Why)
		}
	}
	s := &seal.Handler{Archive: w.archive, Hours: w.hours, Stream: w.model, Ledger: w.ledger, Keys: w.keys, Now: w.clock, Margin: time.Minute, Deadline: time.Hour}
	var keys []string
	for _, p := range w.seal.Pieces {
		keys = append(keys, p.Index.Key)
	}
	if adds, err := s.Adds(ctx, h7, w.seal, keys); err != nil || adds {
		t.Errorf("the indexes add to the seal: %v, %v", adds, err)
	}
	if got := hour.RevisionOf(w.seal.Layout, w.seal.Pieces); got != w.seal.Revision || r.Revision != got {
		t.Errorf("revision %s, published is %s", got, r.Revision)
	}
}

func TestALostIndexIsMadeAgainByteByByte(t *testing.T) {
	w := newWorld(t)
	w.anonymous(t)
	before := w.snapshot()
	for i := range w.seal.Pieces {
		key := w.seal.Pieces[i].Index.Key
		w.put(key, nil)
		all := w.rebuild(t, false)
		if len(all) != 1 || all[0].Key != key || !all[0].Rebuilt || !all[0].Exact || !all[0].Named || all[0].Records == 0 {
			t.Fatalf("%+v", all)
		}
		if _, there := w.snapshot()[key]; there {
			t.Fatal("it was written without being asked")
		}
		w.rebuild(t, true)
		if !maps.Equal(w.snapshot(), before) {
			t.Fatalf("the archive is not what it was after %s", key)
		}
	}
	if all := w.rebuild(t, true); len(all) > 0 {
		t.Errorf("%+v", all)
	}
	w.sound(t)
	if r := w.compare(t); len(r.Findings)+len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
}

// anonymous takes request and trace out of the indexes, as they are of batches that were archived by hand.
func (w *world) anonymous(t *testing.T) {
	t.Helper()
	for i := range w.seal.Pieces {
		p := &w.seal.Pieces[i]
		x := w.index(p.Index.Key)
		if x.Request == "" || x.Trace == "" {
			t.Fatalf("%+v", x)
		}
		x.Request, x.Trace = "", ""
		w.put(p.Index.Key, hour.Encode(x))
		p.Index.SHA256 = hour.SHA256(hour.Encode(x))
	}
	w.reseal(t)
	w.sound(t)
}

// reseal puts w.seal where the ledger's seal is, and the ledger and manifest of a run that published it.
func (w *world) reseal(t *testing.T) {
	t.Helper()
	st := must(w.ledger.Read(ctx, h7))
	entries := st.Entries
	for o, err := range w.hours.List(ctx, w.keys.LedgerPrefix(h7)) {
		must(0, err)
		must(0, w.hours.Delete(ctx, o.Key))
	}
	key := w.keys.SealKey(h7, w.seal.Revision)
	must(0, w.hours.Delete(ctx, key))
	must(w.hours.Create(ctx, key, hour.Encode(w.seal)))
	must(0, w.hours.Delete(ctx, w.keys.ManifestKey(h7)))
	ref := hour.Ref{Key: key, SHA256: hour.SHA256(hour.Encode(w.seal))}
	previous := ""
	for i := range entries {
		e := entries[i]
		if e.Seal != nil {
			e.Seal = &ref
		}
		if e.Publish != nil {
			e.Publish.Seal = ref
		}
		e.Previous = previous
		b := hour.Encode(&e)
		previous = hour.SHA256(b)
		must(w.hours.Create(ctx, w.keys.LedgerKey(h7, e.Number), b))
	}
	must(w.ledger.WriteManifest(ctx, must(w.ledger.Read(ctx, h7))))
}

func TestADamagedIndexIsMadeAgainOnceItIsRemoved(t *testing.T) {
	for name, damage := range map[string]func(w *world, p *hour.Piece) []byte{
		"a bit": func(w *world, p *hour.Piece) []byte { b := w.get(p.Index.Key); b[len(b)/2] ^= 1; return b },
		"cut":   func(w *world, p *hour.Piece) []byte { b := w.get(p.Index.Key); return b[:len(b)/2] },
		"another batch": func(w *world, p *hour.Piece) []byte {
			x := w.index(p.Index.Key)
			x.Request = "forged"
			return hour.Encode(x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.withRejects()
			w.put(p.Index.Key, damage(w, p))
			before := w.snapshot()
			all := w.rebuild(t, true)
			if len(all) != 1 || all[0].Key != p.Index.Key || all[0].Rebuilt || !all[0].Damaged || !strings.Contains(all[0].Why, "remove it first") || !maps.Equal(before, w.snapshot()) {
				t.Fatalf("%+v", all)
			}
			w.put(p.Index.Key, nil)
			if all := w.rebuild(t, true); len(all) != 1 || !all[0].Rebuilt {
				t.Fatalf("%+v", all)
			}
			w.sound(t, "it was lost, and made again")
		})
	}
}

func TestAnIndexWhoseRequestIsUnknownSaysThatItWasRebuilt(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	w.sound(t)
	before := w.index(p.Index.Key)
	w.put(p.Index.Key, nil)
	if all := w.rebuild(t, true); len(all) != 1 || !all[0].Rebuilt || all[0].Exact {
		t.Fatalf("%+v", all)
	}
	w.sound(t, "it was lost, and made again")
	after := w.index(p.Index.Key)
	if after.RebuiltAt == nil || after.Writer != hour.WriterReplay || !after.ArchivedAt.Equal(before.ArchivedAt.Time) {
		t.Errorf("%+v", after)
	}
	after.RebuiltAt, after.Request, after.Trace, after.Writer = nil, before.Request, before.Trace, before.Writer
	if string(hour.Encode(after)) != string(hour.Encode(before)) {
		t.Errorf("rebuilt is %+v, lost was %+v", after, before)
	}
	if r := w.compare(t); len(r.Findings)+len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestAForgedIndexThatSaysItWasRebuiltIsFound(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	x := w.index(p.Index.Key)
	at := hour.At(w.now)
	x.RebuiltAt, x.RecordsHash = &at, hour.SHA256(nil)
	w.put(p.Index.Key, hour.Encode(x))
	v := &verify.Verifier{Archive: w.archive, Hours: w.hours, Keys: w.keys, Now: w.clock, ArchiveKeep: 840 * time.Hour}
	if r := must(v.Hour(ctx, h7)); len(r.Findings) == 0 || r.Findings[0].Key != p.Index.Key {
		t.Errorf("%+v", r)
	}
}

func TestWhatAnIndexNamedIsMadeAgainWithIt(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	p := w.withRejects()
	for _, key := range []string{p.Index.Key, p.Object.Key, p.RejectsFile.Key} {
		w.put(key, nil)
	}
	if all := w.rebuild(t, true); len(all) != 1 || !all[0].Rebuilt {
		t.Fatalf("%+v", all)
	}
	after := w.snapshot()
	for _, key := range []string{p.Object.Key, p.RejectsFile.Key} {
		if after[key] != before[key] {
			t.Errorf("%s is not what it was", key)
		}
	}
	if x := w.index(p.Index.Key); x.RebuiltAt == nil { // nothing tells any more when it was archived
		t.Errorf("%+v", x)
	}
}

func TestAnIndexThatNoSealNamesIsFoundByItsObject(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	for o, err := range w.hours.List(ctx, w.keys.LedgerPrefix(h7)) {
		must(0, err)
		must(0, w.hours.Delete(ctx, o.Key))
	}
	p := w.withRejects()
	w.put(p.Index.Key, nil)
	all := w.rebuild(t, true)
	if len(all) != 1 || all[0].Named || !all[0].Rebuilt || all[0].Exact {
		t.Fatalf("%+v", all)
	}
	if x := w.index(p.Index.Key); x.RebuiltAt == nil || x.RecordsHash != p.RecordsHash || x.Object.SHA256 != p.Object.SHA256 {
		t.Errorf("%+v", x)
	}
	w.put(p.Index.Key, []byte(before[p.Index.Key]))
	if !maps.Equal(w.snapshot(), before) {
		t.Error("something else was written")
	}
}

func TestAnObjectOfATryThatDiedIsNoLostIndex(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	x := w.index(p.Index.Key)
	rows := must(x.Rows())
	short := hour.Span{Hour: h7, Shard: p.Shard, First: p.First, Last: rows[len(rows)-2].Sequence}
	w.put(w.keys.ObjectKey(hour.DataKey{Span: short, Count: 1, Hash: "0123456789ab"}), []byte("x"))
	if all := w.rebuild(t, true); len(all) > 0 {
		t.Errorf("%+v", all)
	}
	// And one that is being written is none, either.
	w.put(p.Index.Key, nil)
	for o, err := range w.hours.List(ctx, w.keys.LedgerPrefix(h7)) {
		must(0, err)
		must(0, w.hours.Delete(ctx, o.Key))
	}
	for o, err := range w.archive.List(ctx, w.keys.HourPrefix(h7)) {
		must(0, err)
		w.now = later(w.now.Add(-365*day), o.Modified)
	}
	if all := w.rebuild(t, true); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}

const day = 24 * time.Hour

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestWhatTheStreamNoLongerHasIsNotMadeUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, w *world, p *hour.Piece)
		why    string
	}{
		{"nothing is left", func(t *testing.T, w *world, _ *hour.Piece) { w.now = w.now.Add(400 * time.Hour); w.keep(t, w.now) }, "the stream no longer has its records (0 of them are left)"},
		{"its first record has left", func(_ *testing.T, w *world, p *hour.Piece) {
			w.change(func(shard string, all []stream.Record) []stream.Record {
				for shard == p.Shard && hour.Sequence(all[0].Sequence).Compare(p.First) <= 0 {
					all = all[1:]
				}
				return all
			})
		}, "the stream no longer has its records ("},
		{"a payload is another", func(_ *testing.T, w *world, p *hour.Piece) {
			w.change(func(shard string, all []stream.Record) []stream.Record {
				for i := range all {
					if shard == p.Shard && all[i].Sequence == string(p.First) {
						all[i].Data = append([]byte(" "), all[i].Data...)
					}
				}
				return all
			})
		}, "are not those that were sealed"},
		{"its object is damaged", func(_ *testing.T, w *world, p *hour.Piece) { w.put(p.Object.Key, []byte("BZh9")) }, "is damaged: remove it first"},
		{"the format has changed", func(_ *testing.T, w *world, _ *hour.Piece) { w.Format = "text" }, "this release would make other bytes than were sealed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.withRejects()
			w.put(p.Index.Key, nil)
			c.change(t, w, p)
			before := w.snapshot()
			all := w.rebuild(t, true)
			if len(all) != 1 || all[0].Rebuilt || !strings.Contains(all[0].Why, c.why) || !all[0].Published || all[0].Object != p.Object.Key {
				t.Errorf("%+v", all)
			}
			if !maps.Equal(w.snapshot(), before) {
				t.Error("something was written")
			}
		})
	}
}

// Dies before or after each write, or loses its answer: the next rebuild ends the work.
func TestARebuildSurvivesDeathBetweenAnyTwoWrites(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	before := w.snapshot()
	const writes = 3 // object, rejects, index
	for k := 1; k <= writes; k++ {
		for name, schedule := range map[string]storefault.Schedule{
			"before": storefault.DieBeforeWrite(k), "after": storefault.DieAfterWrite(k), "lost": storefault.LoseWrite(k), "refused": storefault.FailWrite(k),
		} {
			t.Run(fmt.Sprint(name, k), func(t *testing.T) {
				for _, key := range []string{p.Index.Key, p.Object.Key, p.RejectsFile.Key} {
					w.put(key, nil)
				}
				process := storefault.NewProcess(schedule, nil)
				sick := *w.Reader
				sick.Archive = process.Wrap("archive", w.archive)
				func() {
					defer func() { recover() }()
					_, _ = sick.Rebuild(ctx, h7, true)
				}()
				if process.Writes() < k {
					t.Fatalf("only %d writes were made", process.Writes())
				}
				after := w.snapshot()
				if _, there := after[p.Index.Key]; there && (after[p.Object.Key] == "" || after[p.RejectsFile.Key] == "") {
					t.Error("the index names what is not there")
				}
				w.rebuild(t, true)
				after = w.snapshot()
				if after[p.Object.Key] != before[p.Object.Key] || after[p.RejectsFile.Key] != before[p.RejectsFile.Key] {
					t.Error("the objects are not what they were")
				}
				if x := w.index(p.Index.Key); !p.Means(x, hour.SHA256([]byte(after[p.Index.Key]))) {
					t.Errorf("%+v", x)
				}
				if len(w.rebuild(t, true)) > 0 {
					t.Error("there is still something to do")
				}
			})
		}
	}
}
