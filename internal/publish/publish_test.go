package publish_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/cost"
	"penstock/internal/emf"
	"penstock/internal/emf/emftest"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/publish"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func now() time.Time { return time.Date(2026, 11, 23, 8, 5, 0, 0, time.UTC) }

// world is an hour whose run 1, of execution "a", has done everything but publish: two parts of 60 and 40 events, one
// with rejects only, a repaired batch and a duplicate; cluster 1 failed, cluster 2 is complete.
type world struct {
	store  *store.Memory
	l      *ledger.Ledger
	h      *publish.Handler
	rev    string
	result string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	m := store.NewMemory(now)
	w := &world{store: m, l: &ledger.Ledger{Store: m, Keys: keys, Now: now}}
	put(m, cluster.PlaybookKey("video"), string(must(os.ReadFile("../../playbooks/video.json"))))
	w.h = &publish.Handler{Ledger: w.l, Hours: m, Playbooks: cluster.StoredPlaybook{Store: m, Key: cluster.PlaybookKey("video")}}
	seal := &hour.Seal{Version: hour.Version, Hour: hr, Layout: hour.Layout, Events: 100, Rejects: 3, Duplicates: []string{"d"},
		Parts: []hour.PartPlan{{From: 0, To: 1, Events: 60}, {From: 1, To: 2, Events: 0}, {From: 2, To: 4, Events: 40}}}
	for i := range 4 {
		p := hour.Piece{Kind: hour.PieceRange, Shard: "s", First: hour.Sequence(fmt.Sprint(i + 1)), Last: hour.Sequence(fmt.Sprint(i + 1)), Index: hour.Ref{Key: fmt.Sprint("i", i)}}
		if i != 1 {
			p.Object = &hour.File{Key: fmt.Sprint("o", i)}
		}
		if i == 3 {
			p.Kind = hour.PieceRepair
		}
		seal.Pieces = append(seal.Pieces, p)
	}
	w.seal(seal, 1, "a")
	for i, verdict := range []string{hour.VerdictAgain, hour.VerdictCompleted} {
		c := i + 1
		name := hour.ClusterName("p", hr, 1, c)
		w.append(&hour.Entry{ID: fmt.Sprint("r", c), Type: hour.EntryClusterRequested, Run: 1, Execution: "a", Cluster: &hour.Cluster{Number: c, Name: name}})
		w.append(&hour.Entry{ID: fmt.Sprint("e", c), Type: hour.EntryClusterEnded, Run: 1, Execution: "a", Cluster: &hour.Cluster{Number: c, Name: name, Verdict: verdict, Minutes: 5.1}})
	}
	w.result = keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: hr, Revision: w.rev, Run: 1, Cluster: 2})
	put(m, w.result+"_SUCCESS", "")
	put(m, w.result+"part-00000", "[\"p\",\"q\"]\t{\"events\":60.5,\"views\":1}\n")
	put(m, w.result+"part-00001", "[\"p\",\"r\"]\t{\"events\":39.5,\"views\":1}\n")
	return w
}

func put(m *store.Memory, key, data string) store.Object {
	return must(m.Create(ctx, key, []byte(data)))
}

func (w *world) append(e *hour.Entry) *ledger.State {
	return must(w.l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return e, nil }))
}

// seal starts, claims, seals and compacts a run.
func (w *world) seal(seal *hour.Seal, n int, execution string) {
	w.append(&hour.Entry{ID: fmt.Sprint("start", n), Type: hour.EntryStarted, Run: n})
	w.append(&hour.Entry{ID: execution + "c", Type: hour.EntryClaimed, Run: n, Execution: execution})
	seal.Revision = hour.RevisionOf(seal.Layout, seal.Pieces)
	w.rev = seal.Revision
	b := hour.Encode(seal)
	ref := &hour.Ref{Key: put(w.store, keys.SealKey(hr, w.rev), string(b)).Key, SHA256: hour.SHA256(b)}
	w.append(&hour.Entry{ID: execution + "s", Type: hour.EntrySealed, Run: n, Execution: execution, Revision: w.rev, Seal: ref})
	for i, plan := range seal.Parts {
		e := &hour.Entry{ID: fmt.Sprint(execution, "p", i), Type: hour.EntryCompacted, Run: n, Execution: execution, Revision: w.rev}
		if plan.Events > 0 {
			o := put(w.store, keys.PartKey(hr, w.rev, i), strings.Repeat("x", plan.Events))
			e.Part = &hour.Part{File: hour.File{Key: o.Key, Size: o.Size, ETag: o.ETag}, Number: i, Events: plan.Events, Bytes: int64(plan.Events) * 500}
		}
		if i == 0 && seal.Rejects > 0 {
			o := put(w.store, keys.HourRejectsKey(hr, w.rev), "rejects")
			e.Rejects = &hour.File{Key: o.Key, Size: o.Size, ETag: o.ETag}
		}
		w.append(e)
	}
}

