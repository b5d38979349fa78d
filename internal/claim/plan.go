package claim

import (
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// planStart decides which run an execution is to claim, and the Started entry of it if it has none. Run 0 says that
// another execution holds the hour.
func planStart(s *ledger.State, in In) (int, *hour.Entry, error) {
	own := s.RunOf(in.Execution)
	switch {
	case own != nil && in.N != 0 && in.N != own.N:
		return 0, nil, &fault.BadInput{Detail: fmt.Sprintf("execution %s is run %d of hour %s, not %d", in.Execution, own.N, s.Hour, in.N)}
	case own != nil && own.Over():
		return 0, nil, superseded(s, own.N)
	case own != nil && own.Claimed:
		return own.N, nil, nil
	case s.Holder() != nil:
		return 0, nil, nil
	}
	want, err := hour.ParseExpect(in.Options.Expect)
	if err != nil {
		return 0, nil, &fault.BadInput{Detail: err.Error()}
	}
	if changed := hour.Changed("its state", ledger.Shown(s, in.Options), want.State); changed != "" {
		return 0, nil, &fault.HourChanged{Hour: s.Hour.String(), Detail: changed}
	}
	if own != nil {
		return own.N, nil, nil
	}
	n := in.N
	if n == 0 {
		n = s.NextRun()
	}
	r := s.Run(n)
	switch {
	case r == nil && n != s.NextRun():
		return 0, nil, &fault.BadInput{Detail: fmt.Sprintf("run %d of hour %s: the next run is %d; leave out \"n\"", n, s.Hour, s.NextRun())}
	case r == nil:
		e := ledger.StartedEntry(s, ledger.Start{ID: in.Execution + "/Started", By: ledger.ByConsole, Options: in.Options})
		e.Execution = in.Execution
		return n, e, nil
	case r.Over() || r.Execution != "":
		return 0, nil, superseded(s, n)
	}
	return n, nil, nil
}

// planClaim decides whether an execution may claim run n.
func planClaim(s *ledger.State, n int, execution string) (*hour.Entry, error) {
	r := s.Run(n)
	switch {
	case r == nil || r.Over() || r.Execution != "" && r.Execution != execution:
		return nil, superseded(s, n)
	case s.Holder() != nil: // this execution, whose answer was lost, or another one
		return nil, nil
	}
	return &hour.Entry{ID: execution + "/Claimed", Type: hour.EntryClaimed, Run: n, Execution: execution}, nil
}

func superseded(s *ledger.State, n int) error {
	return &fault.Superseded{Hour: s.Hour.String(), Detail: fmt.Sprintf("run %d is over, or another execution's", n)}
}
