package reread_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"penstock/internal/hour"
)

func TestRecordsOfAPublishedHourThatNobodyArchivedAreArchived(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	p := *w.withRejects()
	w.seal.Pieces = slices.DeleteFunc(w.seal.Pieces, func(q hour.Piece) bool { return q.Index == p.Index })
	w.seal.Revision = hour.RevisionOf(w.seal.Layout, w.seal.Pieces)
	w.reseal(t)
	for _, key := range []string{p.Index.Key, p.Object.Key, p.RejectsFile.Key} {
		w.put(key, nil)
	}
	if r := w.compare(t); !strings.Contains(whys(r), "the hour is published without them") {
		t.Fatalf("%+v", r)
	}
	gone := w.snapshot()
	all := must(w.Fill(ctx, h7, false))
	if len(all) != 1 || !all[0].Hole || all[0].Key != p.Index.Key || !maps.Equal(w.snapshot(), gone) {
		t.Fatalf("%+v", all)
	}
	for range 2 { // twice is once
		must(w.Fill(ctx, h7, true))
	}
	after := w.snapshot()
	if after[p.Object.Key] != before[p.Object.Key] || after[p.RejectsFile.Key] != before[p.RejectsFile.Key] || len(after) != len(before) {
		t.Error("the objects are not those of the records")
	}
	if x := w.index(p.Index.Key); x.Writer != hour.WriterReplay || x.RecordsHash != p.RecordsHash {
		t.Errorf("%+v", x)
	}
	if r := w.compare(t); len(r.Findings)+len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestAnHourThatIsNotPublishedHasNoHoles(t *testing.T) {
	w := newWorld(t)
	w.put(w.seal.Pieces[0].Index.Key, nil)
	for o, err := range w.hours.List(ctx, w.keys.LedgerPrefix(h7)) {
		must(0, err)
		must(0, w.hours.Delete(ctx, o.Key))
	}
	if all := must(w.Fill(ctx, h7, true)); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}

func TestWhatRebuildRefusesIsNoHole(t *testing.T) {
	w := newWorld(t)
	p := w.withRejects()
	w.put(p.Index.Key, nil)
	w.Format = "text" // of which other events would be made
	if all := w.rebuild(t, true); len(all) != 1 || all[0].Rebuilt {
		t.Fatalf("%+v", all)
	}
	if all := must(w.Fill(ctx, h7, true)); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}
