package clean_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/archive"
	"penstock/internal/clean"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// event is a delivery of records that arrived in the hour, as Lambda hands it over.
func event(sequences ...int) []byte {
	var records []string
	for _, s := range sequences {
		records = append(records, fmt.Sprintf(`{"eventID":"shardId-0:%d","kinesis":{"sequenceNumber":"%d","approximateArrivalTimestamp":%d.5,"data":"e30="}}`,
			s, s, h7.Start().Unix()+int64(s)))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// givenUp is the failure object of a delivery.
func givenUp(payload []byte) string {
	return string(must(json.Marshal(map[string]string{"payload": string(payload)})))
}

func TestAFailureGoesWhenEveryRecordOfItIsArchived(t *testing.T) {
	for _, c := range []struct {
		name     string
		archived []byte
		text     string
		after    time.Duration
		change   func(w *world)
		why      string // it stays; "": it goes
	}{
		{"all of it is archived", event(1, 2, 3), givenUp(event(1, 2, 3)), 8 * day, nil, ""},
		{"all of it lies in a longer batch", event(1, 2, 3, 4, 5), givenUp(event(2, 4)), 8 * day, nil, ""},
		{"a record in the midst is not archived", event(1, 3), givenUp(event(1, 2, 3)), 8 * day, nil, "record 2 of shardId-0 is not in the archive"},
		{"the last record is not archived", event(1, 2), givenUp(event(1, 2, 3)), 8 * day, nil, "record 3 of shardId-0"},
		{"it was written lately", event(1, 2, 3), givenUp(event(1, 2, 3)), day, nil, "it was written lately"},
		{"it has no payload", event(1), `{"requestContext":{}}`, 8 * day, nil, "no payload"},
		{"it is no JSON", event(1), "x", 8 * day, nil, "no payload"},
		{"its payload has no records", event(1), givenUp([]byte(`{"Records":[]}`)), 8 * day, nil, "no payload"},
		{"the index is damaged", event(1), givenUp(event(1)), 8 * day, func(w *world) {
			key := keys.IndexKey(hour.Span{Hour: h7, Shard: "shardId-0", First: "1", Last: "1"})
			must(0, w.archive.Delete(ctx, key))
			create(w.archive, key, "{}")
		}, "an index of its records cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			failed := store.NewMemory(func() time.Time { return w.now })
			h := must(archive.New(archive.Config{Store: w.archive, Keys: keys, Now: func() time.Time { return w.now }}))
			must(h.Invoke(ctx, c.archived))
			create(failed, "aws/lambda/f/1", c.text)
			create(failed, "conflicts/1", c.text)
			if c.change != nil {
				c.change(w)
			}
			w.now = w.now.Add(c.after)
			items, kept, err := w.c.Failures(ctx, failed, w.archive)
			if err != nil || len(items)+len(kept) != 1 {
				t.Fatalf("%v %v %v", items, kept, err)
			}
			if c.why != "" {
				if len(kept) != 1 || !strings.Contains(kept[0].Why, c.why) {
					t.Fatalf("goes %v, kept %v, want %q", items, kept, c.why)
				}
				return
			}
			if len(items) != 1 {
				t.Fatalf("kept %v", kept)
			}
			done, err := w.c.Loose(ctx, items, map[clean.Bucket]clean.Store{clean.Failed: failed})
			if err != nil || done.Objects != 1 || done.Bytes != int64(len(c.text)) {
				t.Fatalf("%+v %v", done, err)
			}
			if _, _, err := failed.Get(ctx, "aws/lambda/f/1", 1); err == nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestAFailureThatASealNamesStays(t *testing.T) {
	w := newWorld()
	failed := store.NewMemory(func() time.Time { return w.now })
	h := must(archive.New(archive.Config{Store: w.archive, Keys: keys, Now: func() time.Time { return w.now }}))
	must(h.Invoke(ctx, event(1, 2)))
	create(failed, "aws/lambda/f/1", givenUp(event(1, 2)))
	w.append(hour.Entry{Type: hour.EntryStarted, Run: 1})
	w.append(hour.Entry{Type: hour.EntryClaimed, Run: 1, Execution: execution(1)})
	s := &hour.Seal{Version: hour.Version, Hour: h7, Layout: hour.Layout, Pieces: []hour.Piece{}, Lost: []hour.Lost{{Shard: "shardId-0", First: "1", Last: "2", Key: "aws/lambda/f/1"}}}
	s.Revision = hour.RevisionOf(s.Layout, s.Pieces)
	f := create(w.hours, keys.SealKey(h7, s.Revision), string(hour.Encode(s)))
	w.append(hour.Entry{Type: hour.EntrySealed, Run: 1, Execution: execution(1), Revision: s.Revision, Seal: &hour.Ref{Key: f.Key, SHA256: f.SHA256}})
	w.publish(1, "")
	w.now = w.now.Add(8 * day)
	items, kept, err := w.c.Failures(ctx, failed, w.archive)
	if err != nil || len(items) > 0 || len(kept) != 1 || !strings.Contains(kept[0].Why, "published without its records") {
		t.Errorf("%v %v %v", items, kept, err)
	}
	w.now = w.now.Add(40 * day)
	if p := w.plan(t); len(p.Items) > 0 || len(p.Kept) != 1 || !strings.Contains(p.Kept[0].Why, "only the failure destination holds") {
		t.Errorf("the archive of an hour with lost ranges goes: %+v", p)
	}
}

func TestOldLogsGo(t *testing.T) {
	w := newWorld()
	create(w.hours, "logs/j-1/steps/s-1/stderr", "old")
	w.now = w.now.Add(20 * day)
	create(w.hours, "logs/j-2/steps/s-1/stderr", "newer")
	w.now = w.now.Add(11 * day)
	items, err := w.c.Logs(ctx, 30*day)
	if err != nil || len(items) != 1 || items[0].Key != "logs/j-1/steps/s-1/stderr" {
		t.Errorf("%v %v", items, err)
	}
}

// FuzzFailure holds that whatever lies in the failure destination is no panic, and that records are told only whole.
func FuzzFailure(f *testing.F) {
	f.Add([]byte(givenUp(event(1, 2))))
	f.Add([]byte(`{"payload":"{\"Records\":[{}]}"}`))
	f.Add([]byte(`{"payload":"{\"Records\":[{\"kinesis\":{\"approximateArrivalTimestamp\":1e300}}]}"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWorld()
		failed := store.NewMemory(func() time.Time { return w.now })
		create(failed, "aws/lambda/f/1", string(b))
		w.now = w.now.Add(8 * day)
		items, _, err := w.c.Failures(ctx, failed, w.archive)
		if err != nil || len(items) > 0 { // nothing is archived
			t.Errorf("%v %v", items, err)
		}
	})
}
