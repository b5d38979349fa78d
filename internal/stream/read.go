package stream

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"penstock/internal/fault"
)

// Iterator implements Reader. An iterator is a place and the time it was made at, nothing that the stream keeps: it
// survives a restart and may be used again.
func (m *Model) Iterator(ctx context.Context, shardID string, start Start) (string, error) {
	if err := cmp.Or(ctx.Err(), start.check()); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.options.Now()
	s, err := m.find(shardID, now)
	if err != nil {
		return "", err
	}
	from, err := m.locate(s, start)
	if err != nil {
		return "", err
	}
	return m.iterator(s, from, now), nil
}

func (m *Model) locate(s *shard, start Start) (position, error) {
	switch start.Type {
	case TrimHorizon:
		return position{}, nil
	case Latest:
		return position{sequence: s.place.sequence()}, nil
	case AtTimestamp:
		return m.locateTime(s, start.Time)
	}
	return position{start.Sequence, start.Type == AtSequence}, nil
}

func (s Start) check() error {
	switch s.Type {
	case TrimHorizon, Latest, AtTimestamp:
		return nil
	case AtSequence, AfterSequence:
		return checkSequence(s.Sequence)
	}
	return &fault.BadInput{Detail: fmt.Sprintf("iterator type %.40q", s.Type)}
}

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxRead {
		return &fault.BadInput{Detail: fmt.Sprintf("read %d records, want 1 to %d", limit, MaxRead)}
	}
	return nil
}

// locateTime finds the first record that arrived at or after t, or the tip.
func (m *Model) locateTime(s *shard, t time.Time) (position, error) {
	found := position{sequence: s.place.sequence()}
	floor := s.place // no record from here back can have arrived at t: indexes begin with the time of the put
	floor.index, floor.second = timeIndex(t.Add(-m.options.Jitter-time.Millisecond)), 0
	from := position{sequence: floor.sequence()}
	err := m.log.scan(s.place.shard, from, func(r Record) bool {
		if r.Arrival.Before(t) {
			return true
		}
		found = position{r.Sequence, true}
		return false
	})
	if err != nil {
		return position{}, &fault.Unavailable{Service: "stream", Action: "search " + s.id, Err: err}
	}
	return found, nil
}

// Records implements Reader. The data of the records belongs to the stream: readers do not change it.
func (m *Model) Records(ctx context.Context, iterator string, limit int) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	if err := checkLimit(limit); err != nil {
		return Page{}, err
	}
	it, err := parseIterator(iterator, m.options.Seed)
	if err != nil {
		return Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.options.Now()
	if age := now.Sub(time.UnixMilli(it.issued)); age > iteratorLife {
		return Page{}, &fault.BadInput{Detail: fmt.Sprintf("iterator of %s expired: it is %s old, limit %s", shardID(it.shard), age.Truncate(time.Second), iteratorLife)}
	}
	s, err := m.find(shardID(it.shard), now)
	if err != nil {
		return Page{}, err
	}
	return m.page(s, it.from, limit, now)
}

func (m *Model) page(s *shard, from position, limit int, now time.Time) (Page, error) {
	var page Page
	horizon := m.horizon(now)
	size, more := int64(0), false
	err := m.log.scan(s.place.shard, from, func(r Record) bool {
		if r.Arrival.Before(horizon) {
			return true
		}
		if len(page.Records) == limit || len(page.Records) > 0 && size+r.size() > MaxReadBytes {
			page.BehindTip = max(now.Sub(r.Arrival), time.Millisecond).Truncate(time.Millisecond)
			more = true
			return false
		}
		size += r.size()
		page.Records = append(page.Records, r)
		return true
	})
	if err != nil {
		return Page{}, &fault.Unavailable{Service: "stream", Action: "read " + s.id, Err: err}
	}
	if n := len(page.Records); n > 0 {
		from = position{sequence: page.Records[n-1].Sequence}
	}
	if more || s.open() {
		page.Next = m.iterator(s, from, now)
		return page, nil
	}
	for _, child := range m.shards {
		if child.parent == s.id || child.adjacent == s.id {
			page.Children = append(page.Children, child.id)
		}
	}
	return page, nil
}
