package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

func at(s string) hour.Hour {
	h, err := hour.Parse(s)
	must(err)
	return h
}

// threeDays holds every state, on three days with a gap.
func threeDays() []hourRow {
	var rows []hourRow
	for i, s := range signs {
		rows = append(rows, hourRow{Hour: at("2026-11-22T20").Add(i), State: s.state, Events: 10})
	}
	return append(rows, hourRow{Hour: at("2026-11-30T23"), State: statePublished, Events: 5})
}

func unpainted(_, s string) string { return s }

func TestAGridFitsEveryWidthAndKeepsItsColumns(t *testing.T) {
	for width := 40; width <= 200; width++ {
		lines := drawGrid(threeDays(), width, unpainted)
		for _, l := range lines {
			if n := text.StringWidthWithoutEscSequences(l); n > width {
				t.Fatalf("at width %d a line has %d cells: %q", width, n, l)
			}
		}
		pitch := 1
		switch {
		case width >= 11+24*3:
			pitch = 3
		case width >= 11+24*2:
			pitch = 2
		}
		if l := lines[1]; !strings.HasPrefix(l, "2026-11-22 ") || cellOf(l, 11+20*pitch) != signs[0].symbol || cellOf(l, 11+23*pitch) != signs[3].symbol {
			t.Fatalf("at width %d the first day is %q", width, l)
		}
		if l := lines[3]; cellOf(l, 11+23*pitch) != "✓" {
			t.Fatalf("at width %d the last day is %q", width, l)
		}
		if cellOf(lines[0], 11+18*pitch)+cellOf(lines[0], 12+18*pitch) != "18" {
			t.Fatalf("at width %d the header is %q", width, lines[0])
		}
		all := strings.Join(lines, "\n")
		for _, s := range signs {
			if !strings.Contains(all, s.symbol+" ") || !strings.Contains(all, s.state) {
				t.Fatalf("at width %d the legend lacks %s:\n%s", width, s.state, all)
			}
		}
		if got := strings.Contains(lines[0], "EVENTS"); got != (width >= 11+24+12 && width < 59 || width >= 59+12 && width < 83 || width >= 83+12) {
			t.Fatalf("at width %d the events are shown: %v", width, got)
		}
	}
}

// cellOf is the symbol in a cell: all symbols are one cell wide.
func cellOf(line string, n int) string {
	if r := []rune(line); n < len(r) {
		return string(r[n])
	}
	return ""
}

func TestSymbolsDifferAndAreOneCellWide(t *testing.T) {
	seen := map[string]string{}
	for _, s := range signs {
		if text.StringWidthWithoutEscSequences(s.symbol) != 1 || seen[s.symbol] != "" {
			t.Errorf("the symbol %q of %s", s.symbol, s.state)
		}
		seen[s.symbol] = s.state
	}
}

func TestAnHourBetweenOthersIsMissing(t *testing.T) {
	row := func(h string) hourRow { return hourRow{Hour: at(h), State: statePublished, Events: 1} }
	hours := func(all ...string) (list []hour.Hour) {
		for _, h := range all {
			list = append(list, at(h))
		}
		return list
	}
	for _, test := range []struct {
		name   string
		rows   []hourRow
		around []hour.Hour
		r      string // "" for none
		want   string
	}{
		{"between two", []hourRow{row("2026-11-23T07"), row("2026-11-23T10")}, nil, "", "07 08? 09? 10"},
		{"nothing before the first and after the last", []hourRow{row("2026-11-23T07")}, hours("2026-11-23T07"), "2026-11-23", "07"},
		{"at the begin of a range", []hourRow{row("2026-11-23T02")}, hours("2026-11-22T23", "2026-11-23T02"), "2026-11-23", "00? 01? 02"},
		{"at the end of a range", []hourRow{row("2026-11-23T21")}, hours("2026-11-23T21", "2026-11-24T05"), "2026-11-23", "21 22? 23?"},
		{"published without events", []hourRow{{Hour: at("2026-11-23T07"), State: statePublished}}, nil, "", "07○"},
		{"published with rejects only", []hourRow{{Hour: at("2026-11-23T07"), State: statePublished, Rejects: 1}}, nil, "", "07"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r *hour.Range
			if test.r != "" {
				parsed, err := hour.ParseRange(test.r)
				must(err)
				r = &parsed
			}
			var got []string
			for _, row := range viewed(test.rows, test.around, r) {
				got = append(got, fmt.Sprintf("%02d%s", row.Hour.Start().Hour(), strings.Trim(signOf(row.State).symbol, "✓")))
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %s, want %s", s, test.want)
			}
		})
	}
}

