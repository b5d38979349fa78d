// Package ledger keeps an hour's ledger: entries that are created once, one after the other, and never replaced. What is
// true of an hour is the fold of its entries; nothing else decides who may publish it, and the manifest is only a
// projection that readers open.
//
// Two writers meet at the next number: the store creates it for one of them, and the other reads again and decides anew.
// An entry's id is the same for every try of the same append, so a writer whose answer was lost finds its own entry.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/trace"
)

// Store is what a ledger needs of the bucket that holds it; store.Store states the contract of each method.
type Store interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	Create(ctx context.Context, key string, data []byte) (store.Object, error)
	Replace(ctx context.Context, key, etag string, data []byte) (store.Object, error)
}

// Limits of a ledger.
const (
	MaxEntries = 9_999    // entries of an hour; a run makes about ten
	MaxEntry   = 16 << 20 // bytes of one entry
)

// tries bounds how often Append meets another writer, or an unavailable store, before it gives up. Writers of one hour
// are few: the execution, due, the reaper and a person.
const tries = 8

// Ledger reads and appends. It is safe for concurrent use if Store and Now are.
type Ledger struct {
	Store Store
	Keys  hour.Keys
	// Now stamps entries; nothing is decided by it here.
	Now func() time.Time
}

// Read reads an hour's entries and folds them. An hour without entries has an empty State. A gap, an entry that does not
// name its predecessor's hash or one that is damaged is a *fault.Corrupt.
func (l *Ledger) Read(ctx context.Context, h hour.Hour) (*State, error) {
	var (
		entries []hour.Entry
		hashes  []string
		last    string
	)
	for o, err := range l.Store.List(ctx, l.Keys.LedgerPrefix(h)) {
		if err != nil {
			return nil, fmt.Errorf("list ledger of hour %s: %w", h, err)
		}
		if _, n, ok := l.Keys.ParseLedgerKey(o.Key); !ok || n != len(entries)+1 || n > MaxEntries {
			return nil, &fault.Corrupt{Key: o.Key, Detail: fmt.Sprintf("entry %d of the ledger was expected", len(entries)+1)}
		}
		b, _, err := l.Store.Get(ctx, o.Key, MaxEntry)
		if err != nil {
			return nil, fmt.Errorf("read ledger of hour %s: %w", h, err)
		}
		e, err := l.Keys.DecodeEntry(o.Key, b)
		if err != nil {
			return nil, err
		}
		if e.Previous != last {
			return nil, &fault.Corrupt{Key: o.Key, Detail: "entry does not follow the one before it"}
		}
		last = hour.SHA256(b)
		entries, hashes = append(entries, *e), append(hashes, last)
	}
	return Fold(h, entries, hashes), nil
}

// Append adds one entry. decide looks at the hour's present state and returns the entry, or nil if there is nothing to
// do, or an error, which Append returns; it may be called several times and does nothing else. The entry's ID, Type, Run
// and what its type needs are decide's; Version, Hour, Number, Previous, At and Trace are filled in. If an entry with
// that ID stands, it was appended before, and all is well.
//
// The state returned is that after the entry. Errors are decide's, the store's, *fault.Corrupt, and *fault.Unavailable
// after too many tries; after an error the entry may or may not stand, and to call Append again is right.
func (l *Ledger) Append(ctx context.Context, h hour.Hour, decide func(*State) (*hour.Entry, error)) (*State, error) {
	var last error
	for range tries {
		s, err := l.Read(ctx, h)
		if err != nil {
			return nil, err
		}
		e, err := decide(s)
		if err != nil {
			return s, err
		}
		if e == nil || s.Has(e.ID) {
			return s, nil
		}
		if e.ID == "" || e.Run < 1 {
			return nil, fmt.Errorf("append %s to ledger of hour %s: entry has no id or no run", e.Type, h)
		}
		if s.Last >= MaxEntries {
			return nil, &fault.BadInput{Detail: fmt.Sprintf("ledger of hour %s is full", h)}
		}
		entry := *e
		entry.Version, entry.Hour, entry.Number, entry.Previous = hour.Version, h, s.Last+1, s.LastHash
		entry.At, entry.Trace = hour.At(l.Now()), trace.ID(ctx)
		b := hour.Encode(&entry)
		if len(b) > MaxEntry {
			return nil, &fault.BadInput{Detail: fmt.Sprintf("%s of hour %s is %d bytes long, limit %d", e.Type, h, len(b), MaxEntry)}
		}
		_, err = l.Store.Create(ctx, l.Keys.LedgerKey(h, entry.Number), b)
		if err == nil {
			return s.with(entry, hour.SHA256(b)), nil
		}
		last = fmt.Errorf("append %s to ledger of hour %s: %w", e.Type, h, err)
		var exists *fault.Exists
		var unavailable *fault.Unavailable
		if !errors.As(err, &exists) && !errors.As(err, &unavailable) || ctx.Err() != nil {
			return nil, last
		}
	}
	return nil, &fault.Unavailable{Service: "ledger", Action: "append to hour " + h.String(), Err: last}
}
