package due_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/due"
	"penstock/internal/fault"
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

// world is two buckets, a service that knows executions by name, and late data that adds something or not.
type world struct {
	now            time.Time
	archive, hours *store.Memory
	l              *ledger.Ledger
	executions     map[string]string
	adds           bool
	asked          int
	h              *due.Handler
}

func newWorld() *world {
	w := &world{now: h7.End().Add(5 * time.Minute), executions: map[string]string{}, adds: true}
	clock := func() time.Time { return w.now }
	w.archive, w.hours = store.NewMemory(clock), store.NewMemory(clock)
	w.l = &ledger.Ledger{Store: w.hours, Keys: keys, Now: clock}
	w.h = &due.Handler{Ledger: w.l, Archive: w.archive, Hours: w.hours, Late: w, Executions: w, Rules: due.DefaultRules()}
	return w
}

func (w *world) Describe(_ context.Context, execution string) (string, bool, error) {
	status, found := w.executions[execution]
	if status == "UNAVAILABLE" {
		return "", false, &fault.Unavailable{Service: "states", Action: "describe", Err: errors.New("503")}
	}
	return status, found, nil
}

func (w *world) Adds(_ context.Context, _ hour.Hour, _ *hour.Seal, keys []string) (bool, error) {
	w.asked++
	return w.adds && len(keys) > 0, nil
}

// batch archives the n-th batch of an hour.
func (w *world) batch(h hour.Hour, n int) string {
	s := hour.Sequence(fmt.Sprint(n))
	return must(w.archive.Create(ctx, keys.IndexKey(hour.Span{Hour: h, Shard: "shardId-0", First: s, Last: s}), []byte("x"))).Key
}

func (w *world) tick() due.Out {
	return must(w.h.Handle(ctx, due.In{Time: w.now}))
}

// names are the executions that an answer starts.
func names(out due.Out) string {
	var list []string
	for _, s := range out.Hours {
		if s.Name != hour.ExecutionName(s.Hour, s.N) || s.Input.Hour != s.Hour || s.Input.N != s.N {
			panic(fmt.Sprintf("%+v", s))
		}
		list = append(list, s.Name)
	}
	return strings.Join(list, " ")
}

func (w *world) append(h hour.Hour, e hour.Entry) {
	e.ID = fmt.Sprint(e.Type, e.Run, e.Revision)
	must(w.l.Append(ctx, h, func(*ledger.State) (*hour.Entry, error) { return &e, nil }))
}

// claim lets the execution of run n claim the hour.
func (w *world) claim(h hour.Hour, n int) string {
	name := hour.ExecutionName(h, n)
	w.executions[name] = "RUNNING"
	w.append(h, hour.Entry{Type: hour.EntryClaimed, Run: n, Execution: name})
	return name
}

// fail lets run n claim and fail.
func (w *world) fail(h hour.Hour, n int, name string) {
	x := w.claim(h, n)
	w.append(h, hour.Entry{Type: hour.EntryFailed, Run: n, Execution: x, Error: name})
	w.executions[x] = "FAILED"
}

// publish lets run n claim and publish the batches.
func (w *world) publish(h hour.Hour, n int, indexes ...string) {
	x := w.claim(h, n)
	seal := &hour.Seal{Version: hour.Version, Hour: h, Layout: hour.Layout}
	for i, key := range indexes {
		s := hour.Sequence(fmt.Sprint(i))
		seal.Pieces = append(seal.Pieces, hour.Piece{Kind: hour.PieceRange, Shard: "shardId-0", First: s, Last: s, Index: hour.Ref{Key: key}})
	}
	seal.Revision = hour.RevisionOf(seal.Layout, seal.Pieces)
	b := hour.Encode(seal)
	ref := hour.Ref{Key: keys.SealKey(h, seal.Revision), SHA256: hour.SHA256(b)}
	must(w.hours.Create(ctx, ref.Key, b))
	w.append(h, hour.Entry{Type: hour.EntrySealed, Run: n, Execution: x, Revision: seal.Revision, Seal: &ref})
	w.append(h, hour.Entry{Type: hour.EntryPublished, Run: n, Execution: x, Revision: seal.Revision, Publish: &hour.Publication{Seal: ref, Batches: len(indexes)}})
	must(w.l.WriteManifest(ctx, must(w.l.Read(ctx, h))))
	w.executions[x] = "SUCCEEDED"
}

