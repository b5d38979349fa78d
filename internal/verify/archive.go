package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"penstock/internal/hour"
	"penstock/internal/jsonwalk"
)

// maxRejects is how long one batch's rejects may be, decoded, in bytes; as the stages have it.
const maxRejects = 256 << 20

// indexed is what is kept of an index that is sound.
type indexed struct {
	sha string      // of the document
	x   *hour.Index // without its columns
}

// kinds of lines, and places in selected.text.
const (
	events = iota
	rejects
)

// selected is what a seal takes from a batch, or from a repair.
type selected struct {
	take    [][2]int
	mended  [][2]int // rejects of the batch that the seal's repairs make good
	known   bool     // the index is sound: counts and runs are filled in
	n       [2]int
	runs    [][2]hour.Sequence // first and last record of each run taken
	text    [2]string          // SHA-256 of the lines taken, "" while it is not known
	pickers [2]*picker
}

// checkArchive checks every index, and with it its object and its rejects. What the seals take is summed on the way, so
// that each object is read once.
func (c *check) checkArchive(ctx context.Context) error {
	wanted, alike := map[string][]*selected{}, map[string]*selected{}
	for _, rev := range sorted(c.seals) {
		s := c.seals[rev]
		repaired := hour.Repaired(s.Pieces)
		for i := range s.Pieces {
			p := &s.Pieces[i]
			if p.Kind != hour.PieceRange {
				continue
			}
			sel := &selected{take: p.Take, mended: repaired(p)}
			name := fmt.Sprint(p.Index.Key, sel.take, sel.mended)
			if alike[name] == nil {
				alike[name] = sel
				wanted[p.Index.Key] = append(wanted[p.Index.Key], sel)
			}
			c.selected[p] = alike[name]
		}
	}
	var keys []string
	for _, key := range sorted(c.archive) {
		if _, ok := c.Keys.ParseIndexKey(key); ok {
			keys = append(keys, key)
		}
	}
	return c.each(ctx, len(keys), func(ctx context.Context, i int) error {
		defer c.done()
		return c.checkIndex(ctx, keys[i], wanted[keys[i]])
	})
}

func (c *check) checkIndex(ctx context.Context, key string, sels []*selected) error {
	b, err := c.get(ctx, Archive, key, hour.MaxDocument, MendRebuild)
	if err != nil || !c.sound(Archive, key) {
		return err
	}
	x, err := c.Keys.DecodeIndex(key, b)
	if err != nil {
		return c.damage(Archive, key, MendRebuild, err)
	}
	rows, err := x.Rows()
	if err != nil {
		return c.damage(Archive, key, MendRebuild, err)
	}
	first, last := rows[0], rows[len(rows)-1]
	switch {
	case !first.Arrival.Equal(x.FirstArrival.Time) || !last.Arrival.Equal(x.LastArrival.Time):
		c.find(Archive, key, MendRebuild, "its arrivals are not those of its records")
	case !fits(x.Object, x.Events, x.Span(), c.Keys.ObjectKey):
		c.find(Archive, key, MendRebuild, "it does not name the object of its %d events", x.Events)
	case !fits(x.RejectsFile, x.Rejects, x.Span(), c.Keys.RejectsKey):
		c.find(Archive, key, MendRebuild, "it does not name the object of its %d rejects", x.Rejects)
	}
	if !c.sound(Archive, key) {
		return nil
	}
	for _, s := range sels {
		s.choose(rows)
	}
	if x.RebuiltAt != nil {
		c.note(Archive, key, MendNone, "it was lost, and made again at %s: when it was archived, and by which request, is not known", x.RebuiltAt.Format(time.RFC3339))
	}
	x.Columns = ""
	c.mu.Lock()
	c.indexes[key] = &indexed{hour.SHA256(b), x}
	for _, f := range []*hour.File{x.Object, x.RejectsFile} {
		if f != nil {
			c.named[f.Key] = true
		}
	}
	c.mu.Unlock()
	if err := c.checkObject(ctx, x, sels); err != nil {
		return err
	}
	return c.checkRejects(ctx, x, rows, sels)
}

// fits says whether an index names an object iff it needs one, by the key that the content has.
func fits(f *hour.File, n int, s hour.Span, key func(hour.DataKey) string) bool {
	if f == nil || n == 0 {
		return f == nil && n == 0
	}
	return len(f.SHA256) == sha256.Size*2 && f.Key == key(hour.DataKey{Span: s, Count: n, Hash: f.SHA256[:hour.RevisionDigits]})
}

// choose works out which lines of a batch's objects its rows mean.
func (s *selected) choose(rows []hour.Row) {
	take := s.take
	if take == nil {
		take = [][2]int{{0, len(rows)}}
	}
	s.known = true
	line := [2]int{}
	for k := range s.pickers {
		s.pickers[k] = &picker{hash: sha256.New()}
	}
	taken := 0
	for i, r := range rows {
		e, j, _ := r.Kind.Counts() // Rows has checked it
		for len(take) > 0 && i >= take[0][1] {
			take = take[1:]
		}
		if len(take) > 0 && i >= take[0][0] {
			taken++
			for k, n := range [2]int{e, j} {
				s.n[k] += n
				s.pickers[k].add(line[k], n)
			}
			if i == take[0][0] {
				s.runs = append(s.runs, [2]hour.Sequence{r.Sequence, r.Sequence})
			}
			s.runs[len(s.runs)-1][1] = r.Sequence
		}
		line[0], line[1] = line[0]+e, line[1]+j
	}
	want := 0
	for _, t := range s.take {
		want += t[1] - t[0]
	}
	s.known = s.take == nil || want == taken
	if all := s.pickers[rejects].ranges; s.mended != nil {
		s.pickers[rejects].ranges = hour.Without(all, s.mended)
		s.n[rejects] -= hour.Count(s.mended)
		s.known = s.known && len(hour.Without(s.mended, all)) == 0
	}
}

