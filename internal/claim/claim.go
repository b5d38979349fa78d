// Package claim makes an execution the one that works on an hour.
//
// The claim stands in the hour's ledger, and the store lets one writer have the next entry: of two executions that claim
// at the same time one ends as AlreadyRunning. An execution that closed without a word (it was stopped, or timed out)
// does not hold an hour for ever: the next one that claims asks the service that runs it, and ends its run.
package claim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/trace"
)

// Executions is what claim needs of the service that runs the hour machine.
type Executions interface {
	// Describe returns the status of an execution, given its ARN or, for one of the hour machine, its name. An execution
	// that was never started, or is forgotten, is not found, which is no error.
	Describe(ctx context.Context, execution string) (status string, found bool, err error)
}

// In is what the state Claim gives. It reads itself strictly, since a person may have typed the execution's input: what
// is malformed is a *fault.BadInput.
type In struct {
	Hour      hour.Hour
	N         int // 0 for the next run
	Options   hour.Options
	Execution string // ARN
	Name      string
}

// UnmarshalJSON implements json.Unmarshaler.
func (in *In) UnmarshalJSON(b []byte) error {
	var raw struct {
		Hour      string          `json:"hour"`
		N         *int            `json:"n"`
		Options   json.RawMessage `json:"options"`
		Execution string          `json:"execution"`
		Name      string          `json:"name"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return &fault.BadInput{Detail: "input is not such as {\"hour\": \"2026-11-23T07\", \"n\": 1, \"options\": {}}"}
	}
	h, err := hour.Parse(raw.Hour)
	if err != nil {
		return &fault.BadInput{Detail: err.Error()}
	}
	*in = In{Hour: h, Execution: raw.Execution, Name: raw.Name}
	if raw.N != nil {
		in.N = *raw.N
	}
	if len(raw.Options) > 0 && !bytes.Equal(raw.Options, []byte("null")) {
		d := json.NewDecoder(bytes.NewReader(raw.Options))
		d.DisallowUnknownFields()
		if err := d.Decode(&in.Options); err != nil {
			return &fault.BadInput{Detail: fmt.Sprintf("options of hour %s are malformed: %.120s", h, err)}
		}
		if err := in.Options.Check(); err != nil {
			return &fault.BadInput{Detail: fmt.Sprintf("options of hour %s: %s", h, err)}
		}
	}
	return nil
}

// Out is what the machine goes on with.
type Out struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"`
	Execution string    `json:"execution"`
}

// Handler claims hours. It is safe for concurrent use.
type Handler struct {
	Ledger     *ledger.Ledger
	Executions Executions
}

// rounds bounds how often a claim meets another one before it gives up.
const rounds = 4

// Handle claims the hour for an execution. The same execution may claim any number of times. Errors are
// *fault.AlreadyRunning, *fault.Superseded when the execution's run is over, *fault.HourChanged, *fault.BadInput and the
// ledger's.
func (h *Handler) Handle(ctx context.Context, in In) (out Out, err error) {
	ctx, span := trace.Begin(ctx, "claim")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	span.Annotate(trace.Hour, in.Hour.String())
	span.Annotate(trace.Execution, in.Name)
	if in.Execution == "" || in.N < 0 {
		return Out{}, &fault.BadInput{Detail: fmt.Sprintf("claim hour %s: no execution, or run %d", in.Hour, in.N)}
	}
	s, err := h.Ledger.Read(ctx, in.Hour)
	for range rounds {
		if err != nil {
			return Out{}, err
		}
		if holder := s.Holder(); holder != nil && holder.Execution != in.Execution {
			if _, err = h.end(ctx, s, holder); err != nil {
				return Out{}, err
			}
		}
		var n int
		if s, n, err = h.claim(ctx, in); n > 0 && err == nil {
			return Out{in.Hour, n, in.Execution}, nil
		}
	}
	if err == nil {
		err = &fault.AlreadyRunning{Hour: in.Hour.String(), Holder: "several executions claim it"}
	}
	return Out{}, err
}

// end ends the holder's run if its execution is closed.
func (h *Handler) end(ctx context.Context, s *ledger.State, holder *ledger.Run) (*ledger.State, error) {
	status, found, err := h.Executions.Describe(ctx, holder.Execution)
	if err != nil {
		return nil, fmt.Errorf("describe execution %s: %w", holder.Execution, err)
	}
	status, closed := ledger.ClosedStatus(holder, status, found, h.Ledger.Now())
	if !closed {
		return nil, &fault.AlreadyRunning{Hour: s.Hour.String(), Holder: holder.Execution}
	}
	return h.Ledger.Append(ctx, s.Hour, func(s *ledger.State) (*hour.Entry, error) {
		if now := s.Holder(); now == nil || now.N != holder.N {
			return nil, nil
		}
		return ledger.EndedEntry(holder, status), nil
	})
}

// claim appends Started, if it is missing, and Claimed. Run 0 says that another execution holds the hour.
func (h *Handler) claim(ctx context.Context, in In) (*ledger.State, int, error) {
	n := 0
	s, err := h.Ledger.Append(ctx, in.Hour, func(s *ledger.State) (*hour.Entry, error) {
		var e *hour.Entry
		var err error
		n, e, err = planStart(s, in)
		return e, err
	})
	if err != nil || n == 0 {
		return s, 0, err
	}
	s, err = h.Ledger.Append(ctx, in.Hour, func(s *ledger.State) (*hour.Entry, error) { return planClaim(s, n, in.Execution) })
	if err != nil {
		return s, 0, err
	}
	if holder := s.Holder(); holder == nil || holder.N != n || holder.Execution != in.Execution {
		return s, 0, nil
	}
	return s, n, nil
}
