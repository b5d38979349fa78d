package seal

import (
	"encoding/json"
	"errors"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
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
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := parseFailure("k", data, hour.Of(planHour.Start()))
		if err != nil {
			if !errors.As(err, new(*fault.Corrupt)) || records != nil {
				t.Fatalf("%v with %d records", err, len(records))
			}
			return
		}
		for _, r := range records {
			if again, err := hour.ParseSequence(string(r.sequence)); err != nil || again != r.sequence || hour.CheckShard(r.shard) != nil || r.key != "k" {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func TestAFailedRecordIsOfTheHourOfItsRoundedArrival(t *testing.T) {
	h, err := hour.Parse("2026-11-23T07")
	if err != nil {
		t.Fatal(err)
	}
	for arrival, want := range map[string]int{
		"1795417199.9994": 0, "1795417199.9996": 1, "1795417200": 1, "1.7954172E9": 1, "1795420799.999": 1, "1795420799.9996": 0, "1795420800.000": 0,
	} {
		event := `{"Records":[{"eventID":"s:7","kinesis":{"sequenceNumber":"7","approximateArrivalTimestamp":` + arrival + `}}]}`
		doc, err := json.Marshal(map[string]string{"payload": event})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseFailure("k", doc, h); err != nil || len(got) != want {
			t.Errorf("%s: %d records, %v", arrival, len(got), err)
		}
	}
}
