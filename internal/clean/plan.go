package clean

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

// Rules say what may go, and when.
type Rules struct {
	// Grace is how long an hour must have been quiet (no entry in its ledger) before what its publication does not name goes.
	// It is to be much longer than a run.
	Grace time.Duration
	// ArchiveKeep is how long after its end a published hour's archive is kept. Seals that were superseded are kept a day
	// longer: sealing a later hour looks at those of the day before it.
	ArchiveKeep time.Duration
	// Archive lets the archive of hours past ArchiveKeep go. A bucket whose lifecycle does that needs it not.
	Archive bool
}

// DefaultRules are those of DESIGN section 4.
func DefaultRules() Rules {
	return Rules{Grace: 7 * 24 * time.Hour, ArchiveKeep: 35 * 24 * time.Hour, Archive: true}
}

// sealsLookBack is how long after its own hour a seal may be read by the sealing of others: internal/seal looks back 24
// hours.
const sealsLookBack = 24 * time.Hour

// Bucket names a bucket.
type Bucket string

// The buckets.
const (
	Archive Bucket = "archive"
	Hours   Bucket = "hours"
	Failed  Bucket = "failure"
)

// Item is an object that goes.
type Item struct {
	Hour   *hour.Hour `json:"hour,omitempty"` // nil: it is of no hour
	Bucket Bucket     `json:"bucket"`
	Key    string     `json:"key"`
	Size   int64      `json:"size"`
	Why    string     `json:"why"`
	// At is when it may go; later than now: not yet.
	At hour.Time `json:"at"`
}

// found is what is known of an hour when it is decided about.
type found struct {
	hour     hour.Hour
	state    *ledger.State
	manifest *hour.Manifest // nil: there is none
	// seal is the published one. Without it the archive stays.
	seal                    *hour.Seal
	archive, hours, results []store.Object // all there are
}

// plan says which objects of an hour go and when, and why something stays that one might ask about. Nothing goes that the
// publication names, or the newest seal, or a run that is not over. Parts of a revision and results of a run that the ledger
// does not know are a sign that it has lost its last entries: then everything stays.
func plan(k hour.Keys, f *found, r Rules, now time.Time) (items []Item, kept string) {
	s := f.state
	if open := s.Open(); len(open) > 0 {
		return nil, fmt.Sprintf("run %d is not over", open[0].N)
	}
	if s.Last == 0 {
		return nil, "" // nobody has worked on it yet
	}
	if why := contradicts(f); why != "" {
		return nil, why
	}
	p := planning{k: k, found: f, rules: r, quiet: s.Entries[s.Last-1].At.Add(r.Grace)}
	p.revisions()
	for _, o := range f.hours {
		p.revision(o)
	}
	for _, o := range f.results {
		p.result(o)
	}
	if p.kept != "" {
		return nil, p.kept
	}
	if r.Archive && len(f.archive) > 0 && !now.Before(f.hour.End().Add(r.ArchiveKeep)) {
		p.archive()
	}
	return p.items, p.kept
}

// contradicts says what is odd about manifest and ledger, or "".
func contradicts(f *found) string {
	m, want := f.manifest, ledger.Project(f.state)
	switch {
	case m == nil && want == nil:
		return ""
	case m == nil:
		return fmt.Sprintf("entry %d of its ledger published revision %s, and there is no manifest yet", want.Ledger, want.Revision)
	case want == nil:
		return "there is a manifest, and the ledger has published nothing"
	case m.Ledger != want.Ledger || m.LedgerHash != want.LedgerHash || m.Revision != want.Revision || m.Result != want.Result:
		return fmt.Sprintf("its manifest shows entry %d, its ledger published with entry %d", m.Ledger, want.Ledger)
	}
	return ""
}

// planning is the work on one hour.
type planning struct {
	*found
	k     hour.Keys
	rules Rules
	quiet time.Time // when the grace time is over

	published string          // revision, "" for none
	newest    string          // revision that was sealed last, "" for none
	known     map[string]bool // revisions that the ledger knows
	items     []Item
	kept      string
}

// revisions finds out which revisions are named.
func (p *planning) revisions() {
	if e := p.state.Published(); e != nil {
		p.published = e.Revision
	}
	p.known = map[string]bool{}
	for _, e := range p.state.Entries {
		if e.Revision == "" {
			continue
		}
		p.known[e.Revision] = true
		if e.Type == hour.EntrySealed {
			p.newest = e.Revision
		}
	}
}

