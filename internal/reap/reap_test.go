package reap_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/reap"
	"penstock/internal/store"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
	t0   = time.Date(2026, 11, 23, 8, 5, 0, 0, time.UTC)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is an EMR with clusters and a service with executions.
type world struct {
	store      *store.Memory
	l          *ledger.Ledger
	clusters   []cluster.Summary
	executions map[string]string
	ended      []string
	calls      int
	h          *reap.Handler
}

func newWorld() *world {
	w := &world{executions: map[string]string{}}
	now := func() time.Time { return t0.Add(time.Hour) }
	w.store = store.NewMemory(now)
	w.l = &ledger.Ledger{Store: w.store, Keys: keys, Now: now}
	w.h = &reap.Handler{Stack: "prod", Clusters: w, Executions: w, Ledger: w.l, Ender: w, Now: now}
	return w
}

func (w *world) Clusters(_ context.Context, _ time.Time, live bool) iter.Seq2[cluster.Summary, error] {
	return func(yield func(cluster.Summary, error) bool) {
		for _, c := range w.clusters {
			if !live || !yield(c, nil) {
				return
			}
		}
	}
}

func (w *world) Describe(_ context.Context, execution string) (string, bool, error) {
	status, found := w.executions[execution]
	if status == "UNAVAILABLE" {
		return "", false, &fault.Unavailable{Service: "states", Err: errors.New("503")}
	}
	return status, found, nil
}

func (w *world) End(_ context.Context, ids []string) error {
	w.calls++
	if len(ids) == 0 || len(ids) > 10 {
		return errors.New("one to ten ids")
	}
	w.ended = append(w.ended, ids...)
	return nil
}

// run makes run n, of an execution with that status, which asked for so many clusters; all but the last are judged.
func (w *world) run(n int, status string, clusters int) {
	x := hour.ExecutionName(hr, n)
	w.executions[x] = status
	w.append(hour.Entry{Type: hour.EntryStarted, Run: n})
	w.append(hour.Entry{Type: hour.EntryClaimed, Run: n, Execution: x})
	for c := 1; c <= clusters; c++ {
		name := hour.ClusterName("prod", hr, n, c)
		w.append(hour.Entry{Type: hour.EntryClusterRequested, Run: n, Execution: x, Cluster: &hour.Cluster{Number: c, Name: name}})
		w.clusters = append(w.clusters, cluster.Summary{ID: fmt.Sprintf("j-%d%d", n, c), Name: name, CreatedAt: t0})
		if c < clusters {
			w.append(hour.Entry{Type: hour.EntryClusterEnded, Run: n, Execution: x, Cluster: &hour.Cluster{Number: c, Name: name, Verdict: hour.VerdictLost}})
		}
	}
}

func (w *world) append(e hour.Entry) {
	c := 0
	if e.Cluster != nil {
		c = e.Cluster.Number
	}
	e.ID = fmt.Sprint(e.Type, e.Run, c)
	must(w.l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return &e, nil }))
}

func (w *world) reap(t *testing.T, in reap.In) string {
	t.Helper()
	if _, err := w.h.Handle(ctx, in); err != nil {
		t.Fatal(err)
	}
	return strings.Join(w.ended, " ")
}

func TestTheClusterOfARunningExecutionStays(t *testing.T) {
	w := newWorld()
	w.run(1, "RUNNING", 1)
	if got := w.reap(t, reap.In{}); got != "" {
		t.Errorf("ended %s", got)
	}
}

func TestAClusterWhoseExecutionIsClosedIsEnded(t *testing.T) {
	for _, status := range []string{"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"} {
		w := newWorld()
		w.run(1, status, 1)
		if got := w.reap(t, reap.In{}); got != "j-11" {
			t.Errorf("%s: ended %q", status, got)
		}
	}
	w := newWorld()
	w.run(1, "RUNNING", 1)
	clear(w.executions)
	if got := w.reap(t, reap.In{}); got != "j-11" {
		t.Errorf("unknown execution: ended %q", got)
	}
}

func TestATwinThatAppearsLateIsEnded(t *testing.T) {
	w := newWorld()
	w.run(1, "RUNNING", 2) // cluster 1 was lost, and there it is
	if got := w.reap(t, reap.In{}); got != "j-11" {
		t.Errorf("ended %q", got)
	}
}

