package streamtest

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

func iterators() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"iterators begin where they are told": func(t *testing.T, s Subject) {
			shard := shards(t, s)[0]
			tip := iterator(t, s, shard.ID, stream.Start{Type: stream.Latest})
			putInto(t, s, shard, 10)
			if s.Advance != nil {
				s.Advance(time.Second)
			} else {
				time.Sleep(time.Second)
			}
			noon := s.Now()
			putInto(t, s, shard, 10)
			all := sequences(readAll(t, s, shard.ID))
			if len(all) != 20 {
				t.Fatalf("read %d records, want 20", len(all))
			}
			for name, c := range map[string]struct {
				start stream.Start
				want  []string
			}{
				"at":           {stream.Start{Type: stream.AtSequence, Sequence: all[3]}, all[3:]},
				"after":        {stream.Start{Type: stream.AfterSequence, Sequence: all[3]}, all[4:]},
				"after last":   {stream.Start{Type: stream.AfterSequence, Sequence: all[19]}, nil},
				"at shard":     {stream.Start{Type: stream.AtSequence, Sequence: shard.First}, all},
				"time":         {stream.Start{Type: stream.AtTimestamp, Time: noon}, all[10:]},
				"early time":   {stream.Start{Type: stream.AtTimestamp, Time: noon.Add(-time.Hour)}, all},
				"latest":       {stream.Start{Type: stream.Latest}, nil},
				"trim horizon": {stream.Start{Type: stream.TrimHorizon}, all},
			} {
				wantSame(t, name, sequences(readFrom(t, s, shard.ID, c.start)), c.want)
			}
			records, _ := drain(t, s, tip, 6)
			wantSame(t, "an older latest", sequences(records), all)
		},
		"pages join without gap or overlap": func(t *testing.T, s Subject) {
			shard := shards(t, s)[0]
			putInto(t, s, shard, 25)
			all := sequences(readAll(t, s, shard.ID))
			for _, limit := range []int{1, 7, 25, 26} {
				records, last := drain(t, s, iterator(t, s, shard.ID, stream.Start{Type: stream.TrimHorizon}), limit)
				wantSame(t, "pages", sequences(records), all)
				if last.BehindTip != 0 || last.Next == "" {
					t.Errorf("last page %+v", last)
				}
			}
			it := iterator(t, s, shard.ID, stream.Start{Type: stream.TrimHorizon})
			page, err := s.Records(background(), it, 10)
			if err != nil || len(page.Records) == 25 || page.Next == "" {
				t.Fatalf("first page of %d records, next %q, %v", len(page.Records), page.Next, err)
			}
			again, err := s.Records(background(), it, 10) // another reader, or the same once more
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, "again", sequences(again.Records), sequences(page.Records))
		},
		"wrong questions are refused": func(t *testing.T, s Subject) {
			shard := shards(t, s)[0].ID
			_, err := s.Iterator(background(), "shardId-000000000077", stream.Start{Type: stream.TrimHorizon})
			wantError[*fault.NotFound](t, err)
			for _, start := range []stream.Start{
				{}, {Type: "NOWHERE"}, {Type: stream.AtSequence}, {Type: stream.AfterSequence, Sequence: "12x"},
				{Type: stream.AfterSequence, Sequence: strings.Repeat("1", 130)},
			} {
				_, err := s.Iterator(background(), shard, start)
				badInput(t, err)
			}
			it := iterator(t, s, shard, stream.Start{Type: stream.TrimHorizon})
			for _, limit := range []int{0, -1, stream.MaxRead + 1} {
				_, err = s.Records(background(), it, limit)
				badInput(t, err)
			}
		},
		"mangled iterators are refused": func(t *testing.T, s Subject) {
			it := iterator(t, s, shards(t, s)[0].ID, stream.Start{Type: stream.TrimHorizon})
			for _, mangled := range []string{"", "x", it + "A", it[1:], strings.Repeat("A", len(it)), strings.Repeat("A", 1<<16)} {
				_, err := s.Records(background(), mangled, 1)
				badInput(t, err)
			}
		},
		"large records make several pages": func(t *testing.T, s Subject) {
			shard := shards(t, s)[0]
			for range 4 {
				var list []stream.Entry
				for range 4 {
					list = append(list, stream.Entry{PartitionKey: "k", ExplicitHashKey: shard.StartHash, Data: make([]byte, 1<<20-1)})
				}
				put(t, s, list)
			}
			page, err := s.Records(background(), iterator(t, s, shard.ID, stream.Start{Type: stream.TrimHorizon}), stream.MaxRead)
			if err != nil || len(page.Records) == 0 || len(page.Records) > 10 || page.BehindTip == 0 {
				t.Fatalf("page of %d records, %s behind, %v", len(page.Records), page.BehindTip, err)
			}
			if got := len(readAll(t, s, shard.ID)); got != 16 {
				t.Errorf("read %d records, want 16", got)
			}
		},
	}
}

