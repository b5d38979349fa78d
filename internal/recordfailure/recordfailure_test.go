package recordfailure_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/recordfailure"
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

// held is an hour that execution "a" holds as run 1, with run 2 started and not claimed.
func held(t *testing.T) (*ledger.Ledger, *store.Memory) {
	t.Helper()
	m := store.NewMemory(now)
	l := &ledger.Ledger{Store: m, Keys: keys, Now: now}
	for _, e := range []*hour.Entry{
		{ID: "1", Type: hour.EntryStarted, Run: 1}, {ID: "2", Type: hour.EntryClaimed, Run: 1, Execution: "a"}, {ID: "3", Type: hour.EntryStarted, Run: 2},
	} {
		if _, err := l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return e, nil }); err != nil {
			t.Fatal(err)
		}
	}
	return l, m
}

func in(n int, execution, name string) recordfailure.In {
	return recordfailure.In{Hour: hr, N: n, Execution: execution, Error: recordfailure.Error{Error: name, Cause: `{"errorMessage":"what happened","errorType":"X"}`}}
}

func TestAFailureEndsItsOwnRunOnly(t *testing.T) {
	for _, c := range []struct {
		name      string
		n         int
		execution string
		over      []int
	}{
		{"the holder's", 1, "a", []int{1}},
		{"the holder's, before Claim gave a number", 0, "a", []int{1}},
		{"another execution says it is run 1", 1, "b", nil},
		{"an execution that has no run", 0, "b", nil},
		{"a run that does not exist", 7, "b", nil},
		{"the unclaimed run's own execution", 2, "arn:aws:states:eu-west-1:1:execution:hour:2026-11-23T07-2", []int{2}},
		{"the unclaimed run's own execution by name", 2, "2026-11-23T07-2", []int{2}},
		{"an execution with another name", 2, "arn:aws:states:eu-west-1:1:execution:hour:x2026-11-23T07-2", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := held(t)
			h := &recordfailure.Handler{Ledger: l}
			for range 2 {
				if _, err := h.Handle(ctx, in(c.n, c.execution, "StepFailed")); err != nil {
					t.Fatal(err)
				}
			}
			s := must(l.Read(ctx, hr))
			var over []int
			for _, r := range s.Runs {
				if r.Over() {
					over = append(over, r.N)
				}
			}
			if len(over) != len(c.over) || len(over) > 0 && over[0] != c.over[0] || s.Last != 3+len(over) {
				t.Errorf("runs over: %v, want %v; %d entries", over, c.over, s.Last)
			}
		})
	}
}

func TestTheOutcomeSaysWhoHasToAct(t *testing.T) {
	for name, want := range map[string]fault.Kind{
		"StepFailed": fault.Step, "HourNotComplete": fault.Waiting, "Unproven": fault.Person, "AlreadyRunning": fault.Other,
		"States.Timeout": fault.Infrastructure, "": fault.Infrastructure,
	} {
		l, _ := held(t)
		out, err := (&recordfailure.Handler{Ledger: l}).Handle(ctx, in(0, "a", name))
		if err != nil || out.Kind != want || out.N != 1 || out.Cause != "what happened" || out.Error == "" {
			t.Errorf("%q: %+v, %v", name, out, err)
		}
		if r := must(l.Read(ctx, hr)).Run(1); r.Error != out.Error || r.Cause != "what happened" {
			t.Errorf("%q: recorded %q, %q", name, r.Error, r.Cause)
		}
	}
}

func TestALongOrMangledCauseIsBounded(t *testing.T) {
	l, _ := held(t)
	i := in(1, "a", strings.Repeat("N", 5000))
	i.Error.Cause = strings.Repeat("€", 100_000) + "\xff"
	out, err := (&recordfailure.Handler{Ledger: l}).Handle(ctx, i)
	if err != nil || len(out.Error) != 128 || len(out.Cause) > 2048 || len(out.Cause) < 2040 || strings.ContainsRune(out.Cause, '�') {
		t.Errorf("%d, %d bytes, %v", len(out.Error), len(out.Cause), err)
	}
}

func TestAFailureIsRecordedOnceThroughDeathAndLostAnswers(t *testing.T) {
	for _, schedule := range []storefault.Schedule{storefault.DieBeforeWrite(1), storefault.DieAfterWrite(1), storefault.LoseWrite(1), storefault.FailWrite(1)} {
		l, m := held(t)
		sick := *l
		sick.Store = storefault.NewProcess(schedule, nil).Wrap("hours", m)
		func() {
			defer func() { recover() }()
			(&recordfailure.Handler{Ledger: &sick}).Handle(ctx, in(1, "a", "StepFailed"))
		}()
		if _, err := (&recordfailure.Handler{Ledger: l}).Handle(ctx, in(1, "a", "StepFailed")); err != nil {
			t.Fatal(err)
		}
		if s := must(l.Read(ctx, hr)); s.Last != 4 || s.Run(1).Error != "StepFailed" {
			t.Errorf("%d entries", s.Last)
		}
	}
}