func TestTroublesJoinHoursThatAreAlike(t *testing.T) {
	var rows []hourRow
	for i, s := range []string{statePublished, stateMissing, stateMissing, stateWaiting, stateFailed, stateFailed} {
		row := hourRow{Hour: at("2026-11-23T00").Add(i), State: s}
		if s == stateFailed {
			row.Detail = "why"
		}
		rows = append(rows, row)
	}
	list, more := troubles(rows, 3)
	var got []string
	for _, x := range list {
		got = append(got, x.hours()+" "+x.state)
	}
	if s := strings.Join(got, "; "); more != 1 || s != "2026-11-23T03 waiting; 2026-11-23T04 failed; 2026-11-23T05 failed" {
		t.Errorf("%d more, %s", more, s)
	}
	if list, _ = troubles(rows, 9); list[0].hours() != "2026-11-23T01..2026-11-23T02" {
		t.Errorf("the first is %s", list[0].hours())
	}
}

// counting counts the calls of a store.
type counting struct {
	store.Store
	lists, gets atomic.Int64
}

func (c *counting) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	c.lists.Add(1)
	return c.Store.List(ctx, prefix)
}

func (c *counting) Get(ctx context.Context, key string, limit int64) ([]byte, store.Object, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, key, limit)
}

func (c *counting) GetRange(ctx context.Context, key, etag string, from, n int64) (io.ReadCloser, error) {
	c.gets.Add(1)
	return c.Store.GetRange(ctx, key, etag, from, n)
}

// month makes a month of published hours in memory, with indexes batches each.
func month(batches int) *site {
	keys, err := hour.NewKeys(hour.DefaultName)
	must(err)
	now := func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }
	s := &site{Name: "memory", Keys: keys, Archive: store.NewMemory(now), Hours: store.NewMemory(now), now: now}
	for h := at("2026-11-01T00"); h.Before(at("2026-12-01T00")); h = h.Add(1) {
		publishIn(s, h, batches)
	}
	return s
}

func publishIn(s *site, h hour.Hour, batches int) {
	ctx := context.Background()
	for i := range batches {
		first := hour.Sequence(fmt.Sprint(1 + i))
		_, err := s.Archive.Create(ctx, s.Keys.IndexKey(hour.Span{Hour: h, Shard: "shardId-000000000000", First: first, Last: first}), []byte("x"))
		must(err)
	}
	execution := "arn:aws:states:local:1:execution:hour:" + hour.ExecutionName(h, 1)
	ref := hour.Ref{Key: s.Keys.SealKey(h, revision), SHA256: hour.SHA256([]byte(h.String()))}
	l := s.Ledger()
	var state *ledger.State
	for i, e := range []hour.Entry{
		{Type: hour.EntryStarted, By: ledger.BySchedule}, {Type: hour.EntryClaimed, Execution: execution},
		{Type: hour.EntrySealed, Execution: execution, Revision: revision, Seal: &ref},
		{Type: hour.EntryPublished, Execution: execution, Revision: revision, Publish: &hour.Publication{Seal: ref, Events: 9, Batches: batches}},
	} {
		e.Run, e.ID = 1, fmt.Sprint(i)
		var err error
		state, err = l.Append(ctx, h, func(*ledger.State) (*hour.Entry, error) { return &e, nil })
		must(err)
	}
	_, err := l.WriteManifest(ctx, state)
	must(err)
}

func TestAMonthCostsOneRequestAnHourAndItsListings(t *testing.T) {
	s := month(3)
	archive, hours := &counting{Store: s.Archive}, &counting{Store: s.Hours}
	s.Archive, s.Hours = archive, hours
	r, err := hour.ParseRange("2026-11")
	must(err)
	for _, of := range []*hour.Range{&r, nil} {
		for _, c := range []*counting{archive, hours} {
			c.lists.Store(0)
			c.gets.Store(0)
		}
		rows, err := survey(t.Context(), s, of)
		if err != nil || len(rows) != 720 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, row := range rows {
			if row.State != statePublished {
				t.Fatalf("hour %s is %s: %s", row.Hour, row.State, row.Detail)
			}
		}
		lists := archive.lists.Load() + hours.lists.Load()
		if gets := archive.gets.Load() + hours.gets.Load(); gets != 720 || lists > 4 {
			t.Errorf("%d requests and %d listings for 720 hours", gets, lists)
		}
	}
}

// BenchmarkStatusOfAMonth is a month of 720 hours in a directory, of 12 batches each.
func BenchmarkStatusOfAMonth(b *testing.B) {
	path := b.TempDir() + "/data"
	must(monthDir(path))
	for b.Loop() {
		s, err := openDir(path, time.Now)
		must(err)
		report, err := statusCmd{}.report(b.Context(), s)
		if err != nil || len(report.Hours) != 720 {
			b.Fatal(err)
		}
		drawGrid(report.Hours, 120, unpainted)
		must(s.Close())
	}
}
