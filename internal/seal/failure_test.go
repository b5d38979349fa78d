package seal

import (
	"encoding/json"
	"errors"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

func TestAFailureRecordWithoutItsPayloadStopsTheSeal(t *testing.T) {
	doc := `{"KinesisBatchInfo":{"shardId":"s","startSequenceNumber":"7","endSequenceNumber":"9","approximateArrivalOfFirstRecord":"2026-11-23T07:00:00Z",` +
		`"approximateArrivalOfLastRecord":"2026-11-23T08:00:01.500Z","batchSize":3}}`
	if _, err := parseFailure("k", []byte(doc), planHour); !errors.As(err, new(*fault.Corrupt)) {
		t.Errorf("%v", err)
	}
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
