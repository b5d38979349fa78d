package archive

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"penstock/internal/hour"
	"penstock/internal/jsonwalk"
	"penstock/internal/stream/kpl/kpltest"
)

func aggregate(data ...string) string {
	var records []kpltest.Record
	for _, d := range data {
		records = append(records, kpltest.Record{PartitionKey: "k", Data: []byte(d)})
	}
	return string(kpltest.Aggregate(records...))
}

func TestWhatBecomesOfARecord(t *testing.T) {
	deep := strings.Repeat("[", jsonwalk.MaxDepth) + strings.Repeat("]", jsonwalk.MaxDepth)
	broken := string(kpltest.Frame([]byte{0x1a, 0xff}))
	for _, c := range []struct {
		name, mode, data string
		kind             hour.Kind
		lines            string
		reasons          string // of the rejects, by sub-index
	}{
		{"a document", "json", `{"a": 1}`, "e", "{\"a\": 1}\n", ""},
		{"any value is a document", "json", `42`, "e", "42\n", ""},
		{"one LF is stripped", "json", "{}\n", "e", "{}\n", ""},
		{"one CRLF is stripped", "json", "{}\r\n", "e", "{}\n", ""},
		{"more line ends are compacted", "json", "{}\r\n\r\n", "e", "{}\n", ""},
		{"JSON over several lines is compacted", "json", "{\"a\" :\r[1,\n \"x \\\" y\"]}", "e", "{\"a\":[1,\"x \\\" y\"]}\n", ""},
		{"escapes stay as they are", "json", `{"a":"\u0000\/\ud800"}`, "e", `{"a":"\u0000\/\ud800"}` + "\n", ""},
		{"line separators of Unicode stay", "json", "\"\u2028\u0085\"", "e", "\"\u2028\u0085\"\n", ""},
		{"nothing", "json", "", "r", "", "0 empty"},
		{"a line end only", "json", "\r\n", "r", "", "0 empty"},
		{"blanks only", "json", "  ", "r", "", "0 not valid JSON"},
		{"mangled", "json", `{"a":`, "r", "", "0 not valid JSON"},
		{"two documents", "json", "{}\n{}", "r", "", "0 not valid JSON"},
		{"NUL", "json", "{}\x00", "r", "", "0 not valid JSON"},
		{"NUL in a string", "json", "\"\x00\"", "r", "", "0 not valid JSON"},
		{"byte order mark", "json", "\ufeff{}", "r", "", "0 not valid JSON"},
		{"not UTF-8", "json", "\"\xff\"", "r", "", "0 not valid UTF-8"},
		{"surrogates in UTF-8", "json", "\"\xed\xa0\x80\"", "r", "", "0 not valid UTF-8"},
		{"as deep as allowed", "json", deep, "e", deep + "\n", ""},
		{"deeper", "json", "[" + deep + "]", "r", "", "0 JSON nested too deeply"},
		{"a text", "text", "a\tb \xff\x00", "e", "a\tb \xff\x00\n", ""},
		{"a text with its line end", "text", "a\r\n", "e", "a\n", ""},
		{"a text with an inner LF", "text", "a\nb", "r", "", "0 line end within a text event"},
		{"a text with an inner CR", "text", "a\rb\n", "r", "", "0 line end within a text event"},
		{"a text with two line ends", "text", "a\n\n", "r", "", "0 line end within a text event"},
		{"an empty text", "text", "\n", "r", "", "0 empty"},
		{"an aggregate", "json", aggregate("1", "x", "2\n", "3"), "er2e", "1\n2\n3\n", "1 not valid JSON"},
		{"an empty aggregate", "json", aggregate(), "-", "", ""},
		{"an aggregate with an empty record", "json", aggregate("1", ""), "er", "1\n", "1 empty"},
		{"an aggregate that does not decode", "text", broken, "r", "", "0 malformed aggregate"},
		{"an aggregate with a wrong checksum is a plain record", "json", aggregate("1") + "x", "r", "", "0 not valid JSON"},
		{"lines", "json lines", "1\n2\r\n\n{\n3", "2ere", "1\n2\n3\n", "2 not valid JSON"},
		{"blank lines only", "json lines", "\n\r\n", "r", "", "0 empty"},
		{"no lines", "json lines", "", "r", "", "0 empty"},
		{"text lines", "text lines", "a\nb\rc\nd\r", "ere", "a\nd\n", "1 line end within a text event"},
		{"lines within an aggregate", "text lines", aggregate("a\nb", "", "c"), "2ere", "a\nb\nc\n", "2 empty"},
		{"rejects beyond all measure", "json lines", strings.Repeat("x\n", 100), "r", "", "0 too many mangled sub-records"},
		{"an aggregate of nothing", "json", aggregate(make([]string, 1000)...), "r", "", "0 too many mangled sub-records"},
		{"many empty sub-records, split", "json lines", aggregate(make([]string, 1000)...), "r", "", "0 too many mangled sub-records"},
	} {
		s := sorter{text: strings.HasPrefix(c.mode, "text"), split: strings.HasSuffix(c.mode, "lines")}
		s.reset("s")
		r := &record{seq: []byte("7"), ms: 1_795_417_200_001}
		kind := s.add(r, []byte(c.data))
		var reasons []string
		for line := range strings.Lines(string(s.rejects)) {
			var reject hour.Reject
			if err := json.Unmarshal([]byte(line), &reject); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			reasons = append(reasons, string(rune('0'+reject.Sub))+" "+reject.Reason)
			if reject.Version != 1 || reject.Shard != "s" || reject.Sequence != "7" || reject.Arrival.UnixMilli() != r.ms || !bytes.Contains([]byte(c.data), reject.Payload) {
				t.Errorf("%s: reject %s", c.name, line)
			}
			if kind == "r" && string(reject.Payload) != c.data {
				t.Errorf("%s: a reject is not kept whole: %q", c.name, reject.Payload)
			}
		}
		if kind != c.kind || string(s.lines) != c.lines || strings.Join(reasons, "; ") != c.reasons {
			t.Errorf("%s: %s, %q, %q; want %s, %q, %q", c.name, kind, s.lines, reasons, c.kind, c.lines, c.reasons)
		}
		if e, n, err := kind.Counts(); err != nil || e != s.events || n != s.rejectN || s.events != strings.Count(string(s.lines), "\n") {
			t.Errorf("%s: %s is %d and %d, sorted were %d and %d (%v)", c.name, kind, e, n, s.events, s.rejectN, err)
		}
	}
}

