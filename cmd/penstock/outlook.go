package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/due"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/seal"
	"penstock/internal/stream"
)

// outlook is what is to be said of one hour besides its state.
type outlook struct {
	Stage     string `json:"stage,omitempty"`     // of the run at work
	Execution string `json:"execution,omitempty"` // how it ended, if the ledger does not know yet
	Waiting   string `json:"waiting,omitempty"`   // what the seal waits for, by shard
	Attempts  int    `json:"attempts,omitempty"`  // runs in a row that the infrastructure failed
	Next      string `json:"schedule,omitempty"`  // what the schedule does
	Commands  string `json:"next,omitempty"`      // what a person does
}

// look finds out what is to be said of an hour. What the seal waits for is asked of the archive and the stream only if a
// run is at that point.
func (p place) look(ctx context.Context, d *site, row hourRow, s *ledger.State) (*outlook, error) {
	o := &outlook{}
	now, err := d.Clock(ctx)
	if err != nil {
		return nil, err
	}
	if run := atWork(s); run != nil {
		o.Stage = stage(run)
		if o.Execution, err = d.closed(ctx, run, now); err != nil {
			return nil, err
		}
		if run.Claimed && run.Sealed == 0 && o.Execution == "" {
			if o.Waiting, err = d.waiting(ctx, row.Hour, now); err != nil {
				return nil, err
			}
		}
	}
	late, newest := 0, time.Time{}
	if row.State == stateLate {
		if late, newest, err = d.news(ctx, s); err != nil {
			return nil, err
		}
	}
	next := due.Look(s, late, newest, now, due.DefaultRules())
	o.Attempts, o.Next = next.Attempts, next.Next
	if o.Execution != "" {
		o.Next = "it notes that with its next tick, and tries again if the infrastructure failed"
	}
	if d.Dir != nil { // the schedule ticks while a run is at work
		o.Next = strings.Replace(o.Next, "the schedule starts a run with its next tick", "a run starts while "+p.command("run")+" works", 1)
	}
	switch row.State {
	case stateFailed:
		o.Commands = fmt.Sprintf("%s, %s; then %s", p.command("trace %s", row.Hour), p.command("logs %s", row.Hour), p.command("rerun %s", row.Hour))
	case stateWaiting, stateLate:
		o.Commands = p.command("rerun %s", row.Hour)
	case stateRunning:
		o.Commands = p.command("status %s --watch", row.Hour)
	case stateCorrupt:
		o.Commands = p.command("verify %s", row.Hour)
	}
	return o, nil
}

// atWork is the run that is not over, the one that holds the hour first; nil for none.
func atWork(s *ledger.State) *ledger.Run {
	if h := s.Holder(); h != nil {
		return h
	}
	if open := s.Open(); len(open) > 0 {
		return open[0]
	}
	return nil
}

// closed says how the execution of an open run ended, "" if it is at work: one that was stopped leaves no word in the
// ledger. Whoever may not ask is told nothing.
func (s *site) closed(ctx context.Context, r *ledger.Run, now time.Time) (string, error) {
	if s.Stack == nil || r.Execution == "" {
		return "", nil
	}
	status, found, err := s.Stack.Executions(s.Stack.HourMachine).Describe(ctx, r.Execution)
	if is[*fault.AccessDenied](err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if status, closed := ledger.ClosedStatus(r, status, found, now); closed {
		return fmt.Sprintf("run %d ended as %s, which the ledger does not know yet", r.N, status), nil
	}
	return "", nil
}

// stage names the state of the hour machine that a run is in, as far as its ledger tells.
func stage(r *ledger.Run) string {
	switch n := len(r.Clusters); {
	case !r.Claimed:
		return "Claim"
	case r.Sealed == 0:
		return "Seal"
	case n > 0 && r.Clusters[n-1].Ended && r.Clusters[n-1].Verdict == hour.VerdictCompleted:
		return "Publish"
	case n > 0:
		return "Watch"
	case len(r.Parts) == 0:
		return "Compact"
	}
	return "Compact or Prepare"
}

// waiting says what keeps an hour from being sealed; "" if nothing does, or if there is no stream to ask.
func (s *site) waiting(ctx context.Context, h hour.Hour, now time.Time) (string, error) {
	from, err := s.Stream(ctx)
	if is[*fault.NotFound](err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	handler := &seal.Handler{Archive: s.Archive, Hours: s.Hours, Failure: s.Failed, Stream: from, Ledger: s.Ledger(), Keys: s.Keys,
		Now: func() time.Time { return now }, Margin: due.DefaultRules().Margin, Fetch: atOnce}
	text, err := handler.Waiting(ctx, h)
	var unproven *fault.Unproven
	if errors.As(err, &unproven) {
		return unproven.Error(), nil
	}
	return text, err
}

var _ seal.Stream = stream.Reader(nil)

// news counts the batches of an hour that its published seal does not name, and says when the last of them was written.
func (s *site) news(ctx context.Context, state *ledger.State) (n int, newest time.Time, err error) {
	published := state.Published()
	if published == nil {
		return 0, newest, nil
	}
	sealed, err := s.Ledger().ReadSeal(ctx, published.Publish.Seal)
	if is[*fault.NotFound](err) || is[*fault.Corrupt](err) {
		return 0, newest, nil // verify says so
	}
	if err != nil {
		return 0, newest, err
	}
	known := map[string]bool{}
	for i := range sealed.Pieces {
		known[sealed.Pieces[i].Index.Key] = true
	}
	for _, key := range sealed.Duplicates {
		known[key] = true
	}
	for o, err := range s.Archive.List(ctx, s.Keys.HourPrefix(state.Hour)) {
		if err != nil {
			return 0, newest, err
		}
		if _, ok := s.Keys.ParseIndexKey(o.Key); ok && !known[o.Key] {
			n++
			if o.Modified.After(newest) {
				newest = o.Modified
			}
		}
	}
	return n, newest, nil
}
