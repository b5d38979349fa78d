package reread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// Lost is an index that is gone, and what could be done about it.
type Lost struct {
	Hour hour.Hour `json:"hour"`
	Key  string    `json:"key"`
	// Named says that a seal of the hour names it; else only an object or rejects lie there that it has to have committed.
	Named bool `json:"named"`
	// Damaged says that something stands under its key which is not it: that has to be removed first.
	Damaged bool `json:"damaged"`
	// Hole says that no index was lost: nobody had archived the records.
	Hole bool `json:"hole,omitempty"`
	// Records is how many it lists.
	Records int `json:"records,omitempty"`
	// Rebuilt says that it was made again, or would be; Exact that it is the lost one byte by byte.
	Rebuilt bool   `json:"rebuilt"`
	Exact   bool   `json:"exact"`
	Why     string `json:"why,omitempty"` // it cannot be rebuilt
	// Published says that the published revision holds its records; Object is the archive object with its events, where it
	// still lies there.
	Published bool   `json:"published"`
	Object    string `json:"object,omitempty"`
}

// lost is an index that is gone.
type lost struct {
	span      hour.Span
	piece     *hour.Piece // of a seal that names it as one
	named     bool
	damaged   bool
	published bool           // and it is the published one
	object    []store.Object // that may be its events or its rejects
	rejects   []store.Object
	document  []byte // made again
	create    map[string][]byte
	report    Lost
}

// Rebuild finds the indexes of an hour that are gone and makes them again of the stream's records: it looks which a seal
// names, and what lies in the archive that no index commits. With write they are created, where there still is none; what
// they name is created before, as far as it is gone, too. Without, the answer only says what would be.
//
// An index is made by the archive's own code. Where a seal names the lost one it has to say the same records, object and
// rejects, and if its bytes have the hash there, too, it is the lost one. What is not known again is when it was written and
// by which request: then it says that it was rebuilt, and proves no progress of the mapping.
func (r *Reader) Rebuild(ctx context.Context, h hour.Hour, write bool) ([]Lost, error) {
	all, err := r.missing(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("look for lost indexes of hour %s: %w", h, err)
	}
	report := []Lost{}
	for i := range all {
		l := &all[i]
		l.report = Lost{Hour: h, Key: r.Keys.IndexKey(l.span), Named: l.named, Damaged: l.damaged, Published: l.published}
		if len(l.object) > 0 {
			l.report.Object = l.object[0].Key
		}
		if err := r.rebuild(ctx, l); err != nil {
			return report, fmt.Errorf("rebuild %s: %w", l.report.Key, err)
		}
		if l.damaged && l.report.Rebuilt {
			l.report.Rebuilt, l.report.Why = false, "something else stands there: remove it first"
		}
		if write && l.report.Rebuilt {
			if err := r.write(ctx, l); err != nil {
				return report, fmt.Errorf("rebuild %s: %w", l.report.Key, err)
			}
		}
		report = append(report, l.report)
	}
	return report, nil
}

// young is how old an object without an index has to be to be taken for one that lost it: its index is written seconds later.
const young = 15 * time.Minute

// missing finds the indexes that are gone, in the order of their spans.
func (r *Reader) missing(ctx context.Context, h hour.Hour) ([]lost, error) {
	spans, others, err := r.spans(ctx, h)
	if err != nil {
		return nil, err
	}
	published, seals, err := r.sealed(ctx, h)
	if err != nil {
		return nil, err
	}
	there, err := r.indexes(ctx, spans)
	if err != nil {
		return nil, err
	}
	sound := func(p *hour.Piece) bool {
		x := there[p.Span(h)]
		return x != nil && x.index != nil && p.Means(x.index, x.sha)
	}
	found := map[hour.Span]*lost{}
	add := func(s hour.Span) *lost {
		if found[s] == nil {
			found[s] = &lost{span: s}
		}
		return found[s]
	}
	for _, s := range seals {
		for i := range s.Pieces {
			if p := &s.Pieces[i]; p.Kind == hour.PieceRange && !sound(p) {
				l := add(p.Span(h))
				l.named, l.piece = true, p
				l.published = l.published || s == published
			}
		}
		for _, d := range s.Duplicates {
			if span, ok := r.Keys.ParseIndexKey(d); ok && span.Hour == h && there[span] == nil {
				add(span).named = true
			}
		}
	}
	for s, x := range there {
		if x.index == nil {
			add(s)
		}
	}
	var strays []hour.Span
	for _, key := range sortedKeys(others) {
		d, isObject := r.Keys.ParseObjectKey(key)
		if !isObject {
			var ok bool
			if d, ok = r.Keys.ParseRejectsKey(key); !ok {
				continue
			}
		}
		if there[d.Span] != nil && found[d.Span] == nil || found[d.Span] == nil && r.Now().Sub(others[key].Modified) < young {
			continue
		}
		if found[d.Span] == nil {
			strays = append(strays, d.Span)
		}
		l := add(d.Span)
		if isObject {
			l.object = append(l.object, others[key])
		} else {
			l.rejects = append(l.rejects, others[key])
		}
	}
	// A try that died leaves objects, too. What lies wholly within another batch is one: nothing is lost with it.
	for _, s := range strays {
		within := func(o hour.Span) bool {
			return o != s && o.Shard == s.Shard && o.First.Compare(s.First) <= 0 && s.Last.Compare(o.Last) <= 0
		}
		if slices.ContainsFunc(spans[s.Shard], within) || anyKey(found, within) {
			delete(found, s)
		}
	}
	var all []lost
	for s, l := range found {
		l.damaged = there[s] != nil
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b lost) int { return bySpan(a.span, b.span) })
	return all, nil
}

