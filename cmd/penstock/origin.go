package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// origin is where a record, or an object, comes from and what it became.
type origin struct {
	Hour   hour.Hour `json:"hour"`
	Record *recordAt `json:"record,omitempty"` // the record that was asked for
	Batch  *batchOf  `json:"batch,omitempty"`  // the batch that archived it
	Uses   []use     `json:"runs"`             // the runs that sealed it, or made it
}

// recordAt is a record's place in its batch.
type recordAt struct {
	Sequence hour.Sequence `json:"sequence"`
	Arrival  hour.Time     `json:"arrival"`
	Kind     hour.Kind     `json:"kind"` // see hour.Kind: "e" is an event, "r" a reject
	Place    int           `json:"place"`
}

// batchOf is a batch as its index describes it.
type batchOf struct {
	Index      string        `json:"index"`
	Object     string        `json:"object,omitempty"`
	Rejects    string        `json:"rejects,omitempty"`
	Shard      string        `json:"shard"`
	First      hour.Sequence `json:"first"`
	Last       hour.Sequence `json:"last"`
	Records    int           `json:"records"`
	ArchivedAt hour.Time     `json:"archivedAt"`
	Writer     string        `json:"writer"`
	Request    string        `json:"request,omitempty"`
	Trace      string        `json:"trace,omitempty"`
}

// use is a run that took a batch, or made an object.
type use struct {
	Run       int    `json:"run"`
	Execution string `json:"execution,omitempty"`
	Revision  string `json:"revision,omitempty"`
	Part      int    `json:"part"`                // that holds the batch; -1: none
	Published bool   `json:"published,omitempty"` // it is what readers get
	Duplicate bool   `json:"duplicate,omitempty"` // the batch added nothing
	Trace     string `json:"trace,omitempty"`
}

// maxSearch is how many indexes a search by sequence number reads at most: those whose range holds the number.
const maxSearch = 64

// findObject finds what an object is. key is a key of a bucket, or the path or URI that commands print.
func (s *site) findObject(ctx context.Context, key string) (*origin, error) {
	for _, bucket := range []string{"archive", "hours"} {
		key = strings.TrimPrefix(key, s.path(bucket, ""))
		key = strings.TrimPrefix(key, s.path(bucket, "")+"/")
	}
	key = strings.TrimPrefix(key, "/")
	if d, ok := s.Keys.ParseObjectKey(key); ok {
		return s.ofBatch(ctx, s.Keys.IndexKey(d.Span))
	}
	if d, ok := s.Keys.ParseRejectsKey(key); ok {
		return s.ofBatch(ctx, s.Keys.IndexKey(d.Span))
	}
	if _, ok := s.Keys.ParseIndexKey(key); ok {
		return s.ofBatch(ctx, key)
	}
	if _, ok := s.Keys.ParseRepairKey(key); ok {
		return s.ofBatch(ctx, key)
	}
	if h, revision, n, ok := s.Keys.ParsePartKey(key); ok {
		return s.ofHour(ctx, h, func(s *ledger.State, r *ledger.Run) (use, bool) { return useOf(s, r, n), r.Revision == revision })
	}
	for _, parse := range []func(string) (hour.Hour, string, bool){s.Keys.ParseSealKey, s.Keys.ParseHourRejectsKey} {
		if h, revision, ok := parse(key); ok {
			return s.ofHour(ctx, h, func(s *ledger.State, r *ledger.Run) (use, bool) { return useOf(s, r, -1), r.Revision == revision })
		}
	}
	if k, _, ok := s.Keys.ParseResultKey(key); ok {
		return s.ofHour(ctx, k.Hour, func(s *ledger.State, r *ledger.Run) (use, bool) { return useOf(s, r, -1), r.N == k.Run })
	}
	if h, ok := s.Keys.ParseManifestKey(key); ok {
		return s.ofHour(ctx, h, func(s *ledger.State, r *ledger.Run) (use, bool) {
			u := useOf(s, r, -1)
			return u, u.Published
		})
	}
	if h, n, ok := s.Keys.ParseLedgerKey(key); ok {
		return s.ofHour(ctx, h, func(s *ledger.State, r *ledger.Run) (use, bool) {
			return useOf(s, r, -1), n <= len(s.Entries) && s.Entries[n-1].Run == r.N
		})
	}
	return nil, failf(exitUsage, "%.200q is no key of %s events: give one as `penstock files HOUR`, a seal or an index names it", key, s.Keys.Name())
}

