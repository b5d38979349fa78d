package reread

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

// Limits of a batch that fills a hole: well below what Lambda hands to the archive at once.
const (
	holeBytes   = 4 << 20
	holeRecords = 5_000
)

// Fill archives records of a published hour that the stream has and no index covers, which must not be: a hole that nothing
// else would close. With write the batches are written, as a replay's, and the next run takes them in; without, the answer
// only says what would be. An hour that is not published has no holes: its records are on their way.
func (r *Reader) Fill(ctx context.Context, h hour.Hour, write bool) ([]Lost, error) {
	published, _, err := r.sealed(ctx, h)
	if err != nil || published == nil {
		return nil, err
	}
	spans, _, err := r.spans(ctx, h)
	if err != nil {
		return nil, err
	}
	missing, err := r.missing(ctx, h) // which Rebuild makes again, or says why not
	if err != nil {
		return nil, err
	}
	for i := range missing {
		s := missing[i].span
		spans[s.Shard] = append(spans[s.Shard], s)
	}
	list, err := r.Stream.Shards(ctx, h.Start().Add(-margin))
	if err != nil {
		return nil, err
	}
	shards := map[string]bool{}
	for _, s := range list {
		shards[s.ID] = true
	}
	var all []Lost
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		f := filling{Reader: r, hour: h, shard: shard, write: write}
		for x, err := range r.records(ctx, shard, h, atBegin(h)) {
			if err != nil {
				return all, err
			}
			covered := slices.ContainsFunc(spans[shard], func(s hour.Span) bool {
				return s.First.Compare(x.sequence) <= 0 && x.sequence.Compare(s.Last) <= 0
			})
			if covered || f.bytes+len(x.data) > holeBytes || len(f.records) >= holeRecords {
				if err := f.flush(ctx); err != nil {
					return all, err
				}
			}
			if !covered {
				f.records, f.bytes = append(f.records, x), f.bytes+len(x.data)
			}
		}
		if err := f.flush(ctx); err != nil {
			return all, err
		}
		all = append(all, f.done...)
	}
	return all, nil
}

// filling is the work on a shard's holes.
type filling struct {
	*Reader
	hour    hour.Hour
	shard   string
	write   bool
	records []record // of the present hole
	bytes   int
	done    []Lost
}

// flush archives the present hole.
func (f *filling) flush(ctx context.Context) error {
	if len(f.records) == 0 {
		return nil
	}
	m, err := f.remake(ctx, f.shard, f.records)
	if err != nil {
		return err
	}
	x := m.index
	x.Writer, x.ArchivedAt = hour.WriterReplay, hour.At(f.Now())
	l := lost{create: map[string][]byte{}, document: hour.Encode(x), report: Lost{Hour: f.hour, Key: f.Keys.IndexKey(x.Span()), Records: len(f.records), Hole: true, Rebuilt: true}}
	if x.Object != nil {
		l.create[x.Object.Key], l.report.Object = m.object, x.Object.Key
	}
	if x.RejectsFile != nil {
		l.create[x.RejectsFile.Key] = m.rejects
	}
	if f.write {
		err = f.Reader.write(ctx, &l)
	}
	var conflict *fault.Conflict
	if errors.As(err, &conflict) {
		l.report.Rebuilt, l.report.Why, err = false, conflict.Detail, nil
	}
	if err != nil {
		return fmt.Errorf("archive records %s to %s of %s: %w", x.First, x.Last, f.shard, err)
	}
	f.done, f.records, f.bytes = append(f.done, l.report), nil, 0
	return nil
}