func want(t *testing.T, out due.Out, started, why string) {
	t.Helper()
	if got := names(out); got != started {
		t.Errorf("started %q, want %q (%v)", got, started, out.Why)
	}
	if got := fmt.Sprint(out.Why); !strings.Contains(got, why) {
		t.Errorf("why %s, want %q", got, why)
	}
}

func TestAnHourIsDueFromItsEndAndTheMarginOn(t *testing.T) {
	w := newWorld()
	w.batch(h7, 1)
	w.now = h7.End().Add(59 * time.Second)
	want(t, w.tick(), "", "")
	w.now = h7.End().Add(time.Minute)
	want(t, w.tick(), "2026-11-23T07-1", "it is over and has no run")
	if r := must(w.l.Read(ctx, h7)).Run(1); r == nil || r.By != ledger.BySchedule {
		t.Errorf("run %+v", r)
	}
}

func TestNothingIsDueBeforeAnythingIsKnown(t *testing.T) {
	w := newWorld()
	want(t, w.tick(), "", "")
	w.batch(h7.Add(-2), 1)
	want(t, w.tick(), "2026-11-23T07-1 2026-11-23T06-1 2026-11-23T05-1", "")
}

func TestATickInTheFutureStartsNothingEarly(t *testing.T) {
	w := newWorld()
	w.batch(h7, 1)
	out := must(w.h.Handle(ctx, due.In{Time: w.now.Add(5 * time.Hour)}))
	want(t, out, "2026-11-23T07-1", "")
}

func TestAtMostThreeHoursRunAndTheNewestComeFirst(t *testing.T) {
	w := newWorld()
	w.batch(h7.Add(-4), 1)
	want(t, w.tick(), "2026-11-23T07-1 2026-11-23T06-1 2026-11-23T05-1", "3 hours are running")
	for i := range 3 {
		w.claim(h7.Add(-i), 1)
	}
	want(t, w.tick(), "", "run 1 is running")
	w.publish2(h7.Add(-1))
	w.publish2(h7)
	want(t, w.tick(), "2026-11-23T04-1 2026-11-23T03-1", "")
}

// publish2 publishes an hour that is claimed by its first run.
func (w *world) publish2(h hour.Hour) {
	x := hour.ExecutionName(h, 1)
	w.append(h, hour.Entry{Type: hour.EntryEnded, Run: 1, Execution: x, Status: "SUCCEEDED"})
	w.append(h, hour.Entry{Type: hour.EntryStarted, Run: 2})
	w.publish(h, 2)
}

