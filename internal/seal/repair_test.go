package seal

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"penstock/internal/hour"
)

// repairOf is a repair of rejects of a batch; each becomes an event.
func repairOf(b Batch, note string, places ...[2]int) Repair {
	x := b.Index
	d := &hour.Repair{Version: hour.Version, Hour: x.Hour, Shard: x.Shard, First: x.First, Last: x.Last, Index: b.Ref, Repairs: places,
		Events: hour.Count(places), Bytes: 7, RecordsHash: hour.RepairHash(b.Ref, places, []byte(note)), Format: "text"}
	d.Object = &hour.File{Key: planKeys.ObjectKey(hour.DataKey{Span: x.Span(), Count: d.Events, Hash: d.RecordsHash[:12]}), SHA256: d.RecordsHash}
	return Repair{Doc: d, Ref: hour.Ref{Key: d.Key(planKeys), SHA256: d.RecordsHash}, ObjectETag: "v"}
}

// account says a selection's pieces with their counts: "a1-9 7e 2r" and "repair of a1-9 [0:1] 1e".
func account(s *Selection) string {
	var out []string
	for _, p := range s.Pieces {
		one := words(&Selection{Pieces: []hour.Piece{p}}) + fmt.Sprintf(" %de %dr", p.Events, p.Rejects)
		if p.Kind == hour.PieceRepair {
			one = fmt.Sprintf("repair of %s %v %de", words(&Selection{Pieces: []hour.Piece{p}}), p.Repairs, p.Events)
		}
		out = append(out, one)
	}
	return strings.Join(out, "; ")
}

func TestSelectRepairs(t *testing.T) {
	// Rejects of a1-10: record 5 (0), record 7 (1), record 10 (2). Of a4-20: 5 (0), 7 (1), 10 (2), 14 (3), 15 (4), 20 (5).
	a, late, within := batch(t, "a", 1, 10), batch(t, "a", 4, 20), batch(t, "a", 3, 9)
	one, rest := repairOf(a, "", [2]int{1, 2}), repairOf(a, "", [2]int{0, 1}, [2]int{2, 3})
	all := repairOf(a, "", [2]int{0, 3})
	ofLate := repairOf(late, "", [2]int{3, 5})
	for name, c := range map[string]struct {
		published *hour.Seal
		batches   []Batch
		repairs   []Repair
		want      string
		again     []Repair // of what is repaired already
		idle      int      // repairs that add nothing
	}{
		"a repair comes after the ranges, and its rejects are none": {nil, []Batch{a}, []Repair{one}, "a1-10 9e 2r; repair of a1-10 [[1 2]] 1e", []Repair{all}, 0},
		"several repairs of a batch that do not overlap all count": {nil, []Batch{a}, []Repair{one, rest},
			"a1-10 9e 0r; repair of a1-10 REST 2e; repair of a1-10 [[1 2]] 1e", []Repair{all}, 0},
		"of two repairs of one reject one counts, whole": {nil, []Batch{a}, []Repair{one, all}, "", []Repair{one, all}, 1},
		"what is published stays, and later repairs come behind it": {published(t, nil, a), []Batch{a, late}, []Repair{one},
			"a1-10 9e 2r; a4-20[7:17] 9e 3r; repair of a1-10 [[1 2]] 1e", []Repair{all}, 0},
		"a trimmed batch's rejects are repaired where they are taken": {nil, []Batch{a, late}, []Repair{ofLate},
			"a1-10 9e 3r; a4-20[7:17] 9e 1r; repair of a4-20 [[3 5]] 2e", []Repair{repairOf(late, "other", [2]int{4, 6})}, 0},
		"a repair of a reject that another batch has does not count": {nil, []Batch{a, late}, []Repair{repairOf(late, "", [2]int{2, 4})},
			"a1-10 9e 3r; a4-20[7:17] 9e 3r", nil, 1},
		"a repair of a batch that adds nothing does not count": {nil, []Batch{a, within}, []Repair{repairOf(within, "", [2]int{0, 1})},
			"a1-10 9e 3r", nil, 1},
		"a repair of more rejects than there are does not count": {nil, []Batch{a}, []Repair{repairOf(a, "", [2]int{2, 4})}, "a1-10 9e 3r", nil, 1},
		"a repair of a batch that is nowhere does not count":     {nil, []Batch{a}, []Repair{repairOf(batch(t, "b", 1, 9), "", [2]int{0, 1})}, "a1-10 9e 3r", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			have := Archived{c.batches, c.repairs}
			s, err := Select(c.published, have)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(account(s), "[[0 1] [2 3]]", "REST")
			switch {
			case c.want == "" && s.Events == 10 && s.Rejects == 2, c.want == "" && s.Events == 12 && s.Rejects == 0:
			case c.want == "":
				t.Errorf("%d events, %d rejects: %s", s.Events, s.Rejects, got)
			case sortRepairs(got) != sortRepairs(c.want):
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			repairs := 0
			for _, key := range s.Duplicates {
				if _, ok := planKeys.ParseRepairKey(key); ok {
					repairs++
				}
			}
			if repairs != c.idle {
				t.Errorf("%d repairs add nothing, want %d: %v", repairs, c.idle, s.Duplicates)
			}
			if len(s.Pieces)+len(s.Duplicates) != len(c.batches)+len(c.repairs) {
				t.Errorf("%d pieces and %d that add nothing, of %d batches and %d repairs", len(s.Pieces), len(s.Duplicates), len(c.batches), len(c.repairs))
			}
			slices.Reverse(have.Batches)
			slices.Reverse(have.Repairs)
			if again, err := Select(c.published, have); err != nil || !reflect.DeepEqual(again, s) {
				t.Errorf("in another order: %s, %v", account(again), err)
			}
			// Once published, the selection stays, also when somebody repairs again what is repaired.
			seal := &hour.Seal{Hour: planHour, Layout: hour.Layout, Pieces: s.Pieces}
			have.Repairs = append(have.Repairs, c.again...)
			if again, err := Select(seal, have); err != nil || !reflect.DeepEqual(again.Pieces, s.Pieces) {
				t.Errorf("once published: %s, %v", account(again), err)
			}
		})
	}
}

