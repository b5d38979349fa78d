// Package stream is what the stages need of Kinesis Data Streams, in Kinesis' own terms: shards, sequence numbers,
// arrival times, iterators. See https://docs.aws.amazon.com/kinesis/latest/APIReference/.
package stream

import (
	"context"
	"time"
)

// Limits of the service.
const (
	MaxEntries     = 500      // entries of one PutRecords
	MaxPutBytes    = 5 << 20  // bytes of one PutRecords, data and partition keys, as the ingest stage uses it
	MaxRecordBytes = 1 << 20  // bytes of one record, data and partition key
	MaxKeyBytes    = 256      // characters of a partition key
	MaxRead        = 10_000   // records of one GetRecords
	MaxReadBytes   = 10 << 20 // bytes of one GetRecords
)

// Record is one record of a shard. Sequence numbers are decimal, opaque, up to 129 digits, grow within a shard and are
// not contiguous. Arrival is approximate, to the millisecond, and need not grow.
type Record struct {
	Sequence     string    `json:"sequence"`
	PartitionKey string    `json:"partition_key"`
	Arrival      time.Time `json:"arrival"`
	Data         []byte    `json:"data"`
}

// Shard describes a shard. Last is empty while the shard is open.
type Shard struct {
	ID             string `json:"id"`
	Parent         string `json:"parent,omitempty"`          // "" if none
	AdjacentParent string `json:"adjacent_parent,omitempty"` // the other parent of a merge, "" if none
	StartHash      string `json:"start_hash"`                // decimal, 128 bits, inclusive
	EndHash        string `json:"end_hash"`
	First          string `json:"first"` // sequence number range
	Last           string `json:"last,omitempty"`
}

// Entry is one record to put.
type Entry struct {
	PartitionKey    string
	ExplicitHashKey string // "" for the partition key's MD5
	Data            []byte
}

// Put is what became of one entry: a place in the stream, or an error code such as
// "ProvisionedThroughputExceededException" or "InternalFailure".
type Put struct {
	Shard, Sequence string
	ErrorCode       string
}

// Writer puts records. One Put answers each entry, in order; entries may fail one by one while err is nil. An error
// leaves open whether records were written.
type Writer interface {
	PutRecords(ctx context.Context, entries []Entry) ([]Put, error)
}

// Start kinds of an iterator.
const (
	TrimHorizon   = "TRIM_HORIZON"
	AfterSequence = "AFTER_SEQUENCE_NUMBER"
	AtSequence    = "AT_SEQUENCE_NUMBER"
	AtTimestamp   = "AT_TIMESTAMP"
	Latest        = "LATEST"
)

// Start says where an iterator begins. A start before the trim horizon is the trim horizon.
type Start struct {
	Type     string
	Sequence string    // for AFTER_ and AT_SEQUENCE_NUMBER
	Time     time.Time // for AT_TIMESTAMP
}

// Page is the answer of GetRecords. It may be empty although records follow: read on until BehindTip is zero or the
// iterator ends.
type Page struct {
	Records   []Record
	Next      string        // the next iterator; "" at the end of a closed shard
	BehindTip time.Duration // MillisBehindLatest; zero at the tip
	Children  []string      // shards that follow a closed one that has ended
}

// Reader reads a stream; any number of readers are independent of each other.
type Reader interface {
	// Shards lists the shards that hold or may hold records that arrived at or after from (ListShards with
	// FROM_TIMESTAMP; the zero time lists all within retention), in the order of their ids.
	Shards(ctx context.Context, from time.Time) ([]Shard, error)
	// Iterator opens a shard at a place. An unknown shard is a *fault.NotFound.
	Iterator(ctx context.Context, shard string, start Start) (string, error)
	// Records reads up to limit records (at most MaxRead) from an iterator; an iterator that expired (five minutes) or is
	// malformed is a *fault.BadInput.
	Records(ctx context.Context, iterator string, limit int) (Page, error)
	// Retention is how long the stream keeps records.
	Retention(ctx context.Context) (time.Duration, error)
}
