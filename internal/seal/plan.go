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

// Repair is a committed repair as it lies in the archive.
type Repair struct {
	Doc        *hour.Repair
	Ref        hour.Ref
	ObjectETag string

	etag string // the document's version
}

// Archived is what the archive has committed of an hour.
type Archived struct {
	Batches []Batch
	Repairs []Repair
}

// Covers tells which records of an hour are archived, given the spans of its indexes.
func Covers(spans []hour.Span) func(shard string, s hour.Sequence) bool {
	covered := map[string]coverage{}
	for _, s := range spans {
		covered[s.Shard] = covered[s.Shard].add(span{s.First, s.Last})
	}
	return func(shard string, s hour.Sequence) bool {
		_, ok := covered[shard].find(s)
		return ok
	}
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
	Duplicates []string // keys of indexes and repairs that add nothing, sorted
	Events     int
	Rejects    int
	Bytes      int64
}

// Select decides which records are the hour. The published seal's pieces come first, as they are and in their order;
// further batches, sorted by shard and first sequence number, add the records that are not covered yet: all, some, or
// none. Repairs come after them: see repair. Taking from a batch in part needs its rows; a corrupt index is an error.
func Select(published *hour.Seal, have Archived) (*Selection, error) {
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
	sorted := slices.Clone(have.Batches)
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
	if err := s.repair(known, have); err != nil {
		return nil, err
	}
	slices.Sort(s.Duplicates)
	return s, nil
}

// repair adds the repairs that are not known, in the order of their keys, and takes what they make good from the rejects
// of their batches. A repair counts whole or not at all: only if every reject that it names is taken from its batch, and
// no repair before it names one of them. So a reject becomes events once at most, whoever wrote repairs at the same time;
// what a repair that does not count would have added is still a reject, which the next replay finds.
func (s *Selection) repair(known map[string]bool, have Archived) error {
	sorted := slices.Clone(have.Repairs)
	slices.SortFunc(sorted, func(a, b Repair) int { return strings.Compare(a.Ref.Key, b.Ref.Key) })
	type share struct {
		piece    int
		repaired [][2]int // of its batch's rejects
	}
	shares := map[string]*share{} // of the range pieces, by the key of their index
	indexes := map[string]*hour.Index{}
	before := hour.Repaired(s.Pieces)
	for i := range s.Pieces {
		if p := &s.Pieces[i]; p.Kind == hour.PieceRange {
			shares[p.Index.Key] = &share{i, before(p)}
		}
	}
	for _, b := range have.Batches {
		indexes[b.Ref.Key] = b.Index
	}
	for _, r := range sorted {
		if known[r.Ref.Key] {
			continue
		}
		d := r.Doc
		of := shares[d.Index.Key]
		if of == nil {
			s.Duplicates = append(s.Duplicates, r.Ref.Key)
			continue
		}
		left, err := RejectsLeft(&s.Pieces[of.piece], indexes[d.Index.Key], of.repaired)
		if err != nil {
			return fmt.Errorf("select repair %s: %w", r.Ref.Key, err)
		}
		if len(hour.Without(d.Repairs, left)) > 0 {
			s.Duplicates = append(s.Duplicates, r.Ref.Key)
			continue
		}
		n := hour.Count(d.Repairs)
		of.repaired = hour.Union(of.repaired, d.Repairs)
		s.Pieces[of.piece].Rejects -= n
		s.Rejects -= n
		s.add(hour.Piece{Kind: hour.PieceRepair, Shard: d.Shard, First: d.First, Last: d.Last, Index: r.Ref, RecordsHash: d.RecordsHash,
			Object: sealed(d.Object, r.ObjectETag), Events: d.Events, Bytes: d.Bytes, Repairs: d.Repairs})
	}
	return nil
}

// RejectsLeft returns which rejects of its batch a range piece takes that are not repaired, all by their place in the
// batch's rejects. Without the batch's index, which the archive has lost, it is guessed that all are left: such a
// selection is never sealed.
func RejectsLeft(p *hour.Piece, x *hour.Index, repaired [][2]int) ([][2]int, error) {
	left := [][2]int{{0, hour.MaxSubRecords}}
	switch {
	case x == nil:
	case x.Rejects == 0:
		return nil, nil
	case p.Whole():
		left = [][2]int{{0, x.Rejects}}
	default:
		rows, err := x.Rows()
		if err != nil {
			return nil, err
		}
		if left, err = hour.Lines(rows, p.Take, true); err != nil {
			return nil, err
		}
	}
	return hour.Without(left, repaired), nil
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

// Missing names an index, a repair or an object of the published seal that is no longer in the archive, or "".
func Missing(published *hour.Seal, have Archived) string {
	if published == nil {
		return ""
	}
	etags := map[string][2]string{} // of object and rejects, by key of the index or repair
	for _, b := range have.Batches {
		etags[b.Ref.Key] = [2]string{b.ObjectETag, b.RejectsETag}
	}
	for _, r := range have.Repairs {
		etags[r.Ref.Key] = [2]string{r.ObjectETag}
	}
	for _, p := range published.Pieces {
		stand, ok := etags[p.Index.Key]
		switch {
		case !ok:
			return p.Index.Key
		case p.Object != nil && stand[0] == "":
			return p.Object.Key
		case p.RejectsFile != nil && stand[1] == "":
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
