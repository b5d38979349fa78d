package local

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
)

func drain(t *testing.T, l *Lines) (events []string, times []time.Time) {
	t.Helper()
	for {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			return events, times
		}
		if err != nil {
			t.Fatal(err)
		}
		events, times = append(events, string(e.Data)), append(times, e.Time)
	}
}

func TestLinesAreEventsHoweverTheyEnd(t *testing.T) {
	for name, text := range map[string]string{
		"line feeds":                        "a\nb\nc\n",
		"no line feed at the end":           "a\nb\nc",
		"carriage returns":                  "a\r\nb\r\nc\r\n",
		"blank lines":                       "\n\na\n  \nb\n\r\n\nc\n\n",
		"carriage returns, none at the end": "a\r\nb\r\nc",
	} {
		start := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
		got, times := drain(t, NewLines("x", strings.NewReader(text), "", start, time.Millisecond))
		if !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("%s: %q", name, got)
		}
		if len(times) == 3 && (times[0].Before(start) || !slices.IsSortedFunc(times, time.Time.Compare)) {
			t.Errorf("%s: %v", name, times)
		}
	}
}

func TestTheClockOfALineIsReadInEveryFormat(t *testing.T) {
	want := time.Date(2026, 11, 23, 7, 8, 9, 0, time.UTC)
	for doc, field := range map[string]string{
		`{"time":"2026-11-23T07:08:09Z"}`:            "time",
		`{"time":"2026-11-23T08:08:09+01:00"}`:       "time",
		`{"time":"2026-11-23T07:08:09.000000Z"}`:     "time",
		fmt.Sprintf(`{"time":%d}`, want.Unix()):      "time",
		fmt.Sprintf(`{"time":%d}`, want.UnixMilli()): "time",
		fmt.Sprintf(`{"time":"%d"}`, want.Unix()):    "time",
		fmt.Sprintf(`{"time":%d.0}`, want.Unix()):    "time",
		`{"meta":{"at":"2026-11-23T07:08:09Z"}}`:     "meta.at",
	} {
		if got, ok := clockOf([]byte(doc), field); !ok || !got.Equal(want) {
			t.Errorf("%s: %v, %v", doc, got, ok)
		}
	}
	for _, doc := range []string{`{}`, `{"time":null}`, `{"time":"yesterday"}`, `{"time":{}}`, `{"time":-1e300}`, `{"time":"NaN"}`, `no document`, `[1]`, `{"time":"1066-10-14T09:00:00Z"}`} {
		if at, ok := clockOf([]byte(doc), "time"); ok {
			t.Errorf("%s has a time: %v", doc, at)
		}
	}
}

func TestLinesOutOfOrderArePutInOrder(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, `{"n":%d,"time":%d}`+"\n", i, 1_795_000_000+i^7)
	}
	b.WriteString(`{"n":"without"}` + "\n")
	l := NewLines("x", strings.NewReader(b.String()), "time", time.Time{}, 0)
	events, times := drain(t, l)
	if len(events) != 201 || !slices.IsSortedFunc(times, time.Time.Compare) {
		t.Errorf("%d events, in order: %v", len(events), slices.IsSortedFunc(times, time.Time.Compare))
	}
	if l.Without != 1 {
		t.Errorf("%d lines without a clock", l.Without)
	}
}

func TestALineThatFitsIntoNoRecordIsNamed(t *testing.T) {
	l := NewLines("big.ndjson", strings.NewReader("a\n"+strings.Repeat("x", MaxLine+10)+"\nb\n"), "", time.Time{}, 0)
	if _, err := l.Next(); err != nil {
		t.Fatal(err)
	}
	_, err := l.Next()
	var bad *fault.BadInput
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "big.ndjson: line 2") {
		t.Errorf("%v", err)
	}
	if _, err := NewLines("x", strings.NewReader(strings.Repeat("x", MaxLine)), "", time.Time{}, 0).Next(); err != nil {
		t.Errorf("the longest line: %v", err)
	}
}

func FuzzClockOf(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-23T07:08:09Z"}`), "time")
	f.Add([]byte(`{"a":{"b":1795000000}}`), "a.b")
	f.Fuzz(func(t *testing.T, doc []byte, field string) {
		if at, ok := clockOf(doc, field); ok && !inRange(at) {
			t.Errorf("%v", at)
		}
	})
}

func TestLinesBeforeTheFirstClockArriveWithIt(t *testing.T) {
	text := "mangled\n{\"time\":1795420801}\n{\"time\":1795420800}\n"
	got, times := drain(t, NewLines("x", strings.NewReader(text), "time", time.Time{}, 0))
	if !slices.Equal(got, []string{`{"time":1795420800}`, "mangled", `{"time":1795420801}`}) || times[1].Unix() != 1795420801 {
		t.Errorf("%q at %v", got, times)
	}
}

func TestAnInputWithoutTheClocksFieldIsRefused(t *testing.T) {
	for _, n := range []int{3, reorder, reorder + 5} {
		_, err := NewLines("events.ndjson", strings.NewReader(strings.Repeat("{\"at\":1795420800}\n", n)), "time", time.Time{}, 0).Next()
		var bad *fault.BadInput
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), `none of the first `+fmt.Sprint(min(n, reorder))+` events has a time in the field "time"`) {
			t.Errorf("%d lines: %v", n, err)
		}
	}
}