// picker sums some of an object's lines.
type picker struct {
	ranges [][2]int
	hash   hash.Hash
}

func (p *picker) add(from, n int) {
	if k := len(p.ranges) - 1; n > 0 && k >= 0 && p.ranges[k][1] == from {
		p.ranges[k][1] += n
	} else if n > 0 {
		p.ranges = append(p.ranges, [2]int{from, from + n})
	}
}

func (p *picker) line(i int, b []byte) {
	if len(p.ranges) > 0 && i >= p.ranges[0][1] {
		p.ranges = p.ranges[1:]
	}
	if len(p.ranges) > 0 && i >= p.ranges[0][0] {
		p.hash.Write(b)
	}
}

func (c *check) checkObject(ctx context.Context, x *hour.Index, sels []*selected) error {
	n := 0
	return c.archived(ctx, x.Object, events, x.Events, x.Bytes, sels, func(line []byte) string {
		for _, s := range sels {
			s.pickers[events].line(n, line)
		}
		n++
		if !c.Text && jsonwalk.Valid(line[:len(line)-1]) != nil {
			return "is no JSON document"
		}
		return ""
	})
}

func (c *check) checkRejects(ctx context.Context, x *hour.Index, rows []hour.Row, sels []*selected) error {
	n := 0
	places := rejectPlaces{rows: rows}
	return c.archived(ctx, x.RejectsFile, rejects, x.Rejects, maxRejects, sels, func(line []byte) string {
		for _, s := range sels {
			s.pickers[rejects].line(n, line)
		}
		n++
		var r hour.Reject
		if json.Unmarshal(line, &r) != nil || r.Version < 1 || r.Reason == "" {
			return "is no reject"
		}
		row, sub, ok := places.next()
		if !ok || r.Shard != x.Shard || r.Sequence != row.Sequence || r.Sub != sub || !r.Arrival.Equal(row.Arrival) {
			return "is not the reject that the index lists"
		}
		return ""
	})
}

// archived reads an archive object through and holds it against its index. bytes is its length, decoded; of rejects, the
// most it may be.
func (c *check) archived(ctx context.Context, f *hour.File, kind, n int, bytes int64, sels []*selected, line func([]byte) string) error {
	if f == nil {
		for _, s := range sels {
			s.sum(kind)
		}
		return nil
	}
	s, err := c.scan(ctx, Archive, f.Key, bytes, line)
	if err != nil {
		return err
	}
	switch {
	case s.gone:
		c.find(Archive, f.Key, c.goneBy(), "gone: an index names it")
	case s.size != f.Size:
		c.find(Archive, f.Key, MendRestore, "%d bytes, its index says %d", s.size, f.Size)
	case s.sha != f.SHA256:
		c.find(Archive, f.Key, MendRestore, "its SHA-256 is not the one that its index names")
	case s.bad != "":
		c.find(Archive, f.Key, MendRestore, "%s", s.bad)
	case s.n != n:
		c.find(Archive, f.Key, MendRestore, "%d lines, its index says %d", s.n, n)
	case kind == events && s.raw != bytes:
		c.find(Archive, f.Key, MendRestore, "%d bytes of events, its index says %d", s.raw, bytes)
	default:
		for _, s := range sels {
			s.sum(kind)
		}
	}
	return nil
}

func (s *selected) sum(kind int) {
	if s.known {
		s.text[kind] = hex.EncodeToString(s.pickers[kind].hash.Sum(nil))
	}
}

// rejectPlaces goes through the rejects that rows list, in their order.
type rejectPlaces struct {
	rows    []hour.Row
	kind    string // of rows[0], what is left of it
	begun   bool
	sub     int // of the next reject
	rejects int // left of the present run
}

func (p *rejectPlaces) next() (row *hour.Row, sub int, ok bool) {
	for len(p.rows) > 0 {
		if !p.begun {
			p.begun, p.kind, p.sub = true, string(p.rows[0].Kind), 0
		}
		if p.rejects > 0 {
			p.rejects--
			p.sub++
			return &p.rows[0], p.sub - 1, true
		}
		if p.kind == "" {
			p.rows, p.begun = p.rows[1:], false
			continue
		}
		n, i := 0, 0
		for ; i < len(p.kind)-1 && p.kind[i] >= '0' && p.kind[i] <= '9'; i++ {
			n = 10*n + int(p.kind[i]-'0')
		}
		switch p.kind[i] {
		case 'e':
			p.sub += max(n, 1)
		case 'r':
			p.rejects = max(n, 1)
		}
		p.kind = p.kind[i+1:]
	}
	return nil, 0, false
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