func TestAStartedRunWithoutAnExecutionIsStartedAgainWithItsOwnOptions(t *testing.T) {
	w := newWorld()
	options := hour.Options{Force: true, Expect: "abc"}
	w.l.Start(ctx, h7, ledger.Start{ID: "rerun", By: ledger.ByRerun, Options: options})
	for range 2 {
		out := w.tick()
		want(t, out, "2026-11-23T07-1", "has no execution")
		if out.Hours[0].Input.Options != options {
			t.Errorf("options %+v", out.Hours[0].Input.Options)
		}
	}
	w.executions["2026-11-23T07-1"] = "RUNNING"
	want(t, w.tick(), "", "run 1 is running")
	if n := must(w.l.Read(ctx, h7)).Last; n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestInfrastructureGetsThreeRunsWithBackoff(t *testing.T) {
	w := newWorld()
	w.h.Rules.MaxRunning = 1000
	w.batch(h7, 1)
	want(t, w.tick(), "2026-11-23T07-1", "")
	w.fail(h7, 1, "Unavailable")
	w.now = w.now.Add(14 * time.Minute)
	want(t, w.tick(), "", "the next one is due at 2026-11-23T08:20:00Z")
	w.now = w.now.Add(time.Minute)
	want(t, w.tick(), "2026-11-23T07-2", "run 1 failed: Unavailable")
	w.fail(h7, 2, "HourNotComplete")
	w.now = w.now.Add(59 * time.Minute)
	want(t, names2(w.tick(), h7), "", "the next one is due")
	w.now = w.now.Add(time.Minute)
	want(t, names2(w.tick(), h7), "2026-11-23T07-3", "HourNotComplete")
	// The third one is stopped from outside, without a word.
	w.claim(h7, 3)
	w.executions["2026-11-23T07-3"] = "TIMED_OUT"
	w.now = w.now.Add(24 * time.Hour)
	want(t, names2(w.tick(), h7), "", "3 runs failed, no more are started: execution TIMED_OUT")
	s := must(w.l.Read(ctx, h7))
	if r := s.Run(3); !r.Over() || r.Status != "TIMED_OUT" || len(s.Open()) != 0 {
		t.Errorf("run 3 %+v", r)
	}
	// A person's run begins the count anew, with its options.
	w.l.Start(ctx, h7, ledger.Start{ID: "rerun", By: ledger.ByRerun, Options: hour.Options{Force: true, Expect: "x"}})
	w.fail(h7, 4, "ClusterFailed")
	w.now = w.now.Add(time.Hour)
	out := names2(w.tick(), h7)
	want(t, out, "2026-11-23T07-5", "ClusterFailed")
	if o := out.Hours[0].Input.Options; o != (hour.Options{Force: true}) {
		t.Errorf("options %+v", o)
	}
}

func TestRunsWhoseMachineWentAwayAreNotCounted(t *testing.T) {
	w := newWorld()
	w.h.Rules.MaxRunning = 1000
	w.batch(h7, 1)
	w.tick()
	for n := 1; n <= 5; n++ {
		w.executions[w.claim(h7, n)] = "ABSENT"
		want(t, names2(w.tick(), h7), fmt.Sprintf("2026-11-23T07-%d", n+1), "execution ABSENT")
	}
}

// names2 keeps what an answer says of one hour.
func names2(out due.Out, h hour.Hour) due.Out {
	one := due.Out{Why: map[string]string{h.String(): out.Why[h.String()]}}
	for _, s := range out.Hours {
		if s.Hour == h {
			one.Hours = append(one.Hours, s)
		}
	}
	return one
}

func TestWhoseTurnItIsAfterAFailure(t *testing.T) {
	for _, c := range []struct {
		failure, status string
		started         string
	}{
		{"StepFailed", "", ""}, {"ResultMismatch", "", ""}, {"ClusterTooOld", "", ""}, {"Corrupt", "", ""}, {"Unproven", "", ""},
		{"ArchiveExpired", "", ""}, {"AccessDenied", "", ""}, {"", "ABORTED", ""},
		{"ClusterFailed", "", "2026-11-23T07-2"}, {"ClusterLost", "", "2026-11-23T07-2"}, {"States.Timeout", "", "2026-11-23T07-2"},
		{"", "FAILED", "2026-11-23T07-2"}, {"", "SUCCEEDED", "2026-11-23T07-2"},
		// A run that stood back for another one says nothing about the hour.
		{"AlreadyRunning", "", "2026-11-23T07-2"}, {"HourChanged", "", "2026-11-23T07-2"},
	} {
		w := newWorld()
		w.batch(h7, 1)
		w.tick()
		if c.failure != "" {
			w.fail(h7, 1, c.failure)
		} else {
			w.executions[w.claim(h7, 1)] = c.status
			w.tick() // finds it closed
		}
		w.now = w.now.Add(50 * time.Minute)
		if got := names(w.tick()); got != c.started {
			t.Errorf("after %s%s: started %q, want %q", c.failure, c.status, got, c.started)
		}
	}
}

func TestARunThatStoodBackForAnotherOneIsNotTriedAgain(t *testing.T) {
	w := newWorld()
	i := w.batch(h7, 1)
	w.tick()
	w.claim(h7, 1)
	w.l.Start(ctx, h7, ledger.Start{ID: "rerun", By: ledger.ByRerun, Options: hour.Options{Force: true}})
	w.executions["2026-11-23T07-2"] = "FAILED" // AlreadyRunning, and no word of it
	w.append(h7, hour.Entry{Type: hour.EntryEnded, Run: 1, Execution: "2026-11-23T07-1", Status: "FAILED"})
	w.append(h7, hour.Entry{Type: hour.EntryStarted, Run: 3})
	w.publish(h7, 3, i)
	w.now = w.now.Add(50 * time.Minute)
	want(t, w.tick(), "", "")
	if s := must(w.l.Read(ctx, h7)); len(s.Open()) != 0 {
		t.Error("the run is still open")
	}
}

func TestAManifestBehindItsLedgerIsProjected(t *testing.T) {
	w := newWorld()
	first := w.batch(h7, 1)
	w.tick()
	w.publish(h7, 1, first)
	b, o, _ := w.hours.Get(ctx, keys.ManifestKey(h7), 1<<20)
	for _, spoil := range []func(){
		func() { w.hours.Delete(ctx, o.Key) },
		func() {
			_, o, _ := w.hours.Get(ctx, o.Key, 1<<20)
			must(w.hours.Replace(ctx, o.Key, o.ETag, []byte("mangled")))
		},
	} {
		spoil()
		want(t, w.tick(), "", "")
		if got, _, err := w.hours.Get(ctx, o.Key, 1<<20); err != nil || string(got) != string(b) {
			t.Errorf("manifest %q, %v", got, err)
		}
	}
}

func TestAnHourThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	w := newWorld()
	w.batch(h7.Add(-1), 1)
	must(w.hours.Create(ctx, keys.LedgerKey(h7, 1), []byte("mangled")))
	want(t, w.tick(), "2026-11-23T06-1", "corrupt")
	w.executions["2026-11-23T06-1"] = "UNAVAILABLE"
	_, err := w.h.Handle(ctx, due.In{})
	if _, ok := err.(*fault.Unavailable); !ok {
		t.Errorf("got %T %v", err, err)
	}
}

func TestAMissingSealIsOneHoursTrouble(t *testing.T) {
	w := newWorld()
	first := w.batch(h7, 1)
	w.tick()
	w.publish(h7, 1, first)
	w.batch(h7, 2)
	m, _, _ := w.l.ReadManifest(ctx, h7)
	w.hours.Delete(ctx, m.Seal.Key)
	want(t, w.tick(), "", "no such object")
}

func TestTheLookbackBoundsWhatIsLookedAt(t *testing.T) {
	w := newWorld()
	w.batch(h7.Add(-200), 1)
	w.batch(h7.Add(-1), 1)
	want(t, w.tick(), "2026-11-23T07-1 2026-11-23T06-1", "")
	w = newWorld()
	w.batch(h7.Add(-10), 1)
	out := must(w.h.Handle(ctx, due.In{Time: w.now, Lookback: "1h"}))
	want(t, out, "", "")
	for _, bad := range []string{"yesterday", "-1h", "9000h"} {
		if _, err := w.h.Handle(ctx, due.In{Lookback: bad}); err == nil {
			t.Errorf("lookback %s was taken", bad)
		} else if _, ok := err.(*fault.BadInput); !ok {
			t.Errorf("lookback %s: %T", bad, err)
		}
	}
}
