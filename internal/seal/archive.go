package seal

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/stream"

	"golang.org/x/sync/errgroup"
)

// lateArchive is how long after its arrival a batch may be archived before the hour is read through: older records may
// have left the stream unseen.
const lateArchive = 5 * 24 * time.Hour

// committed lists what the archive has committed of an hour. Indexes and repairs that known holds are not read again:
// they are written once.
//
// Objects are listed after indexes because they are written before them: of a batch that is committed meanwhile both
// are seen, or neither. Of rejects, which lie among the indexes, one may be missed, and is then looked up.
func (h *Handler) committed(ctx context.Context, hr hour.Hour, known Archived) (have Archived, err error) {
	batches, repairs := map[string]Batch{}, map[string]Repair{}
	for _, b := range known.Batches {
		batches[b.Ref.Key] = b
	}
	for _, r := range known.Repairs {
		repairs[r.Ref.Key] = r
	}
	etags := map[string]string{}
	for _, prefix := range []string{h.Keys.HourPrefix(hr), h.Keys.DataPrefix(hr)} {
		for o, err := range h.Archive.List(ctx, prefix) {
			if err != nil {
				return Archived{}, err
			}
			if _, ok := h.Keys.ParseIndexKey(o.Key); ok {
				have.Batches = append(have.Batches, Batch{Ref: hour.Ref{Key: o.Key}, etag: o.ETag})
			} else if _, ok := h.Keys.ParseRepairKey(o.Key); ok {
				have.Repairs = append(have.Repairs, Repair{Ref: hour.Ref{Key: o.Key}, etag: o.ETag})
			} else {
				etags[o.Key] = o.ETag
			}
		}
	}
	err = h.each(ctx, len(have.Batches), func(ctx context.Context, i int) (err error) {
		b := &have.Batches[i]
		if before, ok := batches[b.Ref.Key]; ok && before.etag == b.etag {
			*b = before
			return nil
		}
		b.Index, b.Ref, err = h.index(ctx, b.Ref.Key)
		return err
	})
	if err != nil {
		return Archived{}, err
	}
	err = h.each(ctx, len(have.Repairs), func(ctx context.Context, i int) (err error) {
		r := &have.Repairs[i]
		if before, ok := repairs[r.Ref.Key]; ok && before.etag == r.etag {
			*r = before
			return nil
		}
		r.Doc, r.Ref, err = h.readRepair(ctx, r.Ref.Key)
		return err
	})
	if err != nil {
		return Archived{}, err
	}
	for i := range have.Batches {
		b := &have.Batches[i]
		if x := b.Index; x.Object != nil {
			b.ObjectETag = etags[x.Object.Key]
		}
		if x := b.Index; x.RejectsFile != nil {
			if b.RejectsETag, err = h.etag(ctx, etags, x.RejectsFile.Key); err != nil {
				return Archived{}, err
			}
		}
	}
	for i := range have.Repairs {
		have.Repairs[i].ObjectETag = etags[have.Repairs[i].Doc.Object.Key]
	}
	return have, nil
}

// etag returns the version of an object that was listed, or is now; "" if there is none.
func (h *Handler) etag(ctx context.Context, listed map[string]string, key string) (string, error) {
	if etag, ok := listed[key]; ok {
		return etag, nil
	}
	for o, err := range h.Archive.List(ctx, key) {
		if err != nil || o.Key == key {
			return o.ETag, err
		}
		break
	}
	return "", nil
}

// each runs fn for 0 to n-1, as many at a time as the handler reads.
func (h *Handler) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	if h.Fetch <= 1 { // in the caller's goroutine and in order
		for i := range n {
			if err := fn(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(h.Fetch)
	for i := range n {
		g.Go(func() error { return fn(ctx, i) })
	}
	return g.Wait()
}

func (h *Handler) index(ctx context.Context, key string) (*hour.Index, hour.Ref, error) {
	data, _, err := h.Archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return nil, hour.Ref{}, err
	}
	x, err := h.Keys.DecodeIndex(key, data)
	return x, hour.Ref{Key: key, SHA256: hour.SHA256(data)}, err
}

func (h *Handler) readRepair(ctx context.Context, key string) (*hour.Repair, hour.Ref, error) {
	data, _, err := h.Archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return nil, hour.Ref{}, err
	}
	r, err := h.Keys.DecodeRepair(key, data)
	return r, hour.Ref{Key: key, SHA256: hour.SHA256(data)}, err
}

func coverageOf(batches []Batch) map[string]coverage {
	covered := map[string]coverage{}
	for _, b := range batches {
		x := b.Index
		covered[x.Shard] = covered[x.Shard].add(span{x.First, x.Last})
	}
	return covered
}

func archivedLate(batches []Batch) bool {
	return slices.ContainsFunc(batches, func(b Batch) bool {
		return b.Index.ArchivedAt.Sub(b.Index.FirstArrival.Time) > lateArchive
	})
}

