package seal

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

// lateArchive is how long after its arrival a batch may be archived before the hour is read through: older records may
// have left the stream unseen.
const lateArchive = 5 * 24 * time.Hour

// committed lists what the archive has committed of an hour. A batch whose index stands but whose object does not is
// an error: nothing of it may be lost silently.
func (h *Handler) committed(ctx context.Context, hr hour.Hour) ([]Batch, error) {
	etags := map[string]string{}
	var indexes []string
	for _, prefix := range []string{h.Keys.DataPrefix(hr), h.Keys.HourPrefix(hr)} {
		for o, err := range h.Archive.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			if _, ok := h.Keys.ParseIndexKey(o.Key); ok {
				indexes = append(indexes, o.Key)
			} else {
				etags[o.Key] = o.ETag
			}
		}
	}
	batches := make([]Batch, 0, len(indexes))
	for _, key := range indexes {
		x, ref, err := h.index(ctx, key)
		if err != nil {
			return nil, err
		}
		b := Batch{Index: x, Ref: ref}
		if x.Object != nil {
			b.ObjectETag = etags[x.Object.Key]
		}
		if x.RejectsFile != nil {
			b.RejectsETag = etags[x.RejectsFile.Key]
		}
		batches = append(batches, b)
	}
	return batches, nil
}

func (h *Handler) index(ctx context.Context, key string) (*hour.Index, hour.Ref, error) {
	data, _, err := h.Archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return nil, hour.Ref{}, err
	}
	x, err := h.Keys.DecodeIndex(key, data)
	return x, hour.Ref{Key: key, SHA256: hour.SHA256(data)}, err
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
	for _, key := range slices.Sorted(maps.Values(last)) {
		x, _, err := h.index(ctx, key)
		if err != nil {
			return nil, err
		}
		if x.Writer == hour.WriterMapping && !x.LastArrival.Before(end) {
			at(x.Shard).after = x
		}
	}
	return shards, nil
}

// mapping reads the mapping's state and says whether it changed since the previous hour was sealed.
func (h *Handler) mapping(ctx context.Context, hr hour.Hour) (*hour.Mapping, bool, error) {
	if h.Mapping == nil {
		return nil, false, nil
	}
	m, err := h.Mapping.Mapping(ctx)
	if err != nil {
		return nil, false, err
	}
	changed := m.Factor > 1 || m.Filtered
	st, err := h.Ledger.Read(ctx, hr.Add(-1))
	if err != nil {
		return nil, false, err
	}
	if p := st.Published(); p != nil {
		before, err := ledger.ReadSeal(ctx, h.Hours, h.Keys, p.Publish.Seal)
		if err != nil {
			return nil, false, err
		}
		if before.Mapping != nil && *before.Mapping != m {
			changed = true
		}
	}
	return &m, changed, nil
}

// Adds says whether batches that came after a published seal add anything to it. The due stage asks it before it
// starts a run for late data.
func (h *Handler) Adds(ctx context.Context, hr hour.Hour, published *hour.Seal, newIndexKeys []string) (bool, error) {
	var batches []Batch
	for _, key := range newIndexKeys {
		if s, ok := h.Keys.ParseIndexKey(key); !ok || s.Hour != hr {
			return false, &fault.BadInput{Detail: "not an index of the hour: " + key}
		}
		x, ref, err := h.index(ctx, key)
		if err != nil {
			return false, err
		}
		batches = append(batches, Batch{Index: x, Ref: ref})
	}
	sel, err := Select(published, batches)
	if err != nil {
		return false, err
	}
	return len(sel.Pieces) > len(published.Pieces), nil
}

var _ Archive = store.Store(nil)

// shardOf takes the shard id out of a Lambda event id, "shardId-000000000003:495903...".
func shardOf(eventID string) string {
	id, _, _ := strings.Cut(eventID, ":")
	return id
}
