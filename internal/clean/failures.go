package clean

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// failurePrefix is where Lambda writes batches that it gave up. Source: AWS Lambda developer guide, "Retain discarded batch
// records".
const failurePrefix = "aws/lambda/"

// maxFailure is the largest failure object that is read: a 6 MiB payload as an escaped string, and its envelope.
const maxFailure = 32 << 20

// Reader is what looking for archived failures needs of a bucket.
type Reader interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
}

// Failures looks at what the failure destination holds. What goes are batches that the mapping gave up and whose every
// record is in the archive by now, by an index that is sound and lists it, unless a seal still names the object as the only
// place of a record. kept says of the others why they stay. archive is the archive bucket; nothing is changed.
func (c *Cleaner) Failures(ctx context.Context, failed, archive Reader) (items, kept []Item, err error) {
	for o, err := range failed.List(ctx, failurePrefix) {
		if err != nil {
			return nil, nil, fmt.Errorf("list failures: %w", err)
		}
		item := Item{Bucket: Failed, Key: o.Key, Size: o.Size, At: hour.At(o.Modified.Add(c.Rules.Grace)), Why: "every record of it is archived"}
		why, err := c.failure(ctx, failed, archive, o)
		if err != nil {
			return nil, nil, fmt.Errorf("look at failure %s: %w", o.Key, err)
		}
		switch {
		case why != "":
			item.Why = why
			kept = append(kept, item)
		case item.At.After(c.Now()):
			item.Why = "it was written lately"
			kept = append(kept, item)
		default:
			items = append(items, item)
		}
	}
	return items, kept, nil
}

// given is a record of a failure object.
type given struct {
	hour     hour.Hour
	shard    string
	sequence hour.Sequence
}

// failure says why a failure object stays, or "".
func (c *Cleaner) failure(ctx context.Context, failed, archive Reader, o store.Object) (string, error) {
	data, _, err := failed.Get(ctx, o.Key, maxFailure)
	var corrupt *fault.Corrupt
	if errors.As(err, &corrupt) {
		return "it cannot be read", nil
	}
	if err != nil {
		return "", err
	}
	records, ok := parseFailure(data)
	if !ok {
		return "it holds no payload that can be read", nil
	}
	slices.SortFunc(records, func(a, b given) int {
		if n := a.hour.Sub(b.hour); n != 0 {
			return n
		}
		if n := strings.Compare(a.shard, b.shard); n != 0 {
			return n
		}
		return a.sequence.Compare(b.sequence)
	})
	for len(records) > 0 {
		n := slices.IndexFunc(records, func(r given) bool { return r.hour != records[0].hour || r.shard != records[0].shard })
		if n < 0 {
			n = len(records)
		}
		if why, err := c.lacks(ctx, archive, o.Key, records[:n]); err != nil || why != "" {
			return why, err
		}
		records = records[n:]
	}
	return "", nil
}

// lacks says which of a shard's records of an hour, in order, the archive does not have, or that a seal still names the
// object; "" if all is well.
func (c *Cleaner) lacks(ctx context.Context, archive Reader, key string, records []given) (string, error) {
	h, shard := records[0].hour, records[0].shard
	m, _, err := c.Ledger.ReadManifest(ctx, h)
	if err != nil {
		return ofTheHour(fmt.Sprintf("the manifest of hour %s cannot be read", h), err)
	}
	if m != nil {
		seal, err := c.Ledger.ReadSeal(ctx, m.Seal)
		if err != nil {
			return ofTheHour(fmt.Sprintf("the seal of hour %s cannot be read", h), err)
		}
		if slices.ContainsFunc(seal.Lost, func(l hour.Lost) bool { return l.Key == key }) {
			return fmt.Sprintf("hour %s is published without its records", h), nil
		}
	}
	archived := map[hour.Sequence]bool{}
	for o, err := range archive.List(ctx, c.Keys.HourPrefix(h)) {
		if err != nil {
			return "", err
		}
		s, ok := c.Keys.ParseIndexKey(o.Key)
		if !ok || s.Shard != shard || s.Last.Compare(records[0].sequence) < 0 || s.First.Compare(records[len(records)-1].sequence) > 0 {
			continue
		}
		rows, err := c.rows(ctx, archive, o.Key)
		if err != nil {
			return ofTheHour("an index of its records cannot be read", err)
		}
		for _, r := range rows {
			archived[r.Sequence] = true
		}
	}
	for _, r := range records {
		if !archived[r.sequence] {
			return fmt.Sprintf("record %s of %s is not in the archive of hour %s", r.sequence, shard, h), nil
		}
	}
	return "", nil
}

func (c *Cleaner) rows(ctx context.Context, archive Reader, key string) ([]hour.Row, error) {
	data, _, err := archive.Get(ctx, key, hour.MaxDocument)
	if err != nil {
		return nil, err
	}
	x, err := c.Keys.DecodeIndex(key, data)
	if err != nil {
		return nil, err
	}
	return x.Rows()
}

// parseFailure reads the records out of a failure object; ok is false if one of them cannot be told.
func parseFailure(data []byte) (records []given, ok bool) {
	var doc struct {
		Payload string `json:"payload"`
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
	if json.Unmarshal(data, &doc) != nil || json.Unmarshal([]byte(doc.Payload), &event) != nil || len(event.Records) == 0 {
		return nil, false
	}
	for _, r := range event.Records {
		sequence, err := hour.ParseSequence(r.Kinesis.Sequence)
		shard, _, _ := strings.Cut(r.EventID, ":")
		ms := math.Round(r.Kinesis.Arrival * 1000)
		if err != nil || hour.CheckShard(shard) != nil || !(ms > 0 && ms < 1<<46) {
			return nil, false
		}
		records = append(records, given{hour.Of(time.UnixMilli(int64(ms)).UTC()), shard, sequence})
	}
	return records, true
}

// Logs finds the logs of clusters that were written longer ago than keep.
func (c *Cleaner) Logs(ctx context.Context, keep time.Duration) (items []Item, err error) {
	now := c.Now()
	err = c.under(ctx, c.Hours, logsPrefix, func(o store.Object) {
		if at := o.Modified.Add(keep); !at.After(now) {
			items = append(items, Item{Bucket: Hours, Key: o.Key, Size: o.Size, Why: "logs of a cluster past their keep time", At: hour.At(at)})
		}
	})
	return items, err
}

// logsPrefix is where clusters write their logs, in the bucket of the hours.
const logsPrefix = "logs/"

// Loose deletes items that are of no hour, from the buckets that are given. To repeat it is right.
func (c *Cleaner) Loose(ctx context.Context, items []Item, buckets map[Bucket]Store) (done Done, err error) {
	for from := 0; from < len(items); {
		n, err := c.delete(ctx, items[from:], buckets, &done)
		if err != nil {
			return done, err
		}
		from += n
	}
	return done, nil
}