// sortRepairs puts repairs, whose order is that of hashes, into one order.
func sortRepairs(s string) string {
	parts := strings.Split(s, "; ")
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func TestARepairThatIsPublishedHasToStay(t *testing.T) {
	a := batch(t, "a", 1, 10)
	r := repairOf(a, "", [2]int{0, 1})
	s, err := Select(nil, Archived{[]Batch{a}, []Repair{r}})
	if err != nil {
		t.Fatal(err)
	}
	seal := &hour.Seal{Hour: planHour, Layout: hour.Layout, Pieces: s.Pieces}
	if got := Missing(seal, Archived{[]Batch{a}, []Repair{r}}); got != "" {
		t.Errorf("%s is missing of what stands", got)
	}
	if got := Missing(seal, Archived{Batches: []Batch{a}}); got != r.Ref.Key {
		t.Errorf("without the repair %q is missing", got)
	}
	r.ObjectETag = ""
	if got := Missing(seal, Archived{[]Batch{a}, []Repair{r}}); got != r.Doc.Object.Key {
		t.Errorf("without its object %q is missing", got)
	}
	again, err := Select(seal, Archived{Batches: []Batch{a}}) // the archive has lost it: the selection still has it
	if err != nil || !reflect.DeepEqual(again.Pieces, seal.Pieces) {
		t.Errorf("%+v, %v", again, err)
	}
	// Beside the lost index of a batch a new repair changes the selection, so that Missing is asked.
	if again, err = Select(seal, Archived{Repairs: []Repair{r, repairOf(a, "", [2]int{1, 2})}}); err != nil || len(again.Pieces) != 3 {
		t.Errorf("%+v, %v", again, err)
	}
}
