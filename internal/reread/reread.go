// Package reread reads hours from the stream once more, as far as it still has them. It compares them with the archive,
// record by record, and makes a lost index again.
//
// What an index should say of a run of records is not written down here a second time: the records are handed to the
// archive's own code, which writes into memory, and the two are compared.
package reread

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

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// Archive is what is needed of the archive bucket; store.Store states the contract of each method.
type Archive interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
	Create(ctx context.Context, key string, data []byte) (store.Object, error)
}

// Stream is what is needed of the stream; stream.Reader states the contract of each method.
type Stream interface {
	Shards(ctx context.Context, from time.Time) ([]stream.Shard, error)
	Iterator(ctx context.Context, shard string, start stream.Start) (string, error)
	Records(ctx context.Context, iterator string, limit int) (stream.Page, error)
	Retention(ctx context.Context) (time.Duration, error)
}

// Ledger is what is needed of the hours' ledgers.
type Ledger interface {
	Read(ctx context.Context, h hour.Hour) (*ledger.State, error)
	ReadSeal(ctx context.Context, ref hour.Ref) (*hour.Seal, error)
}

// Reader rereads hours. Its fields are set once.
type Reader struct {
	Stream        Stream
	Archive       Archive
	Ledger        Ledger
	Keys          hour.Keys
	Format, Split string // of events, as the archive has them
	Now           func() time.Time
	// Dropped tells, by shard, up to which sequence number records have left the stream before their retention was over: on
	// one machine those that are archived. nil: none have.
	Dropped map[string]hour.Sequence
	// Pause is called after each read of a shard, with its bytes: others read it, too, and need its throughput. It is also called
	// before a read that was refused is tried again, with 0. nil does not wait.
	Pause func(ctx context.Context, bytes int) error
	// Procs is how many shards are read at the same time; 0 means 1.
	Procs int
	// Progress is told of each index that is done with, by any goroutine; nil for nobody.
	Progress func()
}

// Limits.
const (
	// margin is read on either side of an hour: arrival times need not grow with sequence numbers.
	margin = 2 * time.Minute
	// safety is how far within retention a record must lie for its absence to mean something.
	safety = time.Hour
	// maxHeld is how many bytes of records of one shard are held: a batch, and what is read ahead. A batch has 6 MB.
	maxHeld = 96 << 20
	// tries is how often a read that the stream refuses is made.
	tries = 8
)

// horizon is when records must have arrived for the stream to have them.
func (r *Reader) horizon(ctx context.Context) (time.Time, error) {
	retention, err := r.Stream.Retention(ctx)
	return r.Now().Add(safety - retention), err
}

// left says whether a record may have left the stream.
func (r *Reader) left(shard string, s hour.Sequence, arrival, horizon time.Time) bool {
	upTo, ok := r.Dropped[shard]
	return ok && upTo != "" && s.Compare(upTo) <= 0 || arrival.Before(horizon)
}

// record is a record of the hour, as the stream has it.
type record struct {
	sequence hour.Sequence
	arrival  time.Time // to the millisecond
	data     []byte
}

