package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/store/storefault"
)

// some are records from first to last, one event each, a second apart.
func some(first, last int) (all []record) {
	for n := first; n <= last; n++ {
		all = append(all, record{n, time.Duration(n) * time.Second, fmt.Sprintf("[%d]", n)})
	}
	return all
}

func TestWhatTheMappingGaveUpIsArchivedOnce(t *testing.T) {
	w := newWorld(t)
	w.deliver(some(1, 2)...)
	key := w.giveUp(some(3, 4)...)
	w.deliver(some(5, 6)...)
	w.publish(hr)
	w.now = hr.Start().Add(6 * 24 * time.Hour)
	r := w.replay(nil)
	if r.states() != "archived 3-4" || len(r.Run) != 1 || r.Run[0] != hr || r.Ranges[0].Key != key || r.Ranges[0].Records != 2 || !r.Ranges[0].Payload {
		t.Fatalf("%+v", r)
	}
	if left := r.Ranges[0].Left; left != 24*time.Hour+3*time.Second || r.Ranges[0].Until.Sub(w.now) != left {
		t.Errorf("the stream keeps it for %s", left)
	}
	w.holds("[1] [2] [3] [4] [5] [6]", "")
	for _, b := range w.look(hr).Batches {
		if want := map[bool]string{true: hour.WriterReplay, false: hour.WriterMapping}[b.Index.First == "3"]; b.Index.Writer != want {
			t.Errorf("%s was written by %s", b.Ref.Key, b.Index.Writer)
		}
	}
	before := keysOf(t, w.archive, "")
	if r = w.replay(nil); r.states() != "already archived 3-4" || len(r.Run) != 1 { // nobody has run it yet
		t.Errorf("again: %+v", r)
	}
	w.publish(hr)
	for _, of := range []*hour.Range{nil, theHour, {From: hr.Add(-3), To: hr.Add(3)}} {
		if r = w.replay(of); r.states() != "already archived 3-4" || len(r.Run)+len(r.Later) != 0 {
			t.Errorf("once it was run: %+v", r)
		}
	}
	if r = w.replay(&hour.Range{From: hr.Add(1), To: hr.Add(9)}); len(r.Ranges) != 0 {
		t.Errorf("of other hours: %+v", r)
	}
	if !slices.Equal(keysOf(t, w.archive, ""), before) || w.gets[key] != 1 {
		t.Errorf("the failure object was read %d times, the archive holds %d objects instead of %d", w.gets[key], len(keysOf(t, w.archive, "")), len(before))
	}
	if len(keysOf(t, w.failure, "aws/")) != 1 {
		t.Error("the failure object is gone")
	}
}

func TestOnlyWhatIsMissingIsArchivedHoweverItIsCut(t *testing.T) {
	for _, c := range []struct {
		name     string
		archived [][2]int
		state    string
		pieces   int
	}{
		{"nothing is there", nil, "archived", 1},
		{"the same batch", [][2]int{{1, 9}}, "already archived", 1},
		{"a larger one", [][2]int{{1, 12}}, "already archived", 1},
		{"two that meet", [][2]int{{1, 4}, {5, 9}}, "already archived", 2},
		{"two that overlap", [][2]int{{1, 6}, {5, 12}}, "already archived", 2},
		{"one in the middle", [][2]int{{4, 6}}, "archived", 1},
		{"all but one record", [][2]int{{1, 4}, {6, 9}}, "archived", 1},
		{"all but the last", [][2]int{{1, 8}}, "archived", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var want []string
			last := 9
			for _, a := range c.archived {
				w.deliver(some(a[0], a[1])...)
				last = max(last, a[1])
			}
			w.giveUp(some(1, 9)...)
			for n := 1; n <= last; n++ {
				want = append(want, fmt.Sprintf("[%d]", n))
			}
			slices.Sort(want)
			if r := w.replay(nil); r.states() != c.state+" 1-9" {
				t.Errorf("%+v", r)
			}
			w.holds(strings.Join(want, " "), "")
			w.deliver(some(1, 9)...) // the mapping comes back to it
			w.deliver(some(3, 9)...)
			w.holds(strings.Join(want, " "), "")
		})
	}
}