// add lets an object go once the grace time is over and at is reached. An object that was written lately stays as long:
// somebody is at it whom the ledger does not show.
func (p *planning) add(b Bucket, o store.Object, at time.Time, why string) {
	for _, t := range []time.Time{p.quiet, o.Modified.Add(p.rules.Grace)} {
		if t.After(at) {
			at = t
		}
	}
	p.items = append(p.items, Item{&p.hour, b, o.Key, o.Size, why, hour.At(at)})
}

// revision decides about a part, rejects or a seal.
func (p *planning) revision(o store.Object) {
	var at time.Time
	_, rev, _, ok := p.k.ParsePartKey(o.Key)
	if !ok {
		_, rev, ok = p.k.ParseHourRejectsKey(o.Key)
	}
	if !ok {
		if _, rev, ok = p.k.ParseSealKey(o.Key); ok {
			at = p.hour.End().Add(p.rules.ArchiveKeep + sealsLookBack)
		}
	}
	if !ok || rev == p.published || rev == p.newest {
		return
	}
	why := fmt.Sprintf("revision %s was not published", rev)
	switch {
	case !p.known[rev] && at.IsZero():
		p.kept = fmt.Sprintf("files of revision %s are there, and no entry of the ledger knows it", rev)
		return
	case !p.known[rev]:
		why = fmt.Sprintf("no entry of the ledger knows the seal %s", rev)
	case slices.Contains(p.state.PublishedRevisions(), rev):
		why = fmt.Sprintf("revision %s is superseded by %s", rev, p.published)
	}
	p.add(Hours, o, at, why)
}

// result decides about a file of a cluster's output.
func (p *planning) result(o store.Object) {
	a, _, ok := p.k.ParseResultKey(o.Key)
	if !ok || a.Hour != p.hour {
		return
	}
	if m := p.manifest; m != nil && m.Result != "" && strings.HasPrefix(o.Key, m.Result) {
		return
	}
	switch {
	case p.state.Run(a.Run) == nil:
		p.kept = fmt.Sprintf("results of run %d are there, and the ledger has no such run", a.Run)
	case a.Revision == p.newest && a.Revision != p.published: // a person's turn
	case slices.ContainsFunc(p.state.Entries, func(e hour.Entry) bool { return e.Publish != nil && e.Publish.Result == p.k.ResultPrefix(a) }):
		p.add(Hours, o, time.Time{}, fmt.Sprintf("result of run %d is superseded", a.Run))
	default:
		p.add(Hours, o, time.Time{}, fmt.Sprintf("result of cluster %d of run %d was not published", a.Cluster, a.Run))
	}
}

// archive decides about the archive of an hour that is past its keep time. All of it goes, or nothing.
func (p *planning) archive() {
	switch {
	case p.published == "":
		p.kept = "its archive is past its keep time, and the hour was never published"
		return
	case p.newest != p.published:
		p.kept = fmt.Sprintf("its archive is past its keep time, and revision %s was sealed and not published", p.newest)
		return
	case p.seal == nil:
		p.kept = "its archive is past its keep time, and its seal cannot be read"
		return
	case len(p.seal.Lost) > 0:
		p.kept = fmt.Sprintf("its archive is past its keep time, and the seal has %d ranges that only the failure destination holds", len(p.seal.Lost))
		return
	}
	named := map[string]bool{}
	for i := range p.seal.Pieces {
		named[p.seal.Pieces[i].Index.Key] = true
	}
	for _, d := range p.seal.Duplicates {
		named[d] = true
	}
	var commits, others []store.Object
	for _, o := range p.found.archive {
		_, isIndex := p.k.ParseIndexKey(o.Key)
		_, isRepair := p.k.ParseRepairKey(o.Key)
		_, isObject := p.k.ParseObjectKey(o.Key)
		_, isRejects := p.k.ParseRejectsKey(o.Key)
		switch {
		case (isIndex || isRepair) && !named[o.Key]:
			p.kept = fmt.Sprintf("its archive is past its keep time, and %s came after the hour was sealed", o.Key)
			return
		case isIndex || isRepair:
			commits = append(commits, o)
		case isObject || isRejects:
			others = append(others, o)
		}
	}
	// What no index names does not exist: an index goes before its objects, so that none names what is gone.
	for _, o := range append(commits, others...) {
		p.add(Archive, o, time.Time{}, "the archive of a published hour is past its keep time")
	}
}
