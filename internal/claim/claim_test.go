package claim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/claim"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
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

// executions is a service that knows these executions, by their status.
type executions map[string]string

func (e executions) Describe(_ context.Context, execution string) (string, bool, error) {
	status, found := e[execution]
	if status == "UNAVAILABLE" {
		return "", false, &fault.Unavailable{Service: "states", Action: "describe", Err: errors.New("503")}
	}
	return status, found, nil
}

type world struct {
	store *store.Memory
	l     *ledger.Ledger
	h     *claim.Handler
	now   time.Time
}

func newWorld(e executions) *world {
	w := &world{now: t0}
	w.store = store.NewMemory(func() time.Time { return w.now })
	w.l = &ledger.Ledger{Store: w.store, Keys: keys, Now: func() time.Time { return w.now }}
	w.h = &claim.Handler{Ledger: w.l, Executions: e}
	return w
}

// types are the ledger's entries in short: S1 C1 E1 S2 C2.
func (w *world) types() string {
	s := must(w.l.Read(ctx, hr))
	var list []string
	for _, e := range s.Entries {
		list = append(list, fmt.Sprintf("%c%d", e.Type[0], e.Run))
	}
	for _, n := range s.Ignored {
		list = append(list, fmt.Sprintf("ignored%d", n))
	}
	return strings.Join(list, " ")
}