// putInto puts n records into one shard, in separate calls so that their order is known.
func putInto(t *testing.T, s Subject, shard stream.Shard, n int) {
	t.Helper()
	for _, e := range entries(0, n) {
		e.ExplicitHashKey = shard.StartHash
		if len(put(t, s, []stream.Entry{e})[shard.ID]) != 1 {
			t.Fatalf("record is not in %s", shard.ID)
		}
	}
}

func reshards() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"a split closes the parent and leads to its children": func(t *testing.T, s Subject) {
			needReshard(t, s)
			parent := shards(t, s)[0]
			putInto(t, s, parent, 5)
			middle := half(t, parent)
			if err := s.Split(parent.ID, middle); err != nil {
				t.Fatal(err)
			}
			list := shards(t, s)
			if len(list) != 4 {
				t.Fatalf("%d shards after a split of one of two, want 4", len(list))
			}
			closed, low, high := list[0], list[2], list[3]
			if closed.Last == "" || low.Last != "" || low.Parent != parent.ID || high.Parent != parent.ID ||
				low.StartHash != parent.StartHash || high.StartHash != middle || high.EndHash != parent.EndHash {
				t.Fatalf("after the split: %+v", list)
			}
			records, last := drain(t, s, iterator(t, s, parent.ID, stream.Start{Type: stream.TrimHorizon}), 3)
			if len(records) != 5 || last.Next != "" || last.BehindTip != 0 || !slices.Equal(last.Children, []string{low.ID, high.ID}) {
				t.Fatalf("parent gave %d records and %+v", len(records), last)
			}
			newest := records[4].Sequence
			putInto(t, s, low, 3)
			putInto(t, s, high, 3)
			for _, child := range []stream.Shard{low, high} {
				got := sequences(readAll(t, s, child.ID))
				wantGrowing(t, append([]string{newest, child.First}, got...))
			}
			if err := s.Split(parent.ID, middle); err == nil {
				t.Error("a closed shard was split")
			}
			if err := s.Split(low.ID, parent.EndHash); err == nil {
				t.Error("a shard was split outside of its range")
			}
		},
		"a merge joins neighbours": func(t *testing.T, s Subject) {
			needReshard(t, s)
			list := shards(t, s)
			putInto(t, s, list[0], 2)
			putInto(t, s, list[1], 2)
			if err := s.Merge(list[0].ID, list[0].ID); err == nil {
				t.Error("a shard was merged with itself")
			}
			if err := s.Merge(list[0].ID, list[1].ID); err != nil {
				t.Fatal(err)
			}
			after := shards(t, s)
			if len(after) != 3 || after[2].Parent != list[0].ID || after[2].AdjacentParent != list[1].ID ||
				after[2].StartHash != list[0].StartHash || after[2].EndHash != list[1].EndHash || after[0].Last == "" || after[1].Last == "" {
				t.Fatalf("after the merge: %+v", after)
			}
			putInto(t, s, after[2], 2)
			for _, parent := range list {
				records, last := drain(t, s, iterator(t, s, parent.ID, stream.Start{Type: stream.TrimHorizon}), 10)
				if len(records) != 2 || !slices.Equal(last.Children, []string{after[2].ID}) {
					t.Errorf("%s gave %d records and %+v", parent.ID, len(records), last)
				}
			}
			if got := readAll(t, s, after[2].ID); len(got) != 2 {
				t.Errorf("child gave %d records, want 2", len(got))
			}
		},
		"a restart keeps the family of shards": func(t *testing.T, s Subject) {
			needReshard(t, s)
			if s.Reopen == nil {
				t.Skip("the subject cannot be restarted")
			}
			parent := shards(t, s)[0]
			if err := s.Split(parent.ID, half(t, parent)); err != nil {
				t.Fatal(err)
			}
			before := shards(t, s)
			s = s.Reopen()
			if got := shards(t, s); !slices.Equal(got, before) {
				t.Fatalf("shards %+v, before the restart %+v", got, before)
			}
			if err := s.Merge(before[2].ID, before[3].ID); err != nil {
				t.Fatal(err)
			}
			if got := shards(t, s); len(got) != 5 || got[4].StartHash != parent.StartHash || got[4].EndHash != parent.EndHash {
				t.Fatalf("after the merge: %+v", got)
			}
		},
	}
}

