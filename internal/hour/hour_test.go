package hour

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func mustHour(t testing.TB, s string) Hour {
	t.Helper()
	h, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAnHourIsTheOneItsInstantsLieIn(t *testing.T) {
	for _, c := range []struct{ at, want string }{
		{"2026-11-23T07:00:00Z", "2026-11-23T07"},
		{"2026-11-23T07:59:59.999999999Z", "2026-11-23T07"},
		{"2026-11-23T08:00:00Z", "2026-11-23T08"},
		{"2026-11-23T07:30:00+05:30", "2026-11-23T02"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00"},
		{"1969-12-31T23:59:59.999Z", "1969-12-31T23"},
		{"1969-12-31T23:00:00Z", "1969-12-31T23"},
		{"1969-12-31T22:59:59.999Z", "1969-12-31T22"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00"},
		{"2024-02-29T23:59:59Z", "2024-02-29T23"},
		{"9999-12-31T23:59:59Z", "9999-12-31T23"},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		h := Of(at)
		if h.String() != c.want {
			t.Errorf("Of(%s) = %s, want %s", c.at, h, c.want)
		}
		if !h.Contains(at) || at.Before(h.Start()) || !at.Before(h.End()) {
			t.Errorf("%s does not lie in [%s, %s)", c.at, h.Start(), h.End())
		}
	}
	if (Hour{}) != Of(time.Unix(0, 0)) {
		t.Error("the zero Hour is not the one at the Unix epoch")
	}
}

func TestHoursComeBackFromTheirText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	first, last := mustHour(t, "0001-01-01T00"), mustHour(t, "9999-12-31T23")
	for range 20_000 {
		h := first.Add(r.IntN(last.Sub(first) + 1))
		if got, err := Parse(h.String()); err != nil || got != h {
			t.Fatalf("Parse(%s) = %v, %v", h, got, err)
		}
		if got, ok := parseCompact(h.Compact()); !ok || got != h {
			t.Fatalf("parseCompact(%s) = %v, %v", h.Compact(), got, ok)
		}
		g := first.Add(r.IntN(last.Sub(first) + 1))
		if h.Before(g) != (h.Sub(g) < 0) || h.Before(g) != (h.Compact() < g.Compact()) || g.Add(h.Sub(g)) != h {
			t.Fatalf("order of %s and %s", h, g)
		}
		if Of(h.Start()) != h || Of(h.End()) != h.Add(1) || Of(h.End().Add(-1)) != h {
			t.Fatalf("ends of %s", h)
		}
	}
}

func TestAMalformedHourIsRefusedWithTheFormWanted(t *testing.T) {
	for _, s := range []string{
		"", "2026-11-23", "2026-11-23T", "2026-11-23T7", "2026-11-23T24", "2026-11-23T-1", "2026-11-23t07", "2026-11-23 07",
		"2026-13-01T00", "2026-00-01T00", "2026-02-30T00", "2023-02-29T00", "2026-11-23T07Z", "2026-11-23T07:00", " 2026-11-23T07",
		"2026-11-23T07\n", "02026-11-23T07", "+2026-11-23T07", "-001-11-23T07", "26-11-23T07", "2026-1-23T007", "２０２６-11-23T07",
		strings.Repeat("9", 1<<16),
	} {
		h, err := Parse(s)
		if err == nil {
			t.Errorf("Parse(%.40q) = %s", s, h)
		} else if !strings.Contains(err.Error(), "2026-11-23T07") || len(err.Error()) > 250 {
			t.Errorf("Parse(%.40q): %v", s, err)
		}
	}
	for _, s := range []string{"", "2026112324", "202611237", "2026112307 ", "+026112307", "2026-11-23", "20261123070"} {
		if h, ok := parseCompact(s); ok {
			t.Errorf("parseCompact(%q) = %s", s, h)
		}
	}
}

func TestAnHourStandsInJSONAsText(t *testing.T) {
	type doc struct {
		Hour Hour         `json:"hour"`
		Map  map[Hour]int `json:"map"`
	}
	h := mustHour(t, "2026-11-23T07")
	b, err := json.Marshal(doc{h, map[Hour]int{h: 1}})
	if want := `{"hour":"2026-11-23T07","map":{"2026-11-23T07":1}}`; err != nil || string(b) != want {
		t.Fatalf("%s, %v; want %s", b, err, want)
	}
	var d doc
	if err := json.Unmarshal(b, &d); err != nil || d.Hour != h || d.Map[h] != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := json.Unmarshal([]byte(`{"hour":"yesterday"}`), &d); err == nil {
		t.Error("an hour that is none was read")
	}
	if d.Hour != h {
		t.Error("a refused hour changed the value")
	}
}

func TestRangesIncludeBothEnds(t *testing.T) {
	for _, c := range []struct {
		in, from, to string
		hours        int
	}{
		{"2026-11-23T07", "2026-11-23T07", "2026-11-23T07", 1},
		{"2026-11-23", "2026-11-23T00", "2026-11-23T23", 24},
		{"2026-11", "2026-11-01T00", "2026-11-30T23", 720},
		{"2026-12", "2026-12-01T00", "2026-12-31T23", 744},
		{"2024-02", "2024-02-01T00", "2024-02-29T23", 696},
		{"2024-02-29", "2024-02-29T00", "2024-02-29T23", 24},
		{"2023-02", "2023-02-01T00", "2023-02-28T23", 672},
		{"2000-02", "2000-02-01T00", "2000-02-29T23", 696},
		{"1900-02", "1900-02-01T00", "1900-02-28T23", 672},
		{"2024-02-28..2024-03-01", "2024-02-28T00", "2024-03-01T23", 72},
		{"2026-12-31T23..2027-01-01T00", "2026-12-31T23", "2027-01-01T00", 2},
		{"2026-12..2027-01", "2026-12-01T00", "2027-01-31T23", 1488},
		{"2026-11..2026-11-23T07", "2026-11-01T00", "2026-11-23T07", 536},
		{"2026-11-23T07..2026-11", "2026-11-23T07", "2026-11-30T23", 185},
		{"2026-11-23T07..2026-11-23T07", "2026-11-23T07", "2026-11-23T07", 1},
		{"1969-12-31T23..1970-01-01T00", "1969-12-31T23", "1970-01-01T00", 2},
		{"1960-02", "1960-02-01T00", "1960-02-29T23", 696},
		{"2020-01-01..2029-12-31", "2020-01-01T00", "2029-12-31T23", 87_672},
		{"9999-12", "9999-12-01T00", "9999-12-31T23", 744},
	} {
		r, err := ParseRange(c.in)
		if err != nil {
			t.Errorf("ParseRange(%s): %v", c.in, err)
			continue
		}
		if r.From.String() != c.from || r.To.String() != c.to || r.Len() != c.hours {
			t.Errorf("ParseRange(%s) = %s of %d hours, want %s..%s of %d", c.in, r, r.Len(), c.from, c.to, c.hours)
		}
		if !r.Contains(r.From) || !r.Contains(r.To) || r.Contains(r.From.Add(-1)) || r.Contains(r.To.Add(1)) {
			t.Errorf("ParseRange(%s) does not contain just its ends and what lies between", c.in)
		}
		if again, err := ParseRange(r.String()); err != nil || again != r {
			t.Errorf("ParseRange(%s) = %v, %v: not the range it was written from", r, again, err)
		}
	}
}

func TestAMalformedRangeIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "..", "2026", "2026-13", "2026-11-31", "2023-02-29", "2026-11-23T24", "2026-11..", "..2026-11", "2026-11...2026-12",
		"2026-11..2026-12..2027-01", "2026-11-23T08..2026-11-23T07", "2027..2026", "2026-11-24..2026-11-23", "2020-01-01..2030-01-01",
		"0001-01..9999-12", "2026/11", "2026-1x", "today", " 2026-11", "2026-11 ", "2026-11-23T7..2026-11-23T08",
		strings.Repeat("2026-11..", 1<<12),
	} {
		if r, err := ParseRange(s); err == nil {
			t.Errorf("ParseRange(%.40q) = %s", s, r)
		} else if len(err.Error()) > 300 {
			t.Errorf("ParseRange(%.40q): an error of %d bytes", s, len(err.Error()))
		}
	}
}

