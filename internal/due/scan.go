package due

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/hour"
)

// sighting is what listings tell of an hour.
type sighting struct {
	batches  int  // indexes and repairs in the archive
	entries  int  // number of the last ledger entry
	manifest bool // there is one
}

// known says whether anything is known of the hour.
func (s sighting) known() bool { return s.batches > 0 || s.entries > 0 }

// scan lists both buckets day by day, from the first hour to the last.
func (h *Handler) scan(ctx context.Context, first, last hour.Hour) (map[hour.Hour]sighting, error) {
	seen := map[hour.Hour]sighting{}
	keys := h.Ledger.Keys
	for day := hour.Of(first.Start().Truncate(24 * time.Hour)); !last.Before(day); day = day.Add(24) {
		for o, err := range h.Archive.List(ctx, keys.DayPrefix(day)) {
			if err != nil {
				return nil, fmt.Errorf("list archive of %s: %w", day, err)
			}
			if of, ok := commits(keys, o.Key); ok {
				s := seen[of]
				s.batches++
				seen[of] = s
			}
		}
		for o, err := range h.Hours.List(ctx, keys.DayPrefix(day)) {
			if err != nil {
				return nil, fmt.Errorf("list hours of %s: %w", day, err)
			}
			if of, n, ok := keys.ParseLedgerKey(o.Key); ok {
				s := seen[of]
				s.entries = max(s.entries, n)
				seen[of] = s
			} else if of, ok := keys.ParseManifestKey(o.Key); ok {
				s := seen[of]
				s.manifest = true
				seen[of] = s
			}
		}
	}
	return seen, nil
}

// commits returns the hour that a key commits something of: it is an index's or a repair's.
func commits(keys hour.Keys, key string) (hour.Hour, bool) {
	if s, ok := keys.ParseIndexKey(key); ok {
		return s.Hour, true
	}
	d, ok := keys.ParseRepairKey(key)
	return d.Hour, ok
}

// news returns the indexes and repairs of an hour that the published seal does not name, and when the newest of them was
// written.
func (h *Handler) news(ctx context.Context, of hour.Hour, seal *hour.Seal) ([]string, time.Time, error) {
	named := map[string]bool{}
	for i := range seal.Pieces {
		named[seal.Pieces[i].Index.Key] = true
	}
	for _, key := range seal.Duplicates {
		named[key] = true
	}
	var fresh []string
	var newest time.Time
	for o, err := range h.Archive.List(ctx, h.Ledger.Keys.HourPrefix(of)) {
		if err != nil {
			return nil, newest, fmt.Errorf("list archive of hour %s: %w", of, err)
		}
		if _, ok := commits(h.Ledger.Keys, o.Key); !ok || named[o.Key] {
			continue
		}
		fresh = append(fresh, o.Key)
		if o.Modified.After(newest) {
			newest = o.Modified
		}
	}
	return fresh, newest, nil
}
