package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"penstock/internal/fault"
)

// Options of a Model.
type Options struct {
	// Now is the clock: it gives arrival times, ends iterators and retention. Required.
	Now func() time.Time
	// Shards is the number of shards a new stream begins with; 0 means 1.
	Shards int
	// Retention is how long records are kept; 0 means 168 hours.
	Retention time.Duration
	// Seed varies the gaps between sequence numbers and the jitter; equal calls at equal times with an equal seed give
	// equal answers.
	Seed uint64
	// Jitter moves arrival times by up to so much in either direction, so that they do not grow. 0 is none.
	Jitter time.Duration
	// NoSync leaves out the fsync of a Local's commits. Only for tests and simulations: what was acknowledged may then be
	// lost with the machine (not with the process).
	NoSync bool
}

const (
	defaultRetention = 168 * time.Hour
	maxShards        = 10_000
)

func (o Options) withDefaults() (Options, error) {
	o.Shards, o.Retention = cmp.Or(o.Shards, 1), cmp.Or(o.Retention, defaultRetention)
	switch {
	case o.Now == nil:
		return o, &fault.BadInput{Detail: "open stream: no clock"}
	case o.Shards < 1 || o.Shards > maxShards:
		return o, &fault.BadInput{Detail: fmt.Sprintf("open stream: %d shards, want 1 to %d", o.Shards, maxShards)}
	case o.Retention < 0 || o.Jitter < 0:
		return o, &fault.BadInput{Detail: "open stream: negative retention or jitter"}
	}
	return o, nil
}

// Model is a stream that behaves as Kinesis does, in memory or (see Local) on disk: shards with ranges of hash keys,
// split and merge, sequence numbers in the service's layout, retention, iterators that expire. It is safe for concurrent
// use and deterministic: the same calls at the same times with the same seed give the same answers. It does not limit
// rates; package streamfault adds the service's failures.
type Model struct {
	options Options

	queueMu sync.Mutex
	queue   []*putRequest // waiting for the next commit

	mu          sync.Mutex
	log         recordLog
	shards      []*shard // in the order of their ids
	open        []*shard // in the order of their hash keys
	nextShard   uint32
	latest      time.Time // of the clock, at the last write
	nextTrim    time.Time
	checkpoints Checkpoints
}

var (
	_ Writer = (*Model)(nil)
	_ Reader = (*Model)(nil)
)

// recordLog keeps the records of a Model. Calls are serialised by the Model.
type recordLog interface {
	// commit applies a change as a whole; what it holds is as durable as the log is once it returns.
	commit(change) error
	// scan calls fn with the records of a shard in order, from a position on, until fn returns false. Records handed to
	// fn stay valid.
	scan(shard uint32, from position, fn func(Record) bool) error
	// bytes is the size of all records held, data and partition keys.
	bytes() int64
}

type change struct {
	state func() Snapshot // the stream after the change, without records
	add   []placed
	drop  []dropped
}

type placed struct {
	shard  uint32
	record Record
}

// dropped removes a shard's records up to and including a sequence number.
type dropped struct {
	shard uint32
	upTo  string
}

// position is a place to read from: behind a sequence number, or at it.
type position struct {
	sequence  string // "" is the beginning
	inclusive bool
}

func (p position) before(sequence string) bool {
	c := CompareSequences(p.sequence, sequence)
	return c < 0 || p.inclusive && c == 0
}

// NewMemory returns an empty stream that lives in memory.
func NewMemory(options Options) (*Model, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	m := newModel(options, newMemoryLog())
	m.begin()
	return m, nil
}

func newModel(options Options, log recordLog) *Model {
	return &Model{options: options, log: log, checkpoints: Checkpoints{}}
}

// begin gives a new stream its first shards.
func (m *Model) begin() {
	m.latest = m.options.Now()
	m.shards = initialShards(m.options.Shards, m.latest)
	m.nextShard = uint32(len(m.shards))
	m.open = byHash(m.shards)
}