// archivedShards tells, per shard, what the archive proves: the mapping's last index of the hour, and one index of the
// next hour whose last record arrived after the margin. Batches are archived one at a time and a batch's hours in
// order, so that such an index stands behind all of this hour's.
func (h *Handler) archivedShards(ctx context.Context, hr hour.Hour, batches []Batch) (map[string]*archived, error) {
	shards := map[string]*archived{}
	at := func(id string) *archived {
		if shards[id] == nil {
			shards[id] = &archived{}
		}
		return shards[id]
	}
	for id, c := range coverageOf(batches) {
		at(id).covered = c
	}
	for _, b := range batches {
		a := at(b.Index.Shard)
		if b.Index.Writer == hour.WriterMapping && (a.last == nil || b.Index.Last.Compare(a.last.Last) > 0) {
			a.last = b.Index
		}
	}
	end := hr.End().Add(h.Margin)
	last := map[string]string{} // shard -> key of its last index in the next hour
	for o, err := range h.Archive.List(ctx, h.Keys.HourPrefix(hr.Add(1))) {
		if err != nil {
			return nil, err
		}
		if s, ok := h.Keys.ParseIndexKey(o.Key); ok {
			last[s.Shard] = o.Key // in the order of first sequence numbers
		}
	}
	keys := slices.Sorted(maps.Values(last))
	next := make([]*hour.Index, len(keys))
	err := h.each(ctx, len(keys), func(ctx context.Context, i int) (err error) {
		next[i], _, err = h.index(ctx, keys[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, x := range next {
		if x.Writer == hour.WriterMapping && !x.LastArrival.Before(end) {
			at(x.Shard).after = x
		}
	}
	return shards, nil
}

// mappingLookBack is how many hours before the hour are searched for what the mapping was when the hour began.
const mappingLookBack = 24

// mapping reads the mapping's state and says whether it may have changed since the hour began: every earlier hour's
// seal back to one that was made before the hour has to show the same mapping. (The previous hour's own seal does not
// suffice: it is made within this hour, and a change before it may have skipped records of both.) Where there is no
// such seal, a mapping that began at the trim horizon skipped nothing.
func (h *Handler) mapping(ctx context.Context, hr hour.Hour) (*hour.Mapping, bool, error) {
	if h.Mapping == nil {
		return nil, false, nil
	}
	m, err := h.Mapping.Mapping(ctx)
	if err != nil {
		return nil, false, err
	}
	if m.Factor > 1 || m.Filtered {
		return &m, true, nil
	}
	for back := 1; back <= mappingLookBack; back++ {
		st, err := h.Ledger.Read(ctx, hr.Add(-back))
		if err != nil {
			return nil, false, err
		}
		earliest := time.Time{}
		for _, run := range st.Runs {
			if run.Seal == nil {
				continue
			}
			s, err := h.Ledger.ReadSeal(ctx, *run.Seal)
			var gone *fault.NotFound
			if errors.As(err, &gone) { // cleaned, long after its day: nobody knows what it showed
				return &m, true, nil
			}
			if err != nil {
				return nil, false, err
			}
			if s.Mapping == nil {
				continue
			}
			if *s.Mapping != m {
				return &m, true, nil
			}
			if earliest.IsZero() || s.SealedAt.Before(earliest) {
				earliest = s.SealedAt.Time
			}
		}
		if !earliest.IsZero() && !earliest.After(hr.Start()) {
			return &m, false, nil
		}
	}
	return &m, m.Start != stream.TrimHorizon, nil
}

// Adds says whether batches and repairs that came after a published seal add anything to it, given by the keys of their
// indexes and of the repairs. The due stage asks it before it starts a run for late data.
func (h *Handler) Adds(ctx context.Context, hr hour.Hour, published *hour.Seal, newKeys []string) (bool, error) {
	var have Archived
	for _, key := range newKeys {
		if d, ok := h.Keys.ParseRepairKey(key); ok && d.Hour == hr { // what it is worth depends on the batches
			all, err := h.committed(ctx, hr, Archived{})
			if err != nil {
				return false, err
			}
			return addsTo(published, all)
		}
		if s, ok := h.Keys.ParseIndexKey(key); !ok || s.Hour != hr {
			return false, &fault.BadInput{Detail: "not an index or a repair of the hour: " + key}
		}
		x, ref, err := h.index(ctx, key)
		if err != nil {
			return false, err
		}
		have.Batches = append(have.Batches, Batch{Index: x, Ref: ref})
	}
	return addsTo(published, have)
}

func addsTo(published *hour.Seal, have Archived) (bool, error) {
	sel, err := Select(published, have)
	if err != nil {
		return false, err
	}
	return len(sel.Pieces) > len(published.Pieces), nil
}

// Sighting is what a seal that was made now would say of an hour, without proof.
type Sighting struct {
	State  *ledger.State
	Latest *hour.Seal // the published one or, while none is, the one that was made last; nil for none
	Archived
	*Selection
}

// News says whether the selection is another one than was sealed.
func (s *Sighting) News() bool {
	return s.Latest == nil || hour.RevisionOf(s.Latest.Layout, s.Selection.Pieces) != s.Latest.Revision
}

// Look finds out what a seal that was made now would select. It needs Archive, Ledger and Keys only.
func (h *Handler) Look(ctx context.Context, hr hour.Hour) (*Sighting, error) {
	state, err := h.Ledger.Read(ctx, hr)
	if err != nil {
		return nil, err
	}
	published, err := h.published(ctx, state)
	if err != nil {
		return nil, err
	}
	s := &Sighting{State: state, Latest: published}
	for _, run := range slices.Backward(state.Runs) {
		if s.Latest == nil && run.Seal != nil {
			if s.Latest, err = h.Ledger.ReadSeal(ctx, *run.Seal); err != nil {
				return nil, err
			}
		}
	}
	if s.Archived, err = h.committed(ctx, hr, Archived{}); err != nil {
		return nil, err
	}
	s.Selection, err = Select(published, s.Archived)
	return s, err
}

var _ Archive = store.Store(nil)
