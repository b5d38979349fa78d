package operate_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/operate"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
	t0   = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func is[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a %T", err, e)
	}
	return e
}

// world is a ledger, the executions of its runs by name, and clusters, on a clock that pauses move.
type world struct {
	mu       sync.Mutex
	store    *store.Memory
	l        *ledger.Ledger
	o        *operate.Operator
	now      time.Time
	statuses map[string]string // UNAVAILABLE: nobody answers
	started  map[string]hour.Input
	stubborn bool  // executions do not stop
	refuse   error // of Start
	clusters map[string]*cluster.Summary
	onPause  func()
}

func newWorld() *world {
	w := &world{now: t0, statuses: map[string]string{}, started: map[string]hour.Input{}, clusters: map[string]*cluster.Summary{}}
	clock := func() time.Time { return w.now }
	w.store = store.NewMemory(clock)
	w.l = &ledger.Ledger{Store: w.store, Keys: keys, Now: clock}
	w.o = &operate.Operator{Ledger: w.l, Executions: w, Pause: func(_ context.Context, d time.Duration) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now = w.now.Add(d)
		for _, k := range w.clusters {
			if k.State == cluster.Terminating {
				k.State = cluster.Terminated
			}
		}
		if w.onPause != nil {
			w.onPause()
		}
		return nil
	}}
	return w
}

func name(execution string) string { return execution[strings.LastIndexByte(execution, ':')+1:] }

func (w *world) Describe(_ context.Context, execution string) (string, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	status, found := w.statuses[name(execution)]
	if status == "UNAVAILABLE" {
		return "", false, &fault.Unavailable{Service: "states", Action: "describe", Err: errors.New("503")}
	}
	return status, found, nil
}

func (w *world) Start(_ context.Context, execution string, input hour.Input) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	if w.statuses[execution] == "" {
		w.statuses[execution], w.started[execution] = fault.StatusRunning, input
	}
	if w.started[execution] != input || w.statuses[execution] != fault.StatusRunning {
		return &fault.Exists{Key: execution}
	}
	return nil
}

func (w *world) Stop(_ context.Context, execution, _ string) error {
	if !w.stubborn {
		w.statuses[name(execution)] = fault.StatusAborted
	}
	return nil
}

func (w *world) Clusters(_ context.Context, since time.Time, live bool) iter.Seq2[cluster.Summary, error] {
	return func(yield func(cluster.Summary, error) bool) {
		for _, k := range w.clusters {
			if !k.CreatedAt.Before(since) && !yield(*k, nil) {
				return
			}
		}
	}
}

func (w *world) End(_ context.Context, ids []string) error {
	for _, id := range ids {
		w.clusters[id].State = cluster.Terminating
	}
	return nil
}

func (w *world) append(t *testing.T, e hour.Entry) {
	t.Helper()
	e.ID = fmt.Sprintf("%s/%d/%s", e.Type, e.Run, e.Error)
	if s := must(w.l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return &e, nil })); len(s.Ignored) > 0 {
		t.Fatalf("%s is ignored", e.Type)
	}
}

func (w *world) claim(t *testing.T, n int) {
	w.append(t, hour.Entry{Type: hour.EntryClaimed, Run: n, Execution: hour.ExecutionName(hr, n)})
}

func (w *world) request(t *testing.T, n int) {
	w.append(t, hour.Entry{Type: hour.EntryClusterRequested, Run: n, Execution: hour.ExecutionName(hr, n),
		Cluster: &hour.Cluster{Number: 1, Name: hour.ClusterName("p", hr, n, 1)}})
}

func (w *world) state() *ledger.State { return must(w.l.Read(ctx, hr)) }

func order(id string) operate.Order {
	return operate.Order{Hour: hr, ID: id, By: ledger.ByRerun, Reason: "asked for by hand", Options: hour.Options{Force: true}}
}

