package reread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/verify"
)

// Report is what comparing an hour with the stream has shown.
type Report struct {
	Hour     hour.Hour        `json:"hour"`
	Archived int              `json:"archived"` // records that the indexes list; of two that list one, both count
	Compared int              `json:"compared"` // of them, those that the stream still has
	Left     int              `json:"left"`     // of them, those that have left the stream
	Waiting  int              `json:"waiting"`  // records that are not archived yet, of an hour that is not published
	Findings []verify.Finding `json:"findings"`
	Notes    []verify.Finding `json:"notes"`
}

// comparison is the work on one hour.
type comparison struct {
	*Reader
	hour      hour.Hour
	horizon   time.Time
	published *hour.Seal

	mu     sync.Mutex
	report Report
}

// Compare holds an hour's archive against the stream: every record of the hour, its place, its arrival, and what became of
// it as events and rejects; records that the archive lacks; records that the stream does not have and has to. What has left
// the stream is counted. Memory does not grow with the hour. What is wrong with a document itself is verify's to say.
func (r *Reader) Compare(ctx context.Context, h hour.Hour) (*Report, error) {
	c := &comparison{Reader: r, hour: h, report: Report{Hour: h, Findings: []verify.Finding{}, Notes: []verify.Finding{}}}
	if err := c.compare(ctx); err != nil {
		return nil, fmt.Errorf("compare hour %s with the stream: %w", h, err)
	}
	for _, list := range [][]verify.Finding{c.report.Findings, c.report.Notes} {
		slices.SortStableFunc(list, func(a, b verify.Finding) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	}
	return &c.report, nil
}

func (c *comparison) compare(ctx context.Context) (err error) {
	if c.horizon, err = c.Reader.horizon(ctx); err != nil {
		return err
	}
	if c.published, _, err = c.sealed(ctx, c.hour); err != nil {
		return err
	}
	spans, _, err := c.spans(ctx, c.hour)
	if err != nil {
		return err
	}
	shards := map[string]bool{}
	for s := range spans {
		shards[s] = true
	}
	list, err := again(ctx, c.Reader, func() (all []string, err error) {
		list, err := c.Stream.Shards(ctx, c.hour.Start().Add(-margin))
		for _, s := range list {
			all = append(all, s.ID)
		}
		return all, err
	})
	if err != nil {
		return err
	}
	for _, s := range list {
		shards[s] = true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.Procs))
	for _, s := range slices.Sorted(maps.Keys(shards)) {
		g.Go(func() error { return c.shard(ctx, s, spans[s]) })
	}
	return g.Wait()
}

// window is the records that are held of a shard.
type window struct {
	records []record
	bytes   int
}

// within are the held records of a span.
func (w *window) within(s hour.Span) []record {
	from := slices.IndexFunc(w.records, func(r record) bool { return r.sequence.Compare(s.First) >= 0 })
	if from < 0 {
		return nil
	}
	to := from
	for to < len(w.records) && w.records[to].sequence.Compare(s.Last) <= 0 {
		to++
	}
	return w.records[from:to]
}

// forget drops what stands before all spans that are open.
func (w *window) forget(open []hour.Span) {
	n := 0
	for n < len(w.records) && !slices.ContainsFunc(open, func(s hour.Span) bool { return s.First.Compare(w.records[n].sequence) <= 0 }) {
		w.bytes -= len(w.records[n].data)
		n++
	}
	if n > 0 {
		w.records = slices.Delete(w.records, 0, n)
	}
}

// shard goes through a shard's records of the hour and its spans, which are in order, at the same time.
func (c *comparison) shard(ctx context.Context, shard string, spans []hour.Span) error {
	var w window
	var open []hour.Span
	var lacking unarchived
	for r, err := range c.records(ctx, shard, c.hour, atBegin(c.hour)) {
		if err != nil {
			return err
		}
		for len(spans) > 0 && spans[0].First.Compare(r.sequence) <= 0 {
			open, spans = append(open, spans[0]), spans[1:]
		}
		var still []hour.Span
		for _, s := range open {
			if s.Last.Compare(r.sequence) >= 0 {
				still = append(still, s)
			} else if err := c.batch(ctx, s, w.within(s)); err != nil {
				return err
			}
		}
		if open = still; len(open) == 0 {
			w = window{}
			lacking.add(r)
			continue
		}
		w.forget(open)
		if w.records, w.bytes = append(w.records, r), w.bytes+len(r.data); w.bytes > maxHeld {
			return &fault.BadInput{Detail: fmt.Sprintf("%s covers more than %d MB of records: too much to compare", c.Keys.IndexKey(open[0]), maxHeld>>20)}
		}
	}
	for _, s := range slices.Concat(open, spans) {
		if err := c.batch(ctx, s, w.within(s)); err != nil {
			return err
		}
	}
	c.unarchived(shard, &lacking)
	return nil
}

// unarchived are records that no index covers.
type unarchived struct {
	n           int
	first, last record
}

func (u *unarchived) add(r record) {
	if r.data = nil; u.n == 0 {
		u.first = r
	}
	u.n, u.last = u.n+1, r
}

