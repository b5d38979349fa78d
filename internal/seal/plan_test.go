package seal

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

var (
	planHour = mustParse("2026-11-23T07")
	planKeys = mustKeys()
)

func mustParse(s string) hour.Hour {
	h, err := hour.Parse(s)
	if err != nil {
		panic(err)
	}
	return h
}

func mustKeys() hour.Keys {
	k, err := hour.NewKeys(hour.DefaultName)
	if err != nil {
		panic(err)
	}
	return k
}

// batch is a committed batch of the records first to last of a shard, one of each number. Record n is an event, but each
// fifth is a reject and each seventh holds two events and a reject.
func batch(t testing.TB, shard string, first, last int) Batch {
	t.Helper()
	x := &hour.Index{Version: hour.Version, Hour: planHour, Shard: "shardId-" + shard, Records: last - first + 1, Writer: hour.WriterMapping,
		First: sequence(first), Last: sequence(last), RecordsHash: hour.SHA256(fmt.Append(nil, shard, first, last))}
	var rows []hour.Row
	for n := first; n <= last; n++ {
		kind := planKind(n)
		e, r, err := kind.Counts()
		if err != nil {
			t.Fatal(err)
		}
		x.Events, x.Rejects = x.Events+e, x.Rejects+r
		rows = append(rows, hour.Row{Sequence: sequence(n), Arrival: planHour.Start(), Kind: kind})
	}
	x.FirstArrival, x.LastArrival = hour.At(planHour.Start()), hour.At(planHour.Start())
	var err error
	if x.Columns, err = hour.EncodeRows(rows); err != nil {
		t.Fatal(err)
	}
	x.Bytes = int64(100 * x.Events)
	span := x.Span()
	file := func(key string) *hour.File { return &hour.File{Key: key, Size: 10, SHA256: hour.SHA256([]byte(key))} }
	b := Batch{Index: x, Ref: hour.Ref{Key: planKeys.IndexKey(span), SHA256: x.RecordsHash}}
	if x.Events > 0 {
		x.Object = file(planKeys.ObjectKey(hour.DataKey{Span: span, Count: x.Events, Hash: "0123456789ab"}))
		b.ObjectETag = "o" + shard
	}
	if x.Rejects > 0 {
		x.RejectsFile = file(planKeys.RejectsKey(hour.DataKey{Span: span, Count: x.Rejects, Hash: "0123456789ab"}))
		b.RejectsETag = "r" + shard
	}
	return b
}

func planKind(n int) hour.Kind {
	switch {
	case n%5 == 0:
		return "r"
	case n%7 == 0:
		return "2er"
	}
	return "e"
}

func sequence(n int) hour.Sequence { return hour.Sequence(fmt.Sprint(1000 + n)) }

// published is the seal of a selection.
func published(t testing.TB, before *hour.Seal, batches ...Batch) *hour.Seal {
	t.Helper()
	s, err := Select(before, Archived{Batches: batches})
	if err != nil {
		t.Fatal(err)
	}
	return &hour.Seal{Hour: planHour, Layout: hour.Layout, Pieces: s.Pieces, Events: s.Events, Rejects: s.Rejects,
		Revision: hour.RevisionOf(hour.Layout, s.Pieces)}
}

// words says a selection as "a1-9" for a batch taken whole, "a1-9[0:3,5:7]" for records of it, and "(a1-9)" for a
// duplicate.
func words(s *Selection) string {
	var out []string
	name := func(shard string, first, last hour.Sequence) string {
		var f, l int
		fmt.Sscan(string(first), &f)
		fmt.Sscan(string(last), &l)
		return fmt.Sprintf("%s%d-%d", strings.TrimPrefix(shard, "shardId-"), f-1000, l-1000)
	}
	for _, p := range s.Pieces {
		w := name(p.Shard, p.First, p.Last)
		if !p.Whole() {
			var runs []string
			for _, r := range p.Take {
				runs = append(runs, fmt.Sprintf("%d:%d", r[0], r[1]))
			}
			w += "[" + strings.Join(runs, ",") + "]"
		}
		out = append(out, w)
	}
	for _, key := range s.Duplicates {
		span, _ := planKeys.ParseIndexKey(key)
		out = append(out, "("+name(span.Shard, span.First, span.Last)+")")
	}
	return strings.Join(out, " ")
}

