package stream

import (
	"slices"
)

// memoryLog keeps records in memory, in pieces of the buffers that the puts allocated.
type memoryLog struct {
	shards map[uint32][]Record
	held   int64
}

func newMemoryLog() *memoryLog { return &memoryLog{shards: map[uint32][]Record{}} }

func (l *memoryLog) bytes() int64 { return l.held }

func (l *memoryLog) commit(c change) error {
	for _, p := range c.add {
		l.shards[p.shard] = append(l.shards[p.shard], p.record)
		l.held += p.record.size()
	}
	for _, d := range c.drop {
		records := l.shards[d.shard]
		n := search(records, position{sequence: d.upTo})
		for _, r := range records[:n] {
			l.held -= r.size()
		}
		if n == len(records) {
			delete(l.shards, d.shard)
			continue
		}
		l.shards[d.shard] = slices.Clone(records[n:]) // lets go of what was dropped
	}
	return nil
}

func (l *memoryLog) scan(shard uint32, from position, fn func(Record) bool) error {
	records := l.shards[shard]
	for _, r := range records[search(records, from):] {
		if !fn(r) {
			break
		}
	}
	return nil
}

// search returns the place of the first record that from stands before.
func search(records []Record, from position) int {
	at, _ := slices.BinarySearchFunc(records, from, func(r Record, p position) int {
		if p.before(r.Sequence) {
			return 1
		}
		return -1
	})
	return at
}
