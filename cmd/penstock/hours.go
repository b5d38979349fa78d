package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

// States of an hour.
const (
	statePublished = "published"
	stateLate      = "late data" // published, and more has arrived since
	stateRunning   = "running"
	stateFailed    = "failed"
	stateWaiting   = "waiting" // archived, no run yet
	stateCorrupt   = "damaged" // its manifest or ledger is damaged
)

// hourRow is what a table shows of an hour. Counts are those of the published revision or, while there is none, of
// what is archived.
type hourRow struct {
	Hour       hour.Hour `json:"hour"`
	Objects    int       `json:"objects"` // archive objects
	Events     int       `json:"events"`
	Rejects    int       `json:"rejects"`
	Duplicates int       `json:"duplicates"`       // batches that added nothing
	Bytes      int64     `json:"bytes"`            // of the events, uncompressed; 0 where it is not known yet
	Compressed int64     `json:"compressed"`       // of the parts, or of the archive objects
	Minutes    float64   `json:"clusterMinutes"`   // of the run that published
	Dollars    float64   `json:"dollars"`          // estimate, of the run that published
	Prices     string    `json:"prices,omitempty"` // date of the prices that it rests on
	State      string    `json:"state"`
	Detail     string    `json:"detail,omitempty"` // why, in words
	Revision   string    `json:"revision,omitempty"`
	Run        int       `json:"run,omitempty"` // the latest
}

// exit is the exit code that says the state.
func (r *hourRow) exit() int {
	switch r.State {
	case stateRunning, stateWaiting:
		return exitNotComplete
	case stateFailed:
		return exitFailed
	case stateCorrupt:
		return exitCorrupt
	}
	return exitOK
}

// totalOf adds up rows.
func totalOf(rows []hourRow) hourRow {
	var t hourRow
	for _, r := range rows {
		t.Objects += r.Objects
		t.Events += r.Events
		t.Rejects += r.Rejects
		t.Duplicates += r.Duplicates
		t.Bytes += r.Bytes
		t.Compressed += r.Compressed
		t.Minutes += r.Minutes
		t.Dollars += r.Dollars
	}
	return t
}

// seen is what listing tells of an hour.
type seen struct {
	batches  int // indexes and repairs
	entries  int // number of the last ledger entry
	manifest bool
}

// atOnce is how many hours are read at the same time.
const atOnce = 16

// survey returns a row for each hour of the range that anything is known of, in order; every hour if r is nil. It lists
// each month once, and reads a manifest an hour; a ledger only where there is no manifest or it is behind.
func survey(ctx context.Context, d *site, r *hour.Range) ([]hourRow, error) {
	rows, _, err := surveyNear(ctx, d, r, r)
	return rows, err
}

// known lists the hours of a range that have documents, all if r is nil, in order.
func (s *site) known(ctx context.Context, r *hour.Range) (map[hour.Hour]*seen, []hour.Hour, error) {
	hours, err := list(ctx, s, r)
	if err != nil {
		return nil, nil, err
	}
	return hours, slices.SortedFunc(maps.Keys(hours), func(a, b hour.Hour) int { return a.Sub(b) }), nil
}

// surveyNear is survey, and returns besides which hours of near, a range around r, have documents, in order.
func surveyNear(ctx context.Context, d *site, r, near *hour.Range) ([]hourRow, []hour.Hour, error) {
	hours, around, err := d.known(ctx, near)
	if err != nil {
		return nil, nil, err
	}
	order := around
	if r != nil {
		order = slices.DeleteFunc(slices.Clone(around), func(h hour.Hour) bool { return !r.Contains(h) })
	}
	rows := make([]hourRow, len(order))
	l := d.Ledger()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, h := range order {
		g.Go(func() (err error) {
			rows[i], err = describe(ctx, d, l, h, hours[h])
			return err
		})
	}
	return rows, around, g.Wait()
}