// Latest returns the clock at the stream's last write (record, split, merge), or at its creation. What is written later
// should not be older.
func (m *Model) Latest() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

// Retention implements Reader.
func (m *Model) Retention(ctx context.Context) (time.Duration, error) {
	return m.options.Retention, ctx.Err()
}

// Shards implements Reader.
func (m *Model) Shards(ctx context.Context, from time.Time) ([]Shard, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.options.Now()
	var list []Shard
	for _, s := range m.shards {
		if s.open() || !m.expired(s, now) && !s.closed.Add(m.options.Jitter).Before(from) {
			list = append(list, s.describe())
		}
	}
	return list, nil
}

func (m *Model) horizon(now time.Time) time.Time { return now.Add(-m.options.Retention) }

// expired says whether a shard was closed so long ago that none of its records can be left.
func (m *Model) expired(s *shard, now time.Time) bool {
	return !s.open() && s.closed.Add(m.options.Jitter).Before(m.horizon(now))
}

func (m *Model) find(id string, now time.Time) (*shard, error) {
	at, ok := slices.BinarySearchFunc(m.shards, id, func(s *shard, id string) int { return cmp.Compare(s.id, id) })
	if !ok || m.expired(m.shards[at], now) {
		return nil, &fault.NotFound{Key: fmt.Sprintf("shard %.128q", id)}
	}
	return m.shards[at], nil
}

// Split closes a shard and opens two: one up to newStart (a decimal hash key, exclusive), one from it on.
func (m *Model) Split(ctx context.Context, id, newStart string) error {
	key, err := parseHash(newStart)
	if err != nil {
		return err
	}
	return m.reshard(ctx, func(now time.Time) error {
		s, err := m.findOpen(id, now)
		if err != nil {
			return err
		}
		if key.compare(s.start) <= 0 || key.compare(s.end) > 0 {
			return &fault.BadInput{Detail: fmt.Sprintf("split %s: hash key %s does not cut it", id, newStart)}
		}
		m.close(now, s)
		m.add(s.start, key.previous(), now, s)
		m.add(key, s.end, now, s)
		return nil
	})
}

// Merge closes two shards of adjacent hash keys and opens one in their place; id becomes its parent, adjacent its
// adjacent parent.
func (m *Model) Merge(ctx context.Context, id, adjacent string) error {
	return m.reshard(ctx, func(now time.Time) error {
		a, err := m.findOpen(id, now)
		if err != nil {
			return err
		}
		b, err := m.findOpen(adjacent, now)
		if err != nil {
			return err
		}
		low, high := a, b
		if b.start.compare(a.start) < 0 {
			low, high = b, a
		}
		if a == b || low.end.next() != high.start {
			return &fault.BadInput{Detail: fmt.Sprintf("merge %s and %s: they are not adjacent", id, adjacent)}
		}
		m.close(now, a, b)
		m.add(low.start, high.end, now, a, b)
		return nil
	})
}

func (m *Model) findOpen(id string, now time.Time) (*shard, error) {
	s, err := m.find(id, now)
	if err == nil && !s.open() {
		return nil, &fault.BadInput{Detail: fmt.Sprintf("shard %s is closed", id)}
	}
	return s, err
}

func (m *Model) close(now time.Time, shards ...*shard) {
	for _, s := range shards {
		s.last = s.next(m.options.Seed, now)
		s.closed = now
	}
}

func (m *Model) add(start, end hashKey, now time.Time, parents ...*shard) {
	m.shards = append(m.shards, newShard(m.nextShard, start, end, now, parents...))
	m.nextShard++
}

func (m *Model) reshard(ctx context.Context, act func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.shards)+2 > maxShards {
		return &fault.BadInput{Detail: fmt.Sprintf("more than %d shards", maxShards)}
	}
	before := m.state()
	now := m.options.Now()
	if err := act(now); err != nil {
		return err
	}
	m.open = byHash(m.shards)
	m.latest = later(m.latest, now)
	if err := m.log.commit(change{state: m.state}); err != nil {
		m.adopt(before)
		return err
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
