package archive

import (
	"testing"

	"penstock/internal/stream/kpl/kpltest"
)

func TestADecoderReadsPayloadsAsTheArchiveDoes(t *testing.T) {
	aggregate := func(data ...string) string {
		var records []kpltest.Record
		for _, d := range data {
			records = append(records, kpltest.Record{PartitionKey: "k", Data: []byte(d)})
		}
		return string(kpltest.Aggregate(records...))
	}
	for _, c := range []struct {
		name, format, split, payload string
		events                       int
		lines                        string
	}{
		{"a document", FormatJSON, "", `{"a":1}`, 1, "{\"a\":1}\n"},
		{"a document over lines", FormatJSON, "", "{\"a\":\r\n1}\n", 1, "{\"a\":1}\n"},
		{"no document", FormatJSON, "", `{"a":`, 0, ""},
		{"no document is a line of text", FormatText, "", `{"a":`, 1, "{\"a\":\n"},
		{"several documents are none", FormatJSON, "", "{}\n[]\n", 0, ""},
		{"several documents, one a line", FormatJSON, SplitLines, "{}\n\n[]\n", 2, "{}\n[]\n"},
		{"one that is none among several spoils all", FormatJSON, SplitLines, "{}\n[\n{}\n", 0, ""},
		{"lines are no line", FormatText, "", "a\nb", 0, ""},
		{"lines are lines", FormatText, SplitLines, "a\nb", 2, "a\nb\n"},
		{"nothing", FormatText, "", "", 0, ""},
		{"an aggregate", FormatJSON, "", aggregate("{}", "[1]"), 2, "{}\n[1]\n"},
		{"an aggregate with a reject", FormatJSON, "", aggregate("{}", "{"), 0, ""},
		{"an empty aggregate", FormatJSON, "", aggregate(), 0, ""},
	} {
		d, err := NewDecoder(c.format, c.split)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // it keeps nothing from one payload to the next
			lines, n := d.Events([]byte("before\n"), []byte(c.payload))
			if string(lines) != "before\n"+c.lines || n != c.events {
				t.Errorf("%s: %d events, %q", c.name, n, lines)
			}
		}
	}
	for _, bad := range [][2]string{{"xml", ""}, {"", ""}, {FormatJSON, "words"}} {
		if _, err := NewDecoder(bad[0], bad[1]); err == nil {
			t.Errorf("%v has a decoder", bad)
		}
	}
}