// list finds the hours that have documents, listing several prefixes at the same time.
func list(ctx context.Context, d *site, r *hour.Range) (map[hour.Hour]*seen, error) {
	hours := map[hour.Hour]*seen{}
	var mu sync.Mutex
	note := func(h hour.Hour, fn func(*seen)) {
		if r != nil && !r.Contains(h) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if hours[h] == nil {
			hours[h] = &seen{}
		}
		fn(hours[h])
	}
	archived := func(key string) {
		if s, ok := d.Keys.ParseIndexKey(key); ok {
			note(s.Hour, func(s *seen) { s.batches++ })
		} else if k, ok := d.Keys.ParseRepairKey(key); ok {
			note(k.Hour, func(s *seen) { s.batches++ })
		}
	}
	processed := func(key string) {
		if h, n, ok := d.Keys.ParseLedgerKey(key); ok {
			note(h, func(s *seen) { s.entries = max(s.entries, n) })
		} else if h, ok := d.Keys.ParseManifestKey(key); ok {
			note(h, func(s *seen) { s.manifest = true })
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, prefix := range prefixes(d.Keys, r) {
		for _, from := range []struct {
			bucket store.Store
			see    func(key string)
		}{{d.Archive, archived}, {d.Hours, processed}} {
			g.Go(func() error {
				for key, err := range namesIn(ctx, from.bucket, prefix) {
					if err != nil {
						return err
					}
					from.see(key)
				}
				return nil
			})
		}
	}
	return hours, g.Wait()
}

// namesIn lists keys. A directory tells them without reading the objects.
func namesIn(ctx context.Context, bucket store.Store, prefix string) iter.Seq2[string, error] {
	if d, ok := bucket.(interface {
		Names(ctx context.Context, prefix string) iter.Seq2[string, error]
	}); ok {
		return d.Names(ctx, prefix)
	}
	return func(yield func(string, error) bool) {
		for o, err := range bucket.List(ctx, prefix) {
			if !yield(o.Key, err) {
				return
			}
		}
	}
}

// prefixes are those under which the range's documents lie.
func prefixes(k hour.Keys, r *hour.Range) []string {
	switch {
	case r == nil:
		return []string{"1", "2"} // keys begin with the year; results do not
	case r.Len() == 1:
		return []string{k.HourPrefix(r.From)}
	}
	prefix := k.MonthPrefix
	if r.Len() <= 72 {
		prefix = k.DayPrefix
	}
	var all []string
	for h := r.From; !r.To.Before(h); h = h.Add(1) {
		if p := prefix(h); len(all) == 0 || all[len(all)-1] != p {
			all = append(all, p)
		}
	}
	return all
}

// describe reads what is to be said of one hour.
func describe(ctx context.Context, d *site, l *ledger.Ledger, h hour.Hour, s *seen) (hourRow, error) {
	row := hourRow{Hour: h}
	var m *hour.Manifest
	var err error
	if s.manifest {
		m, _, err = l.ReadManifest(ctx, h)
	}
	var state *ledger.State
	if err == nil && (m == nil || s.entries > m.Ledger) {
		if state, err = l.Read(ctx, h); err == nil && state.Published() != nil {
			m = ledger.Project(state)
		}
	}
	if damage := (*fault.Corrupt)(nil); errors.As(err, &damage) {
		row.State, row.Detail = stateCorrupt, damage.Error()
		return row, nil
	} else if err != nil {
		return row, err
	}
	if m != nil {
		row.published(m)
		if s.batches > m.Batches {
			row.State, row.Detail = stateLate, count(s.batches-m.Batches, "batch", "batches")+" arrived after it was sealed"
		}
	} else {
		row.State = stateWaiting
		if err := row.archived(ctx, d); err != nil {
			return row, err
		}
	}
	row.latest(state)
	return row, nil
}

func (r *hourRow) published(m *hour.Manifest) {
	r.Objects, r.Events, r.Rejects, r.Duplicates, r.Bytes = m.Objects, m.Events, m.RejectN, m.Duplicates, m.Bytes
	r.Minutes, r.State, r.Revision, r.Run = m.Minutes, statePublished, m.Revision, m.Run
	if m.Cost != nil {
		r.Dollars, r.Prices = m.Cost.Dollars, m.Cost.Prices
	}
	for _, p := range m.Parts {
		r.Compressed += p.Size
	}
}

// archived counts what is archived of an hour that was never published.
func (r *hourRow) archived(ctx context.Context, d *site) error {
	spans := map[hour.Span]bool{}
	rejects := map[hour.Span]int{}
	for o, err := range d.Archive.List(ctx, d.Keys.HourPrefix(r.Hour)) {
		if err != nil {
			return err
		}
		if s, ok := d.Keys.ParseIndexKey(o.Key); ok {
			spans[s] = true
		} else if k, ok := d.Keys.ParseRejectsKey(o.Key); ok {
			rejects[k.Span] = k.Count
		}
	}
	for o, err := range d.Archive.List(ctx, d.Keys.DataPrefix(r.Hour)) {
		if err != nil {
			return err
		}
		if k, ok := d.Keys.ParseObjectKey(o.Key); ok && spans[k.Span] { // what no index names does not exist
			r.Objects++
			r.Events += k.Count
			r.Compressed += o.Size
		}
	}
	for s, n := range rejects {
		if spans[s] {
			r.Rejects += n
		}
	}
	return nil
}

// latest says what the last run of the ledger is doing, if it is not the one that is published.
func (r *hourRow) latest(s *ledger.State) {
	if s == nil || len(s.Runs) == 0 {
		return
	}
	last := s.Runs[len(s.Runs)-1]
	r.Run = last.N
	if open := s.Open(); len(open) > 0 {
		last = open[0]
		if h := s.Holder(); h != nil {
			last = h
		}
		r.State, r.Detail, r.Run = stateRunning, fmt.Sprintf("run %d: %s", last.N, doing(last)), last.N
		return
	}
	if last.Published == 0 && last.Status != fault.StatusSucceeded { // one that succeeded found nothing to do
		r.State, r.Detail = stateFailed, fmt.Sprintf("run %d: %s", last.N, why(last))
		if r.Revision != "" {
			r.Detail += "; readers still get revision " + r.Revision
		}
	}
}

// doing says how far a run is.
func doing(r *ledger.Run) string {
	switch n := len(r.Clusters); {
	case !r.Claimed:
		return "started, not yet at work"
	case n > 0 && r.Clusters[n-1].Ended:
		return fmt.Sprintf("cluster %d is %s", r.Clusters[n-1].Number, cmp.Or(r.Clusters[n-1].Verdict, "over"))
	case n > 0:
		return fmt.Sprintf("cluster %d works", r.Clusters[n-1].Number)
	case len(r.Parts) > 0:
		return count(len(r.Parts), "part", "parts") + " compacted"
	case r.Sealed > 0:
		return "sealed as revision " + r.Revision
	}
	return "waits for the hour to be complete"
}

// why says how a run ended that did not publish.
func why(r *ledger.Run) string {
	text := cmp.Or(r.Error, r.Status, "ended without a word")
	if r.Cause != "" {
		text += ": " + r.Cause
	}
	return strings.Join(strings.Fields(clean(text)), " ")
}

// find returns the manifest of a published hour, or a failure that says why there is none and what to do.
func (p place) find(ctx context.Context, d *site, h hour.Hour) (*hour.Manifest, error) {
	l := d.Ledger()
	m, _, err := l.ReadManifest(ctx, h)
	if err != nil || m != nil {
		return m, err
	}
	s, err := l.Read(ctx, h)
	if err != nil {
		return nil, err
	}
	if m := ledger.Project(s); m != nil { // its run died before the manifest was written
		return m, nil
	}
	rows, err := survey(ctx, d, &hour.Range{From: h, To: h})
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, p.nothing(h)
	}
	text, next := rows[0].State, p.command("status %s", h)
	if rows[0].Detail != "" {
		text += ": " + rows[0].Detail
	}
	switch rows[0].State {
	case stateFailed:
		next = p.command("trace %s", h)
	case stateWaiting:
		next = p.command("rerun %s", h)
	}
	return nil, failf(rows[0].exit(), "hour %s is not published: %s: see %s", h, text, next)
}

// nothing says that an hour is not there.
func (p place) nothing(h hour.Hour) error {
	return failf(exitNoData, "hour %s has no data in %s: %s lists the hours that have", h, p.where(), p.command("status"))
}
