// Package clean takes away what nobody gets any more: parts, rejects and seals of revisions that were superseded or never
// published, results of attempts that did not count, and, where it is asked to, archives past their keep time.
//
// What goes is decided by a pure plan over listings, manifests and ledgers. Nothing goes that a manifest names, or the
// newest seal, or a run that is not over; an hour whose ledger or manifest cannot be read keeps everything, and is said.
//
// # A run that begins meanwhile
//
// The plan holds while the hour's ledger stays as it is, and every run begins with an entry in it. The ledger is read
// again right before an hour's objects are deleted and after each minute of deleting. A run that begins in that minute, of
// the very revision whose parts go, finds them gone when it compacts, or before it appends its publication, and fails; it
// publishes nothing that is gone. The ledger is read once more at the end, and a publication in between is a
// *fault.Conflict that names the hour. Only hours that were quiet for the grace time are touched at all.
package clean

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

// Store is what cleaning needs of a bucket; store.Store states the contract of each method.
type Store interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Delete(ctx context.Context, key string) error
}

// Ledger is what cleaning needs of the hours' ledgers.
type Ledger interface {
	Read(ctx context.Context, h hour.Hour) (*ledger.State, error)
	ReadManifest(ctx context.Context, h hour.Hour) (*hour.Manifest, string, error)
	ReadSeal(ctx context.Context, ref hour.Ref) (*hour.Seal, error)
}

// Cleaner cleans. Its fields are set once.
type Cleaner struct {
	Archive Store // may be nil if the rules leave the archive alone
	Hours   Store
	Ledger  Ledger
	Keys    hour.Keys
	Jobs    []string // names of playbooks whose results are looked at, besides those that manifests and ledgers name
	Rules   Rules
	Now     func() time.Time
	// Procs is how many requests are made at the same time; 0 means 1.
	Procs int
	// Progress is told of each object that was deleted, by any goroutine; nil for nobody.
	Progress func()
}

// Kept is an hour that keeps everything, or its archive, although there is something to ask about.
type Kept struct {
	Hour hour.Hour `json:"hour"`
	Why  string    `json:"why"`
}

// Plan is what is to go.
type Plan struct {
	Items []Item // by hour; of an hour in the order in which they go
	Later []Item // not yet
	Kept  []Kept

	last map[hour.Hour]int // number of the last ledger entry that was seen
}

// Size sums the bytes of items.
func Size(items []Item) (n int64) {
	for _, i := range items {
		n += i.Size
	}
	return n
}

// Plan looks at the hours of some ranges, a day at a time: a few listings a day, a manifest an hour, and a ledger where
// something lies that the manifest does not name. It changes nothing.
func (c *Cleaner) Plan(ctx context.Context, ranges ...hour.Range) (*Plan, error) {
	p := &Plan{last: map[hour.Hour]int{}}
	for _, r := range ranges {
		for first := r.From; !r.To.Before(first); {
			last := first
			for !r.To.Before(last.Add(1)) && c.Keys.DayPrefix(last.Add(1)) == c.Keys.DayPrefix(first) {
				last = last.Add(1)
			}
			if err := c.day(ctx, p, hour.Range{From: first, To: last}); err != nil {
				return nil, err
			}
			first = last.Add(1)
		}
	}
	return p, nil
}

// day adds the hours of a day.
func (c *Cleaner) day(ctx context.Context, p *Plan, r hour.Range) error {
	all, err := c.list(ctx, r)
	if err != nil {
		return err
	}
	now := c.Now()
	hours := slices.SortedFunc(maps.Keys(all), func(a, b hour.Hour) int { return a.Sub(b) })
	type decision struct {
		items []Item
		kept  string
		last  int
	}
	decided := make([]decision, len(hours))
	err = c.each(ctx, len(hours), func(ctx context.Context, i int) (err error) {
		f, d := all[hours[i]], &decided[i]
		if d.kept, err = c.read(ctx, f); err != nil || d.kept != "" || f.state == nil {
			return err
		}
		d.items, d.kept = plan(c.Keys, f, c.Rules, now)
		d.last = f.state.Last
		return nil
	})
	if err != nil {
		return err
	}
	for i, h := range hours {
		d := &decided[i]
		if d.kept != "" {
			p.Kept = append(p.Kept, Kept{h, d.kept})
		}
		p.last[h] = d.last
		for _, item := range d.items {
			if item.At.After(now) {
				p.Later = append(p.Later, item)
			} else {
				p.Items = append(p.Items, item)
			}
		}
	}
	return nil
}

