package hour

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// randomRows returns n rows of one hour whose sequence numbers grow, with the counts of their kinds.
func randomRows(r *rand.Rand, h Hour, n, maxSub int) (rows []Row, events, rejects int) {
	next, _ := new(big.Int).SetString(seqA[:1+r.IntN(56)], 10)
	for range n {
		fates := make([]byte, r.IntN(maxSub+1))
		for i := range fates {
			fates[i] = "eeer"[r.IntN(4)]
			if fates[i] == 'e' {
				events++
			} else {
				rejects++
			}
		}
		rows = append(rows, Row{Sequence(next.String()), h.Start().Add(time.Duration(r.IntN(3_600_000)) * time.Millisecond), KindOf(fates)})
		step, _ := new(big.Int).SetString(seqA[:1+r.IntN(40)], 10)
		next.Add(next, step)
	}
	return rows, events, rejects
}

func indexOf(t testing.TB, h Hour, rows []Row, events, rejects int) *Index {
	t.Helper()
	columns, err := EncodeRows(rows)
	if err != nil {
		t.Fatal(err)
	}
	return &Index{Version: Version, Hour: h, Shard: "s", First: rows[0].Sequence, Last: rows[len(rows)-1].Sequence,
		Records: len(rows), Events: events, Rejects: rejects, Columns: columns}
}

func TestRowsComeBackFromTheirColumns(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 8))
	for i := range 400 {
		h := Hour{}.Add(r.IntN(1_000_000) - 100_000)
		rows, events, rejects := randomRows(r, h, 1+r.IntN(60), []int{1, 1, 3, 40}[r.IntN(4)])
		x := indexOf(t, h, rows, events, rejects)
		got, err := x.Rows()
		if err != nil {
			t.Fatalf("seed %d, index %d: %v", seed, i, err)
		}
		if !reflect.DeepEqual(got, rows) {
			t.Fatalf("seed %d, index %d: rows\n%v, want\n%v", seed, i, got, rows)
		}
	}
}

// An aggregate may hold many sub-records of changing fate: its kind is then far longer than those of other records.
func TestAnAggregateOfManyFatesComesBack(t *testing.T) {
	fates := bytes.Repeat([]byte("er"), 5_000)
	h := Hour{}.Add(498_727)
	rows := []Row{{"12", h.Start(), KindOf(fates)}}
	x := indexOf(t, h, rows, 5_000, 5_000)
	if got, err := x.Rows(); err != nil || !reflect.DeepEqual(got, rows) {
		t.Fatalf("%.200v, %v", got, err)
	}
}