// findSequence finds the record of that sequence number. of and shard narrow the search down; nil and "" search all.
func (s *site) findSequence(ctx context.Context, n hour.Sequence, of *hour.Hour, shard string) (*origin, error) {
	r := (*hour.Range)(nil)
	if of != nil {
		r = &hour.Range{From: *of, To: *of}
	}
	var keys []string
	for _, prefix := range prefixes(s.Keys, r) {
		for o, err := range s.Archive.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			span, ok := s.Keys.ParseIndexKey(o.Key)
			if ok && (shard == "" || span.Shard == shard) && span.First.Compare(n) <= 0 && n.Compare(span.Last) <= 0 {
				keys = append(keys, o.Key)
			}
		}
	}
	if len(keys) > maxSearch {
		return nil, failf(exitUsage, "sequence number %s lies in the ranges of %d indexes: name the hour, and --shard", n, len(keys))
	}
	var found *origin
	for _, key := range keys {
		x, err := s.index(ctx, key)
		if err != nil {
			return nil, err
		}
		rows, err := x.Rows()
		if err != nil {
			return nil, &fault.Corrupt{Key: key, Detail: err.Error()}
		}
		at, ok := slices.BinarySearchFunc(rows, n, func(r hour.Row, n hour.Sequence) int { return r.Sequence.Compare(n) })
		if !ok {
			continue
		}
		o, err := s.ofIndex(ctx, key, x)
		if err != nil {
			return nil, err
		}
		o.Record = &recordAt{n, hour.At(rows[at].Arrival), rows[at].Kind, at}
		if found != nil && found.Batch.Shard != o.Batch.Shard {
			return nil, failf(exitUsage, "sequence number %s is in %s and in %s: choose with --shard", n, found.Batch.Shard, o.Batch.Shard)
		}
		if found == nil || taken(o) && !taken(found) { // of batches delivered twice, the one that the hour took
			found = o
		}
	}
	if found == nil {
		return nil, failf(exitNoData, "no index of %s holds sequence number %s: it is not archived yet, was given up (see `penstock ledger`), or has expired", s.Name, n)
	}
	return found, nil
}

// taken says whether a run took the batch.
func taken(o *origin) bool {
	return slices.ContainsFunc(o.Uses, func(u use) bool { return !u.Duplicate })
}

func (s *site) index(ctx context.Context, key string) (*hour.Index, error) {
	b, _, err := s.Archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return nil, err
	}
	if k, ok := s.Keys.ParseRepairKey(key); ok {
		var x hour.Index
		if err := hour.Decode("repair", key, b, &x); err != nil {
			return nil, err
		}
		if x.Hour != k.Hour {
			return nil, &fault.Corrupt{Key: key, Detail: "repair is of another hour than its key says"}
		}
		return &x, nil
	}
	return s.Keys.DecodeIndex(key, b)
}

func (s *site) ofBatch(ctx context.Context, index string) (*origin, error) {
	x, err := s.index(ctx, index)
	var absent *fault.NotFound
	if errors.As(err, &absent) {
		return nil, failf(exitNoData, "no index %s in %s: what no index names does not exist for the hour; a crash may leave such an object, and the next delivery commits it", index, s.Name)
	}
	if err != nil {
		return nil, err
	}
	return s.ofIndex(ctx, index, x)
}

