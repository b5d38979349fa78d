package local

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/asl"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// Rerun starts a run of an hour by hand, on the clock where the directory's last run left it, and waits for its end. An
// hour of which nothing is known is a *fault.NotFound.
func (s *Session) Rerun(ctx context.Context, h hour.Hour, options hour.Options, j Job) (x asl.Execution, err error) {
	if s.saved == nil {
		return x, &fault.NotFound{Key: "hour " + h.String()}
	}
	p, err := s.pipeline(s.saved.Clock.Time, j)
	if err != nil {
		return x, err
	}
	defer p.EMR.Close()
	failed := s.clock.Run(func() {
		x, err = p.rerun(ctx, h, options)
		if err == nil {
			err = p.Save(ctx, s.states, Saved{Input: s.saved.Input, Events: s.saved.Events, Hours: s.saved.Hours, Done: s.saved.Done})
		}
	})
	return x, errors.Join(err, failed)
}

func (p *Pipeline) rerun(ctx context.Context, h hour.Hour, options hour.Options) (x asl.Execution, err error) {
	if err := p.mapping.start(ctx); err != nil {
		return x, err
	}
	state, err := p.Ledger.Read(ctx, h)
	if err != nil {
		return x, err
	}
	if state.Last == 0 {
		return x, &fault.NotFound{Key: "hour " + h.String()}
	}
	n, _, err := p.Ledger.Start(ctx, h, ledger.Start{
		ID: fmt.Sprintf("rerun/%d", state.NextRun()), By: ledger.ByRerun, Reason: "asked for by hand", Options: options})
	if err != nil {
		return x, err
	}
	started, err := p.Engine.StartExecution(ctx, HourMachine, hour.ExecutionName(h, n), plain(hour.Input{Hour: h, N: n, Options: options}))
	if err != nil {
		return x, err
	}
	return p.Engine.Wait(-1, started.ARN)
}