func (w *world) fail(t *testing.T, n int, execution, name string) {
	t.Helper()
	_, err := w.l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) {
		return &hour.Entry{ID: execution + "F", Type: hour.EntryFailed, Run: n, Execution: execution, Error: name}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func in(n int, execution string) claim.In {
	return claim.In{Hour: hr, N: n, Execution: execution, Name: execution}
}

func is[E error](t *testing.T, err error) {
	t.Helper()
	if _, ok := err.(E); !ok { // outermost, as Lambda sees it
		t.Errorf("got %T %v, want %T", err, err, *new(E))
	}
}

func TestAnExecutionOfNobodyStartsAndClaimsTheNextRun(t *testing.T) {
	w := newWorld(executions{})
	for range 3 { // a retry of the state
		out, err := w.h.Handle(ctx, in(0, "a"))
		if err != nil || out != (claim.Out{Hour: hr, N: 1, Execution: "a"}) {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	if got := w.types(); got != "S1 C1" {
		t.Errorf("ledger %s", got)
	}
	if s := must(w.l.Read(ctx, hr)); s.Run(1).By != ledger.ByConsole {
		t.Errorf("started by %q", s.Run(1).By)
	}
}

func TestAStartedRunIsClaimed(t *testing.T) {
	w := newWorld(executions{})
	w.l.Start(ctx, hr, ledger.Start{ID: "s", By: ledger.BySchedule})
	if out, err := w.h.Handle(ctx, in(1, "a")); err != nil || out.N != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if got := w.types(); got != "S1 C1" {
		t.Errorf("ledger %s", got)
	}
}

func TestASecondRunEndsAsAlreadyRunningUnlessTheHolderIsClosed(t *testing.T) {
	for status, want := range map[string]string{
		"RUNNING": "", "PENDING_REDRIVE": "", "SUCCEEDED": "S1 C1 E1 S2 C2", "FAILED": "S1 C1 E1 S2 C2", "TIMED_OUT": "S1 C1 E1 S2 C2", "ABORTED": "S1 C1 E1 S2 C2",
	} {
		w := newWorld(executions{"a": status})
		w.h.Handle(ctx, in(0, "a"))
		out, err := w.h.Handle(ctx, in(0, "b"))
		if want == "" {
			is[*fault.AlreadyRunning](t, err)
			want = "S1 C1"
		} else if err != nil || out.N != 2 {
			t.Errorf("%s: %+v, %v", status, out, err)
		}
		if got := w.types(); got != want {
			t.Errorf("%s: ledger %s, want %s", status, got, want)
		}
	}
}

func TestAnExecutionThatNobodyKnowsHoldsTheHourForAWhile(t *testing.T) {
	w := newWorld(executions{})
	w.h.Handle(ctx, in(0, "a"))
	_, err := w.h.Handle(ctx, in(0, "b"))
	is[*fault.AlreadyRunning](t, err)
	w.now = t0.Add(20 * time.Minute)
	if out, err := w.h.Handle(ctx, in(0, "b")); err != nil || out.N != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestWithoutAnAnswerAboutTheHolderNothingIsClaimed(t *testing.T) {
	w := newWorld(executions{"a": "UNAVAILABLE"})
	w.h.Handle(ctx, in(0, "a"))
	_, err := w.h.Handle(ctx, in(0, "b"))
	is[*fault.Unavailable](t, err)
	if got := w.types(); got != "S1 C1" {
		t.Errorf("ledger %s", got)
	}
}

func TestARunThatIsOverIsNotClaimedAgain(t *testing.T) {
	w := newWorld(executions{})
	w.h.Handle(ctx, in(0, "a"))
	w.fail(t, 1, "a", "Unavailable")
	for _, i := range []claim.In{in(0, "a"), in(1, "a"), in(1, "b")} {
		_, err := w.h.Handle(ctx, i)
		is[*fault.Superseded](t, err)
	}
	if out, err := w.h.Handle(ctx, in(2, "b")); err != nil || out.N != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestARunNumberThatLeavesAGapIsRefused(t *testing.T) {
	w := newWorld(executions{})
	for _, i := range []claim.In{in(2, "a"), in(-1, "a"), in(1, "")} {
		_, err := w.h.Handle(ctx, i)
		is[*fault.BadInput](t, err)
	}
	w.h.Handle(ctx, in(0, "a"))
	_, err := w.h.Handle(ctx, in(2, "a"))
	is[*fault.BadInput](t, err)
}

func TestAnotherStateThanTheDryRunShowedRefusesTheRun(t *testing.T) {
	w := newWorld(executions{})
	w.h.Handle(ctx, in(0, "a"))
	w.fail(t, 1, "a", "StepFailed")
	shown := hour.Expect{State: ledger.Shown(must(w.l.Read(ctx, hr)), hour.Options{}), Revision: strings.Repeat("1", 12), Playbook: strings.Repeat("2", 12)}.String()
	w.l.Start(ctx, hr, ledger.Start{ID: "rerun", By: ledger.ByRerun, Options: hour.Options{Expect: shown}})
	wrong := in(2, "b")
	wrong.Options.Expect = "000000000000" + shown[12:]
	_, err := w.h.Handle(ctx, wrong)
	is[*fault.HourChanged](t, err)
	other := in(2, "b")
	other.Options = hour.Options{Expect: shown, Force: true} // the dry run was of another run
	_, err = w.h.Handle(ctx, other)
	is[*fault.HourChanged](t, err)
	right := in(2, "b")
	right.Options.Expect = shown
	for range 2 {
		if out, err := w.h.Handle(ctx, right); err != nil || out.N != 2 {
			t.Errorf("%+v, %v", out, err)
		}
	}
	w.fail(t, 2, "b", "StepFailed")
	late := in(0, "c")
	late.Options.Expect = shown
	_, err = w.h.Handle(ctx, late)
	is[*fault.HourChanged](t, err)
}

func TestOfManyExecutionsOneClaims(t *testing.T) {
	e := executions{}
	for i := range 4 {
		e[fmt.Sprint("x", i)] = "RUNNING"
	}
	w := newWorld(e)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.h.Handle(ctx, in(0, fmt.Sprint("x", i))) })
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
	s := must(w.l.Read(ctx, hr))
	if won != 1 || s.Holder() == nil || len(s.Ignored) != 0 {
		t.Errorf("%d executions claimed; ledger %s", won, w.types())
	}
}

// The function dies before or after any of its writes, or their answers are lost, and the state is tried again.
func TestAClaimSurvivesDeathBetweenAnyTwoWrites(t *testing.T) {
	prepare := func() *world {
		w := newWorld(executions{"a": "TIMED_OUT"})
		w.h.Handle(ctx, in(0, "a"))
		return w
	}
	const want = "S1 C1 E1 S2 C2"
	for k := 1; k <= 3; k++ {
		for name, schedule := range map[string]storefault.Schedule{
			"before": storefault.DieBeforeWrite(k), "after": storefault.DieAfterWrite(k), "lost": storefault.LoseWrite(k), "refused": storefault.FailWrite(k),
		} {
			w := prepare()
			p := storefault.NewProcess(schedule, nil)
			sick := *w.l
			sick.Store = p.Wrap("hours", w.store)
			func() {
				defer func() { recover() }()
				(&claim.Handler{Ledger: &sick, Executions: w.h.Executions}).Handle(ctx, in(0, "b"))
			}()
			if out, err := w.h.Handle(ctx, in(0, "b")); err != nil || out.N != 2 {
				t.Errorf("%s write %d: %+v, %v", name, k, out, err)
			}
			if got := w.types(); got != want {
				t.Errorf("%s write %d: ledger %s, want %s", name, k, got, want)
			}
			if p.Writes() < k {
				t.Errorf("%s write %d: only %d writes were made", name, k, p.Writes())
			}
		}
	}
}

func TestWhatAPersonMistypesIsBadInput(t *testing.T) {
	var ok claim.In
	if err := json.Unmarshal([]byte(`{"hour":"2026-11-23T07","n":2,"options":{"force":true},"execution":"e","name":"n"}`), &ok); err != nil || ok.N != 2 || !ok.Options.Force || ok.Hour != hr {
		t.Errorf("%+v, %v", ok, err)
	}
	for _, s := range []string{`{"hour":"2026-11-23 07"}`, `{}`, `[]`, `{"hour":7}`, `{"hour":"2026-11-23T07","n":"1"}`, `{"hour":"2026-11-23T07","options":{"forse":true}}`,
		`{"hour":"2026-11-23T07","options":[]}`, `{"hour":"2026-11-23T07","options":{"force":"yes"}}`} {
		var i claim.In
		is[*fault.BadInput](t, json.Unmarshal([]byte(s), &i))
	}
}

func FuzzIn(f *testing.F) {
	f.Add([]byte(`{"hour":"2026-11-23T07","n":2,"options":{"force":true},"execution":"e","name":"n"}`))
	f.Add([]byte(`{"hour":"2026-11-23T07"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var i claim.In
		err := json.Unmarshal(b, &i)
		var bad *fault.BadInput
		if err != nil && json.Valid(b) && !errors.As(err, &bad) {
			t.Errorf("got %T", err)
		}
	})
}
