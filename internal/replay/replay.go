// Package replay brings back what the archive lacks although it is not lost: batches that the event source mapping gave
// up, which the failure destination keeps, and rejects that the present format makes good.
//
// Batches go through the archive's own code, under the writer "replay", whose indexes prove nothing about the mapping's
// progress. Records that are archived already, by whomever and however they are cut, are not archived again; and if the
// mapping delivers them at the same time, selection takes each once. A reject becomes events by a repair document (see
// [hour.Repair]), which is created if absent and counts once at most.
//
// Nothing is deleted. A failure object whose records are all archived gets a marker under "replayed/", so that the next
// replay need not read it. Everything may die anywhere and be done again: what an earlier replay archived and nobody has
// run since is found by the hour's manifest.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/internal/archive"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/seal"
	"penstock/internal/store"
)

// Archive is what replaying needs of the archive bucket.
type Archive interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
	Create(ctx context.Context, key string, data []byte) (store.Object, error)
}

// Failure is what replaying needs of the failure destination.
type Failure interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	Create(ctx context.Context, key string, data []byte) (store.Object, error)
	Replace(ctx context.Context, key, etag string, data []byte) (store.Object, error)
}

// Config configures a Handler. All but Retention and Progress are needed.
type Config struct {
	Archive Archive
	Failure Failure
	Ledger  *ledger.Ledger
	Keys    hour.Keys
	Format  string // of events, as it is now
	Split   string
	Now     func() time.Time // the stream's clock
	// Retention is how long the stream keeps records; 0: not known.
	Retention time.Duration
	// Fetch is how many indexes of an hour are read at a time; 0 means 1.
	Fetch int
	// Progress is told how many failure objects are done, of how many; nil for nobody.
	Progress func(done, of int)
}

// Handler replays. One call at a time; several processes may replay at once.
type Handler struct {
	Config
	archiver  *archive.Handler
	decoder   *archive.Decoder
	sealer    *seal.Handler
	conflicts *conflicts
	covers    map[hour.Hour]func(shard string, s hour.Sequence) bool
}

// New returns a handler. A configuration that is none is a *fault.BadInput.
func New(c Config) (*Handler, error) {
	h := &Handler{Config: c, conflicts: &conflicts{Failure: c.Failure}, covers: map[hour.Hour]func(string, hour.Sequence) bool{}}
	var err error
	if h.decoder, err = archive.NewDecoder(c.Format, c.Split); err != nil {
		return nil, err
	}
	h.archiver, err = archive.New(archive.Config{Store: c.Archive, Keys: c.Keys, Now: c.Now, Failures: h.conflicts, Format: c.Format,
		Split: c.Split, Writer: hour.WriterReplay})
	h.sealer = &seal.Handler{Archive: c.Archive, Ledger: c.Ledger, Keys: c.Keys, Fetch: c.Fetch}
	return h, err
}

// conflicts counts the deliveries that the archive kept because they contradict it.
type conflicts struct {
	Failure
	n int
}

// Create implements archive.Creator.
func (c *conflicts) Create(ctx context.Context, key string, data []byte) (store.Object, error) {
	c.n++
	return c.Failure.Create(ctx, key, data)
}

// Request says what to replay.
type Request struct {
	// Range limits the failure objects to those that hold records of it, and names the hours whose rejects are read again;
	// nil: all failure objects, and no rejects.
	Range  *hour.Range
	DryRun bool // write nothing
}

// Report says what was found and done.
type Report struct {
	Ranges    []Range    `json:"ranges"`    // of failure objects, in the order of their keys
	Conflicts []Conflict `json:"conflicts"` // deliveries that contradicted the archive: they are listed, never archived
	Rejects   []Rejects  `json:"rejects"`   // of each hour of the range that has any
	// Run lists the hours that have more now than was sealed of them, by this replay or one that died: they are to be run.
	// Of a dry run, as they would be.
	Run []hour.Hour `json:"run"`
	// Later lists hours that got something and are not over: their first run takes it.
	Later []hour.Hour `json:"later"`
}