func TestARunIsStartedOnceHoweverOftenItIsAskedFor(t *testing.T) {
	w := newWorld()
	if n := must(w.o.Start(ctx, order("a"))); n != 1 || w.started["2026-11-23T07-1"].Options != (hour.Options{Force: true}) {
		t.Errorf("run %d, %+v", n, w.started)
	}
	_, err := w.o.Start(ctx, order("b"))
	if e := is[*fault.AlreadyRunning](t, err); !strings.Contains(e.Holder, "run 1 (rerun), since 2026-11-23 09:00:00 UTC, execution 2026-11-23T07-1") {
		t.Errorf("%v", e)
	}
	w.claim(t, 1)
	_, err = w.o.Start(ctx, order("b"))
	is[*fault.AlreadyRunning](t, err)
	if s := w.state(); len(s.Runs) != 1 {
		t.Errorf("%d runs", len(s.Runs))
	}
}

func TestARunWhoseClientDiedBeforeItsExecutionGetsItFromTheNext(t *testing.T) {
	w := newWorld()
	w.refuse = &fault.Unavailable{Service: "states", Action: "start", Err: errors.New("503")}
	_, err := w.o.Start(ctx, order("a"))
	if is[*fault.Unavailable](t, err); !strings.Contains(err.Error(), "stands in its ledger") {
		t.Error(err)
	}
	w.refuse = nil
	other := order("b")
	other.Options = hour.Options{}
	_, err = w.o.Start(ctx, other)
	is[*fault.AlreadyRunning](t, err)
	if n := must(w.o.Start(ctx, order("c"))); n != 1 || len(w.state().Runs) != 1 || w.statuses["2026-11-23T07-1"] != fault.StatusRunning {
		t.Errorf("run %d of %d", n, len(w.state().Runs))
	}

	w = newWorld() // and if nobody asked for so long that it counts as gone
	w.refuse = errors.New("died")
	w.o.Start(ctx, order("a"))
	w.refuse, w.now = nil, w.now.Add(time.Hour)
	if n := must(w.o.Start(ctx, other)); n != 2 || !w.state().Run(1).Over() {
		t.Errorf("run %d", n)
	}
}

func TestANameThatSomebodyTookInTheConsoleIsPassedOver(t *testing.T) {
	w := newWorld()
	w.statuses["2026-11-23T07-1"], w.statuses["2026-11-23T07-2"] = fault.StatusSucceeded, fault.StatusRunning
	n, err := w.o.Start(ctx, order("a"))
	if s := w.state(); err != nil || n != 3 || len(s.Open()) != 1 || s.Run(1).Status != fault.StatusAbsent || w.started["2026-11-23T07-3"].N != 3 {
		t.Errorf("run %d, %v, %+v", n, err, w.started)
	}
	w = newWorld()
	for i := range 9 {
		w.statuses[hour.ExecutionName(hr, i)] = fault.StatusSucceeded
	}
	_, err = w.o.Start(ctx, order("a"))
	if is[*fault.Conflict](t, err); len(w.state().Open()) != 0 {
		t.Error("a run was left open")
	}
}

func TestWhoJoinsARunBeginsItsExecutionIfItHasNone(t *testing.T) {
	w := newWorld()
	w.refuse = errors.New("died")
	w.o.Start(ctx, order("a"))
	w.refuse = nil
	for range 2 {
		if err := w.o.Join(ctx, hr, 1); err != nil || w.started["2026-11-23T07-1"].Options != order("a").Options || len(w.started) != 1 {
			t.Errorf("%v, %+v", err, w.started)
		}
	}
	w.claim(t, 1)
	w.append(t, hour.Entry{Type: hour.EntryFailed, Run: 1, Execution: hour.ExecutionName(hr, 1), Error: "StepFailed"})
	delete(w.started, "2026-11-23T07-1")
	delete(w.statuses, "2026-11-23T07-1")
	if err := w.o.Join(ctx, hr, 1); err != nil || len(w.started) != 0 {
		t.Errorf("a run that is over was begun: %v", err)
	}
}

func TestADeadRunIsEndedAndTheNextBegins(t *testing.T) {
	w := newWorld()
	must(w.o.Start(ctx, order("a")))
	w.claim(t, 1)
	w.statuses["2026-11-23T07-1"] = fault.StatusTimedOut
	if n := must(w.o.Start(ctx, order("b"))); n != 2 || w.state().Run(1).Status != fault.StatusTimedOut {
		t.Errorf("run %d, %+v", n, w.state().Run(1))
	}
}

