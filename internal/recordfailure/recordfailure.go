// Package recordfailure writes down that a run failed and says who has to act.
//
// It is the last stage of a run that ends badly, whichever stage failed. It speaks for its own run alone: a failed
// execution never ends what another one holds or has published.
package recordfailure

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/trace"
)

// Limits of what is kept of an error, in bytes.
const (
	maxName  = 128
	maxCause = 2048
)

// In is what the state RecordFailure gives.
type In struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"` // 0 if Claim had not given it yet
	Execution string    `json:"execution"`
	Error     Error     `json:"error"`
}

// Error is the error output of a state, as a Catch gives it.
type Error struct {
	Error string
	Cause string
}

// Out is what the machine's Choice decides on.
type Out struct {
	Hour  hour.Hour  `json:"hour"`
	N     int        `json:"n"`
	Error string     `json:"error"`
	Cause string     `json:"cause"` // in words
	Kind  fault.Kind `json:"kind"`
}

// Handler records failures. It is safe for concurrent use.
type Handler struct{ Ledger *ledger.Ledger }

// Handle appends Failed for the execution's run. A run that is over, or that another execution has, stays as it is, and
// so does the hour when the execution has no run. It may be repeated. Errors are the ledger's.
func (h *Handler) Handle(ctx context.Context, in In) (out Out, err error) {
	ctx, span := trace.Begin(ctx, "recordfailure")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	span.Annotate(trace.Hour, in.Hour.String())
	name := clip(in.Error.Error, maxName)
	if name == "" {
		name = "Unknown"
	}
	out = Out{Hour: in.Hour, N: in.N, Error: name, Cause: clip(message(in.Error.Cause), maxCause), Kind: fault.KindOf(name)}
	_, err = h.Ledger.Append(ctx, in.Hour, func(s *ledger.State) (*hour.Entry, error) {
		r := runOf(s, in)
		if r == nil || r.Over() {
			return nil, nil
		}
		out.N = r.N
		return &hour.Entry{
			ID: fmt.Sprintf("%d/Failed", r.N), Type: hour.EntryFailed, Run: r.N, Execution: in.Execution, Error: out.Error, Cause: out.Cause,
			Revision: r.Revision,
		}, nil
	})
	return out, err
}

// runOf returns the run that the execution may speak for: the one it claimed or started, or the unclaimed one that was
// started for it by name.
func runOf(s *ledger.State, in In) *ledger.Run {
	if r := s.RunOf(in.Execution); r != nil {
		return r
	}
	r := s.Run(in.N)
	if r == nil || r.Execution != "" {
		return nil
	}
	name := s.ExecutionName(r)
	if in.Execution != name && !strings.HasSuffix(in.Execution, ":"+name) {
		return nil
	}
	return r
}

// message takes the words out of a cause: a Lambda function's is {"errorMessage": "...", "errorType": "..."}.
func message(cause string) string {
	var lambda struct {
		Message string `json:"errorMessage"`
	}
	if strings.HasPrefix(cause, "{") && json.Unmarshal([]byte(cause), &lambda) == nil && lambda.Message != "" {
		return lambda.Message
	}
	return cause
}

func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
