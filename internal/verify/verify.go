// Package verify recomputes all that can be recomputed of an hour, from what the two buckets hold: keys, indexes against
// their objects, seals against the archive, the ledger's chain and its fold, parts against the lines that were selected,
// the manifest against the fold, results against the publication.
//
// It only reads, and it believes nothing that another document can contradict. Every document carries its own hash, every
// object's hash stands in the document that commits it, and the ledger is a chain; so a changed bit, a lost, a swapped or a
// cut object is found. Two things it cannot see: a last ledger entry that is gone and that no manifest shows, and records
// that the archive never held: package reread reads the stream for them.
package verify

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/playbook"
	"penstock/internal/store"
)

// Store is what verifying needs of a bucket; store.Store states the contract of each method.
type Store interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
}

// Bucket names the bucket that a finding is about.
type Bucket string

// The two buckets.
const (
	Archive Bucket = "archive"
	Hours   Bucket = "hours"
)

// Mend says how damage is mended.
type Mend string

// Ways to mend.
const (
	MendRerun   Mend = "rerun"   // run the hour again by force
	MendReplace Mend = "replace" // remove the object, then run the hour again by force: the same bytes are made again
	MendCopy    Mend = "copy"    // encode the lines of Holds again
	MendRestore Mend = "restore" // nothing makes it again: bring back an earlier version of the object
	MendClean   Mend = "clean"   // cleaning takes it away, or was interrupted, or a lifecycle is at it
	MendRebuild Mend = "rebuild" // make the index again of the stream's records, as long as it has them
	MendReplay  Mend = "replay"  // archive what the failure destination holds
	MendNone    Mend = ""        // there is nothing to do
)

// Lines are lines of a part, From to To, both from 1 and included.
type Lines struct {
	Key  string `json:"key"`
	From int    `json:"from"`
	To   int    `json:"to"`
}

// Finding is one thing that is wrong, or, among the notes, worth knowing.
type Finding struct {
	Hour   hour.Hour `json:"hour"`
	Bucket Bucket    `json:"bucket"`
	Key    string    `json:"key"`
	Why    string    `json:"why"` // without payload
	Mend   Mend      `json:"mend,omitempty"`
	// Holds names the lines of a part that hold a damaged archive object's events; the part itself is sound.
	Holds *Lines `json:"holds,omitempty"`
}

// Report is what was found out about an hour.
type Report struct {
	Hour     hour.Hour `json:"hour"`
	Revision string    `json:"revision,omitempty"` // published
	Objects  int       `json:"objects"`            // read
	Bytes    int64     `json:"bytes"`              // read
	Findings []Finding `json:"findings"`           // in the order in which they are mended
	Notes    []Finding `json:"notes"`
}

// Verifier verifies hours. Its fields are set once; Hour may be called concurrently.
type Verifier struct {
	Archive, Hours Store
	Keys           hour.Keys
	// Text says that events are lines of text; else each is a JSON document.
	Text bool
	// Playbook is the job's, as far as it is at hand; PlaybookHash is what ledgers know it by.
	Playbook     *playbook.Playbook
	PlaybookHash string
	Now          func() time.Time
	// ArchiveKeep is how long the archive of a published hour is kept after the hour's end. A later hour whose archive is
	// gone as a whole is in order.
	ArchiveKeep time.Duration
	// Procs is how many objects are read at the same time; 0 means 1.
	Procs int
	// Progress is told of each document that is done with, by any goroutine; nil for nobody.
	Progress func()

	readers sync.Pool // of *bzip2.Reader
}

// Scope is what there is to verify.
type Scope struct {
	Hours     []hour.Hour // in order
	Documents int         // of which Progress will tell, about
}

// Scan finds the hours of a range of which the archive or a ledger knows.
func (v *Verifier) Scan(ctx context.Context, r hour.Range) (Scope, error) {
	hours := map[hour.Hour]bool{}
	s := Scope{}
	last := ""
	for h := r.From; !r.To.Before(h); h = h.Add(1) {
		prefix := v.Keys.DayPrefix(h)
		if r.Len() == 1 {
			prefix = v.Keys.HourPrefix(h)
		} else if r.Len() > 24*31 {
			prefix = v.Keys.MonthPrefix(h)
		}
		if prefix == last {
			continue
		}
		last = prefix
		for o, err := range v.Archive.List(ctx, prefix) {
			if err != nil {
				return Scope{}, fmt.Errorf("list archive of %s: %w", h, err)
			}
			if span, ok := v.Keys.ParseIndexKey(o.Key); ok && r.Contains(span.Hour) {
				hours[span.Hour] = true
				s.Documents++
			} else if d, ok := v.Keys.ParseRepairKey(o.Key); ok && r.Contains(d.Hour) {
				s.Documents++
			}
		}
		for o, err := range v.Hours.List(ctx, prefix) {
			if err != nil {
				return Scope{}, fmt.Errorf("list hours of %s: %w", h, err)
			}
			of, _, ok := v.Keys.ParseLedgerKey(o.Key)
			if !ok {
				of, ok = v.Keys.ParseManifestKey(o.Key)
			}
			if !ok {
				of, _, ok = v.Keys.ParseSealKey(o.Key)
			}
			if ok && r.Contains(of) {
				hours[of] = true
			}
		}
	}
	s.Hours = slices.SortedFunc(maps.Keys(hours), func(a, b hour.Hour) int { return a.Sub(b) })
	s.Documents += len(s.Hours)
	return s, nil
}

