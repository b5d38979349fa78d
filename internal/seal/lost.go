package seal

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
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
	First, Last   hour.Sequence
	Count         int
	Begins, Until time.Time
}

// FailedRecord is one record of a batch that the mapping gave up.
type FailedRecord struct {
	Shard    string
	Sequence hour.Sequence
	Arrival  time.Time // to the millisecond
}

// ParseFailure reads an object of the failure destination, of at most MaxFailure bytes. Errors are *fault.Corrupt, without
// payload.
//
// Source: AWS Lambda developer guide, "Retain discarded batch records": an S3 destination gets the whole invocation record.
func ParseFailure(key string, data []byte) (*Failure, error) {
	bad := func(detail string) (*Failure, error) { return nil, &fault.Corrupt{Key: key, Detail: detail} }
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
		f.First, err1 = hour.ParseSequence(doc.Batch.First)
		f.Last, err2 = hour.ParseSequence(doc.Batch.Last)
		if err1 != nil || err2 != nil || hour.CheckShard(f.Shard) != nil || f.First.Compare(f.Last) > 0 || !knownTime(f.Begins) || !knownTime(f.Until) || f.Until.Before(f.Begins) {
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
		seq, err := hour.ParseSequence(r.Kinesis.Sequence)
		shard := shardOf(r.EventID)
		if err != nil || hour.CheckShard(shard) != nil {
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

type failedRecord struct {
	shard    string
	sequence hour.Sequence
	key      string
}

// failed lists the records of the hour that the failure destination holds, in its order.
func (h *Handler) failed(ctx context.Context, hr hour.Hour) ([]failedRecord, error) {
	if h.Failure == nil {
		return nil, nil
	}
	var all []failedRecord
	for o, err := range h.Failure.List(ctx, FailurePrefix) {
		if err != nil {
			return nil, err
		}
		if o.Modified.Before(hr.Start()) { // given up before the hour began
			continue
		}
		data, _, err := h.Failure.Get(ctx, o.Key, MaxFailure)
		if err != nil {
			return nil, err
		}
		records, err := parseFailure(o.Key, data, hr)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	return all, nil
}

func parseFailure(key string, data []byte, hr hour.Hour) ([]failedRecord, error) {
	f, err := ParseFailure(key, data)
	if err != nil {
		return nil, err
	}
	if f.Payload == nil {
		return nil, &fault.Corrupt{Key: key, Detail: "not a failure record with its payload"}
	}
	var out []failedRecord
	for _, r := range f.Records {
		if hr.Contains(r.Arrival) {
			out = append(out, failedRecord{r.Shard, r.Sequence, key})
		}
	}
	return out, nil
}

// stillLost folds the failed records that no batch covers into ranges, one for each run of a failure object.
func stillLost(failed []failedRecord, covered map[string]coverage) []hour.Lost {
	var lost []hour.Lost
	run := false // whether the record before is the last of lost
	for _, f := range failed {
		if _, ok := covered[f.shard].find(f.sequence); ok {
			run = false
			continue
		}
		if k := len(lost) - 1; run && lost[k].Key == f.key && lost[k].Shard == f.shard {
			lost[k].Last = f.sequence
			continue
		}
		lost, run = append(lost, hour.Lost{Shard: f.shard, First: f.sequence, Last: f.sequence, Key: f.key}), true
	}
	return lost
}

// givenUp knows the records that the mapping gave up and will not archive: they are lost, but nobody waits for them.
// The failure destination is read when the first is asked for.
type givenUp struct {
	h       *Handler
	hr      hour.Hour
	read    bool
	records map[failedRecord]bool
}

func (g *givenUp) has(ctx context.Context, shard string, s hour.Sequence) (bool, error) {
	if !g.read {
		failed, err := g.h.failed(ctx, g.hr)
		if err != nil {
			return false, err
		}
		g.read, g.records = true, map[failedRecord]bool{}
		for _, f := range failed {
			g.records[failedRecord{shard: f.shard, sequence: f.sequence}] = true
		}
	}
	return g.records[failedRecord{shard: shard, sequence: s}], nil
}
