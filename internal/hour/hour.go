// Package hour holds what every stage agrees on: the hour, the sequence number, each S3 key as a Format and Parse pair,
// and the documents' types. It uses the standard library only, and nobody else builds or reads a key.
package hour

import (
	"fmt"
	"strings"
	"time"
)

// Hour is one UTC hour of arrival. The zero value is the hour that begins at the Unix epoch.
type Hour struct{ n int64 } // hours since the epoch

const (
	textLayout    = "2006-01-02T15"
	compactLayout = "2006010215"
)

// Of returns the hour in which t lies.
func Of(t time.Time) Hour {
	s := t.Unix()
	n := s / 3600
	if s%3600 < 0 {
		n--
	}
	return Hour{n}
}

// Parse reads an hour such as 2026-11-23T07.
func Parse(s string) (Hour, error) {
	t, err := time.Parse(textLayout, s)
	if err != nil || t.Format(textLayout) != s {
		return Hour{}, fmt.Errorf("%.40q is not an hour such as 2026-11-23T07", s)
	}
	return Of(t), nil
}

func parseCompact(s string) (Hour, bool) {
	t, err := time.Parse(compactLayout, s)
	if err != nil || len(s) != len(compactLayout) {
		return Hour{}, false
	}
	return Of(t), true
}

// Start returns the first instant of the hour.
func (h Hour) Start() time.Time { return time.Unix(h.n*3600, 0).UTC() }

// End returns the first instant after the hour.
func (h Hour) End() time.Time { return h.Add(1).Start() }

// Add returns the hour n hours later.
func (h Hour) Add(n int) Hour { return Hour{h.n + int64(n)} }

// Sub returns how many hours h is after g.
func (h Hour) Sub(g Hour) int { return int(h.n - g.n) }

// Before says whether h is earlier than g.
func (h Hour) Before(g Hour) bool { return h.n < g.n }

// Contains says whether t lies in the hour.
func (h Hour) Contains(t time.Time) bool { return Of(t) == h }

// String returns the hour as 2026-11-23T07.
func (h Hour) String() string { return h.Start().Format(textLayout) }

// Compact returns the hour as it stands in keys, 2026112307.
func (h Hour) Compact() string { return h.Start().Format(compactLayout) }

// MarshalText implements encoding.TextMarshaler.
func (h Hour) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hour) UnmarshalText(b []byte) error {
	v, err := Parse(string(b))
	if err == nil {
		*h = v
	}
	return err
}

// Range is a run of hours, both ends included.
type Range struct{ From, To Hour }

// MaxRange is the most hours a Range may span: ten years.
const MaxRange = 87_672

// ParseRange reads an hour 2026-11-23T07, a day 2026-11-23, a month 2026-11, or FROM..TO of any of them, both included.
func ParseRange(s string) (Range, error) {
	from, to, two := strings.Cut(s, "..")
	r, err := parseSpan(from)
	if err != nil {
		return Range{}, err
	}
	if two {
		r2, err := parseSpan(to)
		if err != nil {
			return Range{}, err
		}
		r.To = r2.To
	}
	if r.To.Before(r.From) {
		return Range{}, fmt.Errorf("range %s..%s ends before it begins", from, to)
	}
	if r.Len() > MaxRange {
		return Range{}, fmt.Errorf("range of %d hours is too long (at most %d)", r.Len(), MaxRange)
	}
	return r, nil
}

func parseSpan(s string) (Range, error) {
	switch len(s) {
	case len("2026-11"):
		if t, err := time.Parse("2006-01", s); err == nil {
			return Range{Of(t), Of(t.AddDate(0, 1, 0)).Add(-1)}, nil
		}
	case len("2026-11-23"):
		if t, err := time.Parse(time.DateOnly, s); err == nil {
			return Range{Of(t), Of(t).Add(23)}, nil
		}
	case len("2026-11-23T07"):
		if h, err := Parse(s); err == nil {
			return Range{h, h}, nil
		}
	}
	return Range{}, fmt.Errorf("%.40q is not an hour (2026-11-23T07), a day (2026-11-23), a month (2026-11) or FROM..TO", s)
}

// Len returns how many hours the range holds.
func (r Range) Len() int { return r.To.Sub(r.From) + 1 }

// Contains says whether h lies in the range.
func (r Range) Contains(h Hour) bool { return !h.Before(r.From) && !r.To.Before(h) }

// String returns the range as FROM..TO, or the hour alone.
func (r Range) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	return r.From.String() + ".." + r.To.String()
}