// check is the work on one hour.
type check struct {
	*Verifier
	hour hour.Hour

	archive, hours map[string]store.Object // as they were listed
	state          *ledger.State           // nil if the ledger is not sound
	manifest       *hour.Manifest          // nil if there is none, or it is damaged
	published      *hour.Publication
	revision       string                // published
	seals          map[string]*hour.Seal // by revision, those that are sound

	mu       sync.Mutex
	report   Report
	indexes  map[string]*indexed // by key
	repairs  map[string]*repaired
	selected map[*hour.Piece]*selected // what the seals' pieces take
	named    map[string]bool           // archive keys that an index or a repair names
	broken   map[string]bool           // keys of findings
}

// Hour verifies one hour. What is wrong is in the report; an error says that the work could not be done.
func (v *Verifier) Hour(ctx context.Context, h hour.Hour) (*Report, error) {
	c := &check{Verifier: v, hour: h, seals: map[string]*hour.Seal{}, indexes: map[string]*indexed{}, repairs: map[string]*repaired{},
		selected: map[*hour.Piece]*selected{},
		named:    map[string]bool{}, broken: map[string]bool{}}
	c.report = Report{Hour: h, Findings: []Finding{}, Notes: []Finding{}}
	for _, step := range []func(context.Context) error{
		c.list, c.readLedger, c.readManifest, c.readSeals, c.checkArchive, c.checkRepairs, c.checkSeals, c.checkFiles, c.checkResults, c.strays,
	} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("verify hour %s: %w", h, err)
		}
	}
	c.holds()
	c.report.Revision = c.revision
	for _, list := range [][]Finding{c.report.Findings, c.report.Notes} {
		slices.SortStableFunc(list, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Why, b.Why))
		})
	}
	c.done()
	return &c.report, nil
}

// last says whether a finding is mended after others of its hour: a run needs the archive, and the place for its parts.
func last(f Finding) int {
	if f.Mend == MendRerun {
		return 1
	}
	return 0
}

// list lists what both buckets hold of the hour. Of archive objects, which are written before their index, those are seen
// whose index is seen; of the others one may be missed, and is looked up later.
func (c *check) list(ctx context.Context) error {
	c.archive, c.hours = map[string]store.Object{}, map[string]store.Object{}
	for _, prefix := range []string{c.Keys.HourPrefix(c.hour), c.Keys.DataPrefix(c.hour)} {
		for o, err := range c.Archive.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("list archive: %w", err)
			}
			c.archive[o.Key] = o
		}
		for o, err := range c.Hours.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("list hours: %w", err)
			}
			c.hours[o.Key] = o
		}
	}
	return nil
}

// bucket returns a bucket and what was listed of it.
func (c *check) bucket(b Bucket) (Store, map[string]store.Object) {
	if b == Archive {
		return c.Archive, c.archive
	}
	return c.Hours, c.hours
}

// look says whether an object is there, and its present version.
func (c *check) look(ctx context.Context, b Bucket, key string) (store.Object, bool, error) {
	s, listed := c.bucket(b)
	if o, ok := listed[key]; ok {
		return o, true, nil
	}
	for o, err := range s.List(ctx, key) {
		if err != nil {
			return store.Object{}, false, fmt.Errorf("look at %s: %w", key, err)
		}
		return o, o.Key == key, nil
	}
	return store.Object{}, false, nil
}

func (c *check) find(b Bucket, key string, m Mend, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken[string(b)+"/"+key] = true
	c.report.Findings = append(c.report.Findings, Finding{Hour: c.hour, Bucket: b, Key: key, Why: fmt.Sprintf(format, args...), Mend: m})
}

func (c *check) note(b Bucket, key string, m Mend, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Notes = append(c.report.Notes, Finding{Hour: c.hour, Bucket: b, Key: key, Why: fmt.Sprintf(format, args...), Mend: m})
}

// sound says whether nothing was found about an object.
func (c *check) sound(b Bucket, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.broken[string(b)+"/"+key]
}

func (c *check) count(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Objects++
	c.report.Bytes += bytes
}

func (c *check) done() {
	if c.Progress != nil {
		c.Progress()
	}
}

// each runs fn for 0 to n-1, as many at a time as the verifier reads.
func (c *check) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.Procs))
	for i := range n {
		g.Go(func() error { return fn(ctx, i) })
	}
	return g.Wait()
}
