package due

import (
	"fmt"
	"slices"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// Rules are due's parameters.
type Rules struct {
	Margin     time.Duration // after an hour's end, before it is due
	Lookback   time.Duration // how far back hours are looked at: the stream's retention
	MaxRunning int           // hours that run at the same time
	MaxRuns    int           // runs of an hour, when the infrastructure fails them
	Backoff    time.Duration // before the second run; four times as long before each further one
	Quiet      time.Duration // without news, before late data is worth a run
	LateEvery  time.Duration // between two runs of an hour for late data
}

// DefaultRules are the rules of DESIGN section 8.
func DefaultRules() Rules {
	return Rules{
		Margin: time.Minute, Lookback: 7 * 24 * time.Hour, MaxRunning: 3, MaxRuns: 3, Backoff: 15 * time.Minute,
		Quiet: 30 * time.Minute, LateEvery: 6 * time.Hour,
	}
}

// backoff is how long to wait after the n-th failed run.
func (r Rules) backoff(n int) time.Duration {
	d := r.Backoff
	for range n - 1 {
		d *= 4
	}
	return d
}

// What to do about an hour.
const (
	nothing = ""
	start   = "start"   // append Started, start an execution
	restart = "restart" // start the execution of a run that has none
	running = "running" // leave it, it counts as running
	askLate = "late?"   // published: look for late data
)

// decision is what to do about an hour, and why.
type decision struct {
	do      string
	run     int // restart: which
	by      string
	reason  string
	options hour.Options
}

// execution is what is known of the execution of a run.
type execution struct {
	status string
	found  bool
}

// ended returns the open runs whose executions are closed, with their Ended entries.
func ended(s *ledger.State, executions map[int]execution, now time.Time) []*hour.Entry {
	var entries []*hour.Entry
	for _, r := range s.Open() {
		x := executions[r.N]
		if r.Execution == "" && !x.found {
			continue // never started: restart
		}
		if status, closed := ledger.ClosedStatus(r, x.status, x.found, now); closed {
			entries = append(entries, ledger.EndedEntry(r, status))
		}
	}
	return entries
}

// decide says what to do about an hour with a ledger. executions are those of the open runs; the runs whose executions
// are closed have been ended.
func decide(s *ledger.State, executions map[int]execution, now time.Time, rules Rules) decision {
	var absent *ledger.Run
	for _, r := range s.Open() {
		if x := executions[r.N]; x.found || r.Execution != "" {
			return decision{do: running, reason: fmt.Sprintf("run %d is running", r.N)}
		}
		if absent == nil {
			absent = r
		}
	}
	if absent != nil {
		return decision{do: restart, run: absent.N, by: absent.By, options: absent.Options,
			reason: fmt.Sprintf("run %d was started and has no execution", absent.N)}
	}
	last, attempts := lastOutcome(s)
	switch {
	case last == nil && s.Published() != nil:
		return decision{do: askLate}
	case last == nil:
		return decision{do: start, by: ledger.BySchedule, reason: "no run has worked on it"}
	case last.Published != 0:
		return decision{do: askLate}
	}
	why := failureOf(last)
	if !kindOf(s, last).Retried() {
		return decision{reason: fmt.Sprintf("run %d failed, a person has to act: %s", last.N, why)}
	}
	if attempts >= rules.MaxRuns {
		return decision{reason: fmt.Sprintf("%d runs failed, no more are started: %s", attempts, why)}
	}
	if at := last.OverAt.Add(rules.backoff(attempts)); attempts > 0 && last.Status != fault.StatusAbsent && now.Before(at) {
		return decision{reason: fmt.Sprintf("run %d failed (%s), the next one is due at %s", last.N, why, at.UTC().Format(time.RFC3339))}
	}
	options := last.Options
	options.Expect = ""
	return decision{do: start, by: ledger.ByRetry, options: options, reason: fmt.Sprintf("run %d failed: %s", last.N, why)}
}

// lastOutcome returns the last run that says something about the hour, nil if there is none, and how many runs in a row
// the infrastructure failed up to it. A person's run begins the count anew.
func lastOutcome(s *ledger.State) (*ledger.Run, int) {
	var last *ledger.Run
	attempts := 0
	for _, r := range slices.Backward(s.Runs) {
		kind := kindOf(s, r)
		if kind == fault.Other {
			continue
		}
		if last == nil {
			last = r
		}
		if r.Published != 0 || !kind.Retried() {
			break
		}
		if r.Status != fault.StatusAbsent { // nothing failed it: what ran it went away
			attempts++
		}
		if r.By == ledger.ByRerun || r.By == ledger.ByBackfill || r.By == ledger.ByConsole {
			break
		}
	}
	return last, attempts
}

// kindOf says whose turn it is after a run that is over; a published one has no kind.
func kindOf(s *ledger.State, r *ledger.Run) fault.Kind {
	p := s.Published()
	switch {
	case r.Published != 0:
		return ""
	case r.Error != "":
		return fault.KindOf(r.Error)
	case r.Status == fault.StatusSucceeded && p != nil:
		return fault.Other // it found the hour as it is published
	case !r.Claimed && p != nil && p.Run != r.N && !p.At.Before(r.StartedAt.Time):
		return fault.Other // it found another run at work, which then published
	}
	return fault.KindOfStatus(r.Status)
}

func failureOf(r *ledger.Run) string {
	if r.Error != "" {
		return r.Error
	}
	return "execution " + r.Status
}

// decideLate says what to do about batches and repairs that came after an hour was published. newest is when the last of them came.
func decideLate(s *ledger.State, batches int, newest, now time.Time, rules Rules) decision {
	if at := newest.Add(rules.Quiet); now.Before(at) {
		return decision{reason: fmt.Sprintf("late data, not quiet before %s", at.UTC().Format(time.RFC3339))}
	}
	for _, r := range slices.Backward(s.Runs) {
		if r.By != ledger.ByLate {
			continue
		}
		if at := r.StartedAt.Add(rules.LateEvery); now.Before(at) {
			return decision{reason: fmt.Sprintf("late data, the next run for it is due at %s", at.UTC().Format(time.RFC3339))}
		}
		break
	}
	return decision{do: start, by: ledger.ByLate, reason: fmt.Sprintf("%d batches came after the publication", batches)}
}
