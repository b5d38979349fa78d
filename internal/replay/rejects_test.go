package replay

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"penstock/internal/archive"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/stream/kpl/kpltest"
)

func aggregate(data ...string) string {
	var records []kpltest.Record
	for _, d := range data {
		records = append(records, kpltest.Record{PartitionKey: "k", Data: []byte(d)})
	}
	return string(kpltest.Aggregate(records...))
}

func TestRejectsThatAChangedFormatMakesGoodBecomeEventsOnce(t *testing.T) {
	w := newWorld(t)
	w.deliver(record{1, 0, "[1]"}, record{2, 0, "two"}, record{3, 0, ""}, record{4, 0, "four"})
	w.deliver(record{5, 0, "[5]"})
	published := w.publish(hr)
	w.holds("[1] [5]", "2.0 3.0 4.0")
	if r := w.replay(theHour); len(r.Run) != 0 || r.Rejects[0].Repaired != 0 || r.Rejects[0].Still["not valid JSON"] != 2 || r.Rejects[0].Still["empty"] != 1 {
		t.Fatalf("without a change: %+v", r)
	}
	w.format = archive.FormatText
	r := w.replay(theHour)
	if len(r.Run) != 1 || r.Rejects[0].Rejects != 3 || r.Rejects[0].Repaired != 2 || r.Rejects[0].Events != 2 || r.Rejects[0].Still["empty"] != 1 {
		t.Fatalf("%+v", r)
	}
	w.holds("[1] [5] four two", "3.0")
	s := w.look(hr)
	if len(s.Repairs) != 1 || s.Repairs[0].Doc.Format != "text" || !slices.Equal(s.Repairs[0].Doc.Repairs, [][2]int{{0, 1}, {2, 3}}) {
		t.Fatalf("%+v", s.Repairs)
	}
	if r = w.replay(theHour); len(r.Run) != 1 || r.Rejects[0].Rejects != 1 || r.Rejects[0].Repaired != 0 {
		t.Errorf("again, before it is run: %+v", r)
	}
	next := w.publish(hr)
	if next.Revision == published.Revision || next.Events != 4 || next.Rejects != 1 {
		t.Errorf("%+v", next)
	}
	if r = w.replay(theHour); len(r.Run) != 0 {
		t.Errorf("once it is run: %+v", r)
	}
	w.format = archive.FormatJSON // and back: what is published stays
	if r = w.replay(theHour); len(r.Run) != 0 {
		t.Errorf("%+v", r)
	}
	w.holds("[1] [5] four two", "3.0")
	if len(w.look(hr).Repairs) != 1 {
		t.Error("another repair was written")
	}
}

func TestRejectsOfAggregatesAndLinesAreReadForThemselves(t *testing.T) {
	w := newWorld(t)
	w.deliver(record{1, 0, aggregate("[1]", "a", "[2]", "b\nc", "d")}, record{2, 0, "{}\n[]\n"}, record{3, 0, aggregate()}, record{4, 0, "e\n\nf\n"})
	w.holds("[1] [2]", "1.1 1.3 1.4 2.0 4.0")
	w.split = archive.SplitLines
	r := w.replay(theHour)
	if r.Rejects[0].Repaired != 1 || r.Rejects[0].Events != 2 {
		t.Errorf("%+v", r.Rejects)
	}
	w.holds("[1] [2] [] {}", "1.1 1.3 1.4 4.0")
	w.format, w.split = archive.FormatText, ""
	w.replay(theHour)
	w.holds("[1] [2] [] a d {}", "1.3 4.0")
	w.split = archive.SplitLines
	w.replay(theHour)
	w.holds("[1] [2] [] a b c d e f {}", "")
	if n := len(w.look(hr).Repairs); n != 3 {
		t.Errorf("%d repairs", n)
	}
	if r = w.replay(theHour); len(r.Rejects) != 0 {
		t.Errorf("%+v", r.Rejects)
	}
}

func TestRejectsOfTrimmedBatchesAreRepairedWhereTheyAreTaken(t *testing.T) {
	w := newWorld(t)
	one := func(n int) record {
		return record{n, 0, []string{"[", "[]", aggregate("{}", "x", "y")}[n%3]}
	}
	batch := func(from, to int) (all []record) {
		for n := from; n <= to; n++ {
			all = append(all, one(n))
		}
		return all
	}
	w.deliver(batch(10, 15)...)
	w.publish(hr)
	w.deliver(batch(1, 12)...)
	w.deliver(batch(14, 30)...)
	w.deliver(batch(5, 25)...) // adds nothing, or the middle
	var events, rejects []string
	for n := 1; n <= 30; n++ {
		switch n % 3 {
		case 0:
			events = append(events, "[")
		case 1:
			events = append(events, "[]")
		case 2:
			events = append(events, "{}", "x", "y")
		}
	}
	before, left := w.lines(hr)
	if len(before)+len(left) != len(events) || len(left) != 30 {
		t.Fatalf("%d events, %d rejects", len(before), len(left))
	}
	w.format = archive.FormatText
	if r := w.replay(theHour); r.Rejects[0].Repaired != 30 || len(r.Run) != 1 {
		t.Fatalf("%+v", r)
	}
	slices.Sort(events)
	w.holds(strings.Join(events, " "), strings.Join(rejects, " "))
	w.publish(hr)
	w.deliver(batch(2, 29)...) // with the new format, after the repair
	w.holds(strings.Join(events, " "), "")
}

func TestARejectThatAnotherCutHasAsAnEventIsNotRepaired(t *testing.T) {
	w := newWorld(t)
	w.deliver(record{3, 0, "three"}, record{4, 0, "four"})
	w.format = archive.FormatText
	w.replay(theHour)
	w.holds("four three", "")
	// Before the hour is sealed, the mapping delivers a longer batch, which the selection prefers.
	w.deliver(record{1, 0, "one"}, record{2, 0, "two"}, record{3, 0, "three"}, record{4, 0, "four"})
	w.holds("four one three two", "")
	s := w.publish(hr)
	if len(s.Pieces) != 1 || len(s.Duplicates) != 2 {
		t.Errorf("%d pieces, %v", len(s.Pieces), s.Duplicates)
	}
	if r := w.replay(theHour); len(r.Run) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestDamagedRejectsAreAnErrorThatNamesThem(t *testing.T) {
	for name, damage := range map[string]func(w *world, key string){
		"gone": func(w *world, key string) { _ = w.archive.Delete(ctx, key) },
		"changed": func(w *world, key string) {
			for o := range w.archive.List(ctx, key) {
				must(w.archive.Replace(ctx, key, o.ETag, []byte("other")))
			}
		},
	} {
		w := newWorld(t)
		w.deliver(record{1, 0, "["})
		key := w.look(hr).Batches[0].Index.RejectsFile.Key
		damage(w, key)
		_, err := w.handler(w.archive, w.failure).Handle(ctx, Request{Range: theHour})
		var corrupt *fault.Corrupt
		var gone *fault.NotFound
		if name != "gone" && (!errors.As(err, &corrupt) || corrupt.Key != key) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "gone" && err != nil && !errors.As(err, &gone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFormatThatIsNoneIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.handler(w.archive, w.failure).Config
	for _, change := range []func(*Config){func(c *Config) { c.Format = "xml" }, func(c *Config) { c.Split = "words" }, func(c *Config) { c.Now = nil },
		func(c *Config) { c.Keys = hour.Keys{} }} {
		bad := c
		change(&bad)
		var input *fault.BadInput
		if _, err := New(bad); !errors.As(err, &input) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
