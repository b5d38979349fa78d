// Package streamtest holds the contract of a stream's Writer and Reader: one suite that the models and Kinesis pass
// alike.
package streamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

// Subject is a stream under test. It begins empty, with two shards.
type Subject struct {
	stream.Writer
	stream.Reader
	// Split and Merge reshard, and return when it is done; nil where that cannot be asked.
	Split func(shard, newStart string) error
	Merge func(shard, adjacent string) error
	// Now is the subject's clock.
	Now func() time.Time
	// Advance moves it; nil where it is the real one.
	Advance func(time.Duration)
	// Reopen returns the same stream after a restart; nil where there is nothing to restart.
	Reopen func() Subject
}

// Option changes a run of the suite.
type Option func(skip map[string]string)

// Skip leaves out the test of that name and says why.
func Skip(name, reason string) Option { return func(skip map[string]string) { skip[name] = reason } }

// Run runs the contract; each test opens a subject of its own.
func Run(t *testing.T, open func(*testing.T) Subject, options ...Option) {
	skip := map[string]string{}
	for _, option := range options {
		option(skip)
	}
	tests := map[string]func(*testing.T, Subject){}
	for _, group := range []map[string]func(*testing.T, Subject){puts(), iterators(), reshards(), ages()} {
		maps.Copy(tests, group)
	}
	for name := range skip {
		if tests[name] == nil {
			t.Errorf("the suite has no test %q to skip", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			if reason, ok := skip[name]; ok {
				t.Skip(reason)
			}
			tests[name](t, open(t))
		})
	}
}

func (s Subject) advance(t *testing.T, d time.Duration) {
	t.Helper()
	if s.Advance == nil {
		t.Skip("the subject runs on the real clock")
	}
	s.Advance(d)
}

func entries(from, n int) []stream.Entry {
	list := make([]stream.Entry, n)
	for i := range list {
		list[i] = stream.Entry{PartitionKey: fmt.Sprintf("key-%d", from+i), Data: fmt.Appendf(nil, "event %d", from+i)}
	}
	return list
}

// put puts entries and returns, per shard, the sequence numbers it was answered.
func put(t *testing.T, s Subject, list []stream.Entry) map[string][]string {
	t.Helper()
	puts, err := s.PutRecords(context.Background(), list)
	if err != nil {
		t.Fatalf("put %d records: %v", len(list), err)
	}
	if len(puts) != len(list) {
		t.Fatalf("%d answers to %d entries", len(puts), len(list))
	}
	places := map[string][]string{}
	for i, p := range puts {
		if p.ErrorCode != "" || p.Shard == "" || p.Sequence == "" {
			t.Fatalf("entry %d: answer %+v", i, p)
		}
		places[p.Shard] = append(places[p.Shard], p.Sequence)
	}
	return places
}

func shards(t *testing.T, s Subject) []stream.Shard {
	t.Helper()
	list, err := s.Shards(context.Background(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func iterator(t *testing.T, s Subject, shard string, start stream.Start) string {
	t.Helper()
	it, err := s.Iterator(context.Background(), shard, start)
	if err != nil {
		t.Fatalf("iterator %s %+v: %v", shard, start, err)
	}
	return it
}

// drain reads from an iterator to the tip or the shard's end.
func drain(t *testing.T, s Subject, it string, limit int) (records []stream.Record, last stream.Page) {
	t.Helper()
	for range 1000 {
		page, err := s.Records(context.Background(), it, limit)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if len(page.Records) > limit {
			t.Fatalf("page of %d records, limit %d", len(page.Records), limit)
		}
		records = append(records, page.Records...)
		if page.Next == "" || page.BehindTip == 0 {
			return records, page
		}
		it = page.Next
	}
	t.Fatal("1000 pages and no tip")
	return nil, stream.Page{}
}

func readFrom(t *testing.T, s Subject, shard string, start stream.Start) []stream.Record {
	t.Helper()
	records, _ := drain(t, s, iterator(t, s, shard, start), stream.MaxRead)
	return records
}

func readAll(t *testing.T, s Subject, shard string) []stream.Record {
	t.Helper()
	return readFrom(t, s, shard, stream.Start{Type: stream.TrimHorizon})
}

func sequences(records []stream.Record) []string {
	var list []string
	for _, r := range records {
		list = append(list, r.Sequence)
	}
	return list
}

func wantGrowing(t *testing.T, list []string) {
	t.Helper()
	for i := 1; i < len(list); i++ {
		if stream.CompareSequences(list[i-1], list[i]) >= 0 {
			t.Fatalf("sequence number %s follows %s", list[i], list[i-1])
		}
	}
}

func wantError[E error](t *testing.T, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("error %T %v, want %T", err, err, want)
	}
}

func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %d: %.300s\nwant %d: %.300s", what, len(got), strings.Join(got, " "), len(want), strings.Join(want, " "))
	}
}

func background() context.Context { return context.Background() }

func badInput(t *testing.T, err error) { t.Helper(); wantError[*fault.BadInput](t, err) }