func TestABatchOfSeveralHoursIsArchivedForAllOfThem(t *testing.T) {
	w := newWorld(t)
	w.giveUp(record{1, 59*time.Minute + 59*time.Second, "[1]"}, record{2, time.Hour, "[2]"}, record{3, 59*time.Minute + 59500*time.Millisecond, "[3]"})
	w.publish(hr)
	r := w.replay(&hour.Range{From: hr.Add(1), To: hr.Add(1)})
	if r.states() != "archived 1-3, archived 2-2" || len(r.Run) != 1 || len(r.Later) != 1 || r.Later[0] != hr.Add(1) {
		t.Fatalf("%+v", r)
	}
	w.holds("[1] [3]", "")
	if e, _ := w.lines(hr.Add(1)); len(e) != 1 {
		t.Errorf("%v", e)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.deliver(record{1, 0, "[1]"}, record{2, 0, "["})
	w.giveUp(some(3, 4)...)
	w.publish(hr)
	w.format = "text"
	before := len(keysOf(t, w.archive, "")) + len(keysOf(t, w.failure, "")) + len(keysOf(t, w.hours, ""))
	for range 2 {
		r := must(w.handler(w.archive, w.failure).Handle(ctx, Request{Range: theHour, DryRun: true}))
		if r.states() != "to be archived 3-4" || len(r.Run) != 1 || r.Rejects[0].Repaired != 1 || r.Rejects[0].Rejects != 1 {
			t.Errorf("%+v", r)
		}
	}
	if n := len(keysOf(t, w.archive, "")) + len(keysOf(t, w.failure, "")) + len(keysOf(t, w.hours, "")); n != before {
		t.Errorf("%d objects, %d before", n, before)
	}
}

func TestWhatCannotBeReplayedIsSaidAndHoldsUpNothing(t *testing.T) {
	w := newWorld(t)
	w.now = hr.Start().Add(6 * 24 * time.Hour)
	w.deliver(some(1, 1)...)
	w.fail("a", "not JSON")
	w.fail("b", `{"payload":"{\"Records\":[{\"eventID\":\"s:7\",\"kinesis\":{\"sequenceNumber\":\"7\",\"approximateArrivalTimestamp\":1795417200}}]}"}`) // without data
	w.fail("c", `{"KinesisBatchInfo":{"shardId":"`+shard+`","startSequenceNumber":"7","endSequenceNumber":"9","batchSize":3,`+
		`"approximateArrivalOfFirstRecord":"2026-11-23T07:00:07Z","approximateArrivalOfLastRecord":"2026-11-23T07:00:09Z"}}`)
	w.giveUp(some(3, 4)...)
	r := w.replay(nil)
	if r.states() != "unreadable, unreadable, archived 3-4, payload not kept 7-9" {
		t.Fatalf("%s", r.states())
	}
	if c := r.Ranges[3]; c.Payload || c.Records != 3 || c.Left != 24*time.Hour+7*time.Second || c.Hour != hr {
		t.Errorf("%+v", c)
	}
	w.deliver(some(6, 9)...)
	if r = w.replay(nil); r.states() != "unreadable, unreadable, already archived 3-4, already archived 7-9" {
		t.Errorf("%s", r.states())
	}
}

func TestAContradictionIsListedAndNotArchived(t *testing.T) {
	w := newWorld(t)
	w.deliver(some(1, 2)...)
	other := some(1, 2)
	other[1].data = `["other"]`
	w.deliver(other...) // the archive keeps it
	if r := w.replay(nil); len(r.Conflicts) != 1 || r.Conflicts[0].First != "1" || r.Conflicts[0].Last != "2" || r.Conflicts[0].Hour != hr || len(r.Ranges) != 0 {
		t.Errorf("%+v", r)
	}
	if r := w.replay(&hour.Range{From: hr.Add(1), To: hr.Add(2)}); len(r.Conflicts) != 0 {
		t.Errorf("of other hours: %+v", r.Conflicts)
	}
	w.holds("[1] [2]", "")
}

func TestADamagedMarkerIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	key := w.giveUp(some(1, 2)...)
	w.replay(nil)
	for _, damage := range []string{"", "{}", string(hour.Encode(marker{Version: 1, Key: key, ETag: "another"})), string(hour.Encode(marker{Version: 9}))} {
		stands := must3(w.failure.Get(ctx, markerPrefix+key, 1<<20))
		if len(stands) < 100 {
			t.Fatalf("the marker is %s", stands)
		}
		for o := range w.failure.List(ctx, markerPrefix) {
			must(w.failure.Replace(ctx, o.Key, o.ETag, []byte(damage)))
		}
		n := w.gets[key]
		if r := w.replay(nil); r.states() != "already archived 1-2" || w.gets[key] != n+1 {
			t.Errorf("marker %q: %s, read %d times", damage, r.states(), w.gets[key]-n)
		}
		if r := w.replay(nil); r.states() != "already archived 1-2" || w.gets[key] != n+1 {
			t.Errorf("after it: %s", r.states())
		}
	}
}

