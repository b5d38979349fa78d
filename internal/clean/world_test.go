package clean_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/clean"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

var (
	ctx  = context.Background()
	h7   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is two buckets and their ledgers.
type world struct {
	now            time.Time
	archive, hours *store.Memory
	l              *ledger.Ledger
	c              *clean.Cleaner
	pieces         []hour.Piece // of the hour, as far as it is archived
	state          *ledger.State
}

func newWorld() *world {
	w := &world{now: h7.End().Add(5 * time.Minute)}
	clock := func() time.Time { return w.now }
	w.archive, w.hours = store.NewMemory(clock), store.NewMemory(clock)
	w.l = &ledger.Ledger{Store: w.hours, Keys: keys, Now: clock}
	w.c = &clean.Cleaner{Archive: w.archive, Hours: w.hours, Ledger: w.l, Keys: keys, Jobs: []string{"video"}, Rules: clean.DefaultRules(), Now: clock, Procs: 2}
	return w
}

func create(s *store.Memory, key, text string) hour.File {
	o := must(s.Create(ctx, key, []byte(text)))
	return hour.File{Key: key, Size: o.Size, ETag: o.ETag, SHA256: hour.SHA256([]byte(text))}
}

// batch archives one more batch: an index, an object and rejects.
func (w *world) batch() {
	n := len(w.pieces) + 1
	s := hour.Span{Hour: h7, Shard: "shardId-0", First: hour.Sequence(fmt.Sprint(10 * n)), Last: hour.Sequence(fmt.Sprint(10*n + 5))}
	text := fmt.Sprint("batch ", n)
	d := hour.DataKey{Span: s, Count: 1, Hash: hour.SHA256([]byte(text))[:12]}
	object, rejects := create(w.archive, keys.ObjectKey(d), text), create(w.archive, keys.RejectsKey(d), text)
	index := create(w.archive, keys.IndexKey(s), text)
	w.pieces = append(w.pieces, hour.Piece{Kind: hour.PieceRange, Shard: s.Shard, First: s.First, Last: s.Last, Object: &object, RejectsFile: &rejects,
		Index: hour.Ref{Key: index.Key, SHA256: index.SHA256}, RecordsHash: index.SHA256, Events: 1, Rejects: 1})
}

func (w *world) append(e hour.Entry) {
	w.now = w.now.Add(time.Minute)
	if e.ID == "" {
		e.ID = fmt.Sprint(e.Run, e.Type, w.now)
	}
	w.state = must(w.l.Append(ctx, h7, func(*ledger.State) (*hour.Entry, error) { return &e, nil }))
	if len(w.state.Ignored) > 0 {
		panic(fmt.Sprint("ignored ", w.state.Ignored))
	}
}

func execution(n int) string { return "arn:" + hour.ExecutionName(h7, n) }

// begin starts run n, which claims and seals what is archived, and compacts it. It returns the revision.
func (w *world) begin(n int) string {
	w.append(hour.Entry{Type: hour.EntryStarted, Run: n})
	w.append(hour.Entry{Type: hour.EntryClaimed, Run: n, Execution: execution(n)})
	s := &hour.Seal{Version: hour.Version, Hour: h7, Layout: hour.Layout, Pieces: slices.Clone(w.pieces), SealedAt: hour.At(w.now)}
	s.Revision = hour.RevisionOf(s.Layout, s.Pieces)
	key := keys.SealKey(h7, s.Revision)
	if _, _, err := w.hours.Get(ctx, key, 1<<20); err != nil {
		create(w.hours, key, string(hour.Encode(s)))
	}
	data, _, err := w.hours.Get(ctx, key, 1<<20)
	must(0, err)
	w.append(hour.Entry{Type: hour.EntrySealed, Run: n, Execution: execution(n), Revision: s.Revision, Seal: &hour.Ref{Key: key, SHA256: hour.SHA256(data)}})
	part, rejects := keys.PartKey(h7, s.Revision, 0), keys.HourRejectsKey(h7, s.Revision)
	if _, _, err := w.hours.Get(ctx, part, 1<<20); err != nil {
		create(w.hours, part, "part of "+s.Revision)
		create(w.hours, rejects, "rejects of "+s.Revision)
	}
	p := hour.Part{File: hour.File{Key: part}}
	w.append(hour.Entry{Type: hour.EntryCompacted, Run: n, Execution: execution(n), Revision: s.Revision, Part: &p, Rejects: &hour.File{Key: rejects}})
	return s.Revision
}

// cluster lets cluster c of run n write a result, and returns where.
func (w *world) cluster(n, c int, revision string) string {
	w.append(hour.Entry{Type: hour.EntryClusterRequested, Run: n, Execution: execution(n), Cluster: &hour.Cluster{Number: c, Name: fmt.Sprint(n, c)},
		Playbook: &hour.Ref{Key: "code/playbooks/video.json"}})
	prefix := keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: h7, Revision: revision, Run: n, Cluster: c})
	create(w.hours, prefix+"_SUCCESS", "")
	create(w.hours, prefix+"part-00000", fmt.Sprint("result ", n, c))
	return prefix
}

// publish publishes run n.
func (w *world) publish(n int, result string) {
	r := w.state.Run(n)
	p := hour.Publication{Seal: *r.Seal, Parts: r.Parts, Rejects: r.Rejects, Result: result, Job: "video"}
	w.append(hour.Entry{Type: hour.EntryPublished, Run: n, Execution: execution(n), Revision: r.Revision, Publish: &p})
	must(w.l.WriteManifest(ctx, w.state))
}

func (w *world) fail(n int) {
	w.append(hour.Entry{Type: hour.EntryFailed, Run: n, Execution: execution(n), Error: "StepFailed"})
}

// all is every key of the two buckets.
func (w *world) all() []string {
	var all []string
	for _, s := range []*store.Memory{w.archive, w.hours} {
		for o, err := range s.List(ctx, "") {
			must(0, err)
			all = append(all, o.Key)
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) plan(t *testing.T) *clean.Plan {
	t.Helper()
	p, err := w.c.Plan(ctx, hour.Range{From: h7.Add(-2), To: h7.Add(2)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// short names what goes: the revision's place among revs and the kind of object.
func short(items []clean.Item, revs ...string) string {
	var all []string
	for _, i := range items {
		name := i.Key
		for n, r := range revs {
			if strings.Contains(i.Key, r) {
				name = fmt.Sprintf("%d:", n+1)
			}
		}
		switch {
		case strings.Contains(i.Key, "results/"):
			a, file, _ := keys.ParseResultKey(i.Key)
			name += fmt.Sprintf("result %d.%d %s", a.Run, a.Cluster, file)
		case strings.HasSuffix(i.Key, ".seal.json"):
			name += "seal"
		case i.Bucket == clean.Archive:
			name = i.Key[strings.LastIndexByte(i.Key, '.')+1:]
		case strings.HasSuffix(i.Key, ".rejects"):
			name += "rejects"
		case strings.HasSuffix(i.Key, ".bz2"):
			name += "part"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
