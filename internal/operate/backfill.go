package operate

import (
	"fmt"
	"sync"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// Which hours a backfill runs.
const (
	OnlyMissing = "missing" // over and archived, and no run has said anything yet
	OnlyFailed  = "failed"  // never published, or not since its last run failed
	OnlyLate    = "late"    // published, and more was archived since
	OnlyAll     = "all"     // these, and published hours that the present playbook did not make
)

// Facts are what is known of one hour of a range.
type Facts struct {
	Hour    hour.Hour
	Over    bool   // the hour, and its margin
	Batches int    // that are archived
	Damaged string // why its ledger cannot be read, "" if it can

	Running   *ledger.Run  // the open run that counts, nil for none
	Execution string       // of that run
	Published *hour.Entry  // nil for none
	Failed    string       // why the last run failed, "" if it did not
	Options   hour.Options // of that run
	Playbook  string       // SHA-256 of the playbook that the published result was made by, "" without a cluster
}

// What a backfill does about an hour.
const (
	Run   = "run"
	Join  = "join"  // a run of an earlier backfill, whose client is gone: wait for it
	Leave = "leave" // it would be run, but may not
	Skip  = "skip"  // nothing is to be done
)

// Choice is what a backfill does about an hour, and why.
type Choice struct {
	Hour    hour.Hour    `json:"hour"`
	Do      string       `json:"do"`
	Why     string       `json:"why"`
	Run     int          `json:"run,omitempty"` // to join
	Options hour.Options `json:"-"`
}

// Plan chooses, in the order of the facts. playbook is the SHA-256 of the present one. What was done is not chosen again:
// a backfill whose client died goes on when it is asked for once more.
func Plan(facts []Facts, only map[string]bool, playbook string) []Choice {
	choices := make([]Choice, len(facts))
	for i, f := range facts {
		c := choose(f, only, playbook)
		c.Hour = f.Hour
		choices[i] = c
	}
	return choices
}

func choose(f Facts, only map[string]bool, playbook string) Choice {
	wants := func(kind string) bool { return only[kind] || only[OnlyAll] }
	skip := func(why string) Choice { return Choice{Do: Skip, Why: why} }
	late := f.Published != nil && f.Batches > f.Published.Publish.Batches
	switch {
	case f.Damaged != "":
		return Choice{Do: Leave, Why: f.Damaged}
	case !f.Over:
		return skip("it is not over")
	case f.Running != nil && f.Running.By == ledger.ByBackfill:
		return Choice{Do: Join, Why: "a backfill has started it", Run: f.Running.N}
	case f.Running != nil:
		return Choice{Do: Leave, Why: fmt.Sprintf("run %d (%s) is at it, execution %s", f.Running.N, f.Running.By, f.Execution)}
	case f.Failed != "":
		if !wants(OnlyFailed) {
			return skip("it failed: " + f.Failed)
		}
		return Choice{Do: Run, Why: "it failed: " + f.Failed, Options: hour.Options{Force: f.Options.Force, AcceptUnproven: f.Options.AcceptUnproven}}
	case f.Published == nil && f.Batches == 0:
		return skip("nothing of it is archived")
	case f.Published == nil:
		if !wants(OnlyMissing) {
			return skip("it has no run")
		}
		return Choice{Do: Run, Why: "it has no run"}
	case late && wants(OnlyLate):
		return Choice{Do: Run, Why: fmt.Sprintf("%d batches arrived after it was sealed", f.Batches-f.Published.Publish.Batches)}
	case only[OnlyAll] && f.Playbook != "" && f.Playbook != playbook:
		return Choice{Do: Run, Why: "another playbook made it", Options: hour.Options{Force: true}}
	case late:
		return skip("it is published, and has late data")
	}
	return skip("it is published")
}

// Outcome is how an hour of a backfill ended.
type Outcome struct {
	Choice
	State *ledger.State // after the run; nil if there was none
	Err   error         // why nothing, or not its end, is known of the run
}

// Ran is the run that the outcome is about, nil if there was none.
func (o *Outcome) Ran() *ledger.Run {
	if o.State == nil {
		return nil
	}
	return o.State.Run(o.Run)
}

// Failed says whether the hour's run failed.
func (o *Outcome) Failed() bool {
	r := o.Ran()
	return r != nil && r.Over() && r.Published == 0 && r.Status != fault.StatusSucceeded
}

// Each runs hours, in their order and at most n at a time, until stop says so. all runs functions side by side and returns
// when they have returned: clock.All on a virtual clock. told gets each outcome, one at a time. It returns the hours
// that were not begun.
func Each(choices []Choice, n int, all func(fns ...func()), stop func() bool, run func(Choice) Outcome, told func(Outcome)) []Choice {
	var mu sync.Mutex
	next := 0
	take := func() (Choice, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(choices) || stop() {
			return Choice{}, false
		}
		next++
		return choices[next-1], true
	}
	work := func() {
		for c, ok := take(); ok; c, ok = take() {
			o := run(c)
			mu.Lock()
			told(o)
			mu.Unlock()
		}
	}
	fns := make([]func(), max(1, min(n, len(choices))))
	for i := range fns {
		fns[i] = work
	}
	all(fns...)
	return choices[next:]
}

// FactsOf are the facts of an hour by its ledger; Over, Batches and Damaged are not in it.
func FactsOf(s *ledger.State) Facts {
	f := Facts{Hour: s.Hour, Published: s.Published()}
	if open := s.Open(); len(open) > 0 {
		f.Running = open[0]
		if holder := s.Holder(); holder != nil {
			f.Running = holder
		}
		f.Execution = executionOf(s, f.Running)
	}
	for i := len(s.Runs) - 1; i >= 0; i-- {
		r := s.Runs[i]
		if !r.Over() || r.Error != "" && fault.KindOf(r.Error) == fault.Other {
			continue // it says nothing about the hour
		}
		if r.Published == 0 && r.Status != fault.StatusSucceeded { // one that succeeded found the hour as it is published
			f.Failed, f.Options = r.Error, r.Options
			if f.Failed == "" {
				f.Failed = r.Status
			}
		}
		break
	}
	if p := f.Published; p != nil && p.Publish.Cluster > 0 {
		for i := range s.Entries {
			e := &s.Entries[i]
			if e.Type != hour.EntryClusterRequested || e.Cluster == nil || e.Playbook == nil {
				continue
			}
			if e.Cluster.Result == p.Publish.Result || e.Cluster.Result == "" && e.Run == p.Run && e.Cluster.Number == p.Publish.Cluster {
				f.Playbook = e.Playbook.SHA256
			}
		}
	}
	return f
}