func needReshard(t *testing.T, s Subject) {
	t.Helper()
	if s.Split == nil {
		t.Skip("the subject does not reshard")
	}
}

func half(t *testing.T, s stream.Shard) string {
	v := new(big.Int).Add(number(t, s.StartHash), number(t, s.EndHash))
	return v.Rsh(v, 1).String()
}

func ages() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"records go when retention ends": func(t *testing.T, s Subject) {
			retention, err := s.Retention(background())
			if err != nil || retention < 24*time.Hour {
				t.Fatalf("retention %s, %v", retention, err)
			}
			shard := shards(t, s)[0]
			putInto(t, s, shard, 3)
			s.advance(t, time.Hour)
			putInto(t, s, shard, 2)
			s.advance(t, retention-time.Hour)
			if got := len(readAll(t, s, shard.ID)); got != 5 {
				t.Errorf("%d records at the end of retention, want 5", got)
			}
			first := readAll(t, s, shard.ID)[0].Sequence
			s.advance(t, time.Second)
			left := readAll(t, s, shard.ID)
			if len(left) != 2 {
				t.Fatalf("%d records after retention, want 2", len(left))
			}
			putInto(t, s, shard, 1)
			if got := len(readFrom(t, s, shard.ID, stream.Start{Type: stream.AfterSequence, Sequence: first})); got != 3 {
				t.Errorf("%d records from a trimmed place, want 3", got)
			}
		},
		"closed shards leave the list with their records": func(t *testing.T, s Subject) {
			needReshard(t, s)
			retention, _ := s.Retention(background())
			parent := shards(t, s)[0]
			putInto(t, s, parent, 1)
			s.advance(t, time.Hour)
			if err := s.Split(parent.ID, half(t, parent)); err != nil {
				t.Fatal(err)
			}
			closed := s.Now()
			s.advance(t, time.Hour)
			for from, want := range map[time.Time]int{{}: 4, closed.Add(-time.Minute): 4, closed.Add(time.Minute): 3} {
				if list, err := s.Shards(background(), from); err != nil || len(list) != want {
					t.Errorf("%d shards from %s, want %d (%v)", len(list), from, want, err)
				}
			}
			s.advance(t, retention)
			putInto(t, s, shards(t, s)[0], 1)
			if list := shards(t, s); len(list) != 3 || list[0].ID == parent.ID {
				t.Errorf("shards after retention: %+v", list)
			}
			_, err := s.Iterator(background(), parent.ID, stream.Start{Type: stream.TrimHorizon})
			wantError[*fault.NotFound](t, err)
		},
		"iterators expire": func(t *testing.T, s Subject) {
			shard := shards(t, s)[0].ID
			it := iterator(t, s, shard, stream.Start{Type: stream.TrimHorizon})
			s.advance(t, 5*time.Minute)
			page, err := s.Records(background(), it, 1)
			if err != nil {
				t.Fatal(err)
			}
			s.advance(t, time.Second)
			_, err = s.Records(background(), it, 1)
			badInput(t, err)
			if _, err = s.Records(background(), page.Next, 1); err != nil {
				t.Errorf("the next iterator begins a life of its own: %v", err)
			}
		},
		"BehindTip tells how far the tip is": func(t *testing.T, s Subject) {
			shard := shards(t, s)[0]
			putInto(t, s, shard, 2)
			s.advance(t, 90*time.Second)
			putInto(t, s, shard, 1)
			it := iterator(t, s, shard.ID, stream.Start{Type: stream.TrimHorizon})
			page, err := s.Records(background(), it, 1)
			if err != nil || page.BehindTip < 80*time.Second || page.BehindTip > 100*time.Second {
				t.Errorf("%s behind the tip, want 90 s (%v)", page.BehindTip, err)
			}
		},
	}
}