// unarchived says what it means that the archive lacks records of a shard.
func (c *comparison) unarchived(shard string, u *unarchived) {
	if u.n == 0 {
		return
	}
	if c.published == nil {
		c.mu.Lock()
		c.report.Waiting += u.n
		c.mu.Unlock()
		return
	}
	key := c.Keys.HourPrefix(c.hour) + shard
	what := fmt.Sprintf("%d records that the stream has are in no index, from %s of %s to %s: the hour is published without them", u.n, u.first.sequence,
		u.first.arrival.Format(time.RFC3339), u.last.sequence)
	mend := verify.MendRebuild
	if slices.ContainsFunc(c.published.Lost, func(l hour.Lost) bool { return l.Shard == shard }) {
		mend = verify.MendReplay
	}
	c.find(key, mend, "%s", what)
}

func (c *comparison) find(key string, m verify.Mend, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Findings = append(c.report.Findings, verify.Finding{Hour: c.hour, Bucket: verify.Archive, Key: key, Why: fmt.Sprintf(format, args...), Mend: m})
}

func (c *comparison) note(key string, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Notes = append(c.report.Notes, verify.Finding{Hour: c.hour, Bucket: verify.Archive, Key: key, Why: fmt.Sprintf(format, args...)})
}

// batch compares what an index commits with the stream's records of its range.
func (c *comparison) batch(ctx context.Context, s hour.Span, records []record) error {
	if c.Progress != nil {
		defer c.Progress()
	}
	key := c.Keys.IndexKey(s)
	data, _, err := c.Archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return c.unreadable(key, err)
	}
	x, err := c.Keys.DecodeIndex(key, data)
	if err != nil {
		return c.unreadable(key, err)
	}
	rows, err := x.Rows()
	if err != nil {
		return c.unreadable(key, err)
	}
	m := match(rows, records, func(r *hour.Row) bool { return c.left(s.Shard, r.Sequence, r.Arrival, c.horizon) })
	c.mu.Lock()
	c.report.Archived, c.report.Compared, c.report.Left = c.report.Archived+len(rows), c.report.Compared+len(m.both), c.report.Left+m.left
	c.mu.Unlock()
	if m.wrong != "" {
		c.find(key, verify.MendRestore, "%s", m.wrong)
		return nil
	}
	if len(m.both) == 0 {
		return nil
	}
	again, err := c.remake(ctx, s.Shard, records)
	if err != nil {
		return err
	}
	whole := len(m.both) == len(rows)
	if whole && again.index.RecordsHash != x.RecordsHash {
		c.find(key, verify.MendRestore, "its hash of the raw records is not that of the stream's: a payload is another")
		return nil
	}
	if whole && sameFile(x.Object, again.index.Object) && sameFile(x.RejectsFile, again.index.RejectsFile) && kinds(rows, m.both, again.rows) < 0 {
		return nil
	}
	return c.content(ctx, key, x, rows, m.both, again)
}

// unreadable notes that a batch cannot be compared; verify says what is wrong with it.
func (c *comparison) unreadable(key string, err error) error {
	var corrupt *fault.Corrupt
	var none *fault.NotFound
	var newer *fault.NewerVersion
	if errors.As(err, &corrupt) || errors.As(err, &none) || errors.As(err, &newer) {
		c.note(key, "it was not compared with the stream: it cannot be read")
		return nil
	}
	return err
}

func sameFile(a, b *hour.File) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SHA256 == b.SHA256
}

// matched says which rows the stream has.
type matched struct {
	both  []int // places of rows that the stream has, as many as it has records
	left  int
	wrong string
}

// match goes through an index's rows and the stream's records, both in order.
func match(rows []hour.Row, records []record, left func(*hour.Row) bool) (m matched) {
	wrong := func(format string, args ...any) {
		if m.wrong == "" {
			m.wrong = fmt.Sprintf(format, args...)
		}
	}
	j := 0
	for i := range rows {
		row := &rows[i]
		for ; j < len(records) && records[j].sequence.Compare(row.Sequence) < 0; j++ {
			wrong("it leaves out record %s, which the stream has in its range", records[j].sequence)
		}
		switch {
		case j < len(records) && records[j].sequence.Compare(row.Sequence) == 0:
			if !records[j].arrival.Equal(row.Arrival) {
				wrong("record %s arrived at %s, it says at %s", row.Sequence, hourTime(records[j].arrival), hourTime(row.Arrival))
			}
			m.both = append(m.both, i)
			j++
		case left(row):
			m.left++
		default:
			wrong("it lists record %s of %s, which the stream does not have", row.Sequence, hourTime(row.Arrival))
		}
	}
	for ; j < len(records); j++ {
		wrong("it leaves out record %s, which the stream has in its range", records[j].sequence)
	}
	return m
}

func hourTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// kinds is the first record of which another release, or another format, would make something else; -1: none.
func kinds(rows []hour.Row, both []int, again []hour.Row) int {
	for n, i := range both {
		if rows[i].Kind != again[n].Kind {
			return n
		}
	}
	return -1
}
