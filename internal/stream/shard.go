package stream

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// shard is one shard of a Model, open or closed.
type shard struct {
	id               string
	parent, adjacent string
	start, end       hashKey
	place            place     // of the newest number given in this shard
	first, last      string    // last is "" while the shard is open
	closed           time.Time // zero while the shard is open
}

func shardID(index uint32) string { return fmt.Sprintf("shardId-%012d", index) }

func (s *shard) open() bool { return s.last == "" }

func (s *shard) describe() Shard {
	return Shard{
		ID: s.id, Parent: s.parent, AdjacentParent: s.adjacent,
		StartHash: s.start.String(), EndHash: s.end.String(), First: s.first, Last: s.last,
	}
}

// next gives the shard's next sequence number. Its index begins with the present time, so that a number given later is
// greater even by a stream that was restored from an older snapshot, and when the clock steps back it still grows. It
// is not contiguous.
func (s *shard) next(seed uint64, now time.Time) string {
	base := max(s.place.index, timeIndex(now))
	s.place.index = base + 1 + mix(seed, uint64(s.place.shard), base)%6
	s.place.second = max(s.place.second, now.Unix())
	return s.place.sequence()
}

func timeIndex(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) << indexTimeShift }

// arrival is the approximate arrival time of the record that was just placed.
func (s *shard) arrival(seed uint64, now time.Time, jitter time.Duration) time.Time {
	if j := uint64(jitter.Milliseconds()); j > 0 {
		off := mix(seed, s.place.index, 1) % (2*j + 1)
		now = now.Add(time.Duration(off)*time.Millisecond - jitter)
	}
	return now.Truncate(time.Millisecond).UTC()
}

// newShard opens a shard. Its numbers are greater than those of its parents, because it is at least a second younger.
func newShard(index uint32, start, end hashKey, now time.Time, parents ...*shard) *shard {
	s := &shard{id: shardID(index), start: start, end: end}
	s.place = place{created: max(now.Unix(), 0), shard: index, index: timeIndex(now)}
	for i, parent := range parents {
		s.place.created = max(s.place.created, parent.place.created+1)
		if i == 0 {
			s.parent = parent.id
		} else {
			s.adjacent = parent.id
		}
	}
	s.place.second = s.place.created
	s.first = s.place.sequence()
	return s
}

// initialShards cuts the hash keys into n equal ranges.
func initialShards(n int, now time.Time) []*shard {
	size := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(int64(n)))
	shards := make([]*shard, n)
	start := hashKey{}
	for i := range shards {
		end := maxHash()
		if i < n-1 {
			end = hashOf(new(big.Int).Mul(size, big.NewInt(int64(i+1)))).previous()
		}
		shards[i] = newShard(uint32(i), start, end, now)
		start = end.next()
	}
	return shards
}

// byHash returns the open shards in the order of their hash keys.
func byHash(shards []*shard) []*shard {
	var open []*shard
	for _, s := range shards {
		if s.open() {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b *shard) int { return a.start.compare(b.start) })
	return open
}

// route finds the open shard that takes a key.
func route(open []*shard, key hashKey) *shard {
	at, found := slices.BinarySearchFunc(open, key, func(s *shard, k hashKey) int { return s.start.compare(k) })
	if !found {
		at--
	}
	return open[at]
}

func partitionHash(key string) hashKey {
	sum := md5.Sum([]byte(key))
	return hashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}
