package rollup_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"penstock/internal/generate"
	"penstock/internal/rollup"
)

func spec(t testing.TB, args string) rollup.Spec {
	t.Helper()
	c, err := rollup.ParseCommand(strings.Fields("map " + args))
	if err != nil {
		t.Fatal(err)
	}
	return c.Spec
}

// whole maps and reduces input in one go.
func whole(t testing.TB, input string, s rollup.Spec, c rollup.Counters) string {
	t.Helper()
	var mapped, reduced bytes.Buffer
	if err := rollup.Map(strings.NewReader(input), &mapped, s, c); err != nil {
		t.Fatal(err)
	}
	if err := rollup.Reduce(bytes.NewReader(rollup.Sort(mapped.Bytes())), &reduced); err != nil {
		t.Fatal(err)
	}
	return reduced.String()
}

const video = "--group publisher,provider --count events --count views:type=view --count plays:type=play --sum secondsWatched:watched --sum adImpressions:impressions"

// generated returns n events and the lines that are mangled among them.
func generated(t testing.TB, seed uint64, n, mangledEvery int) (input string, mangled int64) {
	t.Helper()
	g, err := generate.New(generate.Config{Seed: seed, Start: time.UnixMilli(1795392000000), Duration: time.Hour, Events: n, MangledEvery: mangledEvery})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for e, ok := g.Next(); ok; e, ok = g.Next() {
		b.Write(e.Data)
		b.WriteByte('\n')
		if e.Mangled {
			mangled++
		}
	}
	return b.String(), mangled
}

func TestGeneratedEventsAgreeWithAnIndependentCount(t *testing.T) {
	input, mangled := generated(t, 1, 3000, 50)
	counters := rollup.Counters{}
	got := whole(t, input, spec(t, video), counters)

	type key struct{ publisher, provider string }
	type count struct {
		events, views, plays, impressions int
		watched                           *big.Rat
	}
	want := map[key]*count{}
	for line := range strings.Lines(input) {
		var e struct {
			Type, Publisher, Provider string
			Watched                   json.Number
			Impressions               int
		}
		if json.Unmarshal([]byte(line), &e) != nil {
			continue
		}
		k := key{e.Publisher, e.Provider}
		if want[k] == nil {
			want[k] = &count{watched: new(big.Rat)}
		}
		c := want[k]
		c.events++
		c.impressions += e.Impressions
		if e.Type == "view" {
			c.views++
		}
		if e.Type == "play" {
			c.plays++
		}
		if e.Watched != "" {
			n, _ := new(big.Rat).SetString(e.Watched.String())
			c.watched.Add(c.watched, n)
		}
	}
	lines := 0
	for line := range strings.Lines(got) {
		lines++
		k, v, _ := strings.Cut(line, "\t")
		var group struct{ Publisher, Provider string }
		var sums struct {
			Events, Views, Plays, AdImpressions int
			SecondsWatched                      json.Number
		}
		if json.Unmarshal([]byte(k), &group) != nil || json.Unmarshal([]byte(v), &sums) != nil {
			t.Fatalf("not two JSON objects: %q", line)
		}
		c := want[key{group.Publisher, group.Provider}]
		watched, _ := new(big.Rat).SetString(sums.SecondsWatched.String())
		if c == nil || sums.Events != c.events || sums.Views != c.views || sums.Plays != c.plays || sums.AdImpressions != c.impressions || watched.Cmp(c.watched) != 0 {
			t.Errorf("%s: want %+v", line, c)
		}
	}
	if lines != len(want) || lines < 50 {
		t.Errorf("%d groups, want %d", lines, len(want))
	}
	if mangled == 0 || counters[rollup.Malformed] != mangled || len(counters) != 1 {
		t.Errorf("counters %v, want malformed %d only", counters, mangled)
	}
}

func TestTheResultDoesNotDependOnMappersCombinersOrOrder(t *testing.T) {
	input, _ := generated(t, 2, 800, 40)
	s := spec(t, video+" --sum position --sum buffer:quality.buffer")
	wantCounters := rollup.Counters{}
	want := whole(t, input, s, wantCounters)
	lines := strings.SplitAfter(strings.TrimSuffix(input, "\n"), "\n")
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		mapped, counters := []byte(nil), rollup.Counters{}
		for left := lines; len(left) > 0; {
			n := 1 + r.IntN(len(left))
			var out bytes.Buffer
			in := iotest.OneByteReader(strings.NewReader(joinLines(left[:n])))
			if err := rollup.Map(in, &out, s, counters); err != nil {
				t.Fatal(err)
			}
			for range r.IntN(3) { // the combiner runs as often as Hadoop likes
				var combined bytes.Buffer
				if err := rollup.Reduce(bytes.NewReader(out.Bytes()), &combined); err != nil {
					t.Fatal(err)
				}
				out = combined
			}
			mapped = append(mapped, out.Bytes()...)
			left = left[n:]
		}
		// Hadoop does not sort the values of a key.
		sorted := strings.SplitAfter(string(rollup.Sort(mapped)), "\n")
		var got bytes.Buffer
		if err := rollup.Reduce(strings.NewReader(strings.Join(sorted, "")), &got); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Fatalf("seed %d: another result", seed)
		}
		if fmt.Sprint(counters) != fmt.Sprint(wantCounters) {
			t.Errorf("seed %d: counters %v, want %v", seed, counters, wantCounters)
		}
	}
}

