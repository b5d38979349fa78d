package due

import "penstock/internal/ledger"

// Settled says whether the schedule starts no further run for an hour unless late data comes: it is published, or has
// failed so that a person has to act.
func Settled(s *ledger.State, rules Rules) bool {
	if s.Published() != nil {
		return true
	}
	if len(s.Open()) > 0 {
		return false
	}
	last, attempts := lastOutcome(s)
	return last != nil && (!kindOf(s, last).Retried() || attempts >= rules.MaxRuns)
}
