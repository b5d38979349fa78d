package tests

import (
	"encoding/json"
	"testing"
	"time"

	"penstock/internal/generate"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

func keys(t testing.TB) hour.Keys {
	t.Helper()
	k, err := hour.NewKeys(hour.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// documents returns the documents of one small hour that fit together, encoded, by the name of their example: an
// aggregate and a mangled record are archived, sealed, compacted, processed by a second cluster, and published.
func documents(t testing.TB) map[string][]byte {
	t.Helper()
	const (
		shard     = "shardId-000000000003"
		first     = hour.Sequence("49651234567890123456789012345678901234567890123456789012")
		last      = hour.Sequence("49651234567890123456789012345678901234567890123456789140")
		execution = "arn:aws:states:us-east-1:123456789012:execution:penstock-hour:2026-11-23T07-1"
		traceID   = "1-69238bf0-a006649127e371903a2de979"
	)
	k := keys(t)
	start := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	h := hour.Of(start)
	out := map[string][]byte{}

	object, rejects := []byte("the object's bytes"), []byte("the rejects' bytes")
	span := hour.Span{Hour: h, Shard: shard, First: first, Last: last}
	columns, err := hour.EncodeRows([]hour.Row{
		{Sequence: first, Arrival: start.Add(1234 * time.Millisecond), Kind: "3e"},
		{Sequence: last, Arrival: start.Add(1290 * time.Millisecond), Kind: "r"},
	})
	if err != nil {
		t.Fatal(err)
	}
	index := &hour.Index{
		Version: hour.Version, Hour: h, Shard: shard, First: first, Last: last, Records: 2, Events: 3, Rejects: 1, Bytes: 1503,
		FirstArrival: hour.At(start.Add(1234 * time.Millisecond)), LastArrival: hour.At(start.Add(1290 * time.Millisecond)),
		Object: &hour.File{Key: k.ObjectKey(hour.DataKey{Span: span, Count: 3, Hash: hour.SHA256(object)[:12]}), Size: 611,
			SHA256: hour.SHA256(object)},
		RejectsFile: &hour.File{Key: k.RejectsKey(hour.DataKey{Span: span, Count: 1, Hash: hour.SHA256(rejects)[:12]}), Size: 171,
			SHA256: hour.SHA256(rejects)},
		RecordsHash: hour.SHA256([]byte("the raw records")), ArchivedAt: hour.At(start.Add(6 * time.Second)), Writer: hour.WriterMapping,
		Request: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", Trace: "1-69237de6-0123456789abcdef01234567", Columns: columns,
	}
	out["index"] = hour.Encode(index)

	withETag := func(f *hour.File) *hour.File {
		g := *f
		g.ETag = `"` + f.SHA256[:32] + `"`
		return &g
	}
	after := hour.At(start.Add(62 * time.Minute))
	seal := &hour.Seal{
		Version: hour.Version, Hour: h, Layout: hour.Layout,
		Pieces: []hour.Piece{{Kind: hour.PieceRange, Shard: shard, First: first, Last: last,
			Index: hour.Ref{Key: k.IndexKey(span), SHA256: hour.SHA256(out["index"])}, RecordsHash: index.RecordsHash,
			Object: withETag(index.Object), RejectsFile: withETag(index.RejectsFile), Events: 3, Rejects: 1, Bytes: 1503}},
		Events: 3, Rejects: 1, Bytes: 1503, Parts: []hour.PartPlan{{From: 0, To: 1, Events: 3}}, Proof: hour.ProofTail,
		Shards:   []hour.ShardProof{{Shard: shard, How: "record", Sequence: "49651234567890123456789012345678901234567890123456790007", Arrival: &after}},
		Mapping:  &hour.Mapping{ID: "14e0db71-5d35-4eb5-b481-8945cf9d10c2", State: "Enabled", Start: "TRIM_HORIZON", Factor: 1},
		SealedAt: hour.At(start.Add(63 * time.Minute)), Execution: execution,
	}
	seal.Revision = hour.RevisionOf(seal.Layout, seal.Pieces)
	out["seal"] = hour.Encode(seal)
	repaired := []byte("{}\n")
	repair := &hour.Repair{Version: hour.Version, Hour: h, Shard: shard, First: first, Last: last, Index: seal.Pieces[0].Index,
		Repairs: [][2]int{{0, 1}}, Events: 1, Bytes: int64(len(repaired)), Format: "json", Split: "lines", RepairedAt: hour.At(start.Add(50 * time.Hour)),
		Object: &hour.File{Key: k.ObjectKey(hour.DataKey{Span: span, Count: 1, Hash: hour.SHA256(repaired)[:12]}), Size: 40, SHA256: hour.SHA256(repaired)}}
	repair.RecordsHash = hour.RepairHash(repair.Index, repair.Repairs, repaired)
	out["repair"] = hour.Encode(repair)
	// What seals have that are not as simple: a repair, a trimmed piece, a duplicate, a lost range.
	other := *seal
	other.Previous = seal.Revision
	other.Pieces = append([]hour.Piece{}, seal.Pieces...)
	other.Pieces[0].Rejects = 0
	other.Pieces = append(other.Pieces, hour.Piece{Kind: hour.PieceRepair, Shard: shard, First: first, Last: last,
		Index: hour.Ref{Key: repair.Key(k), SHA256: hour.SHA256(out["repair"])}, RecordsHash: repair.RecordsHash, Object: withETag(repair.Object),
		Events: 1, Bytes: repair.Bytes, Repairs: repair.Repairs})
	trimmed := seal.Pieces[0]
	trimmed.Shard, trimmed.Take, trimmed.Rejects = "shardId-000000000005", [][2]int{{0, 1}}, 0
	other.Pieces = append(other.Pieces, trimmed)
	other.Events, other.Rejects, other.Bytes, other.Parts = 7, 0, 3009, []hour.PartPlan{{From: 0, To: 3, Events: 7}}
	other.Duplicates = []string{k.IndexKey(hour.Span{Hour: h, Shard: shard, First: last, Last: last})}
	other.Lost = []hour.Lost{{Shard: "shardId-000000000004", First: "7", Last: "9", Key: "aws/lambda/archive/2026/11/23/x.json"}}
	other.Revision = hour.RevisionOf(other.Layout, other.Pieces)
	out["seal.repaired"] = hour.Encode(&other)

	part := hour.Part{File: hour.File{Key: k.PartKey(h, seal.Revision, 0), Size: 611, ETag: `"0123456789abcdef0123456789abcdef"`,
		SHA256: hour.SHA256([]byte("the part"))}, Number: 0, Events: 3, Bytes: 1503}
	hourRejects := &hour.File{Key: k.HourRejectsKey(h, seal.Revision), Size: 171, ETag: `"fedcba9876543210fedcba9876543210"`, SHA256: hour.SHA256(rejects)}
	result := k.ResultPrefix(hour.ResultKey{Job: "video", Hour: h, Revision: seal.Revision, Run: 1, Cluster: 2})
	sealRef := hour.Ref{Key: k.SealKey(h, seal.Revision), SHA256: hour.SHA256(out["seal"])}
	entries := []struct {
		name string
		hour.Entry
	}{
		{"1-started", hour.Entry{Type: hour.EntryStarted, ID: "due-2026-11-23T07-1", By: ledger.BySchedule, Reason: "the hour is over and has no run"}},
		{"2-claimed", hour.Entry{Type: hour.EntryClaimed}},
		{"3-sealed", hour.Entry{Type: hour.EntrySealed, Revision: seal.Revision, Seal: &sealRef}},
		{"4-compacted", hour.Entry{Type: hour.EntryCompacted, Revision: seal.Revision, Rejects: hourRejects, Part: &part}},
		{"5-clusterrequested", hour.Entry{Type: hour.EntryClusterRequested, Revision: seal.Revision,
			Playbook: &hour.Ref{Key: "playbooks/video.json", SHA256: hour.SHA256([]byte("the playbook"))},
			Cluster:  &hour.Cluster{Number: 1, Name: "penstock-2026112307-1-1"}}},
		{"6-clusterended", hour.Entry{Type: hour.EntryClusterEnded, Revision: seal.Revision, Cluster: &hour.Cluster{Number: 1,
			Name: "penstock-2026112307-1-1", ID: "j-2AXXXXXXGAPLF", State: "TERMINATED_WITH_ERRORS", Verdict: hour.VerdictAgain,
			Reason: "BOOTSTRAP_FAILURE: On the master instance, bootstrap action 1 failed", Minutes: 6.5, NormalizedHours: 8}}},
		{"7-clusterrequested", hour.Entry{Type: hour.EntryClusterRequested, Revision: seal.Revision,
			Cluster: &hour.Cluster{Number: 2, Name: "penstock-2026112307-1-2", MaxMinutes: 90, Result: result}}},
		{"8-clusterended", hour.Entry{Type: hour.EntryClusterEnded, Revision: seal.Revision, Cluster: &hour.Cluster{Number: 2,
			Name: "penstock-2026112307-1-2", ID: "j-3BXXXXXXGAPLG", State: "TERMINATED", Verdict: hour.VerdictCompleted, Minutes: 11, NormalizedHours: 24}}},
		{"9-published", hour.Entry{Type: hour.EntryPublished, Revision: seal.Revision, Publish: &hour.Publication{
			Seal: sealRef, Parts: []hour.Part{part}, Rejects: hourRejects, Events: 3, RejectN: 1, Batches: 1, Objects: 1, Bytes: 1503,
			Job: "video", Cluster: 2, Result: result, Results: []hour.File{
				{Key: result + "_SUCCESS", Size: 0, ETag: `"d41d8cd98f00b204e9800998ecf8427e"`},
				{Key: result + "part-00000", Size: 120, ETag: `"00112233445566778899aabbccddeeff"`}},
			Minutes: 17.5, Cost: &hour.Cost{Prices: "2026-10-01", Dollars: 0.31}}}},
	}
	var all []hour.Entry
	var hashes []string
	for i, x := range entries {
		e := x.Entry
		e.Version, e.Hour, e.Number, e.Run, e.At = hour.Version, h, i+1, 1, hour.At(start.Add(time.Duration(61+3*i)*time.Minute))
		if e.ID == "" {
			e.ID, e.Execution, e.Trace = execution+"/"+e.Type+"/"+x.name[:1], execution, traceID
		}
		if i > 0 {
			e.Previous = hashes[i-1]
		}
		b := hour.Encode(&e)
		all, hashes = append(all, e), append(hashes, hour.SHA256(b))
		out["entry."+x.name] = b
	}
	state := ledger.Fold(h, all, hashes)
	if len(state.Ignored) > 0 || state.Published() == nil {
		t.Fatalf("the ledger of the examples does not publish: entries %v are ignored", state.Ignored)
	}
	out["manifest"] = hour.Encode(ledger.Project(state))
	out["entry.failed"] = hour.Encode(&hour.Entry{Version: hour.Version, Hour: h, Number: 3, Previous: hashes[1], ID: execution + "/RecordFailure/0",
		Type: hour.EntryFailed, At: after, Run: 1, Execution: execution, Trace: traceID, Error: "HourNotComplete",
		Cause: "shardId-000000000003: 812 records behind"})
	out["entry.ended"] = hour.Encode(&hour.Entry{Version: hour.Version, Hour: h, Number: 3, Previous: hashes[1], ID: "ended-1",
		Type: hour.EntryEnded, At: after, Run: 1, Execution: execution, Error: "States.Timeout", Status: "TIMED_OUT"})
	out["entry.rerun"] = hour.Encode(&hour.Entry{Version: hour.Version, Hour: h, Number: 10, Previous: hashes[8], ID: "rerun-2026-11-23T07-2",
		Type: hour.EntryStarted, At: after, Run: 2, By: ledger.ByRerun, Reason: "asked for", Options: &hour.Options{Force: true, From: "cluster",
			AcceptUnproven: true, Expect: hour.Expect{State: hashes[8], Revision: seal.Revision, Playbook: hashes[4]}.String()}})

	line := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, '\n')
	}
	out["reject"] = line(hour.Reject{Version: hour.Version, Shard: shard, Sequence: last, Arrival: index.LastArrival,
		Reason: "not valid JSON", Payload: []byte(`{"id":"0199f3`)})
	out["input"] = line(hour.Input{Hour: h, N: 2, Options: hour.Options{Force: true, From: "compact"}})
	out["input.hour-only"] = []byte(`{"hour":"2026-11-23T07"}` + "\n")

	g, err := generate.New(generate.Config{Seed: 1, Start: start, Duration: time.Hour, Events: 20, MangledEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	event, ok := g.Next()
	if !ok {
		t.Fatal("no event")
	}
	out["event"] = append(event.Data, '\n')
	return out
}