// Conflict is a delivery that contradicts the index of its records.
type Conflict struct {
	Key   string        `json:"key"` // in the failure bucket
	Hour  hour.Hour     `json:"hour"`
	Shard string        `json:"shard"`
	First hour.Sequence `json:"first"`
	Last  hour.Sequence `json:"last"`
}

// Handle replays. What cannot be read is in the report; an error says that the work was not done to its end, and doing it
// again goes on from there. Errors are those of the stores and *fault.Corrupt for documents of the archive.
func (h *Handler) Handle(ctx context.Context, in Request) (*Report, error) {
	r := &Report{Ranges: []Range{}, Conflicts: []Conflict{}, Rejects: []Rejects{}, Run: []hour.Hour{}, Later: []hour.Hour{}}
	touched := map[hour.Hour]bool{} // hours that something is known of; true: something is, or would be, added
	if err := h.failures(ctx, in, r, touched); err != nil {
		return r, err
	}
	if err := h.listConflicts(ctx, in, r); err != nil {
		return r, err
	}
	if in.Range != nil {
		if err := h.rejects(ctx, in, r, touched); err != nil {
			return r, err
		}
	}
	for _, of := range slices.SortedFunc(maps.Keys(touched), func(a, b hour.Hour) int { return a.Sub(b) }) {
		run, err := h.due(ctx, of, touched[of] && in.DryRun)
		switch {
		case err != nil:
			return r, fmt.Errorf("look at hour %s: %w", of, err)
		case run && h.Now().Before(of.End()):
			r.Later = append(r.Later, of)
		case run:
			r.Run = append(r.Run, of)
		}
	}
	return r, nil
}

// due says whether an hour has more than was sealed of it. One that nothing happened to since it was published costs a
// listing and a document.
func (h *Handler) due(ctx context.Context, of hour.Hour, added bool) (bool, error) {
	if added {
		return true, nil
	}
	m, _, err := h.Ledger.ReadManifest(ctx, of)
	if err != nil {
		return false, err
	}
	commits := 0
	for o, err := range h.Archive.List(ctx, h.Keys.HourPrefix(of)) {
		if err != nil {
			return false, err
		}
		_, index := h.Keys.ParseIndexKey(o.Key)
		_, repair := h.Keys.ParseRepairKey(o.Key)
		if index || repair {
			commits++
		}
	}
	if commits == 0 || m != nil && m.OpenRuns == 0 && m.Batches == commits {
		return false, nil
	}
	s, err := h.sealer.Look(ctx, of)
	return err == nil && s.News(), err
}

func (h *Handler) listConflicts(ctx context.Context, in Request, r *Report) error {
	for o, err := range h.Failure.List(ctx, hour.ConflictPrefix) {
		if err != nil {
			return fmt.Errorf("list conflicts: %w", err)
		}
		if s, _, ok := h.Keys.ParseConflictKey(o.Key); ok && (in.Range == nil || in.Range.Contains(s.Hour)) {
			r.Conflicts = append(r.Conflicts, Conflict{o.Key, s.Hour, s.Shard, s.First, s.Last})
		}
	}
	return nil
}

// failures archives what the failure destination holds.
func (h *Handler) failures(ctx context.Context, in Request, r *Report, touched map[hour.Hour]bool) error {
	markers := map[string]store.Object{}
	for o, err := range h.Failure.List(ctx, markerPrefix) {
		if err != nil {
			return fmt.Errorf("list markers: %w", err)
		}
		markers[strings.TrimPrefix(o.Key, markerPrefix)] = o
	}
	var objects []store.Object
	for o, err := range h.Failure.List(ctx, hour.FailurePrefix) {
		if err != nil {
			return fmt.Errorf("list failure destination: %w", err)
		}
		objects = append(objects, o)
	}
	for i, o := range objects {
		_, marked := markers[o.Key]
		ranges, err := h.object(ctx, in, o, marked)
		if err != nil {
			return fmt.Errorf("replay %s: %w", o.Key, err)
		}
		for _, one := range ranges {
			r.Ranges = append(r.Ranges, one)
			if one.Payload {
				touched[one.Hour] = touched[one.Hour] || one.State == StateArchived || one.State == StatePending
			}
		}
		if h.Progress != nil {
			h.Progress(i+1, len(objects))
		}
	}
	return nil
}

