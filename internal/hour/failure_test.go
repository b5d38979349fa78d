package hour

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParseFailure feeds foreign objects to the reader of the failure destination.
func FuzzParseFailure(f *testing.F) {
	const event = `{"Records":[{"eventID":"shardId-000000000003:0017","kinesis":{"sequenceNumber":"0017","approximateArrivalTimestamp":1795417200.987}}]}`
	payload, err := json.Marshal(map[string]string{"payload": event})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte(`{"payload":"{\"Records\":[]}"}`))
	f.Add([]byte(`{"payload":"{\"Records\":[{}]}"}`))
	f.Add([]byte(`{"payload":"{\"Records\":[{\"eventID\":\":\",\"kinesis\":{\"approximateArrivalTimestamp\":1e308}}]}"}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"KinesisBatchInfo":{"shardId":"s","startSequenceNumber":"7","endSequenceNumber":"9","approximateArrivalOfFirstRecord":"2026-11-23T07:00:00Z",` +
		`"approximateArrivalOfLastRecord":"2026-11-23T07:00:01.5Z","batchSize":3}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := ParseFailure("k", data)
		if err != nil {
			if !errors.As(err, new(*Corrupt)) || all != nil {
				t.Fatalf("%v with %+v", err, all)
			}
		} else if slices.ContainsFunc(all.Records, func(r FailedRecord) bool { return r.Arrival.Year() < 1970 || r.Arrival.Year() > 9999 }) {
			t.Fatalf("%+v", all.Records)
		} else if all.Payload == nil && (all.First.Compare(all.Last) > 0 || len(all.Records) > 0) {
			t.Fatalf("%+v", all)
		}
		if err == nil {
			for _, r := range all.Records {
				if again, err := ParseSequence(string(r.Sequence)); err != nil || again != r.Sequence || CheckShard(r.Shard) != nil {
					t.Fatalf("%+v", r)
				}
			}
		}
	})
}

func TestAFailureRecordIsReadUpToItsLimit(t *testing.T) {
	event := `{"Records":[{"eventID":"s:7","kinesis":{"sequenceNumber":"7","approximateArrivalTimestamp":1795417200.5,"data":"` +
		strings.Repeat("A", 6<<20) + `"}}]}`
	doc, err := json.Marshal(map[string]string{"payload": event})
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFailure("k", doc)
	if err != nil || string(f.Payload) != event || len(f.Records) != 1 || f.Records[0].Arrival.UnixMilli() != 1795417200500 {
		t.Fatalf("%d records, %v", len(f.Records), err)
	}
	doc = append(doc, make([]byte, MaxFailure)...)
	if _, err := ParseFailure("k", doc); !errors.As(err, new(*Corrupt)) {
		t.Errorf("beyond the limit: %v", err)
	}
	for _, deep := range []string{strings.Repeat("[", 1<<20), `{"payload":"` + strings.Repeat("[", 1<<20) + `"}`} {
		if _, err := ParseFailure("k", []byte(deep)); !errors.As(err, new(*Corrupt)) {
			t.Errorf("nested deeply: %v", err)
		}
	}
}

func TestARecordThatArrivedAtNoTimeIsCorrupt(t *testing.T) {
	for _, arrival := range []string{"1e308", "-1", "253402300800", "-0.001"} {
		doc := `{"payload":"{\"Records\":[{\"eventID\":\"s:7\",\"kinesis\":{\"sequenceNumber\":\"7\",\"approximateArrivalTimestamp\":` + arrival + `}}]}"}`
		if _, err := ParseFailure("k", []byte(doc)); !errors.As(err, new(*Corrupt)) {
			t.Errorf("%s: %v", arrival, err)
		}
	}
}

func TestAFailureRecordWithoutItsPayloadNamesItsRange(t *testing.T) {
	batch := func(more string) string {
		return `{"KinesisBatchInfo":{"shardId":"s","startSequenceNumber":"7","endSequenceNumber":"9","approximateArrivalOfFirstRecord":"2026-11-23T07:00:00Z",` +
			`"approximateArrivalOfLastRecord":"2026-11-23T08:00:01.500Z","batchSize":3` + more + `}}`
	}
	f, err := ParseFailure("k", []byte(batch("")))
	if err != nil || f.Payload != nil || f.Shard != "s" || f.First != "7" || f.Last != "9" || f.Count != 3 || !f.Begins.Equal(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)) ||
		f.Until.Sub(f.Begins) != time.Hour+1500*time.Millisecond {
		t.Fatalf("%+v, %v", f, err)
	}
	for _, more := range []string{`,"shardId":"a/b"`, `,"startSequenceNumber":"10"`, `,"startSequenceNumber":"x"`, `,"approximateArrivalOfLastRecord":"2026-11-23T06:00:00Z"`,
		`,"approximateArrivalOfFirstRecord":"never"`} {
		if _, err := ParseFailure("k", []byte(batch(more))); !errors.As(err, new(*Corrupt)) {
			t.Errorf("%s: %v", more, err)
		}
	}
}