func (s *site) ofIndex(ctx context.Context, key string, x *hour.Index) (*origin, error) {
	seals := map[string]*hour.Seal{}
	var failed error
	o, err := s.ofHour(ctx, x.Hour, func(state *ledger.State, r *ledger.Run) (use, bool) {
		if r.Seal == nil || failed != nil {
			return use{}, false
		}
		if seals[r.Revision] == nil {
			sealed, err := s.Ledger().ReadSeal(ctx, *r.Seal)
			if err != nil {
				if !is[*fault.NotFound](err) && !is[*fault.Corrupt](err) {
					failed = err
				}
				return use{}, false // verify tells what is damaged
			}
			seals[r.Revision] = sealed
		}
		return taking(state, r, seals[r.Revision], key)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	o.Batch = &batchOf{Index: key, Shard: x.Shard, First: x.First, Last: x.Last, Records: x.Records, ArchivedAt: x.ArchivedAt, Writer: x.Writer,
		Request: x.Request, Trace: x.Trace}
	if x.Object != nil {
		o.Batch.Object = x.Object.Key
	}
	if x.RejectsFile != nil {
		o.Batch.Rejects = x.RejectsFile.Key
	}
	return o, nil
}

// taking says whether a run's seal knows a batch, and what it took of it.
func taking(state *ledger.State, r *ledger.Run, sealed *hour.Seal, index string) (use, bool) {
	for i, p := range sealed.Pieces {
		if p.Index.Key != index {
			continue
		}
		part := slices.IndexFunc(sealed.Parts, func(p hour.PartPlan) bool { return p.From <= i && i < p.To })
		if p.Events == 0 {
			part = -1
		}
		return useOf(state, r, part), true
	}
	u := useOf(state, r, -1)
	u.Duplicate = true
	return u, slices.Contains(sealed.Duplicates, index)
}

// ofHour collects the runs of an hour that match.
func (s *site) ofHour(ctx context.Context, h hour.Hour, match func(*ledger.State, *ledger.Run) (use, bool)) (*origin, error) {
	state, err := s.Ledger().Read(ctx, h)
	if err != nil {
		return nil, err
	}
	o := &origin{Hour: h, Uses: []use{}}
	for _, r := range state.Runs {
		if u, ok := match(state, r); ok {
			o.Uses = append(o.Uses, u)
		}
	}
	return o, nil
}

func useOf(s *ledger.State, r *ledger.Run, part int) use {
	u := use{Run: r.N, Execution: executionName(s, r), Revision: r.Revision, Part: part}
	p := s.Published()
	u.Published = p != nil && p.Run == r.N
	for _, e := range s.Entries {
		if e.Run == r.N && e.Trace != "" && e.Type != hour.EntryStarted {
			u.Trace = e.Trace
			break
		}
	}
	return u
}

// executionName is the name of a run's execution, without its ARN.
func executionName(s *ledger.State, r *ledger.Run) string {
	if i := strings.LastIndexByte(r.Execution, ':'); i >= 0 {
		return r.Execution[i+1:]
	}
	if r.Execution != "" {
		return r.Execution
	}
	return s.ExecutionName(r)
}

// printOrigin tells an origin in sentences.
func (c *console) printOrigin(p place, o *origin) error {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, clean(fmt.Sprintf(format, args...))) }
	if r := o.Record; r != nil {
		events, rejects, _ := r.Kind.Counts()
		say("record    %s of %s, arrived %s: %s, %s", r.Sequence, o.Batch.Shard, instantMs(r.Arrival), count(events, "event", "events"), count(rejects, "reject", "rejects"))
	}
	if b := o.Batch; b != nil {
		say("batch     %s of %s: %s to %s", count(b.Records, "record", "records"), b.Shard, b.First, b.Last)
		for _, f := range []string{b.Object, b.Rejects, b.Index} {
			if f != "" {
				say("          %s", f)
			}
		}
		by := b.Writer
		if b.Request != "" {
			by += ", request " + b.Request
		}
		say("archived  %s by the %s", instantMs(b.ArchivedAt), by)
	}
	for _, u := range o.Uses {
		text := "took it"
		switch {
		case u.Duplicate:
			text = "found it a duplicate"
		case u.Part >= 0:
			text = fmt.Sprintf("has it in part %d", u.Part)
		}
		if u.Revision != "" {
			text += " of revision " + u.Revision
		}
		if u.Published {
			text += ", which is what readers get"
		}
		say("hour      %s: run %d (%s) %s", o.Hour, u.Run, u.Execution, text)
	}
	if len(o.Uses) == 0 {
		say("hour      %s: no run has taken it yet", o.Hour)
	}
	if n := len(o.Uses); n > 0 {
		lines = append(lines, "", "Next: "+p.command("trace --execution %s", o.Uses[n-1].Execution)+", "+p.command("ledger %s", o.Hour))
	} else {
		lines = append(lines, "", "Next: "+p.command("status %s", o.Hour))
	}
	_, err := fmt.Fprintln(c.Out, strings.Join(lines, "\n"))
	return err
}

// instantMs is a time for people, to the millisecond.
func instantMs(t hour.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }
