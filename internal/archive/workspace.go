package archive

import (
	"slices"

	"crypto/sha256"
	"encoding/hex"

	"penstock/internal/bzip2"
	"penstock/internal/hour"
)

// maxKept is how much memory of a workspace is kept from one invocation to the next, in bytes, besides the encoder's.
const maxKept = 64 << 20

// workspace is the memory of one invocation at a time.
type workspace struct {
	handler *Handler
	batch   batch
	sorter  sorter
	columns hour.ColumnsEncoder
	hasher  *hour.RecordsHasher
	encoder bzip2.Encoder
	places  map[hour.Hour]int // of hours in commits
	commits []commit
}

// commit is what one hour of a delivery is to write.
type commit struct {
	span    hour.Span
	index   hour.Index // complete but for when, and by whom
	object  []byte     // compressed; empty: none
	rejects []byte     // likewise
	records []int      // places in batch.records
}

func newWorkspace(h *Handler) *workspace {
	return &workspace{
		handler: h,
		sorter:  sorter{text: h.Format == FormatText, split: h.Split == SplitLines, probe: h.probe},
		hasher:  hour.NewRecordsHasher(),
		encoder: bzip2.Encoder{Level: h.Bzip2.Level, Procs: h.Bzip2.Procs, Codec: h.Bzip2.Codec},
		places:  map[hour.Hour]int{},
	}
}

// size is about how many bytes the workspace holds.
func (w *workspace) size() int {
	n := cap(w.batch.data) + cap(w.sorter.lines) + cap(w.sorter.rejects)
	for _, c := range w.commits[:cap(w.commits)] {
		n += cap(c.object) + cap(c.rejects) + 8*cap(c.records)
	}
	return n
}

// prepare does all of an invocation that needs nothing but the payload.
func (w *workspace) prepare(payload []byte) error {
	if err := w.batch.read(payload); err != nil {
		return err
	}
	w.group()
	for i := range w.commits {
		if err := w.encode(&w.commits[i]); err != nil {
			return err
		}
	}
	return nil
}

// group splits the records by hour of arrival. Arrival need not grow with the sequence numbers: an hour's records may
// lie among another's.
func (w *workspace) group() {
	w.commits = w.commits[:0]
	clear(w.places)
	var last hour.Hour
	at := -1
	for i := range w.batch.records {
		h := hour.Of(w.batch.records[i].arrival().Time)
		if at < 0 || h != last {
			var ok bool
			if at, ok = w.places[h]; !ok {
				at = w.addCommit(h)
			}
			last = h
		}
		c := &w.commits[at]
		c.records = append(c.records, i)
	}
	// Hours are committed in their order: an index of the next hour is taken as proof that this one's batches stand.
	slices.SortFunc(w.commits, func(a, b commit) int { return a.span.Hour.Sub(b.span.Hour) })
}

func (w *workspace) addCommit(h hour.Hour) int {
	at := len(w.commits)
	w.places[h] = at
	if at < cap(w.commits) {
		w.commits = w.commits[:at+1]
	} else {
		w.commits = append(w.commits, commit{})
	}
	c := &w.commits[at]
	*c = commit{object: c.object[:0], rejects: c.rejects[:0], records: c.records[:0]}
	c.span.Hour = h
	return at
}

// encode makes the objects and the index of one hour.
func (w *workspace) encode(c *commit) error {
	w.sorter.reset(w.batch.shard)
	w.columns.Reset()
	for _, i := range c.records {
		r := &w.batch.records[i]
		data := w.batch.bytes(r)
		w.hasher.AddBytes(r.seq, r.ms, data)
		if err := w.columns.Add(r.seq, r.ms, w.sorter.add(r, data)); err != nil {
			return malformed("%v", err)
		}
	}
	s := &w.sorter
	first, last := &w.batch.records[c.records[0]], &w.batch.records[c.records[len(c.records)-1]]
	c.span.Shard, c.span.First, c.span.Last = w.batch.shard, hour.Sequence(first.seq), hour.Sequence(last.seq)
	c.index = hour.Index{
		Version: hour.Version, Hour: c.span.Hour, Shard: c.span.Shard, First: c.span.First, Last: c.span.Last,
		Records: len(c.records), Events: s.events, Rejects: s.rejectN, Bytes: int64(len(s.lines)),
		FirstArrival: first.arrival(), LastArrival: last.arrival(),
		RecordsHash: w.hasher.Sum(), Writer: w.handler.Writer, Columns: w.columns.Columns(),
	}
	k := w.handler.Keys
	if s.events > 0 {
		c.object = w.encoder.Encode(c.object[:0], s.lines)
		c.index.Object = file(c.object, func(hash string) string {
			return k.ObjectKey(hour.DataKey{Span: c.span, Count: s.events, Hash: hash})
		})
	}
	if s.rejectN > 0 {
		c.rejects = w.encoder.Encode(c.rejects[:0], s.rejects)
		c.index.RejectsFile = file(c.rejects, func(hash string) string {
			return k.RejectsKey(hour.DataKey{Span: c.span, Count: s.rejectN, Hash: hash})
		})
	}
	return nil
}

func file(b []byte, key func(hash string) string) *hour.File {
	sum := sha256.Sum256(b)
	text := hex.EncodeToString(sum[:])
	return &hour.File{Key: key(text[:12]), Size: int64(len(b)), SHA256: text}
}