// list finds what lies there of the hours of a day.
func (c *Cleaner) list(ctx context.Context, r hour.Range) (map[hour.Hour]*found, error) {
	all := map[hour.Hour]*found{}
	at := func(h hour.Hour) *found {
		if all[h] == nil {
			all[h] = &found{hour: h}
		}
		return all[h]
	}
	for _, prefix := range c.prefixes(r) {
		err := c.under(ctx, c.Hours, prefix, func(o store.Object) {
			if h, ok := c.ofHours(o.Key); ok && r.Contains(h) {
				at(h).hours = append(at(h).hours, o)
			}
		})
		if err != nil {
			return nil, err
		}
		if !c.Rules.Archive || c.Now().Before(r.From.End().Add(c.Rules.ArchiveKeep)) {
			continue
		}
		err = c.under(ctx, c.Archive, prefix, func(o store.Object) {
			if h, ok := c.ofArchive(o.Key); ok && r.Contains(h) {
				at(h).archive = append(at(h).archive, o)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, job := range c.Jobs {
		prefix := c.Keys.ResultsPrefix(job, r.From)
		if r.Len() > 1 {
			prefix = prefix[:len(prefix)-len("15/")] // the day's
		}
		err := c.under(ctx, c.Hours, prefix, func(o store.Object) {
			if k, _, ok := c.Keys.ParseResultKey(o.Key); ok && r.Contains(k.Hour) {
				at(k.Hour).results = append(at(k.Hour).results, o)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (c *Cleaner) prefixes(r hour.Range) []string {
	if r.Len() == 1 {
		return []string{c.Keys.HourPrefix(r.From), c.Keys.DataPrefix(r.From)}
	}
	return []string{c.Keys.DayPrefix(r.From), c.Keys.DayDataPrefix(r.From)}
}

func (c *Cleaner) under(ctx context.Context, s Store, prefix string, fn func(store.Object)) error {
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		fn(o)
	}
	return nil
}

// ofHours says which hour a document of the hours bucket is of.
func (c *Cleaner) ofHours(key string) (hour.Hour, bool) {
	if h, _, _, ok := c.Keys.ParsePartKey(key); ok {
		return h, true
	}
	if h, _, ok := c.Keys.ParseHourRejectsKey(key); ok {
		return h, true
	}
	if h, _, ok := c.Keys.ParseSealKey(key); ok {
		return h, true
	}
	if h, ok := c.Keys.ParseManifestKey(key); ok {
		return h, true
	}
	h, _, ok := c.Keys.ParseLedgerKey(key)
	return h, ok
}

// ofArchive says which hour a document of the archive is of.
func (c *Cleaner) ofArchive(key string) (hour.Hour, bool) {
	if s, ok := c.Keys.ParseIndexKey(key); ok {
		return s.Hour, true
	}
	for _, parse := range []func(string) (hour.DataKey, bool){c.Keys.ParseObjectKey, c.Keys.ParseRejectsKey, c.Keys.ParseRepairKey} {
		if d, ok := parse(key); ok {
			return d.Hour, true
		}
	}
	return hour.Hour{}, false
}

// read reads what the decision about an hour needs; no state if there is nothing to decide. kept says why an hour keeps
// everything.
func (c *Cleaner) read(ctx context.Context, f *found) (kept string, err error) {
	if f.manifest, _, err = c.Ledger.ReadManifest(ctx, f.hour); err != nil {
		return ofTheHour("its manifest cannot be read", err)
	}
	if m := f.manifest; m != nil && m.Job != "" && !slices.Contains(c.Jobs, m.Job) {
		if err := c.resultsOf(ctx, f, m.Job); err != nil {
			return ofTheHour("its manifest names a job that cannot be", err)
		}
	}
	if c.tidy(f) {
		return "", nil
	}
	if f.state, err = c.Ledger.Read(ctx, f.hour); err != nil {
		return ofTheHour("its ledger cannot be read", err)
	}
	jobs := slices.Clone(c.Jobs)
	if f.manifest != nil {
		jobs = append(jobs, f.manifest.Job)
	}
	for i := range f.state.Entries {
		if e := &f.state.Entries[i]; e.Playbook != nil {
			job := strings.TrimSuffix(e.Playbook.Key[strings.LastIndexByte(e.Playbook.Key, '/')+1:], ".json")
			if job != "" && !slices.Contains(jobs, job) {
				jobs = append(jobs, job)
				if err := c.resultsOf(ctx, f, job); err != nil {
					return ofTheHour("its ledger names a job that cannot be", err)
				}
			}
		}
	}
	if e := f.state.Published(); e != nil && len(f.archive) > 0 {
		var corrupt *fault.Corrupt
		var newer *fault.NewerVersion
		var none *fault.NotFound
		f.seal, err = c.Ledger.ReadSeal(ctx, e.Publish.Seal)
		if err != nil && !errors.As(err, &corrupt) && !errors.As(err, &newer) && !errors.As(err, &none) {
			return "", err
		}
	}
	return "", nil
}

// resultsOf adds what lies under another job's name.
func (c *Cleaner) resultsOf(ctx context.Context, f *found, job string) error {
	prefix := c.Keys.ResultsPrefix(job, f.hour)
	if store.CheckPrefix(prefix) != nil {
		return &fault.Corrupt{Key: c.Keys.LedgerPrefix(f.hour), Detail: fmt.Sprintf("job %.40q", job)}
	}
	return c.under(ctx, c.Hours, prefix, func(o store.Object) { f.results = append(f.results, o) })
}

// tidy says whether the manifest names everything that lies there, so that the ledger need not be read.
func (c *Cleaner) tidy(f *found) bool {
	if f.manifest == nil || len(f.archive) > 0 {
		return false
	}
	for _, o := range f.hours {
		_, rev, _, ok := c.Keys.ParsePartKey(o.Key)
		if !ok {
			_, rev, ok = c.Keys.ParseHourRejectsKey(o.Key)
		}
		if !ok {
			_, rev, ok = c.Keys.ParseSealKey(o.Key)
		}
		if ok && rev != f.manifest.Revision {
			return false
		}
	}
	return !slices.ContainsFunc(f.results, func(o store.Object) bool {
		return f.manifest.Result == "" || !strings.HasPrefix(o.Key, f.manifest.Result)
	})
}

// ofTheHour makes a reason of an error that is about one hour's documents; another error is returned.
func ofTheHour(what string, err error) (string, error) {
	var corrupt *fault.Corrupt
	var newer *fault.NewerVersion
	var none *fault.NotFound
	if errors.As(err, &corrupt) || errors.As(err, &newer) || errors.As(err, &none) {
		return what + ": " + err.Error(), nil
	}
	return "", err
}

// each runs fn for 0 to n-1, as many at a time as the cleaner may.
func (c *Cleaner) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	if c.Procs <= 1 { // in the caller's goroutine and in order
		for i := range n {
			if err := fn(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Procs)
	for i := range n {
		g.Go(func() error { return fn(ctx, i) })
	}
	return g.Wait()
}
