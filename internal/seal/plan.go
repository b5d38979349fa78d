package seal

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"penstock/internal/hour"
)

// Batch is a committed batch as it lies in the archive.
type Batch struct {
	Index       *hour.Index
	Ref         hour.Ref
	ObjectETag  string // "" if the batch has no events
	RejectsETag string // "" if the batch has no rejects

	etag string // the index's version
}

// span is a run of sequence numbers that is taken already.
type span struct{ first, last hour.Sequence }

// coverage holds what is taken of one shard: disjoint spans in order. Each stands for every record of the hour and
// shard between its ends, because a committed batch covers all of them.
type coverage []span

func (c coverage) find(s hour.Sequence) (int, bool) {
	i := sort.Search(len(c), func(i int) bool { return c[i].last.Compare(s) >= 0 })
	return i, i < len(c) && c[i].first.Compare(s) <= 0
}

func (c coverage) add(n span) coverage {
	i := sort.Search(len(c), func(i int) bool { return c[i].last.Compare(n.first) >= 0 })
	j := i
	for j < len(c) && c[j].first.Compare(n.last) <= 0 {
		if c[j].first.Compare(n.first) < 0 {
			n.first = c[j].first
		}
		if c[j].last.Compare(n.last) > 0 {
			n.last = c[j].last
		}
		j++
	}
	return slices.Replace(c, i, j, n)
}

// Selection is which records of which batches are an hour.
type Selection struct {
	Pieces     []hour.Piece
	Duplicates []string // index keys of batches that add nothing, sorted
	Events     int
	Rejects    int
	Bytes      int64
}

// Select decides which records are the hour. The published seal's pieces come first, as they are and in their order;
// further batches, sorted by shard and first sequence number, add the records that are not covered yet: all, some, or
// none. Taking from a batch in part needs its rows; a corrupt index is an error.
func Select(published *hour.Seal, batches []Batch) (*Selection, error) {
	s := &Selection{Pieces: []hour.Piece{}}
	covered := map[string]coverage{}
	known := map[string]bool{}
	if published != nil {
		for _, p := range published.Pieces {
			s.add(p)
			known[p.Index.Key] = true
			if p.Kind == hour.PieceRange {
				covered[p.Shard] = covered[p.Shard].add(span{p.First, p.Last})
			}
		}
	}
	sorted := slices.Clone(batches)
	slices.SortFunc(sorted, func(a, b Batch) int {
		if c := strings.Compare(a.Index.Shard, b.Index.Shard); c != 0 {
			return c
		}
		if c := a.Index.First.Compare(b.Index.First); c != 0 {
			return c
		}
		if c := b.Index.Last.Compare(a.Index.Last); c != 0 {
			return c // the longer first
		}
		return strings.Compare(a.Ref.Key, b.Ref.Key)
	})
	for _, b := range sorted {
		if known[b.Ref.Key] {
			continue
		}
		x := b.Index
		take, err := uncovered(covered[x.Shard], x)
		if err != nil {
			return nil, fmt.Errorf("select from %s: %w", b.Ref.Key, err)
		}
		if take == nil {
			s.Duplicates = append(s.Duplicates, b.Ref.Key)
			continue
		}
		p := hour.Piece{Kind: hour.PieceRange, Shard: x.Shard, First: x.First, Last: x.Last, Index: b.Ref,
			RecordsHash: x.RecordsHash, Object: sealed(x.Object, b.ObjectETag), RejectsFile: sealed(x.RejectsFile, b.RejectsETag),
			Events: x.Events, Rejects: x.Rejects, Bytes: x.Bytes}
		if !take.whole {
			p.Take, p.Events, p.Rejects = take.ranges, take.events, take.rejects
		}
		s.add(p)
		covered[x.Shard] = covered[x.Shard].add(span{x.First, x.Last})
	}
	slices.Sort(s.Duplicates)
	return s, nil
}

func (s *Selection) add(p hour.Piece) {
	s.Pieces = append(s.Pieces, p)
	s.Events += p.Events
	s.Rejects += p.Rejects
	s.Bytes += p.Bytes
}

func sealed(f *hour.File, etag string) *hour.File {
	if f == nil {
		return nil
	}
	g := *f
	g.ETag = etag
	return &g
}

type taking struct {
	whole           bool
	ranges          [][2]int
	events, rejects int
}

// uncovered says what of a batch is not covered: nil for nothing.
func uncovered(c coverage, x *hour.Index) (*taking, error) {
	i, hit := c.find(x.First)
	if !hit && (i == len(c) || c[i].first.Compare(x.Last) > 0) {
		return &taking{whole: true}, nil
	}
	if hit && c[i].last.Compare(x.Last) >= 0 {
		return nil, nil
	}
	rows, err := x.Rows()
	if err != nil {
		return nil, err
	}
	t := &taking{}
	for n, r := range rows {
		for i < len(c) && c[i].last.Compare(r.Sequence) < 0 {
			i++
		}
		if i < len(c) && c[i].first.Compare(r.Sequence) <= 0 {
			continue
		}
		e, j, err := r.Kind.Counts()
		if err != nil {
			return nil, err
		}
		t.events, t.rejects = t.events+e, t.rejects+j
		if k := len(t.ranges); k > 0 && t.ranges[k-1][1] == n {
			t.ranges[k-1][1] = n + 1
		} else {
			t.ranges = append(t.ranges, [2]int{n, n + 1})
		}
	}
	if t.ranges == nil {
		return nil, nil
	}
	t.whole = len(t.ranges) == 1 && t.ranges[0] == [2]int{0, len(rows)}
	return t, nil
}

// Missing names a piece of the published seal whose batch is no longer in the archive, or "".
func Missing(published *hour.Seal, batches []Batch) string {
	if published == nil {
		return ""
	}
	have := map[string]Batch{}
	for _, b := range batches {
		have[b.Ref.Key] = b
	}
	for _, p := range published.Pieces {
		b, ok := have[p.Index.Key]
		if p.Kind == hour.PieceRepair && ok {
			continue
		}
		switch {
		case !ok:
			return p.Index.Key
		case p.Object != nil && b.ObjectETag == "":
			return p.Object.Key
		case p.RejectsFile != nil && b.RejectsETag == "":
			return p.RejectsFile.Key
		}
	}
	return ""
}

// Limits of a part: compressed bytes and archive objects.
const (
	PartBytes   = 256 << 20
	PartObjects = 20_000
)

// Parts cuts the pieces into parts by compressed size and count of objects. Pieces of which no events are taken go with
// their neighbours, so that every part has events; only a selection of rejects alone is one part without, for which no
// file is written.
func Parts(pieces []hour.Piece, maxBytes int64, maxObjects int) []hour.PartPlan {
	var parts []hour.PartPlan
	var size int64
	objects := 0
	for i, p := range pieces {
		var n int64
		if p.Object != nil && p.Events > 0 {
			n = p.Object.Size
		}
		last := len(parts) - 1
		if last < 0 || n > 0 && objects > 0 && (size+n > maxBytes || objects >= maxObjects) {
			parts = append(parts, hour.PartPlan{From: i})
			last, size, objects = last+1, 0, 0
		}
		parts[last].To = i + 1
		parts[last].Events += p.Events
		if n > 0 {
			size += n
			objects++
		}
	}
	return parts
}
