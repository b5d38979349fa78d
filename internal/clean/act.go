package clean

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/internal/fault"
	"penstock/internal/ledger"
)

// Done says what was deleted.
type Done struct {
	Objects int
	Bytes   int64
	Kept    []Kept // hours whose ledger has changed since the plan was made: they keep the rest
}

// recheck is after how long an hour's ledger is read again while its objects are deleted.
const recheck = time.Minute

// Act deletes what the plan says, hour by hour. To repeat it is right. After an error, Done says what was done so far.
func (c *Cleaner) Act(ctx context.Context, p *Plan) (done Done, err error) {
	for from := 0; from < len(p.Items); {
		to := from + 1
		for to < len(p.Items) && *p.Items[to].Hour == *p.Items[from].Hour {
			to++
		}
		if err := c.hour(ctx, p, p.Items[from:to], &done); err != nil {
			return done, fmt.Errorf("clean hour %s: %w", p.Items[from].Hour, err)
		}
		from = to
	}
	return done, nil
}

// hour deletes the items of one hour.
func (c *Cleaner) hour(ctx context.Context, p *Plan, items []Item, done *Done) error {
	h := *items[0].Hour
	same := func() (bool, error) {
		s, err := c.Ledger.Read(ctx, h)
		if err != nil {
			var kept string
			if kept, err = ofTheHour("its ledger cannot be read", err); kept != "" {
				done.Kept = append(done.Kept, Kept{h, kept})
			}
			return false, err
		}
		if s.Last != p.last[h] {
			done.Kept = append(done.Kept, Kept{h, "somebody began to work on it meanwhile"})
			if names(s, items) {
				return false, &fault.Conflict{Key: c.Keys.ManifestKey(h),
					Detail: "a run published what was being deleted: run the hour again by force"}
			}
			return false, nil
		}
		return true, nil
	}
	// Of the archive the indexes go first, all of them, before the first object.
	split := slices.IndexFunc(items, func(i Item) bool { return i.Bucket == Archive && !c.commits(i.Key) })
	if split < 0 {
		split = len(items)
	}
	for _, group := range [][]Item{items[:split], items[split:]} {
		for len(group) > 0 {
			if ok, err := same(); err != nil || !ok {
				return err
			}
			n, err := c.delete(ctx, group, map[Bucket]Store{Archive: c.Archive, Hours: c.Hours}, done)
			if err != nil {
				return err
			}
			group = group[n:]
		}
	}
	_, err := same()
	return err
}

// commits says whether a key of the archive is one that commits others.
func (c *Cleaner) commits(key string) bool {
	_, isIndex := c.Keys.ParseIndexKey(key)
	_, isRepair := c.Keys.ParseRepairKey(key)
	return isIndex || isRepair
}

// names says whether the hour's publication names one of the items.
func names(s *ledger.State, items []Item) bool {
	m := ledger.Project(s)
	if m == nil {
		return false
	}
	named := map[string]bool{m.Seal.Key: true}
	for _, part := range m.Parts {
		named[part.Key] = true
	}
	if m.Rejects != nil {
		named[m.Rejects.Key] = true
	}
	return slices.ContainsFunc(items, func(i Item) bool {
		return i.Bucket == Hours && (named[i.Key] || m.Result != "" && strings.HasPrefix(i.Key, m.Result))
	})
}

// delete deletes items from the first on, until all are gone or it is time to look at the ledger again, and says how many.
func (c *Cleaner) delete(ctx context.Context, items []Item, buckets map[Bucket]Store, done *Done) (n int, err error) {
	limited, cancel := context.WithTimeout(ctx, recheck)
	defer cancel()
	var mu sync.Mutex
	begun := c.Now()
	for n < len(items) && (n == 0 || c.Now().Sub(begun) < recheck/2) {
		batch := items[n:min(len(items), n+max(1, c.Procs))]
		err := c.each(limited, len(batch), func(ctx context.Context, i int) error {
			if err := buckets[batch[i].Bucket].Delete(ctx, batch[i].Key); err != nil {
				return fmt.Errorf("delete %s: %w", batch[i].Key, err)
			}
			mu.Lock()
			done.Objects, done.Bytes = done.Objects+1, done.Bytes+batch[i].Size
			mu.Unlock()
			if c.Progress != nil {
				c.Progress()
			}
			return nil
		})
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			err = &fault.Unavailable{Service: "store", Action: "delete " + batch[0].Key, Err: err}
		}
		if err != nil {
			return n, err
		}
		n += len(batch)
	}
	return n, nil
}