// TestReplayMayDieAnywhere lets a replay of batches and rejects die, fail or lose its answer at every write.
func TestReplayMayDieAnywhere(t *testing.T) {
	for name, harm := range map[string]func(int) storefault.Schedule{
		"dies before": storefault.DieBeforeWrite, "dies after": storefault.DieAfterWrite, "fails": storefault.FailWrite, "loses the answer of": storefault.LoseWrite,
	} {
		writes := 1
		for n := 1; n <= writes; n++ {
			w := newWorld(t)
			w.deliver(record{1, 0, "[1]"}, record{2, 0, "["}, record{3, 0, "{"})
			w.deliver(record{3, 0, "{"}, record{4, 0, "}"})
			w.publish(hr)
			w.giveUp(some(5, 6)...)
			w.giveUp(some(7, 7)...)
			w.format = "text"
			try := func(s storefault.Schedule) (died bool, err error) {
				p := storefault.NewProcess(s, nil)
				defer func() {
					if v := recover(); v != nil {
						if _, ok := v.(storefault.Death); !ok {
							panic(v)
						}
						died = true
					}
					writes = max(writes, p.Writes())
				}()
				_, err = w.handler(p.Wrap("archive", w.archive), p.Wrap("failure", w.failure)).Handle(ctx, Request{Range: theHour})
				return false, err
			}
			died, err := try(harm(n))
			if !died && err == nil {
				t.Errorf("%s write %d: nothing happened", name, n)
			}
			if died, err = try(nil); died || err != nil {
				t.Fatalf("%s write %d: the next replay: %t, %v", name, n, died, err)
			}
			r := w.replay(theHour)
			if r.states() != "already archived 5-6, already archived 7-7" || len(r.Run) != 1 || len(r.Rejects) != 0 {
				t.Errorf("%s write %d: %+v", name, n, r)
			}
			w.holds("[ [1] [5] [6] [7] { }", "")
			w.publish(hr)
			if r = w.replay(theHour); len(r.Run) != 0 {
				t.Errorf("%s write %d: to be run again: %v", name, n, r.Run)
			}
		}
		if writes < 10 {
			t.Errorf("only %d writes", writes)
		}
	}
}

func TestReplaysAndTheMappingAtTheSameTimeArchiveEachRecordOnce(t *testing.T) {
	w := newWorld(t)
	w.deliver(record{1, 0, "["}, record{2, 0, "[2]"}, record{3, 0, "{"})
	w.publish(hr)
	w.giveUp(some(4, 9)...)
	w.giveUp(some(10, 12)...)
	w.format = "text"
	done := make(chan error)
	for range 4 {
		go func() {
			h := w.handler(w.archive, w.failure)
			_, err := h.Handle(ctx, Request{Range: theHour})
			done <- err
		}()
	}
	for _, cut := range [][2]int{{4, 9}, {6, 11}, {10, 12}} {
		go func() {
			w.deliver(some(cut[0], cut[1])...)
			done <- nil
		}()
	}
	for range 7 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	w.holds("[ [10] [11] [12] [2] [4] [5] [6] [7] [8] [9] {", "")
}
