package due

import (
	"fmt"
	"time"

	"penstock/internal/ledger"
)

// Outlook is what the schedule will do about an hour, for people.
type Outlook struct {
	Attempts int       // runs in a row that the infrastructure failed, the last one included; 0 while a run is open
	Next     string    // in words, "" if nothing is to be done
	At       time.Time // when at the earliest, if that is known
}

// Look says by an hour's ledger what the schedule does next. It asks nobody: open runs are taken to be running. late is
// how many batches came that the publication does not know, the last of them at newest.
func Look(s *ledger.State, late int, newest, now time.Time, rules Rules) Outlook {
	var o Outlook
	var last *ledger.Run
	open := map[int]execution{}
	for _, r := range s.Open() {
		open[r.N] = execution{found: true}
	}
	if len(open) == 0 {
		last, o.Attempts = lastOutcome(s)
	}
	if at := s.Hour.End().Add(rules.Margin); now.Before(at) {
		o.Next, o.At = "its hour is not over: it is due after "+at.UTC().Format(time.RFC3339), at
		return o
	}
	if now.Sub(s.Hour.Start()) > rules.Lookback {
		if len(open) == 0 && (late > 0 || s.Published() == nil) {
			o.Next = fmt.Sprintf("it lies further back than the %s that the schedule looks at: a person has to start the next run", rules.Lookback)
		}
		return o
	}
	d := decide(s, open, now, rules)
	if d.do == askLate && late > 0 {
		d = decideLate(s, late, newest, now, rules)
	}
	switch d.do {
	case running, askLate:
	case start, restart:
		o.Next = "the schedule starts a run with its next tick: " + d.reason
	default:
		o.Next = d.reason
		if last != nil && last.Published == 0 && o.Attempts > 0 && o.Attempts < rules.MaxRuns {
			o.At = last.OverAt.Add(rules.backoff(o.Attempts))
		}
	}
	return o
}