// standing is an index as it lies in the archive.
type standing struct {
	index *hour.Index // nil: it is damaged
	sha   string
}

// indexes reads the indexes of an hour, without their lists of records.
func (r *Reader) indexes(ctx context.Context, spans map[string][]hour.Span) (map[hour.Span]*standing, error) {
	all := map[hour.Span]*standing{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, r.Procs))
	for _, list := range spans {
		for _, s := range list {
			g.Go(func() error {
				key := r.Keys.IndexKey(s)
				data, _, err := r.Archive.Get(ctx, key, hour.MaxDocument)
				var corrupt *fault.Corrupt
				if err != nil && !errors.As(err, &corrupt) {
					return err
				}
				x := &standing{sha: hour.SHA256(data)}
				if x.index, err = r.Keys.DecodeIndex(key, data); err == nil {
					_, err = x.index.Rows()
				}
				var newer *fault.NewerVersion
				switch {
				case errors.As(err, &newer):
					return err
				case err != nil:
					x.index = nil
				default:
					x.index.Columns = ""
				}
				mu.Lock()
				all[s] = x
				mu.Unlock()
				return nil
			})
		}
	}
	return all, g.Wait()
}

// rebuild makes a lost index again in memory, or says why not.
func (r *Reader) rebuild(ctx context.Context, l *lost) error {
	s := l.span
	records, size := []record(nil), 0
	start := stream.Start{Type: stream.AtSequence, Sequence: string(s.First)}
	for x, err := range r.records(ctx, s.Shard, s.Hour, start) {
		var bad *fault.BadInput
		if errors.As(err, &bad) { // Kinesis refuses a sequence number that has left the stream
			break
		}
		if err != nil {
			return err
		}
		if x.sequence.Compare(s.Last) > 0 {
			break
		}
		if x.sequence.Compare(s.First) < 0 {
			continue
		}
		if size += len(x.data); size > maxHeld {
			l.report.Why = fmt.Sprintf("its range covers more than %d MB of records", maxHeld>>20)
			return nil
		}
		records = append(records, x)
	}
	n := len(records)
	if n == 0 || records[0].sequence != s.First || records[n-1].sequence != s.Last {
		l.report.Why = fmt.Sprintf("the stream no longer has its records (%d of them are left)", n)
		return nil
	}
	m, err := r.remake(ctx, s.Shard, records)
	if err != nil {
		return err
	}
	l.report.Records = n
	if l.piece != nil && l.piece.RecordsHash != m.index.RecordsHash {
		l.report.Why = "the stream's records are not those that were sealed"
		return nil
	}
	l.create = map[string][]byte{}
	if m.index.Object, err = r.file(ctx, l, m.index.Object, m.object, l.object, sealedFile(l.piece, false), bytes.Equal); err != nil {
		return err
	}
	if m.index.RejectsFile, err = r.file(ctx, l, m.index.RejectsFile, m.rejects, l.rejects, sealedFile(l.piece, true), sameReject); err != nil || l.report.Why != "" {
		return err
	}
	l.finish(m.index, r.Now())
	return nil
}

