package operate_test

import (
	"fmt"
	"sync"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/operate"
)

func TestWhatABackfillDoesAboutAnHour(t *testing.T) {
	published := &hour.Entry{Publish: &hour.Publication{Batches: 2, Cluster: 1}}
	run := func(by string) *ledger.Run { return &ledger.Run{N: 3, By: by} }
	every := []string{operate.OnlyMissing, operate.OnlyFailed, operate.OnlyLate}
	for _, c := range []struct {
		name  string
		facts operate.Facts
		only  []string
		want  string
		force bool
	}{
		{"archived only", operate.Facts{Batches: 2}, every, operate.Run, false},
		{"archived only, others asked for", operate.Facts{Batches: 2}, []string{operate.OnlyLate, operate.OnlyFailed}, operate.Skip, false},
		{"nothing", operate.Facts{}, []string{operate.OnlyAll}, operate.Skip, false},
		{"failed", operate.Facts{Failed: "StepFailed"}, every, operate.Run, false},
		{"failed by force", operate.Facts{Failed: "StepFailed", Published: published, Options: hour.Options{Force: true, From: hour.FromPublish}}, every, operate.Run, true},
		{"failed, others asked for", operate.Facts{Failed: "StepFailed", Batches: 2}, []string{operate.OnlyMissing}, operate.Skip, false},
		{"published", operate.Facts{Published: published, Batches: 2, Playbook: "old"}, every, operate.Skip, false},
		{"late", operate.Facts{Published: published, Batches: 3}, every, operate.Run, false},
		{"late, others asked for", operate.Facts{Published: published, Batches: 3}, []string{operate.OnlyFailed}, operate.Skip, false},
		{"all, by another playbook", operate.Facts{Published: published, Batches: 2, Playbook: "old"}, []string{operate.OnlyAll}, operate.Run, true},
		{"all, by this playbook", operate.Facts{Published: published, Batches: 2, Playbook: "new"}, []string{operate.OnlyAll}, operate.Skip, false},
		{"all, without a cluster", operate.Facts{Published: published, Batches: 2}, []string{operate.OnlyAll}, operate.Skip, false},
		{"all, late", operate.Facts{Published: published, Batches: 3, Playbook: "new"}, []string{operate.OnlyAll}, operate.Run, false},
		{"somebody runs it", operate.Facts{Running: run(ledger.ByRerun), Failed: "StepFailed"}, every, operate.Leave, false},
		{"a backfill runs it", operate.Facts{Running: run(ledger.ByBackfill)}, every, operate.Join, false},
		{"damaged", operate.Facts{Damaged: "torn", Batches: 2}, every, operate.Leave, false},
	} {
		only := map[string]bool{}
		for _, k := range c.only {
			only[k] = true
		}
		c.facts.Hour, c.facts.Over = hr, true
		got := operate.Plan([]operate.Facts{c.facts}, only, "new")[0]
		if got.Do != c.want || got.Options.Force != c.force || got.Why == "" || got.Hour != hr || got.Options.From != "" || got.Do == operate.Join && got.Run != 3 {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
		if c.facts.Over = false; c.facts.Damaged == "" {
			if got := operate.Plan([]operate.Facts{c.facts}, only, "new")[0]; got.Do != operate.Skip {
				t.Errorf("%s, not over: %+v", c.name, got)
			}
		}
	}
}

func TestTheFactsOfAnHourAreItsLastWord(t *testing.T) {
	w := newWorld()
	if f := operate.FactsOf(w.state()); f.Running != nil || f.Published != nil || f.Failed != "" {
		t.Errorf("nothing: %+v", f)
	}
	must(w.o.Start(ctx, order("a")))
	if f := operate.FactsOf(w.state()); f.Running == nil || f.Execution != "2026-11-23T07-1" {
		t.Errorf("started: %+v", f)
	}
	end := func(n int, e hour.Entry) {
		e.Run, e.Execution = n, hour.ExecutionName(hr, n)
		w.append(t, e)
		w.statuses[e.Execution] = fault.StatusFailed
	}
	w.claim(t, 1)
	end(1, hour.Entry{Type: hour.EntryFailed, Error: "StepFailed"})
	if f := operate.FactsOf(w.state()); f.Failed != "StepFailed" || !f.Options.Force || f.Running != nil {
		t.Errorf("failed: %+v", f)
	}
	must(w.o.Start(ctx, order("b")))
	end(2, hour.Entry{Type: hour.EntryFailed, Error: "AlreadyRunning"}) // says nothing about the hour
	if f := operate.FactsOf(w.state()); f.Failed != "StepFailed" {
		t.Errorf("after another's: %+v", f)
	}
	must(w.o.Start(ctx, order("c")))
	end(3, hour.Entry{Type: hour.EntryEnded, Status: fault.StatusSucceeded})
	if f := operate.FactsOf(w.state()); f.Failed != "" {
		t.Errorf("unchanged: %+v", f)
	}
}

func TestHoursAreRunInOrderAndAtMostSoManyAtATime(t *testing.T) {
	var choices []operate.Choice
	for i := range 20 {
		choices = append(choices, operate.Choice{Hour: hr.Add(i)})
	}
	var mu sync.Mutex
	var begun []hour.Hour
	now, most, done := 0, 0, 0
	all := func(fns ...func()) {
		var wg sync.WaitGroup
		for _, fn := range fns {
			wg.Go(fn)
		}
		wg.Wait()
	}
	left := operate.Each(choices, 3, all, func() bool { return done >= 12 }, func(c operate.Choice) operate.Outcome {
		mu.Lock()
		begun = append(begun, c.Hour)
		now++
		most = max(most, now)
		mu.Unlock()
		defer func() { mu.Lock(); now--; mu.Unlock() }()
		return operate.Outcome{Choice: c}
	}, func(operate.Outcome) { done++ })
	if most > 3 || len(begun)+len(left) != 20 || done != len(begun) || done < 12 || done > 14 {
		t.Errorf("%d at a time, %d begun, %d told, %d left", most, len(begun), done, len(left))
	}
	for i, c := range left {
		if c.Hour != hr.Add(20-len(left)+i) {
			t.Errorf("left %d is %s", i, c.Hour)
		}
	}
	if got := fmt.Sprint(operate.Each(nil, 3, all, func() bool { return false }, nil, nil)); got != "[]" {
		t.Error(got)
	}
}
