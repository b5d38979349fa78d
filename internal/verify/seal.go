package verify

import (
	"context"
	"slices"

	"penstock/internal/hour"
)

// checkSeals holds each seal against the archive as it was read.
func (c *check) checkSeals(ctx context.Context) error {
	expired := len(c.archive) == 0 && c.published != nil && c.Now().After(c.hour.End().Add(c.ArchiveKeep))
	for _, rev := range sorted(c.seals) {
		s := c.seals[rev]
		key := c.Keys.SealKey(c.hour, rev)
		if why := sums(s); why != "" {
			c.find(Hours, key, MendRestore, "%s", why)
		}
		if rev == c.revision {
			c.remarks(key, s)
		}
		if expired {
			continue
		}
		for i := range s.Pieces {
			if err := c.checkPiece(ctx, key, &s.Pieces[i]); err != nil {
				return err
			}
		}
		for _, d := range s.Duplicates {
			if _, there := c.archive[d]; !there && c.sound(Archive, d) {
				c.find(Archive, d, MendNone, "gone: the seal of revision %s names it, as something that adds nothing: no event is lost", rev)
			}
		}
		c.checkExact(key, s)
		c.checkRepairedOnce(key, s)
	}
	if expired && len(c.seals) > 0 {
		c.note(Archive, c.Keys.HourPrefix(c.hour), MendNone, "the hour's archive is past its keep time and gone: parts are held against the ledger only")
	}
	return nil
}

// remarks are about what is published.
func (c *check) remarks(key string, s *hour.Seal) {
	for _, l := range s.Lost {
		c.note(Hours, key, MendNone, "lost: records %s to %s of %s are not archived, only %s in the failure destination has them", l.First, l.Last, l.Shard, l.Key)
	}
	if s.Proof == hour.ProofNone {
		c.note(Hours, key, MendNone, "nothing proved the hour complete when it was sealed")
	}
	named := map[string]bool{}
	for i := range s.Pieces {
		named[s.Pieces[i].Index.Key] = true
	}
	for _, d := range s.Duplicates {
		named[d] = true
	}
	for _, x := range sorted(c.indexes) {
		if !named[x] {
			c.note(Archive, x, MendNone, "it was archived after the hour was sealed: the next run looks at it")
		}
	}
	for _, r := range sorted(c.repairs) {
		if !named[r] {
			c.note(Archive, r, MendNone, "it was written after the hour was sealed: the next run looks at it")
		}
	}
	p := c.published
	if p.Events != s.Events || p.RejectN != s.Rejects || p.Duplicates != len(s.Duplicates) {
		c.find(Hours, key, MendRestore, "its counts are not those that are published")
	}
}

// sums says what of a seal does not add up in itself, or "".
func sums(s *hour.Seal) string {
	var events, rejects, part int
	var bytes int64
	for i := range s.Pieces {
		p := &s.Pieces[i]
		events, rejects, bytes = events+p.Events, rejects+p.Rejects, bytes+p.Bytes
	}
	if events != s.Events || rejects != s.Rejects || bytes != s.Bytes {
		return "its pieces do not add up to its counts"
	}
	for _, p := range s.Parts {
		if p.From != part || p.To <= p.From || p.To > len(s.Pieces) {
			return "its parts are not its pieces in their order"
		}
		n := 0
		for i := p.From; i < p.To; i++ {
			n += s.Pieces[i].Events
		}
		if n != p.Events {
			return "a part does not have the events of its pieces"
		}
		part = p.To
	}
	if part != len(s.Pieces) && s.Events+s.Rejects > 0 {
		return "its parts leave pieces out"
	}
	return ""
}

func (c *check) checkPiece(ctx context.Context, seal string, p *hour.Piece) error {
	if p.Kind == hour.PieceRepair {
		return c.checkRepairPiece(ctx, seal, p)
	}
	x := c.indexes[p.Index.Key]
	if x == nil {
		if _, there := c.archive[p.Index.Key]; !there && c.sound(Archive, p.Index.Key) {
			m := c.goneBy()
			if m == MendRestore {
				m = MendRebuild
			}
			c.find(Archive, p.Index.Key, m, "gone: a seal names it")
		}
		for _, f := range []*hour.File{p.Object, p.RejectsFile} { // which nothing has looked at
			if f == nil || !c.sound(Archive, f.Key) {
				continue
			}
			if _, there, err := c.look(ctx, Archive, f.Key); err != nil {
				return err
			} else if !there {
				c.find(Archive, f.Key, c.goneBy(), "gone: a seal names it")
			}
		}
		return nil
	}
	sel := c.selected[p]
	i := x.x
	switch {
	case !p.Means(i, x.sha):
		c.find(Archive, p.Index.Key, MendRebuild, "it is not the index that was sealed")
	case p.Span(c.hour) != i.Span() || p.RecordsHash != i.RecordsHash || p.Bytes != i.Bytes || !same(p.Object, i.Object) || !same(p.RejectsFile, i.RejectsFile):
		c.find(Hours, seal, MendRestore, "a piece is not what %s says", p.Index.Key)
	case !sel.known || sel.n != [2]int{p.Events, p.Rejects}:
		c.find(Hours, seal, MendRestore, "a piece takes other records than %s has", p.Index.Key)
	}
	for _, f := range []*hour.File{p.Object, p.RejectsFile} {
		if f == nil || !c.sound(Archive, f.Key) {
			continue
		}
		if o, there, err := c.look(ctx, Archive, f.Key); err != nil {
			return err
		} else if there && o.ETag != f.ETag {
			c.note(Archive, f.Key, MendNone, "its ETag is not the sealed one, its bytes are: somebody brought it back")
		}
	}
	return nil
}

// goneBy is how it is mended that the archive lacks an object: past its keep time, cleaning was interrupted.
func (c *check) goneBy() Mend {
	if c.published != nil && c.Now().After(c.hour.End().Add(c.ArchiveKeep)) {
		return MendClean
	}
	return MendRestore
}

func same(a, b *hour.File) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Key == b.Key && a.Size == b.Size && a.SHA256 == b.SHA256
}

// checkExact checks that a seal takes no record twice, and that its duplicates really add nothing.
func (c *check) checkExact(seal string, s *hour.Seal) {
	runs, ranges := map[string][][2]hour.Sequence{}, map[string][][2]hour.Sequence{}
	for i := range s.Pieces {
		p := &s.Pieces[i]
		if sel := c.selected[p]; sel != nil && p.Kind == hour.PieceRange {
			runs[p.Shard] = append(runs[p.Shard], sel.runs...)
			ranges[p.Shard] = append(ranges[p.Shard], [2]hour.Sequence{p.First, p.Last})
		}
	}
	for _, shard := range sorted(runs) {
		r := runs[shard]
		slices.SortFunc(r, func(a, b [2]hour.Sequence) int { return a[0].Compare(b[0]) })
		for i := 1; i < len(r); i++ {
			if r[i-1][1].Compare(r[i][0]) >= 0 {
				c.find(Hours, seal, MendRestore, "record %s of %s is taken twice", r[i][0], shard)
				break
			}
		}
	}
	for _, d := range s.Duplicates {
		x := c.indexes[d]
		if x == nil {
			continue
		}
		for _, end := range []hour.Sequence{x.x.First, x.x.Last} {
			if !slices.ContainsFunc(ranges[x.x.Shard], func(r [2]hour.Sequence) bool { return r[0].Compare(end) <= 0 && end.Compare(r[1]) <= 0 }) {
				c.find(Hours, seal, MendRestore, "it takes %s for a duplicate, but none of its pieces has record %s", d, end)
				break
			}
		}
	}
}