func (w *world) in() publish.In {
	return publish.In{Hour: hr, N: 1, Execution: "a", Revision: w.rev, Cluster: 2, Result: w.result}
}

func (w *world) replace(key, data string) {
	_, o, _ := w.store.Get(ctx, key, 1<<20)
	must(w.store.Replace(ctx, key, o.ETag, []byte(data)))
}

func is[E error](t *testing.T, err error) {
	t.Helper()
	if _, ok := err.(E); !ok { // outermost, as Lambda sees it
		t.Errorf("got %T %v, want %T", err, err, *new(E))
	}
}

func TestAPublicationNamesEverythingAndTheManifestShowsIt(t *testing.T) {
	w := newWorld(t)
	var figures strings.Builder
	w.h.Figures = emf.Figures{Out: &figures, Stack: "prod"}
	before := must(w.l.Read(ctx, hr)).Last
	for range 2 {
		out, err := w.h.Handle(ctx, w.in())
		if err != nil || out != (publish.Out{Hour: hr, Revision: w.rev, Events: 100, Version: before + 1}) {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	m, _, err := w.l.ReadManifest(ctx, hr)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != 2 || m.Parts[1].Number != 2 || m.Bytes != 50_000 || m.RejectN != 3 || m.Rejects == nil || m.Duplicates != 1 || m.Objects != 3 || m.Batches != 5 {
		t.Errorf("%+v", m)
	}
	if m.Minutes != 10.2 || m.Job != "video" || m.Cluster != 2 || m.Result != w.result || len(m.Results) != 2 {
		t.Errorf("%+v", m)
	}
	prices := must(cost.List())
	want := cost.Sum(cost.Hour(prices, cost.Default(), cost.Run{Bytes: 50_000, Stored: 100, Batches: 4, Objects: 3, Parts: 2, Clusters: 2, ClusterMinutes: 10.2}))
	if m.Cost == nil || m.Cost.Prices != prices.Date || math.Abs(m.Cost.Dollars-want) > 0.0001 || m.Cost.Dollars < 0.05 {
		t.Errorf("it cost %+v, want %.4f by the formula", m.Cost, want)
	}
	if got := emftest.Only(t, figures.String(), "prod", "HourCost"); !slices.Equal(got, []float64{m.Cost.Dollars}) {
		t.Errorf("the figures are %v", got)
	}
	for _, f := range m.Results {
		if _, o, err := w.store.Get(ctx, f.Key, 1<<20); err != nil || o.ETag != f.ETag || o.Size != f.Size {
			t.Errorf("result %+v is not what stands", f)
		}
	}
}

func TestNothingIsPublishedThatIsNotAsItShouldBe(t *testing.T) {
	type spoil = func(*world, *publish.In)
	mismatch, corrupt, bad, superseded := is[*fault.ResultMismatch], is[*fault.Corrupt], is[*fault.BadInput], is[*fault.Superseded]
	for _, c := range []struct {
		name  string
		spoil spoil
		want  func(*testing.T, error)
	}{
		{"no _SUCCESS", func(w *world, _ *publish.In) { w.store.Delete(ctx, w.result+"_SUCCESS") }, mismatch},
		{"no part files", func(w *world, _ *publish.In) {
			w.store.Delete(ctx, w.result+"part-00000")
			w.store.Delete(ctx, w.result+"part-00001")
			put(w.store, w.result+"_temporary/part-00000", "x")
		}, mismatch},
		{"a sum that is not the hour's events", func(w *world, _ *publish.In) { w.replace(w.result+"part-00001", "k\t{\"events\":39}\n") }, mismatch},
		{"a line without the measure", func(w *world, _ *publish.In) { w.replace(w.result+"part-00001", "k\t{\"views\":39}\n") }, mismatch},
		{"a line that is no JSON", func(w *world, _ *publish.In) { w.replace(w.result+"part-00001", "hello\n") }, mismatch},
		{"a number that explodes", func(w *world, _ *publish.In) { w.replace(w.result+"part-00001", "k\t{\"events\":1e999999999}\n") }, mismatch},
		{"a file that is not compressed as its name says", func(w *world, _ *publish.In) { put(w.store, w.result+"part-00002.gz", "plain") }, mismatch},
		{"a part that was rewritten", func(w *world, _ *publish.In) { w.replace(keys.PartKey(hr, w.rev, 2), "something else") }, corrupt},
		{"a part that is gone", func(w *world, _ *publish.In) { w.store.Delete(ctx, keys.PartKey(hr, w.rev, 0)) }, corrupt},
		{"rejects that are gone", func(w *world, _ *publish.In) { w.store.Delete(ctx, keys.HourRejectsKey(hr, w.rev)) }, corrupt},
		{"a seal that was rewritten", func(w *world, _ *publish.In) { w.replace(keys.SealKey(hr, w.rev), "{}") }, corrupt},
		{"a cluster that failed", func(w *world, in *publish.In) {
			in.Cluster, in.Result = 1, strings.Replace(w.result, ".1.2/", ".1.1/", 1)
		}, bad},
		{"another cluster's result", func(w *world, in *publish.In) { in.Result = strings.Replace(w.result, ".1.2/", ".1.1/", 1) }, bad},
		{"another revision", func(_ *world, in *publish.In) { in.Revision = "bbbbbbbbbbbb" }, bad},
		{"events without a cluster", func(_ *world, in *publish.In) { in.Cluster, in.Result = 0, "" }, bad},
		{"another execution", func(_ *world, in *publish.In) { in.Execution = "b" }, superseded},
		{"another run", func(_ *world, in *publish.In) { in.N = 2 }, superseded},
		{"a run that somebody ended", func(w *world, _ *publish.In) {
			w.append(&hour.Entry{ID: "x", Type: hour.EntryEnded, Run: 1, Execution: "a", Status: "ABORTED"})
		}, superseded},
		{"a playbook that is gone", func(w *world, _ *publish.In) { w.store.Delete(ctx, cluster.PlaybookKey("video")) }, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			in := w.in()
			c.spoil(w, &in)
			before := must(w.l.Read(ctx, hr)).Last
			_, err := w.h.Handle(ctx, in)
			c.want(t, err)
			if s := must(w.l.Read(ctx, hr)); s.Last != before || s.Published() != nil {
				t.Error("something was published")
			}
			if m, _, _ := w.l.ReadManifest(ctx, hr); m != nil {
				t.Error("a manifest was written")
			}
		})
	}
}

func TestAnHourWithoutEventsIsPublishedWithoutACluster(t *testing.T) {
	m := store.NewMemory(now)
	w := &world{store: m, l: &ledger.Ledger{Store: m, Keys: keys, Now: now}}
	w.h = &publish.Handler{Ledger: w.l, Hours: m, Playbooks: cluster.StoredPlaybook{Store: m, Key: "none"}}
	w.seal(&hour.Seal{Version: hour.Version, Hour: hr, Layout: hour.Layout}, 1, "a")
	out, err := w.h.Handle(ctx, publish.In{Hour: hr, N: 1, Execution: "a", Revision: w.rev})
	if err != nil || out.Events != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if man, _, err := w.l.ReadManifest(ctx, hr); err != nil || len(man.Parts) != 0 || man.Job != "" {
		t.Errorf("%+v, %v", man, err)
	}
}

func TestAPartThatIsNotInTheLedgerIsMissed(t *testing.T) {
	w := newWorld(t)
	// Run 2 seals another revision with the parts of run 1 still standing, and compacts nothing.
	w.append(&hour.Entry{ID: "f", Type: hour.EntryFailed, Run: 1, Execution: "a", Error: "E"})
	seal := &hour.Seal{Version: hour.Version, Hour: hr, Layout: hour.Layout, Events: 1, Pieces: []hour.Piece{{Kind: hour.PieceRange, Shard: "t", First: "1", Last: "1"}},
		Parts: []hour.PartPlan{{From: 0, To: 1, Events: 1}}}
	full := seal.Parts
	seal.Parts = nil
	w.seal(seal, 2, "b")
	seal.Parts = full
	w.store.Delete(ctx, keys.SealKey(hr, w.rev))
	b := hour.Encode(seal)
	put(w.store, keys.SealKey(hr, w.rev), string(b))
	w.append(&hour.Entry{ID: "s2", Type: hour.EntrySealed, Run: 2, Execution: "b", Revision: w.rev, Seal: &hour.Ref{Key: keys.SealKey(hr, w.rev), SHA256: hour.SHA256(b)}})
	_, err := w.h.Handle(ctx, publish.In{Hour: hr, N: 2, Execution: "b", Revision: w.rev})
	is[*fault.BadInput](t, err)
}

// The function dies before or after any of its writes, or their answers are lost, and the state is tried again.
func TestPublishingSurvivesDeathBetweenAnyTwoWrites(t *testing.T) {
	clean := newWorld(t)
	must(clean.h.Handle(ctx, clean.in()))
	want, _, _ := clean.store.Get(ctx, keys.ManifestKey(hr), 1<<20)
	const writes = 2 // Published and the manifest
	for k := 1; k <= writes; k++ {
		for name, schedule := range map[string]storefault.Schedule{
			"before": storefault.DieBeforeWrite(k), "after": storefault.DieAfterWrite(k), "lost": storefault.LoseWrite(k), "refused": storefault.FailWrite(k),
		} {
			w := newWorld(t)
			p := storefault.NewProcess(schedule, nil)
			func() {
				defer func() { recover() }()
				sick, l := *w.h, *w.l
				l.Store = p.Wrap("hours", w.store)
				sick.Ledger, sick.Hours = &l, p.Wrap("hours", w.store)
				sick.Handle(ctx, w.in())
			}()
			if p.Writes() < k {
				t.Fatalf("%s write %d: only %d writes were made", name, k, p.Writes())
			}
			if _, err := w.h.Handle(ctx, w.in()); err != nil {
				t.Errorf("%s write %d: %v", name, k, err)
			}
			if got, _, _ := w.store.Get(ctx, keys.ManifestKey(hr), 1<<20); string(got) != string(want) {
				t.Errorf("%s write %d: the manifest differs", name, k)
			}
			if s := must(w.l.Read(ctx, hr)); len(s.Ignored) != 0 {
				t.Errorf("%s write %d: %v ignored", name, k, s.Ignored)
			}
		}
	}
}

// A publication whose process died before the manifest was written must not lower the one of the run after it.
func TestALatePublisherDoesNotLowerTheManifest(t *testing.T) {
	w := newWorld(t)
	in := w.in()
	must(w.h.Handle(ctx, in))
	w.seal(&hour.Seal{Version: hour.Version, Hour: hr, Layout: hour.Layout}, 2, "b")
	must(w.h.Handle(ctx, publish.In{Hour: hr, N: 2, Execution: "b", Revision: w.rev}))
	second := w.rev
	if out, err := w.h.Handle(ctx, in); err != nil || out.Revision != in.Revision {
		t.Errorf("%+v, %v", out, err)
	}
	if m, _, _ := w.l.ReadManifest(ctx, hr); m.Revision != second || len(m.Superseded) != 1 {
		t.Errorf("%+v", m)
	}
}

func TestARunThatResumesPublishesTheResultOfAnEarlierOne(t *testing.T) {
	again := func(from string) *world {
		w := newWorld(t)
		s := must(w.l.Read(ctx, hr))
		w.append(&hour.Entry{ID: "f1", Type: hour.EntryFailed, Run: 1, Execution: "a", Error: "ResultMismatch"})
		w.append(&hour.Entry{ID: "start2", Type: hour.EntryStarted, Run: 2, Options: &hour.Options{From: from}})
		w.append(&hour.Entry{ID: "bc", Type: hour.EntryClaimed, Run: 2, Execution: "b"})
		r := s.Run(1)
		w.append(&hour.Entry{ID: "bs", Type: hour.EntrySealed, Run: 2, Execution: "b", Revision: r.Revision, Seal: r.Seal})
		for i, p := range r.Parts {
			e := &hour.Entry{ID: fmt.Sprint("bp", i), Type: hour.EntryCompacted, Run: 2, Execution: "b", Revision: r.Revision, Part: &p}
			if i == 0 {
				e.Rejects = r.Rejects
			}
			w.append(e)
		}
		return w
	}
	in := func(w *world, cluster int) publish.In {
		return publish.In{Hour: hr, N: 2, Execution: "b", Revision: w.rev, Cluster: cluster, Result: w.result}
	}
	w := again(hour.FromPublish)
	must(w.h.Handle(ctx, in(w, 2)))
	m, _, err := w.l.ReadManifest(ctx, hr)
	if err != nil || m.Run != 2 || m.Result != w.result || m.Cluster != 2 || m.Minutes != 0 || len(m.Results) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
	w = again(hour.FromCluster) // one that was to have a cluster of its own
	_, err = w.h.Handle(ctx, in(w, 2))
	is[*fault.BadInput](t, err)
	w = again(hour.FromPublish)
	w.result = keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: hr, Revision: w.rev, Run: 1, Cluster: 1}) // it failed
	_, err = w.h.Handle(ctx, in(w, 1))
	is[*fault.BadInput](t, err)
	w.result = keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: hr, Revision: w.rev, Run: 3, Cluster: 2}) // no such run
	_, err = w.h.Handle(ctx, in(w, 2))
	is[*fault.BadInput](t, err)
}
