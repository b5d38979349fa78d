package ledger

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

// Who starts a run.
const (
	BySchedule = "schedule" // due, the first time
	ByLate     = "late"     // due, for data that came after the publication
	ByRetry    = "retry"    // due, after a failure of the infrastructure
	ByRerun    = "rerun"    // a person, one hour
	ByBackfill = "backfill" // a person, a range
	ByConsole  = "console"  // a person, without Penstock: the execution starts itself
)

// Start says who starts a run, why, and with which options.
type Start struct {
	ID      string // the same for every try
	By      string
	Reason  string
	Options hour.Options
}

// Start appends Started for the next run and returns its number and the state after it. Whoever calls it then starts the
// execution hour.ExecutionName(h, n) with exactly hour.Input{Hour: h, N: n, Options: start.Options}: where that is left
// undone, due does it. Called again with the same ID it returns the run of the first call.
func (l *Ledger) Start(ctx context.Context, h hour.Hour, start Start) (int, *State, error) {
	s, err := l.Append(ctx, h, func(s *State) (*hour.Entry, error) {
		return StartedEntry(s, start), nil
	})
	if err != nil {
		return 0, nil, err
	}
	for i := range s.Entries {
		if s.Entries[i].ID == start.ID {
			return s.Entries[i].Run, s, nil
		}
	}
	return 0, s, nil
}

// StartedEntry is the entry that starts the next run of s.
func StartedEntry(s *State, start Start) *hour.Entry {
	e := &hour.Entry{ID: start.ID, Type: hour.EntryStarted, Run: s.NextRun(), By: start.By, Reason: start.Reason}
	if start.Options != (hour.Options{}) {
		o := start.Options
		e.Options = &o
	}
	return e
}

// EndedEntry is the entry which says that run r's execution closed with that status and left no word of its own.
func EndedEntry(r *Run, status string) *hour.Entry {
	return &hour.Entry{ID: fmt.Sprintf("%d/Ended", r.N), Type: hour.EntryEnded, Run: r.N, Execution: r.Execution, Status: status}
}

// forgotten is how long after its claim or start an execution that its service does not know counts as closed: before, the answer
// may merely be late (DescribeExecution is eventually consistent).
const forgotten = 15 * time.Minute

// ClosedStatus says whether the execution that claimed or started a run is closed, by what its service answered, and the status that
// its Ended entry has.
func ClosedStatus(r *Run, status string, found bool, now time.Time) (string, bool) {
	if !found {
		since := r.StartedAt
		if r.Claimed {
			since = r.ClaimedAt
		}
		return fault.StatusAbsent, now.Sub(since.Time) >= forgotten
	}
	switch status {
	case fault.StatusSucceeded, fault.StatusFailed, fault.StatusTimedOut, fault.StatusAborted, fault.StatusAbsent:
		return status, true
	}
	return status, false
}
