// Package operate does what a person asks for by hand: it starts runs, waits for them, and stops them. The schedule does
// the same for itself (package due); both speak to the hour's ledger, so that neither needs to know of the other.
//
// Everything may be asked for twice, and by two people at once. A run is started in two steps, the ledger's Started and the
// execution; whoever dies between them is made good by the next who asks, or by the schedule.
package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// Executions is what starting and stopping runs needs of the service that runs the hour machine.
type Executions interface {
	// Describe returns the status of an execution, given its ARN or, for one of the hour machine, its name. An execution
	// that was never started, or is forgotten, is not found, which is no error.
	Describe(ctx context.Context, execution string) (status string, found bool, err error)
	// Start starts the hour machine's execution of that name. To start it again with the same input while it runs is no
	// error; any other that has, or had, the name is a *fault.Exists.
	Start(ctx context.Context, name string, input hour.Input) error
	// Stop ends an execution, given as to Describe; cause is for people. One that is closed, or unknown, is no error.
	Stop(ctx context.Context, execution, cause string) error
}

// Operator acts for a person. Its fields are set once.
type Operator struct {
	Ledger     *ledger.Ledger
	Executions Executions
	// Pause waits for so long, or until ctx ends, whose error it then returns.
	Pause func(ctx context.Context, d time.Duration) error
}

// Order asks for a run.
type Order struct {
	Hour    hour.Hour
	ID      string // of the Started entry: the same for every try, and nobody else's
	By      string // ledger.ByRerun or ledger.ByBackfill
	Reason  string
	Options hour.Options
}

// taken bounds how often the name of a run's execution may be another's, which somebody chose in the console.
const taken = 5

// Start starts a run and returns its number. An open run whose execution is closed is ended first. One that was started
// like this order and never got its execution, because who asked for it died, gets it now. Any other open run is a
// *fault.AlreadyRunning that says whose it is and since when. Further errors are the ledger's and those of Executions; after
// them the run may stand in the ledger, and to ask again is right.
func (o *Operator) Start(ctx context.Context, order Order) (int, error) {
	n, err := o.free(ctx, order)
	if err != nil {
		return 0, err
	}
	id := order.ID
	for try := range taken {
		if n == 0 {
			if n, err = o.note(ctx, order); err != nil {
				return 0, err
			}
		}
		err = o.Executions.Start(ctx, hour.ExecutionName(order.Hour, n), hour.Input{Hour: order.Hour, N: n, Options: order.Options})
		if err == nil {
			return n, nil
		}
		var exists *fault.Exists
		if !errors.As(err, &exists) {
			return n, fmt.Errorf("start run %d of hour %s, which stands in its ledger: %w", n, order.Hour, err)
		}
		s, err := o.Ledger.Read(ctx, order.Hour)
		if err != nil {
			return n, err
		}
		r := s.Run(n)
		if r.Claimed || r.Over() {
			return n, nil // its own, which was quick
		}
		e := ledger.EndedEntry(r, fault.StatusAbsent)
		e.Cause = "another execution had the name"
		if _, err := o.end(ctx, order.Hour, e); err != nil {
			return n, err
		}
		n, order.ID = 0, fmt.Sprintf("%s/%d", id, try+2)
	}
	return 0, &fault.Conflict{Key: "execution " + hour.ExecutionName(order.Hour, n), Detail: "others have taken the names of the next runs"}
}

// note appends Started and returns the run's number.
func (o *Operator) note(ctx context.Context, order Order) (int, error) {
	s, err := o.Ledger.Append(ctx, order.Hour, func(s *ledger.State) (*hour.Entry, error) {
		if s.Has(order.ID) {
			return nil, nil
		}
		if open := s.Open(); len(open) > 0 {
			return nil, alreadyRunning(s, open[0])
		}
		return ledger.StartedEntry(s, ledger.Start{ID: order.ID, By: order.By, Reason: order.Reason, Options: order.Options}), nil
	})
	if err != nil {
		return 0, err
	}
	for i := range s.Entries {
		if s.Entries[i].ID == order.ID {
			return s.Entries[i].Run, nil
		}
	}
	return 0, fmt.Errorf("start a run of hour %s: its entry is not in the ledger", order.Hour)
}