func TestAPanicMakesTheWholeRecordAReject(t *testing.T) {
	s := sorter{probe: func(data []byte) {
		if string(data) == "13" {
			panic("unlucky")
		}
	}}
	s.reset("s")
	r := &record{seq: []byte("7")}
	for _, c := range []struct {
		data string
		kind hour.Kind
	}{{"12", "e"}, {aggregate("1", "x", "13", "2"), "r"}, {"14", "e"}, {"13", "r"}} {
		if kind := s.add(r, []byte(c.data)); kind != c.kind {
			t.Errorf("%q is %s, want %s", c.data, kind, c.kind)
		}
	}
	if string(s.lines) != "12\n14\n" || s.events != 2 || s.rejectN != 2 || strings.Count(string(s.rejects), reasonPanic) != 2 {
		t.Errorf("%q, %d, %d, %s", s.lines, s.events, s.rejectN, s.rejects)
	}
}

func FuzzSort(f *testing.F) {
	f.Add([]byte("{}\n"), false, false)
	f.Add([]byte(aggregate("1", "x\r", "")), false, true)
	f.Add([]byte("a\r\nb\n\nc"), true, true)
	f.Fuzz(func(t *testing.T, data []byte, text, split bool) {
		s := sorter{text: text, split: split}
		s.reset("s")
		before := bytes.Clone(data)
		kind := s.add(&record{seq: []byte("1")}, data)
		if !bytes.Equal(before, data) {
			t.Fatal("the record was changed")
		}
		if e, n, err := kind.Counts(); err != nil || e != s.events || n != s.rejectN {
			t.Fatalf("%s for %d and %d: %v", kind, s.events, s.rejectN, err)
		}
		if n := bytes.Count(s.lines, []byte("\n")); n != s.events || bytes.IndexByte(s.lines, '\r') >= 0 {
			t.Fatalf("%d lines for %d events: %q", n, s.events, s.lines)
		}
		for line := range bytes.Lines(s.lines) {
			if len(line) == 1 || !text && !json.Valid(line) {
				t.Fatalf("event %q", line)
			}
		}
		if len(s.rejects) > 400*(17+len(data)/32)+2*len(data) || bytes.Count(s.rejects, []byte("\n")) != s.rejectN {
			t.Fatalf("%d bytes of %d rejects for a record of %d bytes", len(s.rejects), s.rejectN, len(data))
		}
	})
}