func TestOfManyOperatorsOneStarts(t *testing.T) {
	w := newWorld()
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.o.Start(ctx, order(fmt.Sprint(i))) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		is[*fault.AlreadyRunning](t, err)
	}
	// One whose start was seen before its execution was, by an equal order, starts the same run again.
	if s := w.state(); won < 1 || len(s.Runs) != 1 || len(w.started) != 1 {
		t.Errorf("%d won, %d runs, %d executions", won, len(s.Runs), len(w.started))
	}
}

func TestStartingAndCancellingSurviveDeathAndLostAnswers(t *testing.T) {
	for name, schedule := range map[string]storefault.Schedule{
		"before the start": storefault.DieBeforeWrite(1), "after the start": storefault.DieAfterWrite(1), "start lost": storefault.LoseWrite(1),
		"start refused": storefault.FailWrite(1),
	} {
		w := newWorld()
		sick(w, schedule, func(o *operate.Operator) { o.Start(ctx, order("a")) })
		n, err := w.o.Start(ctx, order("b"))
		if e := (*fault.AlreadyRunning)(nil); err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
		if s := w.state(); len(s.Runs) != 1 || len(w.started) != 1 || n > 1 {
			t.Errorf("%s: %d runs, %d executions", name, len(s.Runs), len(w.started))
		}
		w = running(t)
		sick(w, schedule, func(o *operate.Operator) {
			o.Cancel(ctx, operate.Cancel{Hour: hr, Stack: "p", Clusters: w, Cause: "cancelled by hand", Poll: time.Second, Limit: time.Minute})
		})
		if out, err := w.cancel(time.Minute); err != nil || len(out.Open) > 0 {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		if s := w.state(); !s.Run(1).Over() || len(s.Ignored) > 0 || w.clusters["j-1"].State != cluster.Terminated {
			t.Errorf("%s: %+v, cluster %s", name, s.Run(1), w.clusters["j-1"].State)
		}
	}
}

// sick lets do act through a store that fails by schedule, and survives the death of its process.
func sick(w *world, schedule storefault.Schedule, do func(*operate.Operator)) {
	defer func() {
		if d := recover(); d != nil {
			if _, ok := d.(storefault.Death); !ok {
				panic(d)
			}
		}
	}()
	p := storefault.NewProcess(schedule, nil)
	do(&operate.Operator{Ledger: &ledger.Ledger{Store: p.Wrap("hours", w.store), Keys: keys, Now: w.l.Now}, Executions: w, Pause: w.o.Pause})
}

func TestWaitingEndsWithTheRun(t *testing.T) {
	w := newWorld()
	n := must(w.o.Start(ctx, order("a")))
	w.claim(t, n)
	looks := 0
	w.onPause = func() {
		switch looks++; looks {
		case 1:
			w.statuses["2026-11-23T07-1"] = "UNAVAILABLE"
		case 4:
			w.statuses["2026-11-23T07-1"] = fault.StatusFailed // without a word
		}
	}
	s, err := w.o.Wait(ctx, hr, n, time.Second, nil)
	if err != nil || !s.Run(n).Over() || s.Run(n).Status != fault.StatusFailed || looks != 4 {
		t.Errorf("%v after %d looks", err, looks)
	}

	w = newWorld()
	n = must(w.o.Start(ctx, order("a")))
	w.statuses["2026-11-23T07-1"] = "UNAVAILABLE"
	_, err = w.o.Wait(ctx, hr, n, time.Second, nil)
	is[*fault.Unavailable](t, err)
	gone, stop := context.WithCancel(ctx)
	stop()
	w.o.Pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	w.statuses["2026-11-23T07-1"] = fault.StatusRunning
	if _, err = w.o.Wait(gone, hr, n, time.Second, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func (w *world) cancel(limit time.Duration) (*operate.Cancelled, error) {
	return w.o.Cancel(ctx, operate.Cancel{Hour: hr, Stack: "p", Clusters: w, Cause: "cancelled by hand", Poll: 5 * time.Second, Limit: limit})
}

// running is a world whose run 1 works with its cluster.
func running(t *testing.T) *world {
	w := newWorld()
	must(w.o.Start(ctx, order("a")))
	w.claim(t, 1)
	w.request(t, 1)
	w.clusters["j-1"] = &cluster.Summary{ID: "j-1", Name: hour.ClusterName("p", hr, 1, 1), State: cluster.Running, CreatedAt: w.now}
	w.clusters["j-2"] = &cluster.Summary{ID: "j-2", Name: hour.ClusterName("p", hr.Add(1), 1, 1), State: cluster.Running, CreatedAt: w.now}
	w.clusters["j-3"] = &cluster.Summary{ID: "j-3", Name: hour.ClusterName("q", hr, 1, 1), State: cluster.Running, CreatedAt: w.now}
	return w
}

func TestCancellingEndsExecutionAndClusterAndProvesIt(t *testing.T) {
	w := running(t)
	out, err := w.cancel(10 * time.Minute)
	if err != nil || len(out.Open) > 0 || len(out.Runs) != 1 || out.Runs[0].Outcome != fault.StatusAborted || len(out.Clusters) != 1 || out.Clusters[0].State != cluster.Terminated {
		t.Fatalf("%+v, %v", out, err)
	}
	r := w.state().Run(1)
	if !r.Over() || r.Status != fault.StatusAborted || r.Cause != "cancelled by hand" {
		t.Errorf("%+v", r)
	}
	if w.clusters["j-2"].State != cluster.Running || w.clusters["j-3"].State != cluster.Running {
		t.Error("the cluster of another hour, or of another stack, was ended")
	}
	again, err := w.cancel(10 * time.Minute)
	if err != nil || len(again.Runs)+len(again.Clusters)+len(again.Open) > 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestWhatIsNotOverInTimeIsSaid(t *testing.T) {
	w := running(t)
	w.stubborn = true
	out, err := w.cancel(time.Minute)
	if err != nil || len(out.Open) != 2 || !strings.Contains(out.Open[0], "2026-11-23T07-1 is RUNNING") || w.state().Run(1).Over() {
		t.Fatalf("%+v, %v", out, err)
	}
	w = running(t)
	out, err = w.cancel(0)
	if err != nil || len(out.Open) != 1 || !strings.Contains(out.Open[0], "cluster j-1") || !w.state().Run(1).Over() {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err = w.cancel(time.Minute); err != nil || len(out.Open) > 0 || len(out.Clusters) != 1 {
		t.Errorf("cancelled again: %+v, %v", out, err)
	}
}

func TestAClusterWhoseRequestWasUnderWayIsEndedToo(t *testing.T) {
	w := running(t)
	late := w.clusters["j-1"]
	delete(w.clusters, "j-1")
	looks := 0
	w.onPause = func() {
		if looks++; looks == 10 {
			w.clusters["j-1"] = late
		}
	}
	out, err := w.cancel(10 * time.Minute)
	if err != nil || len(out.Open) > 0 || late.State != cluster.Terminated {
		t.Errorf("%+v, %v: %s", out, err, late.State)
	}
	w = running(t) // and one that was never made is not waited for for ever
	delete(w.clusters, "j-1")
	if out, err = w.cancel(10 * time.Minute); err != nil || len(out.Open) > 0 || w.now.Sub(t0) > 3*time.Minute {
		t.Errorf("%+v, %v after %s", out, err, w.now.Sub(t0))
	}
}

func TestARunThatNobodyBeganOrThatSpokeForItselfIsNotLeftOpen(t *testing.T) {
	w := newWorld()
	w.refuse = errors.New("died")
	w.o.Start(ctx, order("a"))
	if out, err := w.cancel(time.Minute); err != nil || len(out.Runs) != 1 || w.state().Run(1).Status != fault.StatusAborted {
		t.Errorf("%+v, %v", out, err)
	}
	w = running(t)
	w.stubborn = true
	w.onPause = func() {
		if w.statuses["2026-11-23T07-1"] == fault.StatusRunning {
			w.append(t, hour.Entry{Type: hour.EntryFailed, Run: 1, Execution: hour.ExecutionName(hr, 1), Error: "StepFailed"})
			w.statuses["2026-11-23T07-1"] = fault.StatusFailed
		}
	}
	out, err := w.cancel(time.Minute)
	if err != nil || out.Runs[0].Outcome != "StepFailed" || w.clusters["j-1"].State != cluster.Terminated {
		t.Errorf("%+v, %v", out, err)
	}
}