func TestSelect(t *testing.T) {
	type b struct {
		shard       string
		first, last int
	}
	for name, c := range map[string]struct {
		published, batches []b
		want               string
	}{
		"an hour without batches is an empty selection":                           {nil, nil, ""},
		"batches that do not overlap are taken whole, by shard and number":        {nil, []b{{"b", 1, 4}, {"a", 5, 9}, {"a", 1, 4}}, "a1-4 a5-9 b1-4"},
		"shards have numbers of their own":                                        {nil, []b{{"a", 1, 9}, {"b", 3, 5}}, "a1-9 b3-5"},
		"a batch within another one is a duplicate":                               {nil, []b{{"a", 1, 9}, {"a", 3, 5}}, "a1-9 (a3-5)"},
		"of batches with the same beginning the longer is taken":                  {nil, []b{{"a", 1, 4}, {"a", 1, 9}}, "a1-9 (a1-4)"},
		"a batch within several that meet is a duplicate":                         {nil, []b{{"a", 1, 4}, {"a", 3, 8}, {"a", 4, 7}}, "a1-4 a3-8[2:6] (a4-7)"},
		"a batch that begins in another is trimmed in front":                      {nil, []b{{"a", 1, 5}, {"a", 4, 9}}, "a1-5 a4-9[2:6]"},
		"a batch that touches another is taken whole":                             {nil, []b{{"a", 1, 5}, {"a", 6, 9}}, "a1-5 a6-9"},
		"one record more is one record taken":                                     {nil, []b{{"a", 1, 5}, {"a", 1, 6}, {"a", 2, 7}}, "a1-6 a2-7[5:6] (a1-5)"},
		"what is published stays as it is, in its order":                          {[]b{{"b", 1, 9}}, []b{{"b", 1, 9}, {"a", 1, 3}}, "b1-9 a1-3"},
		"a published batch that was trimmed stays trimmed":                        {[]b{{"a", 1, 5}, {"a", 4, 9}}, []b{{"a", 4, 9}, {"a", 1, 5}}, "a1-5 a4-9[2:6]"},
		"a redelivery of what is published is a duplicate":                        {[]b{{"a", 1, 9}}, []b{{"a", 1, 9}, {"a", 2, 4}, {"a", 4, 9}}, "a1-9 (a2-4) (a4-9)"},
		"a redelivery over several published batches is a duplicate":              {[]b{{"a", 1, 5}, {"a", 4, 9}}, []b{{"a", 3, 8}}, "a1-5 a4-9[2:6] (a3-8)"},
		"records before and after what is published are added behind it":          {[]b{{"a", 4, 6}}, []b{{"a", 1, 9}}, "a4-6 a1-9[0:3,6:9]"},
		"a batch around what is published is trimmed in the middle":               {[]b{{"a", 1, 2}, {"a", 5, 6}}, []b{{"a", 2, 7}}, "a1-2 a5-6 a2-7[1:3,5:6]"},
		"a batch that ends in what is published is trimmed behind":                {[]b{{"a", 5, 9}}, []b{{"a", 1, 6}}, "a5-9 a1-6[0:4]"},
		"a batch between published ones fills the gap":                            {[]b{{"a", 1, 2}, {"a", 8, 9}}, []b{{"a", 4, 6}}, "a1-2 a8-9 a4-6"},
		"what fills a gap is not taken twice":                                     {[]b{{"a", 1, 2}, {"a", 8, 9}}, []b{{"a", 3, 6}, {"a", 2, 8}}, "a1-2 a8-9 a2-8[1:6] (a3-6)"},
		"a shard that is new since the publication is added":                      {[]b{{"b", 1, 2}}, []b{{"b", 1, 2}, {"a", 1, 2}, {"c", 1, 2}}, "b1-2 a1-2 c1-2"},
		"the archive may have lost what is published: Missing decides about that": {[]b{{"a", 1, 2}}, nil, "a1-2"},
	} {
		t.Run(name, func(t *testing.T) {
			list := func(of []b) (all []Batch) {
				for _, x := range of {
					all = append(all, batch(t, x.shard, x.first, x.last))
				}
				return all
			}
			var before *hour.Seal
			if c.published != nil {
				before = published(t, nil, list(c.published)...)
			}
			batches := list(c.batches)
			s, err := Select(before, Archived{Batches: batches})
			if err != nil {
				t.Fatal(err)
			}
			if got := words(s); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if before != nil && !reflect.DeepEqual(s.Pieces[:len(before.Pieces)], before.Pieces) {
				t.Error("the published pieces are changed")
			}
			slices.Reverse(batches)
			if again, err := Select(before, Archived{Batches: batches}); err != nil || !reflect.DeepEqual(again, s) {
				t.Errorf("in another order: %s, %v", words(again), err)
			}
			counted(t, s)
		})
	}
}