// finish fills in when and by whom, as it was if that can be found out.
func (l *lost) finish(x *hour.Index, now time.Time) {
	var written []hour.Time
	for _, o := range slices.Concat(l.rejects, l.object) { // the rejects are written last
		if x.Object != nil && o.Key == x.Object.Key || x.RejectsFile != nil && o.Key == x.RejectsFile.Key {
			written = append(written, hour.At(o.Modified))
		}
	}
	l.report.Rebuilt = true
	for _, x.ArchivedAt = range written {
		for _, x.Writer = range []string{hour.WriterMapping, hour.WriterReplay} {
			l.document = hour.Encode(x)
			if l.piece != nil && hour.SHA256(l.document) == l.piece.Index.SHA256 {
				l.report.Exact = true
				return
			}
		}
	}
	at := hour.At(now)
	x.Writer, x.RebuiltAt, x.ArchivedAt = hour.WriterReplay, &at, at
	if len(written) > 0 {
		x.ArchivedAt = written[0]
	}
	l.document = hour.Encode(x)
}

func sealedFile(p *hour.Piece, rejects bool) *hour.File {
	switch {
	case p == nil:
		return nil
	case rejects:
		return p.RejectsFile
	}
	return p.Object
}

// file finds what the index is to name for what was made again: the sealed object, one that lies there and holds the same
// lines though another release encoded it, or what was made. What lies there no more is created.
func (r *Reader) file(ctx context.Context, l *lost, made *hour.File, data []byte, there []store.Object, sealed *hour.File, same func(a, b []byte) bool) (*hour.File, error) {
	if l.report.Why != "" {
		return nil, nil
	}
	if (made == nil) != (sealed == nil) && l.piece != nil {
		l.report.Why = "this release and format make other events and rejects of its records than were sealed"
		return nil, nil
	}
	if made == nil {
		return nil, nil
	}
	want, err := lines(data)
	if err != nil {
		return nil, err
	}
	for _, o := range there {
		if sealed != nil && o.Key != sealed.Key {
			continue
		}
		stored, sum, err := r.readWhole(ctx, o.Key)
		if err != nil {
			return nil, err
		}
		if slices.EqualFunc(stored, want, same) && (sealed == nil || sealed.SHA256 == sum) {
			return &hour.File{Key: o.Key, Size: o.Size, SHA256: sum}, nil
		}
	}
	switch {
	case sealed != nil && sealed.SHA256 != made.SHA256:
		l.report.Why = fmt.Sprintf("%s is gone or damaged, too, and this release would make other bytes than were sealed", sealed.Key)
		return nil, nil
	case slices.ContainsFunc(there, func(o store.Object) bool { return o.Key == made.Key }):
		l.report.Why = fmt.Sprintf("%s is damaged: remove it first", made.Key)
		return nil, nil
	}
	l.create[made.Key] = data
	return made, nil
}

// readWhole reads an archive object: its lines, nil if it cannot be decoded, and the SHA-256 of its bytes.
func (r *Reader) readWhole(ctx context.Context, key string) ([][]byte, string, error) {
	data, _, err := r.Archive.Get(ctx, key, maxHeld)
	var corrupt *fault.Corrupt
	if errors.As(err, &corrupt) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	all, err := lines(data)
	if err != nil {
		return nil, hour.SHA256(data), nil
	}
	return all, hour.SHA256(data), nil
}

// write creates what is gone, the index last. What somebody created meanwhile stands.
func (r *Reader) write(ctx context.Context, l *lost) error {
	var exists *fault.Exists
	for _, key := range sortedKeys(l.create) {
		if _, err := r.Archive.Create(ctx, key, l.create[key]); err != nil && !errors.As(err, &exists) {
			return err
		}
	}
	_, err := r.Archive.Create(ctx, l.report.Key, l.document)
	if !errors.As(err, &exists) {
		return err
	}
	// An earlier try whose answer was lost, another rebuild, or a redelivery: which stands says the same records.
	data, _, err := r.Archive.Get(ctx, l.report.Key, hour.MaxDocument)
	if err != nil {
		return err
	}
	standing, err := r.Keys.DecodeIndex(l.report.Key, data)
	if err != nil {
		return err
	}
	mine, err := r.Keys.DecodeIndex(l.report.Key, l.document)
	if err == nil && standing.RecordsHash != mine.RecordsHash {
		err = &fault.Conflict{Key: l.report.Key, Detail: "another batch stands there"}
	}
	l.report.Exact = l.report.Exact && bytes.Equal(data, l.document)
	return err
}
