// Package due says which hours need a run: those that are over and have none, those whose run was started and never came
// to life, those that the infrastructure failed, and those that late data came for. It runs hourly and is the one thing
// that has to: whatever else was missed, the next tick finds it in the two buckets.
//
// It lists the archive and the hours of the last days, a few requests a day. An hour that is published and quiet costs
// one more; only the others' ledgers are read.
package due

import (
	"context"
	"fmt"
	"iter"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/trace"
)

// Bucket is what due needs of each of the two buckets; store.Store states the contract.
type Bucket interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
}

// Executions is what due needs of the service that runs the hour machine.
type Executions interface {
	// Describe returns the status of an execution, given its ARN or, for one of the hour machine, its name. An execution
	// that was never started, or is forgotten, is not found, which is no error.
	Describe(ctx context.Context, execution string) (status string, found bool, err error)
}

// Late knows what late data is worth.
type Late interface {
	// Adds says whether batches and repairs, given by the keys of their indexes and their own, add anything to a published
	// seal.
	Adds(ctx context.Context, h hour.Hour, published *hour.Seal, newKeys []string) (bool, error)
}

// Handler finds the hours that are due. It is safe for concurrent use; two of them at once start no run twice.
type Handler struct {
	Ledger     *ledger.Ledger
	Archive    Bucket
	Hours      Bucket
	Late       Late
	Executions Executions
	Rules      Rules
}

// In is what the state Due gives.
type In struct {
	Time     time.Time `json:"time"`               // of the tick; one that lies ahead counts as now
	Lookback string    `json:"lookback,omitempty"` // a duration such as 72h, instead of the rules'
}

// Out says which executions to start.
type Out struct {
	Hours []Start `json:"hours"`
	// Why says, of the hours that are not simply done, what is being waited for; at most maxWhy, the newest.
	Why map[string]string `json:"why"`
}

// Start is an execution to start. The same run always has the same name and input, so that to start it twice is to start
// it once.
type Start struct {
	Hour  hour.Hour  `json:"hour"`
	N     int        `json:"n"`
	Name  string     `json:"name"`
	Input hour.Input `json:"input"`
}

// Limits of an answer, which travels through the machine's state.
const (
	maxWhy      = 200
	maxReason   = 300 // bytes
	maxLookback = 35 * 24 * time.Hour
)

// hourly is what is to be done about one hour.
type hourly struct {
	state *ledger.State
	decision
}

// Handle returns the executions to start, newest hour first, and has appended Started for each. What it appended and did
// not answer, because it died, the next call answers. An hour that cannot be read because something is wrong with it is
// named in Why and holds up no other. Errors are *fault.BadInput, those of the stores, and those of Late and Executions.
func (h *Handler) Handle(ctx context.Context, in In) (out Out, err error) {
	ctx, span := trace.Begin(ctx, "due")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	now, lookback, err := h.window(in)
	if err != nil {
		return Out{}, err
	}
	out = Out{Hours: []Start{}, Why: map[string]string{}}
	first, last := hour.Of(now.Add(-lookback)), hour.Of(now.Add(-h.Rules.Margin)).Add(-1)
	seen, err := h.scan(ctx, first, last)
	if err != nil {
		return Out{}, err
	}
	for first.Before(last) && !seen[first].known() {
		first = first.Add(1)
	}
	if !seen[first].known() {
		return out, nil
	}
	var todo []hourly
	free := h.Rules.MaxRunning
	for of := last; !of.Before(first); of = of.Add(-1) {
		one, err := h.look(ctx, of, seen[of], now)
		if err != nil {
			if !ofTheHour(fault.Outermost(err)) {
				return Out{}, fmt.Errorf("look at hour %s: %w", of, err)
			}
			one.decision = decision{reason: err.Error()}
		}
		switch one.do {
		case running:
			free--
			out.explain(of, one.reason)
		case start, restart:
			todo = append(todo, one)
		default:
			out.explain(of, one.reason)
		}
	}
	for _, one := range todo {
		if free <= 0 {
			out.explain(one.state.Hour, fmt.Sprintf("%d hours are running: %s", h.Rules.MaxRunning, one.reason))
			continue
		}
		started, err := h.start(ctx, one)
		if err != nil {
			return Out{}, err
		}
		if started == nil {
			out.explain(one.state.Hour, "somebody else is at it")
			continue
		}
		free--
		out.Hours = append(out.Hours, *started)
		out.explain(one.state.Hour, one.reason)
	}
	span.Annotate("hours", len(out.Hours))
	return out, nil
}

// ofTheHour says whether an error is one hour's, so that the others can do without it.
func ofTheHour(err error) bool {
	switch err.(type) {
	case *fault.Corrupt, *fault.NewerVersion, *fault.BadInput, *fault.NotFound, *fault.Conflict, *fault.ArchiveExpired:
		return true
	}
	return false
}

func (h *Handler) window(in In) (now time.Time, lookback time.Duration, err error) {
	now, lookback = h.Ledger.Now(), h.Rules.Lookback
	if !in.Time.IsZero() && in.Time.Before(now) {
		now = in.Time
	}
	if in.Lookback != "" {
		if lookback, err = time.ParseDuration(in.Lookback); err != nil || lookback < 0 || lookback > maxLookback {
			return now, 0, &fault.BadInput{Detail: fmt.Sprintf("lookback %.40q is not a duration such as 72h, up to %s", in.Lookback, maxLookback)}
		}
	}
	return now, lookback, nil
}

func (o *Out) explain(of hour.Hour, reason string) {
	if reason != "" && len(o.Why) < maxWhy {
		if len(reason) > maxReason {
			reason = reason[:maxReason]
		}
		o.Why[of.String()] = reason
	}
}

// start appends Started, unless the run has it, and returns the execution to start; nil if the hour changed meanwhile.
func (h *Handler) start(ctx context.Context, one hourly) (*Start, error) {
	of, n := one.state.Hour, one.run
	if one.do == start {
		n = one.state.NextRun()
		id := fmt.Sprintf("due/%d", n)
		s, err := h.Ledger.Append(ctx, of, func(s *ledger.State) (*hour.Entry, error) {
			if s.Last != one.state.Last {
				return nil, nil
			}
			return ledger.StartedEntry(s, ledger.Start{ID: id, By: one.by, Reason: one.reason, Options: one.options}), nil
		})
		if err != nil {
			return nil, err
		}
		if r := s.Run(n); !s.Has(id) || r == nil || r.Claimed || r.Over() {
			return nil, nil
		}
	}
	return &Start{of, n, hour.ExecutionName(of, n), hour.Input{Hour: of, N: n, Options: one.options}}, nil
}