func TestTheLongestSequenceNumbersComeBack(t *testing.T) {
	h := Hour{}.Add(498_727)
	nines := Sequence(strings.Repeat("9", MaxSequenceDigits))
	rows := []Row{{"0", h.Start(), "e"}, {nines, h.End().Add(-time.Millisecond), "-"}}
	if got, err := indexOf(t, h, rows, 1, 0).Rows(); err != nil || !reflect.DeepEqual(got, rows) {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestRowsThatCannotBeABatchAreNotEncoded(t *testing.T) {
	at := Hour{}.Start()
	for name, rows := range map[string][]Row{
		"twice the same number": {{"5", at, "e"}, {"5", at, "e"}},
		"falling numbers":       {{"5", at, "e"}, {"4", at, "e"}},
		"no number":             {{"", at, "e"}},
		"not a number":          {{"x1", at, "e"}},
		"negative number":       {{"-1", at, "e"}},
		"no kind":               {{"5", at, ""}},
		"kind with a blank":     {{"5", at, "e e"}},
		"kind with a line feed": {{"5", at, "e\n"}},
		"unknown kind":          {{"5", at, "x"}},
	} {
		if columns, err := EncodeRows(rows); err == nil {
			t.Errorf("%s: %s", name, columns)
		}
	}
}

// pack makes columns of text.
func pack(text string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestColumnsThatContradictTheIndexAreCorrupt(t *testing.T) {
	good := func() *Index {
		return &Index{Hour: Hour{}, Shard: "s", First: "10", Last: "11", Records: 2, Events: 2, Columns: pack("10 0 - 0 0 0 0\ne e\n\x01\x05")}
	}
	if rows, err := good().Rows(); err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	for name, change := range map[string]func(x *Index){
		"not base64":                func(x *Index) { x.Columns = "###" },
		"not zlib":                  func(x *Index) { x.Columns = base64.StdEncoding.EncodeToString([]byte("plain")) },
		"cut":                       func(x *Index) { x.Columns = x.Columns[:len(x.Columns)-8] },
		"empty":                     func(x *Index) { x.Columns = "" },
		"header only":               func(x *Index) { x.Columns = pack("10 0 - 0 0 0 0\n") },
		"short header":              func(x *Index) { x.Columns = pack("10 0 - 0 0 0\ne e\n\x01") },
		"more planes":               func(x *Index) { x.Columns = pack("10 0 - 0 0 0 0\ne e\n\x01\x05\x00") },
		"fewer planes":              func(x *Index) { x.Columns = pack("10 0 - 0 0 0 0\ne e\n\x01") },
		"planes out of order":       func(x *Index) { x.Columns = pack("10 0 - 0 0,0 0 0\ne e\n\x01\x01\x05") },
		"a plane too high":          func(x *Index) { x.Columns = pack("10 0 - 0 56 0 0\ne e\n\x01\x05") },
		"an arrival plane too high": func(x *Index) { x.Columns = pack("10 0 - 0 0 0 8\ne e\n\x01\x05") },
		"a bad shift":               func(x *Index) { x.Columns = pack("10 0 448 0 0 0 0\ne e\n\x01\x05") },
		"fewer records":             func(x *Index) { x.Records = 1 },
		"more records":              func(x *Index) { x.Records = 3 },
		"no records":                func(x *Index) { x.Records = 0 },
		"negative records":          func(x *Index) { x.Records = -1 },
		"too many records":          func(x *Index) { x.Records = MaxRecords + 1 },
		"other first":               func(x *Index) { x.First = "9" },
		"other last":                func(x *Index) { x.Last = "12" },
		"other events":              func(x *Index) { x.Events = 1 },
		"other rejects":             func(x *Index) { x.Rejects = 1 },
		"negative events":           func(x *Index) { x.Events = -1 },
		"huge events":               func(x *Index) { x.Events = 1 << 62 },
		"huge rejects":              func(x *Index) { x.Rejects = 1 << 62 },
		"other hour":                func(x *Index) { x.Hour = x.Hour.Add(1) },
		"number not hex":            func(x *Index) { x.Columns = pack("1a 0 - 0 0 0 0\ne e\n\x01\x05") },
		"number stands still":       func(x *Index) { x.Columns = pack("10 0 - 0 - 0 0\ne e\n\x05") },
		"number falls":              func(x *Index) { x.Columns = pack("10 0 - 3 0 0 0\ne e\n\x01\x05") },
		"number too long":           func(x *Index) { x.Columns = pack(strings.Repeat("0", 200) + "10 0 - 0 0 0 0\ne e\n\x01\x05") },
		"arrival not a number":      func(x *Index) { x.Columns = pack("10 x - 0 0 0 0\ne e\n\x01\x05") },
		"arrival overflows":         func(x *Index) { x.Columns = pack("10 9223372036854775807 - 0 0 0 0\ne e\n\x01\x01") },
		"arrival out of its hour":   func(x *Index) { x.Columns = pack("10 3599999 - 0 0 0 0\ne e\n\x01\x01") },
		"kind unknown":              func(x *Index) { x.Columns = pack("10 0 - 0 0 0 0\ne x\n\x01\x05") },
		"kind empty":                func(x *Index) { x.Columns = pack("10 0 - 0 0 0 0\ne \n\x01\x05") },
		"a bomb":                    func(x *Index) { x.Columns = pack(strings.Repeat("0", 1<<17)) },
	} {
		x := good()
		change(x)
		rows, err := x.Rows()
		var corrupt *Corrupt
		if !errors.As(err, &corrupt) || rows != nil {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
	}
}

func TestAKindIsTheRunsOfItsFates(t *testing.T) {
	for _, c := range []struct {
		fates, want     string
		events, rejects int
	}{
		{"", "-", 0, 0}, {"e", "e", 1, 0}, {"r", "r", 0, 1}, {"ee", "2e", 2, 0}, {"er", "er", 1, 1}, {"eeeree", "3er2e", 5, 1},
		{strings.Repeat("r", 12), "12r", 0, 12},
	} {
		k := KindOf([]byte(c.fates))
		e, r, err := k.Counts()
		if string(k) != c.want || e != c.events || r != c.rejects || err != nil {
			t.Errorf("KindOf(%s) = %s of %d and %d, %v; want %s of %d and %d", c.fates, k, e, r, err, c.want, c.events, c.rejects)
		}
	}
	for _, k := range []Kind{"", "3", "1e", "0e", "e-", "--", "e r", "E", "-1e", "+2e", "99999999e", "99999999999999999999e", "e\n", "é"} {
		if e, r, err := k.Counts(); err == nil {
			t.Errorf("Kind(%q).Counts() = %d, %d", k, e, r)
		}
	}
}

func TestTheRecordsHashKnowsEveryRecordApart(t *testing.T) {
	at := time.UnixMilli(1_795_417_200_123)
	type record struct {
		seq     Sequence
		at      time.Time
		payload string
	}
	sum := func(records ...record) string {
		h := NewRecordsHasher()
		for _, r := range records {
			h.Add(r.seq, r.at, []byte(r.payload))
		}
		return h.Sum()
	}
	base := []record{{"12", at, "ab"}, {"13", at, ""}}
	const golden = "827651b68b8a2d1b0e2a421d5c24f5daa1fc4b775f89dce8fc41db500321f60b"
	if got := sum(base...); got != golden {
		t.Errorf("hash %s, want %s: archives of older releases hold such hashes", got, golden)
	}
	seen := map[string]string{sum(base...): "base"}
	for name, other := range map[string][]record{
		"none":           {},
		"the first only": base[:1],
		"other order":    {base[1], base[0]},
		"other number":   {{"1", at, "ab"}, base[1]},
		"other arrival":  {{"12", at.Add(time.Millisecond), "ab"}, base[1]},
		"other payload":  {{"12", at, "aB"}, base[1]},
		"moved bytes":    {{"12", at, "a"}, {"13", at, "b"}},
		"merged":         {{"12", at, "ab13"}},
	} {
		s := sum(other...)
		if seen[s] != "" {
			t.Errorf("%s has the hash of %s", name, seen[s])
		}
		seen[s] = name
	}
	h := NewRecordsHasher()
	h.Add("1", at, []byte("x"))
	h.Sum()
	if h.Sum() != SHA256(nil) {
		t.Error("Sum does not empty the hasher")
	}
	payload := make([]byte, 500)
	if n := testing.AllocsPerRun(100, func() { h.Add(seqA, at, payload) }); n > 0 {
		t.Errorf("Add allocates %v times", n)
	}
}

func FuzzDecodeIndex(f *testing.F) {
	k := testKeys(f)
	x := sampleIndex(f)
	f.Add(k.IndexKey(x.Span()), bytes.TrimSuffix(Encode(x), []byte("\n")), true)
	f.Add(k.IndexKey(x.Span()), []byte(`{"version":1,"records":1,"columns":"eJw="}`), true)
	f.Add("x.index", []byte(`{}`), false)
	f.Fuzz(func(t *testing.T, key string, b []byte, sign bool) {
		if i := bytes.LastIndex(b, []byte(hashField)); sign && i >= 0 {
			b = append(append([]byte(nil), b[:i]...), hashField+SHA256(b[:i])+"\"}\n"...)
		}
		x, err := k.DecodeIndex(key, b)
		if err != nil {
			return
		}
		rows, err := x.Rows()
		if err != nil {
			return
		}
		columns, err := EncodeRows(rows)
		if err != nil {
			t.Fatalf("rows that were read cannot be written: %v", err)
		}
		again := *x
		again.Columns = columns
		if got, err := again.Rows(); err != nil || !reflect.DeepEqual(got, rows) {
			t.Fatalf("rows came back as %v, %v; were %v", got, err, rows)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add("10 0 - 0 0 0 0\ne 3er\n\x01\x05", 2, 4, 1, "10", "11")
	f.Add("0 0 - 0 - 0 -\n-\n", 1, 0, 0, "0", "0")
	f.Fuzz(func(t *testing.T, text string, records, events, rejects int, first, last string) {
		x := &Index{First: Sequence(first), Last: Sequence(last), Records: records, Events: events, Rejects: rejects, Columns: pack(text)}
		rows, err := x.Rows()
		if err != nil {
			return
		}
		if len(rows) != records {
			t.Fatalf("%d rows of %d records", len(rows), records)
		}
		for i := range rows {
			if i > 0 && rows[i-1].Sequence.Compare(rows[i].Sequence) >= 0 {
				t.Fatalf("sequence numbers %s, %s", rows[i-1].Sequence, rows[i].Sequence)
			}
		}
	})
}

func FuzzKind(f *testing.F) {
	for _, s := range []string{"-", "e", "r", "3er2e", "0e", "16777216r", "2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, r, err := Kind(s).Counts()
		if err != nil {
			return
		}
		if e < 0 || r < 0 || e+r == 0 && s != "-" {
			t.Fatalf("Kind(%q).Counts() = %d, %d", s, e, r)
		}
	})
}
