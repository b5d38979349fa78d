package compact_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/hour"
)

// repair adds a repair of rejects of piece i, which become two events each. taken are the piece's rejects, from 0 to
// their number, by their place among those that were taken; places are those in the batch.
func (w *world) repair(i int, places [][2]int, lines []string) {
	w.t.Helper()
	of := &w.pieces[i]
	r := &hour.Repair{Version: hour.Version, Hour: hr, Shard: of.Shard, First: of.First, Last: of.Last, Index: of.Index, Repairs: places,
		Format: "text", RepairedAt: hour.At(now())}
	var events []string
	for _, line := range lines {
		at := slices.Index(w.rejects, line)
		if at < 0 {
			w.t.Fatalf("no reject %s", line)
		}
		w.rejects = slices.Delete(w.rejects, at, at+1)
		for k := range 2 {
			events = append(events, fmt.Sprintf("%d repaired from %s", k, line))
		}
	}
	text := strings.Join(events, "")
	r.Events, r.Bytes, r.RecordsHash = len(events), int64(len(text)), hour.RepairHash(r.Index, places, []byte(text))
	r.Object = w.store(keys.ObjectKey(hour.DataKey{Span: r.Span(), Count: r.Events, Hash: r.RecordsHash[:12]}), []byte(text))
	doc := hour.Encode(r)
	must(w.archive.Create(ctx, r.Key(keys), doc))
	of.Rejects -= len(lines)
	w.pieces = append(w.pieces, hour.Piece{Kind: hour.PieceRepair, Shard: r.Shard, First: r.First, Last: r.Last,
		Index: hour.Ref{Key: r.Key(keys), SHA256: hour.SHA256(doc)}, RecordsHash: r.RecordsHash, Object: r.Object, Events: r.Events, Bytes: r.Bytes,
		Repairs: places})
	w.events = append(w.events, events)
}

func TestRepairedRejectsAreEventsAndNoLongerRejects(t *testing.T) {
	w := newWorld(t)
	w.batch(40)                                // rejects: 1000, 1001 (sub 1), 1008, 1010, 1015, 1020, 1022, 1029, 1030, 1036
	w.batch(40, [2]int{2, 12}, [2]int{20, 40}) // from 1040
	w.batch(20)
	first := slices.Clone(w.rejects)
	at := func(record int) string {
		for _, line := range first {
			if strings.HasSuffix(line, fmt.Sprintf("\"payload\":\"%d\"}\n", record)) {
				return line
			}
		}
		t.Fatalf("record %d has no reject that is taken", record)
		return ""
	}
	// Of the trimmed batch, places in its rejects: 1040 0, 1043 1, 1050 2, 1057 3, 1060 4, 1064 5, 1070 6, 1071 7, 1078 8.
	w.repair(0, [][2]int{{0, 1}, {2, 4}}, []string{at(1000), at(1008), at(1010)})
	w.repair(1, [][2]int{{1, 3}, {6, 7}}, []string{at(1043), at(1050), at(1070)})
	w.repair(0, [][2]int{{9, 10}}, []string{at(1036)})
	all := w.rejects
	in := w.seal(2)
	run := w.compact(in, 2)
	var events []string
	for _, p := range w.events {
		events = append(events, p...)
	}
	got := ""
	for i := range run.Parts {
		got += decode(t, w.read(&run.Parts[i].File))
	}
	if got != strings.Join(events, "") {
		t.Error("the parts are not the events and the repaired rejects")
	}
	if got, want := decode(t, w.read(run.Rejects)), strings.Join(all, ""); got != want {
		t.Errorf("rejects\n%s, want\n%s", got, want)
	}
}

func TestABatchWhoseRejectsAreAllRepairedHasNone(t *testing.T) {
	w := newWorld(t)
	w.batch(15)
	w.repair(0, [][2]int{{0, len(w.rejects)}}, slices.Clone(w.rejects))
	run := w.compact(w.seal(), 1)
	if run.Rejects != nil || len(run.Parts) != 1 || run.Parts[0].Events != len(w.events[0])+len(w.events[1]) {
		t.Errorf("%+v", run)
	}
}
