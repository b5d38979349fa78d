package hour

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// FailurePrefix is where Lambda writes batches that it gave up, in the failure destination's bucket.
// Source: AWS Lambda developer guide, "Retain discarded batch records".
const FailurePrefix = "aws/lambda/"

// MaxFailure is the largest failure object that is read: a 6 MiB payload as an escaped string, and its envelope.
const MaxFailure = 32 << 20

// Failure is an object of the failure destination: a batch that the mapping gave up.
type Failure struct {
	Payload []byte // the event as the function would have got it; nil: it was not kept
	Records []FailedRecord
	// Of one without a payload: the range that it says it was, and when its records arrived.
	Shard         string
	First, Last   Sequence
	Count         int
	Begins, Until time.Time
}

// FailedRecord is one record of a batch that the mapping gave up.
type FailedRecord struct {
	Shard    string
	Sequence Sequence
	Arrival  time.Time // to the millisecond
}

// ParseFailure reads an object of the failure destination, of at most MaxFailure bytes. Errors are *Corrupt, without
// payload.
//
// Source: AWS Lambda developer guide, "Retain discarded batch records": an S3 destination gets the whole invocation record.
func ParseFailure(key string, data []byte) (*Failure, error) {
	bad := func(detail string) (*Failure, error) { return nil, &Corrupt{Key: key, Detail: detail} }
	if len(data) > MaxFailure {
		return bad(fmt.Sprintf("a failure record of %d bytes, limit %d", len(data), MaxFailure))
	}
	var doc struct {
		Payload string `json:"payload"`
		Batch   *struct {
			Shard  string    `json:"shardId"`
			First  string    `json:"startSequenceNumber"`
			Last   string    `json:"endSequenceNumber"`
			Begins time.Time `json:"approximateArrivalOfFirstRecord"`
			Until  time.Time `json:"approximateArrivalOfLastRecord"`
			Count  int       `json:"batchSize"`
		} `json:"KinesisBatchInfo"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return bad("not a failure record with its payload")
	}
	if doc.Payload == "" {
		if doc.Batch == nil {
			return bad("not a failure record with its payload")
		}
		f := &Failure{Shard: doc.Batch.Shard, Count: doc.Batch.Count, Begins: doc.Batch.Begins, Until: doc.Batch.Until}
		var err1, err2 error
		f.First, err1 = ParseSequence(doc.Batch.First)
		f.Last, err2 = ParseSequence(doc.Batch.Last)
		if err1 != nil || err2 != nil || CheckShard(f.Shard) != nil || f.First.Compare(f.Last) > 0 || !knownTime(f.Begins) || !knownTime(f.Until) || f.Until.Before(f.Begins) {
			return bad("a failure record without its payload that names no range")
		}
		return f, nil
	}
	var event struct {
		Records []struct {
			EventID string `json:"eventID"`
			Kinesis struct {
				Sequence string  `json:"sequenceNumber"`
				Arrival  float64 `json:"approximateArrivalTimestamp"`
			} `json:"kinesis"`
		} `json:"Records"`
	}
	f := &Failure{Payload: []byte(doc.Payload)}
	if json.Unmarshal(f.Payload, &event) != nil {
		return bad("not a failure record with its payload")
	}
	for _, r := range event.Records {
		seq, err := ParseSequence(r.Kinesis.Sequence)
		shard, _, _ := strings.Cut(r.EventID, ":") // shardId-000000000003:495903...
		if err != nil || CheckShard(shard) != nil {
			return bad("a record without shard or sequence number")
		}
		ms := math.Round(r.Kinesis.Arrival * 1000)
		if ms < 0 || ms > lastTime {
			return bad("a record that arrived at no time")
		}
		f.Records = append(f.Records, FailedRecord{shard, seq, time.UnixMilli(int64(ms)).UTC()})
	}
	return f, nil
}

// lastTime is the last millisecond of the year 9999, as the archive has it.
const lastTime = 253402300799999

func knownTime(t time.Time) bool { return t.UnixMilli() >= 0 && t.UnixMilli() <= lastTime }
