package stream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/internal/fault"
)

// Checkpoints say how far consumers have read: consumer, then shard id, then the sequence number of the last record that
// the consumer is done with.
type Checkpoints map[string]map[string]string

func (c Checkpoints) clone() Checkpoints {
	clone := Checkpoints{}
	for consumer, shards := range c {
		clone[consumer] = maps.Clone(shards)
	}
	return clone
}

// SetCheckpoint keeps a consumer's checkpoint with the stream; it is durable when the call returns, if the stream is.
// An earlier one than the present is taken, too: a consumer may go back.
func (m *Model) SetCheckpoint(ctx context.Context, consumer, shard, sequence string) error {
	if err := cmp.Or(ctx.Err(), checkSequence(sequence)); err != nil {
		return err
	}
	if consumer == "" || len(consumer) > MaxKeyBytes {
		return &fault.BadInput{Detail: fmt.Sprintf("consumer name of %d bytes, want 1 to %d", len(consumer), MaxKeyBytes)}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find(shard, m.options.Now()); err != nil {
		return err
	}
	before := m.checkpoints
	m.checkpoints = before.clone()
	if m.checkpoints[consumer] == nil {
		m.checkpoints[consumer] = map[string]string{}
	}
	m.checkpoints[consumer][shard] = sequence
	if err := m.log.commit(change{state: m.state}); err != nil {
		m.checkpoints = before
		return &fault.Unavailable{Service: "stream", Action: "store checkpoint of " + consumer + " in " + shard, Err: err}
	}
	return nil
}

// Checkpoints returns a copy of all that SetCheckpoint kept.
func (m *Model) Checkpoints(ctx context.Context) (Checkpoints, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checkpoints.clone(), ctx.Err()
}

// TrimConsumed drops the oldest records that every consumer is done with, until no more than keep bytes are held or
// nothing consumed is left, and returns the number of records dropped. It is an early trim horizon: readers that go back
// further begin behind it. consumers has to name every consumer; one without a checkpoint in a shard has read nothing of
// it, and without any consumer nothing is dropped.
func (m *Model) TrimConsumed(ctx context.Context, consumers Checkpoints, keep int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	surplus := m.log.bytes() - keep
	if surplus <= 0 || len(consumers) == 0 {
		return 0, nil
	}
	candidates, err := m.consumed(consumers)
	if err != nil {
		return 0, err
	}
	upTo := map[uint32]string{}
	n := 0
	for _, c := range candidates {
		if surplus <= 0 {
			break
		}
		upTo[c.shard] = c.sequence
		surplus -= c.size
		n++
	}
	return n, m.drop(upTo)
}

type candidate struct {
	age      time.Time // grows along the shard
	shard    uint32
	sequence string
	size     int64
}

// consumed lists the records that all consumers are done with, oldest first, each shard's in order.
func (m *Model) consumed(consumers Checkpoints) ([]candidate, error) {
	var list []candidate
	for _, s := range m.shards {
		done, first := "", true
		for _, checkpoints := range consumers {
			if at := checkpoints[s.id]; first || CompareSequences(at, done) < 0 {
				done, first = at, false
			}
		}
		if done == "" {
			continue
		}
		var age time.Time
		err := m.log.scan(s.place.shard, position{}, func(r Record) bool {
			if CompareSequences(r.Sequence, done) > 0 {
				return false
			}
			age = later(age, r.Arrival)
			list = append(list, candidate{age, s.place.shard, r.Sequence, r.size()})
			return true
		})
		if err != nil {
			return nil, &fault.Unavailable{Service: "stream", Action: "trim " + s.id, Err: err}
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(a.age.Compare(b.age), cmp.Compare(a.shard, b.shard))
	})
	return list, nil
}

// trimExpired removes what is older than retention, and the closed shards that have no record left.
func (m *Model) trimExpired(now time.Time) error {
	horizon := m.horizon(now)
	upTo := map[uint32]string{}
	for _, s := range m.shards {
		err := m.log.scan(s.place.shard, position{}, func(r Record) bool {
			if !r.Arrival.Before(horizon) {
				return false
			}
			upTo[s.place.shard] = r.Sequence
			return true
		})
		if err != nil {
			return err
		}
		if m.expired(s, now) {
			upTo[s.place.shard] = s.last
		}
	}
	if err := m.drop(upTo); err != nil {
		return err
	}
	// The table follows with the next commit; until then it names shards without records, which nobody is shown.
	m.shards = slices.DeleteFunc(m.shards, func(s *shard) bool { return m.expired(s, now) })
	for _, checkpoints := range m.checkpoints {
		maps.DeleteFunc(checkpoints, func(id, _ string) bool { _, err := m.find(id, now); return err != nil })
	}
	return nil
}

func (m *Model) drop(upTo map[uint32]string) error {
	if len(upTo) == 0 {
		return nil
	}
	c := change{state: m.state}
	for _, s := range m.shards {
		if sequence, ok := upTo[s.place.shard]; ok {
			c.drop = append(c.drop, dropped{s.place.shard, sequence})
		}
	}
	if err := m.log.commit(c); err != nil {
		return &fault.Unavailable{Service: "stream", Action: "trim", Err: err}
	}
	return nil
}