// Join sees to it that an open run has its execution: who started it may have died before it was begun. To start an
// execution again is to start it once.
func (o *Operator) Join(ctx context.Context, h hour.Hour, n int) error {
	s, err := o.Ledger.Read(ctx, h)
	if err != nil {
		return err
	}
	r := s.Run(n)
	if r == nil || r.Over() || r.Claimed || r.Execution != "" {
		return nil
	}
	err = o.Executions.Start(ctx, hour.ExecutionName(h, n), hour.Input{Hour: h, N: n, Options: r.Options})
	if exists := (*fault.Exists)(nil); errors.As(err, &exists) {
		return nil // it is closed, which Wait finds
	}
	return err
}

// free ends what is open and dead. It returns the run that an equal order left without an execution, or 0.
func (o *Operator) free(ctx context.Context, order Order) (int, error) {
	s, err := o.Ledger.Read(ctx, order.Hour)
	if err != nil {
		return 0, err
	}
	for _, r := range s.Open() {
		status, found, err := o.Executions.Describe(ctx, executionOf(s, r))
		if err != nil {
			return 0, err
		}
		switch status, closed := ledger.ClosedStatus(r, status, found, o.Ledger.Now()); {
		case closed:
			if _, err := o.end(ctx, s.Hour, ledger.EndedEntry(r, status)); err != nil {
				return 0, err
			}
		case !found && r.Execution == "" && r.By == order.By && r.Options == order.Options:
			return r.N, nil
		default:
			return 0, alreadyRunning(s, r)
		}
	}
	return 0, nil
}

// end appends e unless the run spoke for itself meanwhile.
func (o *Operator) end(ctx context.Context, h hour.Hour, e *hour.Entry) (*ledger.State, error) {
	return o.Ledger.Append(ctx, h, func(s *ledger.State) (*hour.Entry, error) {
		r := s.Run(e.Run)
		if r == nil || r.Over() {
			return nil, nil
		}
		now := *e
		now.Execution = r.Execution
		return &now, nil
	})
}

func executionOf(s *ledger.State, r *ledger.Run) string {
	if r.Execution != "" {
		return r.Execution
	}
	return s.ExecutionName(r)
}

func alreadyRunning(s *ledger.State, r *ledger.Run) error {
	since := r.StartedAt
	if r.Claimed {
		since = r.ClaimedAt
	}
	return &fault.AlreadyRunning{Hour: s.Hour.String(), Holder: fmt.Sprintf("run %d (%s), since %s UTC, execution %s", r.N, r.By,
		since.UTC().Format(time.DateTime), executionOf(s, r))}
}

// Poll is how often a run that is waited for, or being stopped, is looked at.
const Poll = 5 * time.Second

// patience is how many looks in a row may fail because a service is unavailable.
const patience = 10

// Wait looks at a run every now and then until it is over, and returns the hour's state then. told, if set, gets each state
// on the way. A run whose execution closed without a word is ended. Errors are the context's, the ledger's and those of
// Executions; a service that is unavailable for a while is waited for.
func (o *Operator) Wait(ctx context.Context, h hour.Hour, n int, poll time.Duration, told func(*ledger.State)) (*ledger.State, error) {
	for failures := 0; ; {
		s, err := o.look(ctx, h, n)
		switch {
		case err == nil:
			failures = 0
			if told != nil {
				told(s)
			}
			if s.Run(n).Over() {
				return s, nil
			}
		case !fault.IsUnavailable(err) || failures == patience || ctx.Err() != nil:
			return nil, err
		default:
			failures++
		}
		if err := o.Pause(ctx, poll); err != nil {
			return nil, err
		}
	}
}

// look reads the hour, and ends the run if its execution is closed. The execution is asked first: what it said before it
// closed then stands in the ledger.
func (o *Operator) look(ctx context.Context, h hour.Hour, n int) (*ledger.State, error) {
	s, err := o.Ledger.Read(ctx, h)
	if err != nil {
		return nil, err
	}
	r := s.Run(n)
	if r == nil {
		return nil, &fault.NotFound{Key: fmt.Sprintf("run %d of hour %s", n, h)}
	}
	if r.Over() {
		return s, nil
	}
	status, found, err := o.Executions.Describe(ctx, executionOf(s, r))
	if err != nil {
		return nil, err
	}
	if status, closed := ledger.ClosedStatus(r, status, found, o.Ledger.Now()); closed {
		return o.end(ctx, h, ledger.EndedEntry(r, status))
	}
	return s, nil
}