// joinLines ends every line: the last one of the input may have none.
func joinLines(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimSuffix(l, "\n") + "\n")
	}
	return b.String()
}

func TestWhatLinesGive(t *testing.T) {
	s := spec(t, "--group g,a.b --count n --sum s --count hits:t=x")
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	for name, c := range map[string]struct{ in, want, counters string }{
		"no input":                         {"", "", ""},
		"fields it does not know":          {`{"other":1}`, `{"g":null,"a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, ""},
		"JSON that is no object":           {"42\n[1]\n\"x\"\nnull", `{"g":null,"a.b":null}` + "\t" + `{"n":4,"s":0,"hits":0}`, ""},
		"null and containers are null":     {`{"g":null,"a":{"b":[1]}}` + "\n" + `{"g":{},"a":3}`, `{"g":null,"a.b":null}` + "\t" + `{"n":2,"s":0,"hits":0}`, ""},
		"CRLF and no end of the last line": {"{\"g\":1}\r\n{\"g\":1}\r", `{"g":1,"a.b":null}` + "\t" + `{"n":2,"s":0,"hits":0}`, ""},
		"one number in many spellings":     {"{\"g\":200}\n{\"g\":200.0}\n{\"g\":2e2}\n{\"g\":0.2E+3}", `{"g":200,"a.b":null}` + "\t" + `{"n":4,"s":0,"hits":0}`, ""},
		"a string is no number":            {"{\"g\":\"200\"}\n{\"g\":200}", `{"g":"200","a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}` + "\n" + `{"g":200,"a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, ""},
		"one string in many spellings":     {"{\"g\":\"a\\u0062\"}\n{\"g\":\"ab\"}", `{"g":"ab","a.b":null}` + "\t" + `{"n":2,"s":0,"hits":0}`, ""},
		"TAB and line end in a key":        {`{"g":"a\tb\nc\u0000"}`, `{"g":"a\tb\nc\u0000","a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, ""},
		"not UTF-8":                        {"{\"g\":\"\xff\"}", `{"g":"` + "\ufffd" + `","a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, ""},
		"the last of two keys counts":      {`{"g":1,"g":2,"a":{"b":true},"a":{"c":1}}`, `{"g":2,"a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, ""},
		"escaped key":                      {`{"\u0067":1}`, `{"g":1,"a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, ""},
		"conditions":                       {`{"t":"x"}` + "\n" + `{"t":"\u0078"}` + "\n" + `{"t":"y"}` + "\n" + `{"t":null}`, `{"g":null,"a.b":null}` + "\t" + `{"n":4,"s":0,"hits":2}`, ""},
		"sums of what is no number":        {`{"s":"1"}` + "\n" + `{"s":true}` + "\n" + `{"s":{}}` + "\n" + `{"s":null}`, `{"g":null,"a.b":null}` + "\t" + `{"n":4,"s":0,"hits":0}`, "notANumber:3"},
		"decimals and negative numbers":    {`{"s":0.1}` + "\n" + `{"s":0.2}` + "\n" + `{"s":-1.5e0}` + "\n" + `{"s":1e-18}`, `{"g":null,"a.b":null}` + "\t" + `{"n":4,"s":-1.199999999999999999,"hits":0}`, ""},
		"huge numbers":                     {`{"s":1e400}` + "\n" + `{"s":1e-400}` + "\n" + `{"s":1e35}` + "\n" + `{"s":9223372036854775807}` + "\n" + `{"s":1}`, `{"g":null,"a.b":null}` + "\t" + `{"n":5,"s":100000000000000009223372036854775808,"hits":0}`, "outOfRange:2"},
		"a key out of range":               {`{"g":1e99}` + "\n" + `{"g":1e99}`, `{"g":null,"a.b":null}` + "\t" + `{"n":2,"s":0,"hits":0}`, "outOfRange:2"},
		"what is no JSON":                  {"{\"g\":1\n\n{'g':1}\nNaN\n{\"s\":Infinity}\n{\"s\":01}\n{\"s\":1.}\n\"a\tb\"\n[1] 2\n\xff", "", "malformed:10"},
		"deep nesting":                     {deep + "\n[" + deep + "]\n" + strings.Repeat("{\"a\":", 20_000), `{"g":null,"a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, "malformed:2"},
		"a long string is cut":             {`{"g":"` + strings.Repeat("é", 500_000) + `"}`, `{"g":"` + strings.Repeat("é", 128) + `…","a.b":null}` + "\t" + `{"n":1,"s":0,"hits":0}`, "cut:1"},
		"a line that is too long":          {"1\n" + strings.Repeat(" ", rollup.MaxLine) + "1\n" + strings.Repeat(" ", rollup.MaxLine-1) + "1\r\n", `{"g":null,"a.b":null}` + "\t" + `{"n":2,"s":0,"hits":0}`, "oversized:1"},
	} {
		t.Run(name, func(t *testing.T) {
			counters := rollup.Counters{}
			got := strings.TrimSuffix(whole(t, c.in, s, counters), "\n")
			if got != c.want {
				t.Errorf("got  %.300q\nwant %.300q", got, c.want)
			}
			if list := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(map[string]int64(counters)), "map["), "]"); list != c.counters {
				t.Errorf("counters %s, want %s", list, c.counters)
			}
		})
	}
}

func TestTextEventsAreAllCounted(t *testing.T) {
	counters := rollup.Counters{}
	got := whole(t, "one\n{\"g\":1}\n\n\xff\n", spec(t, "--text --group g --count events"), counters)
	if want := "{\"g\":null}\t{\"events\":4}\n"; got != want || len(counters) != 0 {
		t.Errorf("got %q, counters %v", got, counters)
	}
}

func TestManyGroupsAreWrittenInPieces(t *testing.T) {
	var in strings.Builder
	const n = 132_000
	for i := range n {
		fmt.Fprintf(&in, "{\"g\":%d}\n", i%(n/2))
	}
	var mapped bytes.Buffer
	s := spec(t, "--group g --count n")
	if err := rollup.Map(strings.NewReader(in.String()), &mapped, s, nil); err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(mapped.Bytes(), []byte{'\n'}); lines <= n/2 {
		t.Errorf("%d lines of map for %d groups: it never wrote early", lines, n/2)
	}
	result := whole(t, in.String(), s, nil)
	if lines := strings.Count(result, "\n"); lines != n/2 || strings.Count(result, "\t{\"n\":2}\n") != n/2 {
		t.Errorf("%d groups, want %d of 2 events each", lines, n/2)
	}
}

func TestReduceRefusesWhatMapDoesNotWrite(t *testing.T) {
	for name, in := range map[string]string{
		"no TAB":         "{}\n",
		"no object":      "{}\t5\n",
		"empty object":   "{}\t{}\n",
		"a string":       "{}\t{\"n\":\"1\"}\n",
		"an exponent":    "{}\t{\"n\":1e3}\n",
		"other measures": "{}\t{\"n\":1}\n{}\t{\"m\":1}\n",
		"fewer measures": "{}\t{\"n\":1,\"m\":2}\n{}\t{\"n\":1}\n",
		"out of order":   "{\"a\":2}\t{\"n\":1}\n{\"a\":1}\t{\"n\":1}\n",
		"an empty line":  "\n",
	} {
		if err := rollup.Reduce(strings.NewReader(in), io.Discard); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReadAndWriteErrorsAreReturned(t *testing.T) {
	s := spec(t, "--count n")
	broken := io.MultiReader(strings.NewReader("1\n2"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := rollup.Map(broken, io.Discard, s, nil); err == nil {
		t.Error("map: the read error is lost")
	}
	if err := rollup.Reduce(iotest.ErrReader(io.ErrUnexpectedEOF), io.Discard); err == nil {
		t.Error("reduce: the read error is lost")
	}
	if err := rollup.Map(strings.NewReader("1\n"), fullDisk{}, s, nil); err == nil {
		t.Error("map: the write error is lost")
	}
	if err := rollup.Reduce(strings.NewReader("{}\t{\"n\":1}\n"), fullDisk{}); err == nil {
		t.Error("reduce: the write error is lost")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func BenchmarkMap(b *testing.B) {
	input, _ := generated(b, 1, 20_000, -1)
	s := spec(b, video)
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		if err := rollup.Map(strings.NewReader(input), io.Discard, s, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStandardLibrary is what Map is measured against: the same count
// with encoding/json and floating-point sums.
func BenchmarkStandardLibrary(b *testing.B) {
	input, _ := generated(b, 1, 20_000, -1)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		type key struct{ publisher, provider string }
		type count struct {
			events, views, plays, impressions int
			watched                           float64
		}
		groups := map[key]*count{}
		scanner := bufio.NewScanner(strings.NewReader(input))
		for scanner.Scan() {
			var e struct {
				Type, Publisher, Provider string
				Watched                   float64
				Impressions               int
			}
			if json.Unmarshal(scanner.Bytes(), &e) != nil {
				continue
			}
			k := key{e.Publisher, e.Provider}
			if groups[k] == nil {
				groups[k] = &count{}
			}
			c := groups[k]
			c.events++
			c.watched += e.Watched
			c.impressions += e.Impressions
			if e.Type == "view" {
				c.views++
			}
			if e.Type == "play" {
				c.plays++
			}
		}
	}
}
