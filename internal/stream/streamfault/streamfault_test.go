package streamfault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
	"penstock/internal/stream/streamfault"
)

func now() time.Time { return time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) }

func open(t *testing.T) *stream.Model {
	t.Helper()
	m, err := stream.NewMemory(stream.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func entries(n int) []stream.Entry {
	list := make([]stream.Entry, n)
	for i := range list {
		list[i] = stream.Entry{PartitionKey: "k", Data: fmt.Append(nil, i)}
	}
	return list
}

func read(t *testing.T, r stream.Reader) (data []string, pages int) {
	t.Helper()
	ctx := context.Background()
	it, err := r.Iterator(ctx, "shardId-000000000000", stream.Start{Type: stream.TrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	for {
		page, err := r.Records(ctx, it, 3)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, record := range page.Records {
			data = append(data, string(record.Data))
		}
		if page.BehindTip == 0 {
			return data, pages
		}
		it = page.Next
	}
}

func TestEntriesFailOneByOne(t *testing.T) {
	m := open(t)
	f := streamfault.New(m, m, func(streamfault.Call) streamfault.Outcome {
		return streamfault.Outcome{Entries: map[int]string{0: streamfault.Throttled, 2: streamfault.Internal}}
	})
	puts, err := f.PutRecords(context.Background(), entries(4))
	if err != nil {
		t.Fatal(err)
	}
	if puts[0].ErrorCode != streamfault.Throttled || puts[2].ErrorCode != streamfault.Internal || puts[1].Sequence == "" || puts[3].Sequence == "" {
		t.Errorf("answers %+v", puts)
	}
	if data, _ := read(t, m); fmt.Sprint(data) != "[1 3]" {
		t.Errorf("stream holds %v", data)
	}
	if puts, err = f.PutRecords(context.Background(), entries(1)); err != nil || puts[0].ErrorCode == "" {
		t.Errorf("one entry, which fails: %+v, %v", puts, err)
	}
}

func TestCallsAreRefusedOrLoseTheirAnswer(t *testing.T) {
	m := open(t)
	refused := errors.New("refused")
	outcomes := []streamfault.Outcome{{Err: refused}, {Lose: true}, {}}
	f := streamfault.New(m, m, func(c streamfault.Call) streamfault.Outcome { return outcomes[c.Number-1] })
	ctx := context.Background()
	if _, err := f.PutRecords(ctx, entries(1)); err != refused {
		t.Errorf("first call: %v", err)
	}
	if _, err := f.PutRecords(ctx, entries(2)); !errors.As(err, new(*fault.Unavailable)) || !errors.Is(err, streamfault.ErrLost) {
		t.Errorf("second call: %v", err)
	}
	if _, err := f.PutRecords(ctx, entries(1)); err != nil {
		t.Errorf("third call: %v", err)
	}
	if data, _ := read(t, m); fmt.Sprint(data) != "[0 1 0]" {
		t.Errorf("stream holds %v", data)
	}
}

func TestEmptyPagesHideNothing(t *testing.T) {
	m := open(t)
	if _, err := m.PutRecords(context.Background(), entries(8)); err != nil {
		t.Fatal(err)
	}
	f := streamfault.New(m, m, func(c streamfault.Call) streamfault.Outcome { return streamfault.Outcome{Empty: c.Number%2 == 0} })
	if data, pages := read(t, f); fmt.Sprint(data) != "[0 1 2 3 4 5 6 7]" || pages != 6 {
		t.Errorf("%d pages: %v", pages, data)
	}
}

func TestASeedGivesTheSameFaults(t *testing.T) {
	run := func(seed uint64) (fates string, failed int) {
		m := open(t)
		f := streamfault.New(m, m, streamfault.Seeded(seed, streamfault.Rates{Entry: 0.2, Refuse: 0.1, Lose: 0.1}))
		for range 50 {
			puts, err := f.PutRecords(context.Background(), entries(10))
			fates += fmt.Sprintln(puts, err)
			for _, p := range puts {
				if p.ErrorCode != "" {
					failed++
				}
			}
		}
		return fates, failed
	}
	one, failed := run(3)
	if again, _ := run(3); again != one {
		t.Error("seed 3 gave two series of faults")
	}
	if other, _ := run(4); other == one || failed < 40 || failed > 140 {
		t.Errorf("%d of 500 entries failed at a rate of 0.2", failed)
	}
}
