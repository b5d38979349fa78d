package seal

import (
	"context"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

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
	for o, err := range h.Failure.List(ctx, hour.FailurePrefix) {
		if err != nil {
			return nil, err
		}
		if o.Modified.Before(hr.Start()) { // given up before the hour began
			continue
		}
		data, _, err := h.Failure.Get(ctx, o.Key, hour.MaxFailure)
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
	f, err := hour.ParseFailure(key, data)
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