// counted holds a selection's counts against the records that it takes, and no record is taken twice.
func counted(t *testing.T, s *Selection) {
	t.Helper()
	events, rejects, bytes := 0, 0, int64(0)
	taken := map[string]bool{}
	for _, p := range s.Pieces {
		var first, last int
		fmt.Sscan(string(p.First), &first)
		fmt.Sscan(string(p.Last), &last)
		take := p.Take
		if take == nil {
			take = [][2]int{{0, last - first + 1}}
		}
		pe, pr := 0, 0
		for _, run := range take {
			for i := run[0]; i < run[1]; i++ {
				name := fmt.Sprint(p.Shard, first+i)
				if taken[name] {
					t.Errorf("record %s is taken twice", name)
				}
				taken[name] = true
				e, r, _ := planKind(first + i - 1000).Counts()
				pe, pr = pe+e, pr+r
			}
		}
		if pe != p.Events || pr != p.Rejects {
			t.Errorf("piece %s-%s counts %d events and %d rejects, has %d and %d", p.First, p.Last, p.Events, p.Rejects, pe, pr)
		}
		events, rejects, bytes = events+pe, rejects+pr, bytes+p.Bytes
	}
	if s.Events != events || s.Rejects != rejects || s.Bytes != bytes {
		t.Errorf("the selection counts %d, %d, %d; its pieces %d, %d, %d", s.Events, s.Rejects, s.Bytes, events, rejects, bytes)
	}
}

func TestAHarmlessRedeliveryGivesTheSameRevision(t *testing.T) {
	a, b := batch(t, "a", 1, 9), batch(t, "a", 8, 20)
	before := published(t, nil, a, b)
	after := published(t, before, a, b, batch(t, "a", 5, 15), batch(t, "a", 20, 20))
	if after.Revision != before.Revision {
		t.Errorf("revision %s became %s", before.Revision, after.Revision)
	}
	if late := published(t, before, a, b, batch(t, "a", 20, 21)); late.Revision == before.Revision || len(late.Pieces) != 3 {
		t.Errorf("late data gives revision %s of %d pieces", late.Revision, len(late.Pieces))
	}
	again := a
	again.ObjectETag = "copied"
	if s := published(t, nil, again, b); s.Revision != before.Revision || s.Pieces[0].Object.ETag != "copied" {
		t.Errorf("another version of the same bytes: %s, %v", s.Revision, s.Pieces[0].Object)
	}
}

func TestSelectKeepsTheVersionThatWasListed(t *testing.T) {
	b := batch(t, "a", 1, 9)
	s, err := Select(nil, Archived{Batches: []Batch{b}})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Pieces[0]
	if p.Object.ETag != "oa" || p.RejectsFile.ETag != "ra" || b.Index.Object.ETag != "" {
		t.Errorf("object %+v, rejects %+v, index %+v", p.Object, p.RejectsFile, b.Index.Object)
	}
	if p.Index != b.Ref || p.RecordsHash != b.Index.RecordsHash {
		t.Errorf("piece %+v", p)
	}
}

