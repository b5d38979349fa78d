// Package streamfault makes streams fail as Kinesis does: records that are throttled one by one, calls that are refused
// or whose answer is lost, pages that are empty although records follow. The death of the process at a stream call is
// storefault.Process.Do's.
package streamfault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

// Error codes of single entries.
const (
	Throttled = "ProvisionedThroughputExceededException"
	Internal  = "InternalFailure"
)

// Outcome is what happens to a call; the zero Outcome lets it pass.
type Outcome struct {
	// Err is answered instead of the call's own answer, without any effect unless Lose is set.
	Err error
	// Lose lets the call take effect and then loses its answer; Err defaults to ErrLost in a *fault.Unavailable.
	Lose bool
	// Entries of a PutRecords that fail, by their place, with an error code; they are not put.
	Entries map[int]string
	// Empty makes the page of a GetRecords empty: its records come with the next one.
	Empty bool
}

// ErrLost is the cause of an error that hides a call's answer, ErrInjected of one that stands for its effect.
var (
	ErrLost     = errors.New("answer lost")
	ErrInjected = errors.New("injected")
)

// Call is one call that may be harmed.
type Call struct {
	Number  int    // among the calls of the decorator, from 1
	Action  string // the method
	Entries []stream.Entry
}

// Schedule decides what happens to a call. It is asked once for each, never twice at the same time.
type Schedule func(Call) Outcome

// Faulty decorates the two halves of a stream; either may be nil if it is not called. It is safe for concurrent use.
type Faulty struct {
	writer   stream.Writer
	reader   stream.Reader
	schedule Schedule

	mu    sync.Mutex
	calls int
}

var (
	_ stream.Writer = (*Faulty)(nil)
	_ stream.Reader = (*Faulty)(nil)
)

// New decorates a stream.
func New(writer stream.Writer, reader stream.Reader, schedule Schedule) *Faulty {
	return &Faulty{writer: writer, reader: reader, schedule: schedule}
}

func (f *Faulty) decide(action string, entries []stream.Entry) Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	o := f.schedule(Call{f.calls, action, entries})
	if o.Lose && o.Err == nil {
		o.Err = &fault.Unavailable{Service: "stream", Action: action, Err: ErrLost}
	}
	return o
}

// PutRecords implements stream.Writer.
func (f *Faulty) PutRecords(ctx context.Context, entries []stream.Entry) ([]stream.Put, error) {
	o := f.decide("PutRecords", entries)
	if o.Err != nil && !o.Lose {
		return nil, o.Err
	}
	puts := make([]stream.Put, len(entries))
	var passed []stream.Entry
	var at []int
	for i, e := range entries {
		if code := o.Entries[i]; code != "" {
			puts[i].ErrorCode = code
			continue
		}
		passed, at = append(passed, e), append(at, i)
	}
	if len(passed) > 0 || len(entries) == 0 {
		answers, err := f.writer.PutRecords(ctx, passed)
		if err != nil {
			return nil, err
		}
		for i, put := range answers {
			puts[at[i]] = put
		}
	}
	if o.Lose {
		return nil, o.Err
	}
	return puts, nil
}

// Shards implements stream.Reader.
func (f *Faulty) Shards(ctx context.Context, from time.Time) ([]stream.Shard, error) {
	if o := f.decide("Shards", nil); o.Err != nil {
		return nil, o.Err
	}
	return f.reader.Shards(ctx, from)
}

// Iterator implements stream.Reader.
func (f *Faulty) Iterator(ctx context.Context, shard string, start stream.Start) (string, error) {
	if o := f.decide("Iterator", nil); o.Err != nil {
		return "", o.Err
	}
	return f.reader.Iterator(ctx, shard, start)
}

// Records implements stream.Reader. An empty page's next iterator is the one that was asked with.
func (f *Faulty) Records(ctx context.Context, iterator string, limit int) (stream.Page, error) {
	switch o := f.decide("Records", nil); {
	case o.Err != nil:
		return stream.Page{}, o.Err
	case o.Empty:
		return stream.Page{Next: iterator, BehindTip: time.Millisecond}, nil
	}
	return f.reader.Records(ctx, iterator, limit)
}

// Retention implements stream.Reader.
func (f *Faulty) Retention(ctx context.Context) (time.Duration, error) {
	if o := f.decide("Retention", nil); o.Err != nil {
		return 0, o.Err
	}
	return f.reader.Retention(ctx)
}

// Rates are probabilities from 0 to 1.
type Rates struct {
	Entry  float64 // of an entry of PutRecords to fail
	Refuse float64 // of a call to be refused
	Lose   float64 // of a PutRecords to lose its answer
	Empty  float64 // of a page to be empty
}

// Seeded harms calls at random, each by the seed and its number.
func Seeded(seed uint64, rates Rates) Schedule {
	return func(c Call) Outcome {
		rng := rand.New(rand.NewPCG(seed, uint64(c.Number)))
		var o Outcome
		switch at := rng.Float64(); {
		case at < rates.Refuse:
			o.Err = &fault.Unavailable{Service: "stream", Action: fmt.Sprintf("%s (call %d)", c.Action, c.Number), Err: ErrInjected}
			return o
		case at < rates.Refuse+rates.Lose && c.Action == "PutRecords":
			o.Lose = true
		}
		o.Empty = rng.Float64() < rates.Empty
		for i := range c.Entries {
			if rng.Float64() < rates.Entry {
				if o.Entries == nil {
					o.Entries = map[int]string{}
				}
				o.Entries[i] = Throttled
				if rng.IntN(4) == 0 {
					o.Entries[i] = Internal
				}
			}
		}
		return o
	}
}