// object deals with one failure object and says what became of its ranges; none if the request is not about it.
func (h *Handler) object(ctx context.Context, in Request, o store.Object, marked bool) ([]Range, error) {
	if marked {
		m, err := h.readMarker(ctx, o)
		if err != nil {
			return nil, err
		}
		if m != nil {
			return h.dated(within(in.Range, m.Ranges, StateStands)), nil
		}
	}
	if in.Range != nil && o.Modified.Before(in.Range.From.Start()) {
		return nil, nil // given up before the range began
	}
	data, _, err := h.Failure.Get(ctx, o.Key, hour.MaxFailure)
	var f *hour.Failure
	if err == nil {
		f, err = hour.ParseFailure(o.Key, data)
	}
	if damage := (*fault.Corrupt)(nil); errors.As(err, &damage) {
		return []Range{{Key: o.Key, State: StateUnreadable, Detail: damage.Detail}}, nil
	} else if err != nil {
		return nil, err
	}
	all := rangesOf(o.Key, f)
	if len(within(in.Range, all, "")) == 0 && len(all) > 0 {
		return nil, nil
	}
	missing, err := h.missing(ctx, f)
	switch {
	case err != nil:
		return nil, err
	case f.Payload == nil:
		if missing == 0 {
			return h.dated(within(in.Range, all, StateStands)), nil
		}
		return h.dated(within(in.Range, all, StateNotKept)), nil
	case missing > 0 && in.DryRun:
		return h.dated(within(in.Range, all, StatePending)), nil
	}
	state := StateStands
	if missing > 0 {
		if state, err = h.archive(ctx, f); err != nil {
			bad := (*fault.BadInput)(nil)
			if errors.As(err, &bad) {
				return []Range{{Key: o.Key, State: StateUnreadable, Detail: bad.Detail}}, nil
			}
			return nil, err
		}
	}
	if !in.DryRun && state != StateConflict {
		if err := h.mark(ctx, o, all, len(f.Records)); err != nil {
			return nil, err
		}
	}
	return h.dated(within(in.Range, all, state)), nil
}

// missing counts the records of a failure object that the archive does not hold; of one without its payload it is 0 only
// if one archived run of records has both ends.
func (h *Handler) missing(ctx context.Context, f *hour.Failure) (n int, err error) {
	if f.Payload == nil {
		of := hour.Of(f.Begins)
		covers, err := h.covered(ctx, of)
		if err != nil || of != hour.Of(f.Until) || !covers(f.Shard, f.First) || !covers(f.Shard, f.Last) {
			return 1, err
		}
		return 0, nil
	}
	for _, r := range f.Records {
		covers, err := h.covered(ctx, hour.Of(r.Arrival))
		if err != nil {
			return 0, err
		}
		if !covers(r.Shard, r.Sequence) {
			n++
		}
	}
	return n, nil
}

// covered tells which records of an hour are archived, by a listing.
func (h *Handler) covered(ctx context.Context, of hour.Hour) (func(string, hour.Sequence) bool, error) {
	if covers := h.covers[of]; covers != nil {
		return covers, nil
	}
	var spans []hour.Span
	for o, err := range h.Archive.List(ctx, h.Keys.HourPrefix(of)) {
		if err != nil {
			return nil, fmt.Errorf("list archive of hour %s: %w", of, err)
		}
		if s, ok := h.Keys.ParseIndexKey(o.Key); ok {
			spans = append(spans, s)
		}
	}
	h.covers[of] = seal.Covers(spans)
	return h.covers[of], nil
}

// archive archives a failure object's payload.
func (h *Handler) archive(ctx context.Context, f *hour.Failure) (string, error) {
	before := h.conflicts.n
	if _, err := h.archiver.Invoke(ctx, f.Payload); err != nil {
		return "", err
	}
	for _, r := range f.Records {
		delete(h.covers, hour.Of(r.Arrival))
	}
	if h.conflicts.n > before {
		return StateConflict, nil
	}
	n, err := h.missing(ctx, f)
	if err == nil && n > 0 {
		err = &fault.NotFound{Key: fmt.Sprintf("%d records that were archived just now", n)}
	}
	return StateArchived, err
}
