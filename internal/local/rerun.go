package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/internal/clock"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/operate"
)

// Now is the time at which the directory's clock stands: where its last run left it. Without a run it is the zero time.
func (s *Session) Now() time.Time {
	if s.saved == nil {
		return time.Time{}
	}
	return s.saved.Clock.Time
}

// Rerun starts a run of an hour by hand, on the clock where the directory's last run left it, waits for its end, and
// returns the hour's state and the run's number. A directory in which nothing was run, or an hour of which nothing is
// known, is a *fault.NotFound; other errors are operate.Operator's.
func (s *Session) Rerun(ctx context.Context, h hour.Hour, options hour.Options, j Job) (state *ledger.State, n int, err error) {
	choice := operate.Choice{Hour: h, Do: operate.Run, Options: options, Why: "asked for by hand"}
	_, err = s.ByHand(ctx, []operate.Choice{choice}, 1, ledger.ByRerun, j, nil, func(o operate.Outcome) error {
		state, n = o.State, o.Run
		return o.Err
	})
	return state, n, err
}

// ByHand runs hours that a person asked for, n at a time, and saves the clock after each. stop, if set, is asked before
// each: what has begun is brought to its end. told gets each outcome; its error ends the rest like stop. The hours that
// were not begun are returned.
func (s *Session) ByHand(ctx context.Context, choices []operate.Choice, n int, by string, j Job, stop func() bool, told func(operate.Outcome) error) (left []operate.Choice, err error) {
	if s.saved == nil {
		return nil, &fault.NotFound{Key: "run in this directory"}
	}
	p, err := s.pipeline(s.saved.Clock.Time, j)
	if err != nil {
		return nil, err
	}
	defer p.EMR.Close()
	saved := Saved{Input: s.saved.Input, Events: s.saved.Events, Hours: s.saved.Hours, Done: s.saved.Done}
	var failed error
	clockErr := s.clock.Run(func() {
		if failed = p.mapping.start(ctx); failed != nil {
			return
		}
		left = operate.Each(choices, n, func(fns ...func()) { clock.All(p.Clock, fns...) },
			func() bool { return failed != nil || stop != nil && stop() },
			func(c operate.Choice) operate.Outcome { return p.byHand(ctx, c, by) },
			func(o operate.Outcome) { failed = errors.Join(failed, told(o), p.Save(ctx, s.states, saved)) })
	})
	return left, errors.Join(failed, clockErr)
}

// byHand runs one hour to its end.
func (p *Pipeline) byHand(ctx context.Context, c operate.Choice, by string) operate.Outcome {
	out := operate.Outcome{Choice: c}
	state, err := p.Ledger.Read(ctx, c.Hour)
	if err == nil && state.Last == 0 {
		err = p.archived(ctx, c.Hour)
	}
	if err != nil {
		out.Err = err
		return out
	}
	o := &operate.Operator{Ledger: p.Ledger, Executions: executions{p}}
	order := operate.Order{Hour: c.Hour, ID: fmt.Sprintf("%s/%d", by, state.NextRun()), By: by, Reason: c.Why, Options: c.Options}
	if out.Run, out.Err = o.Start(ctx, order); out.Err != nil {
		return out
	}
	arn, err := p.Engine.ExecutionARN(HourMachine, hour.ExecutionName(c.Hour, out.Run))
	if err == nil {
		_, err = p.Engine.Wait(-1, arn)
	}
	if err == nil {
		out.State, err = p.Ledger.Read(ctx, c.Hour)
	}
	if err == nil && !out.State.Run(out.Run).Over() {
		x, _ := p.Engine.DescribeExecution(arn)
		err = fmt.Errorf("%s ended as %s without a word in the ledger: %s: %s", x.Name, x.Status, x.Error, x.Cause)
	}
	out.Err = err
	return out
}

// archived says that nothing is known of an hour without a ledger, unless something of it is archived.
func (p *Pipeline) archived(ctx context.Context, h hour.Hour) error {
	for _, err := range p.Archive.List(ctx, p.Keys.HourPrefix(h)) {
		return err
	}
	return &fault.NotFound{Key: "hour " + h.String()}
}

// executions are this process's. Others died with theirs.
type executions struct{ p *Pipeline }

// Describe implements operate.Executions.
func (e executions) Describe(ctx context.Context, execution string) (string, bool, error) {
	status, found, err := e.p.Describe(ctx, execution)
	if err == nil && !found {
		return fault.StatusAbsent, true, nil
	}
	return status, found, err
}

// Start implements operate.Executions.
func (e executions) Start(ctx context.Context, name string, input hour.Input) error {
	_, err := e.p.Engine.StartExecution(ctx, HourMachine, name, plain(input))
	return err
}

// Stop implements operate.Executions.
func (e executions) Stop(_ context.Context, execution, cause string) error {
	if status, _, err := e.Describe(context.Background(), execution); err != nil || status != fault.StatusRunning {
		return err
	}
	_, err := e.p.Engine.StopExecution(execution, "", cause)
	return err
}