// records yields the records of a shard that arrived in the hour, in their order, from a place on. It ends behind the hour,
// at the tip, or at the shard's end. A shard that the stream does not have has none.
func (r *Reader) records(ctx context.Context, shard string, h hour.Hour, start stream.Start) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		it, err := again(ctx, r, func() (string, error) { return r.Stream.Iterator(ctx, shard, start) })
		var none *fault.NotFound
		if errors.As(err, &none) {
			return
		}
		last := hour.Sequence("")
		for err == nil {
			var page stream.Page
			if page, err = again(ctx, r, func() (stream.Page, error) { return r.Stream.Records(ctx, it, stream.MaxRead) }); err != nil {
				break
			}
			for i := range page.Records {
				x := record{arrival: page.Records[i].Arrival.Round(time.Millisecond).UTC(), data: page.Records[i].Data}
				if x.sequence, err = hour.ParseSequence(page.Records[i].Sequence); err != nil {
					break
				}
				if last != "" && x.sequence.Compare(last) <= 0 {
					err = &fault.Corrupt{Key: shard, Detail: fmt.Sprintf("the stream gives record %s after %s", x.sequence, last)}
					break
				}
				if last = x.sequence; !x.arrival.Before(h.End().Add(margin)) {
					return
				}
				if h.Contains(x.arrival) && !yield(x, nil) {
					return
				}
			}
			if err == nil && (page.Next == "" || page.BehindTip == 0) {
				return
			}
			if err == nil && r.Pause != nil {
				bytes := 0
				for i := range page.Records {
					bytes += len(page.Records[i].Data)
				}
				err = r.Pause(ctx, bytes)
			}
			it = page.Next
		}
		yield(record{}, fmt.Errorf("read shard %s: %w", shard, err))
	}
}

// again makes a call that the stream may refuse for a while.
func again[T any](ctx context.Context, r *Reader, call func() (T, error)) (v T, err error) {
	for range tries {
		var busy *fault.Unavailable
		if v, err = call(); err == nil || !errors.As(err, &busy) || r.Pause == nil || ctx.Err() != nil {
			return v, err
		}
		if err := r.Pause(ctx, 0); err != nil {
			return v, err
		}
	}
	return v, err
}

// atBegin is where to read an hour from.
func atBegin(h hour.Hour) stream.Start {
	return stream.Start{Type: stream.AtTimestamp, Time: h.Start().Add(-margin)}
}

// spans lists the runs of records that the archive commits, by shard and in order; and what else lies there of the hour.
func (r *Reader) spans(ctx context.Context, h hour.Hour) (indexes map[string][]hour.Span, others map[string]store.Object, err error) {
	indexes, others = map[string][]hour.Span{}, map[string]store.Object{}
	for _, prefix := range []string{r.Keys.HourPrefix(h), r.Keys.DataPrefix(h)} {
		for o, err := range r.Archive.List(ctx, prefix) {
			if err != nil {
				return nil, nil, fmt.Errorf("list archive of hour %s: %w", h, err)
			}
			if s, ok := r.Keys.ParseIndexKey(o.Key); ok {
				indexes[s.Shard] = append(indexes[s.Shard], s)
			} else {
				others[o.Key] = o
			}
		}
	}
	for _, list := range indexes {
		slices.SortFunc(list, bySpan)
	}
	return indexes, others, nil
}

func bySpan(a, b hour.Span) int {
	if c := strings.Compare(a.Shard, b.Shard); c != 0 {
		return c
	}
	if c := a.First.Compare(b.First); c != 0 {
		return c
	}
	return a.Last.Compare(b.Last)
}

// sealed reads the seals of an hour that its ledger names: the published one, or nil, and all that can be read.
func (r *Reader) sealed(ctx context.Context, h hour.Hour) (published *hour.Seal, all []*hour.Seal, err error) {
	st, err := r.Ledger.Read(ctx, h)
	var corrupt *fault.Corrupt
	if errors.As(err, &corrupt) { // verify says so
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	read := map[string]*hour.Seal{}
	for i := range st.Entries {
		ref := st.Entries[i].Seal
		if ref == nil || read[ref.Key] != nil {
			continue
		}
		s, err := r.Ledger.ReadSeal(ctx, *ref)
		var none *fault.NotFound
		if errors.As(err, &corrupt) || errors.As(err, &none) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		read[ref.Key] = s
		all = append(all, s)
	}
	if p := st.Published(); p != nil {
		published = read[p.Publish.Seal.Key]
	}
	return published, all, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func anyKey[V any](m map[hour.Span]V, fn func(hour.Span) bool) bool {
	for s := range m {
		if fn(s) {
			return true
		}
	}
	return false
}