func TestADocumentsTimeIsUTCToTheMillisecond(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC), `"2026-11-23T07:00:00.000Z"`},
		{time.Date(2026, 11, 23, 7, 0, 0, 123_999_999, zone), `"2026-11-23T01:30:00.123Z"`},
		{time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.UTC), `"1969-12-31T23:59:59.999Z"`},
		{time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC), `"1969-12-31T23:59:59.999Z"`},
	} {
		b, err := json.Marshal(At(c.at))
		if err != nil || string(b) != c.want {
			t.Errorf("%s, %v; want %s", b, err, c.want)
		}
		var back Time
		if err := json.Unmarshal(b, &back); err != nil || !back.Equal(At(c.at).Time) {
			t.Errorf("%s came back as %s, %v", b, back, err)
		}
		if text, err := At(c.at).MarshalText(); err != nil || `"`+string(text)+`"` != c.want {
			t.Errorf("text %s, %v; want %s", text, err, c.want)
		}
	}
	for _, s := range []string{`""`, `null`, `1`, `"2026-11-23T07:00:00Z"`, `"2026-11-23T07:00:00.000+00:00"`, `"2026-11-23T25:00:00.000Z"`} {
		var back Time
		if err := json.Unmarshal([]byte(s), &back); err == nil {
			t.Errorf("%s was read as %s", s, back)
		}
	}
}

func TestExecutionsAreNamedByHourAndNumber(t *testing.T) {
	if got := ExecutionName(mustHour(t, "2026-11-23T07"), 12); got != "2026-11-23T07-12" {
		t.Error(got)
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"2026-11-23T07", "2026-11-23", "2026-11", "2026-02..2026-03-01T00", "..", "2023-02-29", "0000-01", "9999-12-31T23"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			return
		}
		if n := r.Len(); n < 1 || n > MaxRange {
			t.Fatalf("%q is a range of %d hours", s, n)
		}
		if again, err := ParseRange(r.String()); err != nil || again != r {
			t.Fatalf("%q: %s came back as %s, %v", s, r, again, err)
		}
	})
}