func TestAClusterThatNobodyAskedForIsEnded(t *testing.T) {
	w := newWorld()
	w.run(1, "RUNNING", 1)
	w.clusters = append(w.clusters,
		cluster.Summary{ID: "j-a", Name: hour.ClusterName("prod", hr, 1, 2), CreatedAt: t0},
		cluster.Summary{ID: "j-b", Name: hour.ClusterName("prod", hr, 9, 1), CreatedAt: t0},
		cluster.Summary{ID: "j-c", Name: hour.ClusterName("prod", hr.Add(5), 1, 1), CreatedAt: t0})
	if got := w.reap(t, reap.In{}); got != "j-a j-b j-c" {
		t.Errorf("ended %q", got)
	}
}

func TestWhatIsYoungOrNotOursIsLeftAlone(t *testing.T) {
	w := newWorld()
	w.clusters = []cluster.Summary{
		{ID: "j-young", Name: hour.ClusterName("prod", hr, 1, 1), CreatedAt: t0.Add(time.Hour - 14*time.Minute)},
		{ID: "j-eu", Name: hour.ClusterName("prod-eu", hr, 1, 1), CreatedAt: t0}, {ID: "j-other", Name: "nightly report", CreatedAt: t0}, {ID: "j-x", Name: "prod-x", CreatedAt: t0},
	}
	out := must(w.h.Handle(ctx, reap.In{}))
	if len(w.ended) != 0 || len(out.Kept) != 1 {
		t.Errorf("ended %v, kept %v", w.ended, out.Kept)
	}
}

func TestARunThatIsOverOwnsNothing(t *testing.T) {
	w := newWorld()
	w.run(1, "RUNNING", 1)
	w.append(hour.Entry{Type: hour.EntryFailed, Run: 1, Execution: hour.ExecutionName(hr, 1), Error: "E"})
	if got := w.reap(t, reap.In{}); got != "j-11" {
		t.Errorf("ended %q", got)
	}
}

func TestADryRunOnlyTells(t *testing.T) {
	w := newWorld()
	w.run(1, "FAILED", 1)
	out := must(w.h.Handle(ctx, reap.In{DryRun: true}))
	if w.calls != 0 || len(out.Ended) != 1 || !strings.Contains(out.Ended[0].Why, "FAILED") {
		t.Errorf("%d calls, %+v", w.calls, out)
	}
}

func TestManyAreEndedTenAtATime(t *testing.T) {
	w := newWorld()
	for i := range 25 {
		w.clusters = append(w.clusters, cluster.Summary{ID: fmt.Sprintf("j-%02d", i), Name: hour.ClusterName("prod", hr, i+1, 1), CreatedAt: t0})
	}
	w.reap(t, reap.In{})
	if len(w.ended) != 25 || w.calls != 3 {
		t.Errorf("%d ended in %d calls", len(w.ended), w.calls)
	}
}

func TestWithoutAnAnswerNothingIsEnded(t *testing.T) {
	w := newWorld()
	w.run(1, "UNAVAILABLE", 1)
	w.clusters = append(w.clusters, cluster.Summary{ID: "j-b", Name: hour.ClusterName("prod", hr, 9, 1), CreatedAt: t0})
	_, err := w.h.Handle(ctx, reap.In{})
	if _, ok := err.(*fault.Unavailable); !ok || w.calls != 0 {
		t.Errorf("%T %v, %d calls", err, err, w.calls)
	}
}

func TestALedgerThatCannotBeReadKeepsItsClusters(t *testing.T) {
	w := newWorld()
	must(w.store.Create(ctx, keys.LedgerKey(hr, 1), []byte("mangled")))
	w.clusters = []cluster.Summary{
		{ID: "j-a", Name: hour.ClusterName("prod", hr, 1, 1), CreatedAt: t0}, {ID: "j-b", Name: hour.ClusterName("prod", hr.Add(1), 1, 1), CreatedAt: t0}}
	out := must(w.h.Handle(ctx, reap.In{}))
	if len(out.Kept) != 1 || out.Kept[0].ID != "j-a" || len(w.ended) != 1 {
		t.Errorf("%+v", out)
	}
}
