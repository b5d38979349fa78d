package ingest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

// Event is one event to send. Events of one key go to one shard, in their order as far as Kinesis keeps it; an empty
// key spreads them over the shards.
type Event struct {
	Key  string
	Data []byte // at most stream.MaxRecordBytes with the key
}

// Codes of a Failure that are not the service's.
const (
	CodeTooLarge    = "RecordTooLarge" // the record is larger than the stream takes; sending it again does not help
	CodeBadKey      = "BadPartitionKey"
	CodeUnavailable = "ServiceUnavailable" // a call failed: the record may be in the stream all the same
	CodeNotSent     = "NotSent"            // an earlier record could not be sent, or time was up
	CodeThrottled   = "ProvisionedThroughputExceededException"
)

// Failure is an event that is not known to be in the stream.
type Failure struct {
	Index int // among the events that were sent
	Code  string
}

// SenderConfig configures a Sender. Writer is needed.
type SenderConfig struct {
	Writer stream.Writer
	// Attempts is how often a record is put at most; 0 means 8.
	Attempts int
	// Backoff is the longest wait before the second attempt; it doubles with each, up to MaxBackoff. Zeros mean 50 ms and
	// 2 s. The wait is a random part of it.
	Backoff, MaxBackoff time.Duration
	Seed                uint64 // of the waits
	// Sleep waits, or returns ctx's error when that ends first; nil waits on the real clock.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Sender puts events into a stream, in calls of at most 500 records and 5 MiB, one after the other; it puts again only
// those that failed. A call is begun when all records of the one before are in the stream, so events of one key change
// places only within a call: Kinesis does not keep the order of a call's entries, and one that failed comes later than
// those behind it. It is safe for concurrent use.
type Sender struct {
	c SenderConfig

	mu     sync.Mutex
	random *rand.Rand
}

// NewSender returns a sender.
func NewSender(c SenderConfig) *Sender {
	if c.Attempts <= 0 {
		c.Attempts = 8
	}
	if c.Backoff <= 0 {
		c.Backoff = 50 * time.Millisecond
	}
	if c.MaxBackoff <= 0 {
		c.MaxBackoff = 2 * time.Second
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	return &Sender{c: c, random: rand.New(rand.NewPCG(c.Seed, 0x5e7d))}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Send puts the events and returns those that are not known to be in the stream, in their order; none means that all
// are. It goes on past events that can never be sent, and stops at the first call whose records are not all in the
// stream after the last attempt. The error says why it stopped: *fault.Unavailable, *fault.AccessDenied,
// *fault.BadInput (no such stream) or the context's. The failures are complete with an error, too.
func (s *Sender) Send(ctx context.Context, events []Event) ([]Failure, error) {
	var failures []Failure
	var call callInProgress
	flush := func() error {
		failed, err := s.put(ctx, &call)
		failures = append(failures, failed...)
		call = callInProgress{entries: call.entries[:0], index: call.index[:0]}
		return err
	}
	for i, e := range events {
		entry := stream.Entry{PartitionKey: e.Key, Data: e.Data}
		if e.Key == "" {
			entry.PartitionKey = spread(i, e.Data)
		}
		size := len(entry.PartitionKey) + len(e.Data)
		switch {
		case size > stream.MaxRecordBytes:
			failures = append(failures, Failure{i, CodeTooLarge})
			continue
		case !validKey(entry.PartitionKey):
			failures = append(failures, Failure{i, CodeBadKey})
			continue
		}
		if len(call.entries) == stream.MaxEntries || call.size+size > stream.MaxPutBytes {
			if err := flush(); err != nil {
				return inOrder(notSent(failures, i, len(events))), err
			}
		}
		call.entries, call.index, call.size = append(call.entries, entry), append(call.index, i), call.size+size
	}
	err := flush()
	return inOrder(failures), err
}

func notSent(failures []Failure, from, to int) []Failure {
	for i := from; i < to; i++ {
		failures = append(failures, Failure{i, CodeNotSent})
	}
	return failures
}

// callInProgress is what is to be put with one call: entries, and their places among the events.
type callInProgress struct {
	entries []stream.Entry
	index   []int
	size    int
}

// put puts a call's entries, those that failed again. It returns those that never got through, and why.
func (s *Sender) put(ctx context.Context, call *callInProgress) (failures []Failure, err error) {
	entries, index := call.entries, call.index
	codes := make([]string, len(entries))
	for i := range codes {
		codes[i] = CodeNotSent
	}
	for attempt := 0; len(entries) > 0; attempt++ {
		if err = s.pause(ctx, attempt); err != nil {
			break
		}
		var puts []stream.Put
		if puts, err = s.c.Writer.PutRecords(ctx, entries); err == nil && len(puts) != len(entries) {
			err = &fault.Unavailable{Service: "kinesis", Action: "put records", Err: fmt.Errorf("%d answers to %d entries", len(puts), len(entries))}
		}
		if err != nil {
			for i := range codes {
				codes[i] = CodeUnavailable
			}
			if _, again := fault.Outermost(err).(*fault.Unavailable); !again || ctx.Err() != nil || attempt+1 == s.c.Attempts {
				break
			}
			continue
		}
		kept := 0
		for i, p := range puts {
			if p.ErrorCode != "" {
				entries[kept], index[kept], codes[kept] = entries[i], index[i], p.ErrorCode
				kept++
			}
		}
		entries, index, codes = entries[:kept], index[:kept], codes[:kept]
		if kept > 0 && attempt+1 == s.c.Attempts {
			err = &fault.Unavailable{Service: "kinesis", Action: fmt.Sprintf("put records %d times", s.c.Attempts), Err: fmt.Errorf("%d refused, the first with %.60q", kept, codes[0])}
			break
		}
	}
	for i := range entries {
		failures = append(failures, Failure{index[i], codes[i]})
	}
	return failures, err
}

// pause waits before an attempt.
func (s *Sender) pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	longest := s.c.MaxBackoff
	if shift := attempt - 1; shift < 30 && s.c.Backoff<<shift < longest {
		longest = s.c.Backoff << shift
	}
	s.mu.Lock()
	d := time.Duration(s.random.Int64N(int64(longest) + 1))
	s.mu.Unlock()
	return s.c.Sleep(ctx, d)
}

// spread makes a partition key of an event that has none.
func spread(i int, data []byte) string {
	h := fnv.New64a()
	h.Write(data)
	h.Write([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	return strconv.FormatUint(h.Sum64(), 36)
}
