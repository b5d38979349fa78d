package clean

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// Reader is what looking for archived failures needs of a bucket.
type Reader interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
}

// Failures looks at what the failure destination holds. What goes are batches that the mapping gave up and whose every
// record is in the archive by now, by an index that is sound and lists it, unless a seal still names the object as the only
// place of a record. kept says of the others why they stay. archive is the archive bucket; nothing is changed.
func (c *Cleaner) Failures(ctx context.Context, failed, archive Reader) (items, kept []Item, err error) {
	for o, err := range failed.List(ctx, hour.FailurePrefix) {
		if err != nil {
			return nil, nil, fmt.Errorf("list failures: %w", err)
		}
		item := Item{Bucket: Failed, Key: o.Key, Size: o.Size, At: hour.At(o.Modified.Add(c.Rules.Grace)), Why: "every record of it is archived"}
		why, err := c.failure(ctx, failed, archive, o)
		if err != nil {
			return nil, nil, fmt.Errorf("look at failure %s: %w", o.Key, err)
		}
		switch {
		case why != "":
			item.Why = why
			kept = append(kept, item)
		case item.At.After(c.Now()):
			item.Why = "it was written lately"
			kept = append(kept, item)
		default:
			items = append(items, item)
		}
	}
	return items, kept, nil
}

// failure says why a failure object stays, or "".
func (c *Cleaner) failure(ctx context.Context, failed, archive Reader, o store.Object) (string, error) {
	data, _, err := failed.Get(ctx, o.Key, hour.MaxFailure)
	var corrupt *fault.Corrupt
	if errors.As(err, &corrupt) {
		return "it cannot be read", nil
	}
	if err != nil {
		return "", err
	}
	f, err := hour.ParseFailure(o.Key, data)
	if err != nil || len(f.Records) == 0 {
		return "it holds no payload that can be read", nil
	}
	records := f.Records
	slices.SortFunc(records, func(a, b hour.FailedRecord) int {
		if n := hour.Of(a.Arrival).Sub(hour.Of(b.Arrival)); n != 0 {
			return n
		}
		if n := strings.Compare(a.Shard, b.Shard); n != 0 {
			return n
		}
		return a.Sequence.Compare(b.Sequence)
	})
	for len(records) > 0 {
		n := slices.IndexFunc(records, func(r hour.FailedRecord) bool {
			return hour.Of(r.Arrival) != hour.Of(records[0].Arrival) || r.Shard != records[0].Shard
		})
		if n < 0 {
			n = len(records)
		}
		if why, err := c.lacks(ctx, archive, o.Key, records[:n]); err != nil || why != "" {
			return why, err
		}
		records = records[n:]
	}
	return "", nil
}

// lacks says which of a shard's records of an hour, in order, the archive does not have, or that a seal still names the
// object; "" if all is well.
func (c *Cleaner) lacks(ctx context.Context, archive Reader, key string, records []hour.FailedRecord) (string, error) {
	h, shard := hour.Of(records[0].Arrival), records[0].Shard
	m, _, err := c.Ledger.ReadManifest(ctx, h)
	if err != nil {
		return ofTheHour(fmt.Sprintf("the manifest of hour %s cannot be read", h), err)
	}
	if m != nil {
		seal, err := c.Ledger.ReadSeal(ctx, m.Seal)
		if err != nil {
			return ofTheHour(fmt.Sprintf("the seal of hour %s cannot be read", h), err)
		}
		if slices.ContainsFunc(seal.Lost, func(l hour.Lost) bool { return l.Key == key }) {
			return fmt.Sprintf("hour %s is published without its records", h), nil
		}
	}
	archived := map[hour.Sequence]bool{}
	for o, err := range archive.List(ctx, c.Keys.HourPrefix(h)) {
		if err != nil {
			return "", err
		}
		s, ok := c.Keys.ParseIndexKey(o.Key)
		if !ok || s.Shard != shard || s.Last.Compare(records[0].Sequence) < 0 || s.First.Compare(records[len(records)-1].Sequence) > 0 {
			continue
		}
		rows, err := c.rows(ctx, archive, o.Key)
		if err != nil {
			return ofTheHour("an index of its records cannot be read", err)
		}
		for _, r := range rows {
			archived[r.Sequence] = true
		}
	}
	for _, r := range records {
		if !archived[r.Sequence] {
			return fmt.Sprintf("record %s of %s is not in the archive of hour %s", r.Sequence, shard, h), nil
		}
	}
	return "", nil
}

func (c *Cleaner) rows(ctx context.Context, archive Reader, key string) ([]hour.Row, error) {
	data, _, err := archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return nil, err
	}
	x, err := c.Keys.DecodeIndex(key, data)
	if err != nil {
		return nil, err
	}
	return x.Rows()
}

// Logs finds the logs of clusters that were written longer ago than keep.
func (c *Cleaner) Logs(ctx context.Context, keep time.Duration) (items []Item, err error) {
	now := c.Now()
	err = c.under(ctx, c.Hours, logsPrefix, func(o store.Object) {
		if at := o.Modified.Add(keep); !at.After(now) {
			items = append(items, Item{Bucket: Hours, Key: o.Key, Size: o.Size, Why: "logs of a cluster past their keep time", At: hour.At(at)})
		}
	})
	return items, err
}

// logsPrefix is where clusters write their logs, in the bucket of the hours.
const logsPrefix = "logs/"

// Loose deletes items that are of no hour, from the buckets that are given. To repeat it is right.
func (c *Cleaner) Loose(ctx context.Context, items []Item, buckets map[Bucket]Store) (done Done, err error) {
	for from := 0; from < len(items); {
		n, err := c.delete(ctx, items[from:], buckets, &done)
		if err != nil {
			return done, err
		}
		from += n
	}
	return done, nil
}
