package stream_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"penstock/internal/stream"
	"penstock/internal/stream/streamtest"
)

// manual is a clock that tests move.
type manual struct {
	mu  sync.Mutex
	now time.Time
}

func newManual() *manual { return &manual{now: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)} }

func (m *manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func subject(m *stream.Model, clock *manual) streamtest.Subject {
	return streamtest.Subject{
		Writer: m, Reader: m, Now: clock.Now, Advance: clock.Advance,
		Split: func(shard, at string) error { return m.Split(context.Background(), shard, at) },
		Merge: func(shard, adjacent string) error { return m.Merge(context.Background(), shard, adjacent) },
	}
}

func memorySubject(t *testing.T, m *stream.Model, clock *manual) streamtest.Subject {
	s := subject(m, clock)
	s.Reopen = func() streamtest.Subject {
		snapshot, err := m.Snapshot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		if snapshot, err = stream.ParseSnapshot(data); err != nil {
			t.Fatal(err)
		}
		again, err := stream.Restore(stream.Options{Now: clock.Now}, snapshot)
		if err != nil {
			t.Fatal(err)
		}
		return memorySubject(t, again, clock)
	}
	return s
}

func openMemory(t *testing.T, o stream.Options) *stream.Model {
	t.Helper()
	m, err := stream.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMemoryKeepsTheContract(t *testing.T) {
	streamtest.Run(t, func(t *testing.T) streamtest.Subject {
		clock := newManual()
		return memorySubject(t, openMemory(t, stream.Options{Now: clock.Now, Shards: 2, Seed: 7}), clock)
	})
}
