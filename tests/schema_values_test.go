package tests

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"penstock/internal/generate"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

func TestGeneratedEventsAreValidAndUseTheWholeSchema(t *testing.T) {
	const seed = 1
	g, err := generate.New(generate.Config{Seed: seed, Start: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Duration: 24 * time.Hour,
		Events: 3_000, MangledEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	s, root := compile(t, "event"), schemaFile(t, "event")
	used := map[string]bool{}
	for {
		e, ok := g.Next()
		if !ok {
			break
		}
		if err := validate(t, s, e.Data); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, e.Data)
		}
		var doc node
		if err := json.Unmarshal(e.Data, &doc); err != nil {
			t.Fatal(err)
		}
		for k := range doc {
			used[k] = true
			if root["properties"].(node)[k] == nil {
				t.Fatalf("seed %d: the schema does not have %s", seed, k)
			}
		}
	}
	for k := range root["properties"].(node) {
		if !used[k] {
			t.Errorf("no generated event has the schema's property %s", k)
		}
	}
}

// The kinds and types that the code knows are those that the schemas list.
func TestEnumerationsAreThoseOfTheCode(t *testing.T) {
	at := func(name string, path ...string) []any {
		var v any = schemaFile(t, name)
		for _, p := range append(path, "enum") {
			v = v.(node)[p]
		}
		return v.([]any)
	}
	for _, c := range []struct {
		got  []any
		want []any
	}{
		{at("entry", "properties", "type"), []any{hour.EntryStarted, hour.EntryClaimed, hour.EntrySealed, hour.EntryCompacted,
			hour.EntryClusterRequested, hour.EntryClusterEnded, hour.EntryPublished, hour.EntryFailed, hour.EntryEnded}},
		{at("entry", "properties", "by"), []any{ledger.BySchedule, ledger.ByLate, ledger.ByRetry, ledger.ByRerun, ledger.ByBackfill, ledger.ByConsole}},
		{at("entry", "$defs", "cluster", "properties", "verdict"), []any{hour.VerdictCompleted, hour.VerdictAgain, hour.VerdictStepFailed,
			hour.VerdictTooOld, hour.VerdictLost}},
		{at("seal", "properties", "proof"), []any{hour.ProofTail, hour.ProofFull, hour.ProofNone}},
		{at("seal", "$defs", "piece", "properties", "kind"), []any{hour.PieceRange, hour.PieceRepair}},
		{at("index", "properties", "writer"), []any{hour.WriterMapping, hour.WriterReplay}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("enumeration %v, the code knows %v", c.got, c.want)
		}
	}
}
