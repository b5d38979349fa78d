package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"penstock/internal/hour"
	"penstock/internal/jsonwalk"
)

// repaired is what is kept of a repair that is sound.
type repaired struct {
	sha string // of the document
	r   *hour.Repair
}

// checkRepairs checks every repair, and with it its object. It comes after the indexes, which it holds them against.
func (c *check) checkRepairs(ctx context.Context) error {
	wanted := map[string]*selected{}
	for _, rev := range sorted(c.seals) {
		s := c.seals[rev]
		for i := range s.Pieces {
			p := &s.Pieces[i]
			if p.Kind != hour.PieceRepair {
				continue
			}
			if wanted[p.Index.Key] == nil {
				wanted[p.Index.Key] = &selected{}
			}
			c.selected[p] = wanted[p.Index.Key]
		}
	}
	var keys []string
	for _, key := range sorted(c.archive) {
		if _, ok := c.Keys.ParseRepairKey(key); ok {
			keys = append(keys, key)
		}
	}
	return c.each(ctx, len(keys), func(ctx context.Context, i int) error {
		defer c.done()
		return c.checkRepair(ctx, keys[i], wanted[keys[i]])
	})
}

func (c *check) checkRepair(ctx context.Context, key string, sel *selected) error {
	b, err := c.get(ctx, Archive, key, hour.MaxDocument, MendRestore)
	if err != nil || !c.sound(Archive, key) {
		return err
	}
	r, err := c.Keys.DecodeRepair(key, b)
	if err != nil {
		return c.damage(Archive, key, MendRestore, err)
	}
	c.mu.Lock()
	of := c.indexes[r.Index.Key]
	c.named[r.Object.Key] = true
	c.mu.Unlock()
	switch {
	case !fits(r.Object, r.Events, r.Span(), c.Keys.ObjectKey):
		c.find(Archive, key, MendRestore, "it does not name the object of its %d events", r.Events)
	case r.Format != "json" && r.Format != "text":
		c.find(Archive, key, MendRestore, "its format is unknown")
	case of == nil && c.sound(Archive, r.Index.Key):
		c.find(Archive, r.Index.Key, MendRestore, "gone: %s repairs rejects of its batch", key)
	case of != nil && r.Repairs[len(r.Repairs)-1][1] > of.x.Rejects:
		c.find(Archive, key, MendRestore, "it repairs more rejects than the %d of %s", of.x.Rejects, r.Index.Key)
	}
	if !c.sound(Archive, key) {
		return nil
	}
	c.mu.Lock()
	c.repairs[key] = &repaired{hour.SHA256(b), r}
	c.mu.Unlock()
	if sel == nil {
		sel = &selected{}
	}
	sel.known, sel.n = true, [2]int{r.Events, 0}
	sel.pickers = [2]*picker{{ranges: [][2]int{{0, r.Events}}, hash: sha256.New()}, {hash: sha256.New()}}
	all := hour.RepairHasher(r.Index, r.Repairs, r.Bytes)
	n := 0
	err = c.archived(ctx, r.Object, events, r.Events, r.Bytes, []*selected{sel}, func(line []byte) string {
		all.Write(line)
		sel.pickers[events].line(n, line)
		n++
		if r.Format == "json" && jsonwalk.Valid(line[:len(line)-1]) != nil {
			return "is no JSON document"
		}
		return ""
	})
	if err == nil && c.sound(Archive, r.Object.Key) && hex.EncodeToString(all.Sum(nil)) != r.RecordsHash {
		c.find(Archive, key, MendRestore, "its hash is not that of what it repairs")
	}
	return err
}

// checkRepairPiece holds a piece against its repair.
func (c *check) checkRepairPiece(ctx context.Context, seal string, p *hour.Piece) error {
	x := c.repairs[p.Index.Key]
	switch _, there := c.archive[p.Index.Key]; {
	case x == nil && !there && c.sound(Archive, p.Index.Key):
		c.find(Archive, p.Index.Key, MendRestore, "gone: a seal names it")
	case x == nil:
	case x.sha != p.Index.SHA256:
		c.find(Archive, p.Index.Key, MendRestore, "it is not the repair that was sealed")
	case p.Span(c.hour) != x.r.Span() || p.RecordsHash != x.r.RecordsHash || p.Bytes != x.r.Bytes || !same(p.Object, x.r.Object) ||
		p.RejectsFile != nil || !p.Whole() || p.Events != x.r.Events || p.Rejects != 0 || !slices.Equal(p.Repairs, x.r.Repairs):
		c.find(Hours, seal, MendRestore, "a piece is not what %s says", p.Index.Key)
	}
	if p.Object == nil || !c.sound(Archive, p.Object.Key) {
		return nil
	}
	o, there, err := c.look(ctx, Archive, p.Object.Key)
	switch {
	case err != nil:
		return err
	case !there:
		c.find(Archive, p.Object.Key, MendRestore, "gone: a seal names it")
	case o.ETag != p.Object.ETag:
		c.find(Archive, p.Object.Key, MendRestore, "its ETag is not the sealed one")
	}
	return nil
}

// checkRepairedOnce checks that no reject of a seal is repaired twice, nor one of a batch that the seal does not take.
func (c *check) checkRepairedOnce(seal string, s *hour.Seal) {
	batches := map[hour.Span][][2]int{}
	for i := range s.Pieces {
		if p := &s.Pieces[i]; p.Kind == hour.PieceRange {
			batches[p.Span(c.hour)] = [][2]int{}
		}
	}
	for i := range s.Pieces {
		p := &s.Pieces[i]
		if p.Kind != hour.PieceRepair {
			continue
		}
		before := batches[p.Span(c.hour)]
		switch {
		case before == nil:
			c.find(Hours, seal, MendRestore, "%s repairs rejects of a batch that no piece takes", p.Index.Key)
		case hour.Count(hour.Without(p.Repairs, before)) != hour.Count(p.Repairs):
			c.find(Hours, seal, MendRestore, "%s repairs rejects that another repair has made good", p.Index.Key)
		}
		batches[p.Span(c.hour)] = hour.Union(before, p.Repairs)
	}
}