func TestACorruptIndexIsAnErrorWhereItsRowsAreNeeded(t *testing.T) {
	broken := batch(t, "a", 4, 9)
	broken.Index.Columns = "AAAA"
	_, err := Select(nil, Archived{Batches: []Batch{batch(t, "a", 1, 5), broken}})
	var corrupt *fault.Corrupt
	if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), broken.Ref.Key) {
		t.Errorf("got %v, want a *fault.Corrupt that names %s", err, broken.Ref.Key)
	}
	other := batch(t, "a", 4, 9)
	other.Index.Events++
	if _, err := Select(nil, Archived{Batches: []Batch{batch(t, "a", 1, 5), other}}); !errors.As(err, &corrupt) {
		t.Errorf("counts that are not those of the rows: %v", err)
	}
}

func TestMissing(t *testing.T) {
	a, b := batch(t, "a", 1, 9), batch(t, "b", 1, 9)
	s := published(t, nil, a, b)
	without := func(change func(*Batch)) []Batch {
		x := b
		change(&x)
		return []Batch{a, x}
	}
	for name, c := range map[string]struct {
		published *hour.Seal
		batches   []Batch
		want      string
	}{
		"nothing is missing of what was never published": {nil, nil, ""},
		"nothing is missing while all stands":            {s, []Batch{b, a}, ""},
		"an index is missing":                            {s, []Batch{a}, b.Ref.Key},
		"an object is missing":                           {s, without(func(b *Batch) { b.ObjectETag = "" }), b.Index.Object.Key},
		"rejects are missing":                            {s, without(func(b *Batch) { b.RejectsETag = "" }), b.Index.RejectsFile.Key},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Missing(c.published, Archived{Batches: c.batches}); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestParts(t *testing.T) {
	object := func(size int64, events int) hour.Piece {
		return hour.Piece{Object: &hour.File{Size: size}, Events: events}
	}
	rejects := hour.Piece{RejectsFile: &hour.File{Size: 999}, Rejects: 1}
	trimmed := object(90, 0) // only rejects are taken of it
	for name, c := range map[string]struct {
		pieces  []hour.Piece
		objects int
		want    string
	}{
		"no pieces are no parts":                                {nil, 9, ""},
		"what fits is one part":                                 {[]hour.Piece{object(50, 1), object(50, 2)}, 9, "0-2:3"},
		"a part is cut before it becomes too large":             {[]hour.Piece{object(50, 1), object(51, 2), object(49, 4)}, 9, "0-1:1 1-3:6"},
		"an object that is too large is a part of its own":      {[]hour.Piece{object(5, 1), object(500, 2), object(5, 4)}, 9, "0-1:1 1-2:2 2-3:4"},
		"a part is cut by its objects":                          {[]hour.Piece{object(1, 1), object(1, 2), object(1, 4)}, 2, "0-2:3 2-3:4"},
		"rejects alone are a part without events":               {[]hour.Piece{rejects, rejects}, 9, "0-2:0"},
		"rejects neither count nor cut":                         {[]hour.Piece{rejects, object(60, 1), rejects, object(60, 2), rejects}, 1, "0-3:1 3-5:2"},
		"objects of which no events are taken are as rejects":   {[]hour.Piece{object(60, 1), trimmed, trimmed, object(30, 2)}, 2, "0-4:3"},
		"no part but a first one of rejects alone lacks events": {[]hour.Piece{trimmed, object(60, 1), trimmed}, 9, "0-3:1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range Parts(c.pieces, 100, c.objects) {
				got = append(got, fmt.Sprintf("%d-%d:%d", p.From, p.To, p.Events))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

func TestCoverageIsTheUnionOfItsSpans(t *testing.T) {
	// Every sequence of up to three spans over six numbers, in the order given.
	var c coverage
	var held [6]bool
	var try func(depth int)
	try = func(depth int) {
		for n := range 6 {
			if _, ok := c.find(sequence(n)); ok != held[n] {
				t.Fatalf("%v: number %d is held: %t", c, n, ok)
			}
		}
		if depth == 3 {
			return
		}
		for first := range 6 {
			for last := first; last < 6; last++ {
				before, was := slices.Clone(c), held
				c = c.add(span{sequence(first), sequence(last)})
				for n := first; n <= last; n++ {
					held[n] = true
				}
				try(depth + 1)
				c, held = before, was
			}
		}
	}
	try(0)
}
