package due

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// look finds out what is to be done about one hour, reading no more than that needs.
func (h *Handler) look(ctx context.Context, of hour.Hour, seen sighting, now time.Time) (hourly, error) {
	if seen.entries == 0 {
		s := ledger.Fold(of, nil, nil)
		return hourly{s, decision{do: start, by: ledger.BySchedule, reason: "it is over and has no run"}}, nil
	}
	if seen.manifest {
		m, _, err := h.Ledger.ReadManifest(ctx, of)
		if err == nil && m != nil && m.Ledger == seen.entries && m.OpenRuns == 0 { // published, and nothing happened since
			if m.Batches == seen.batches {
				return hourly{}, nil
			}
			return h.late(ctx, of, nil, m.Seal, now)
		}
	}
	s, err := h.Ledger.Read(ctx, of)
	if err != nil {
		return hourly{}, err
	}
	executions, err := h.describe(ctx, s)
	if err != nil {
		return hourly{}, err
	}
	if s, err = h.end(ctx, s, executions, now); err != nil {
		return hourly{}, err
	}
	if _, err := h.Ledger.WriteManifest(ctx, s); err != nil { // reads one document, writes where the ledger is ahead
		return hourly{}, err
	}
	d := decide(s, executions, now, h.Rules)
	if p := s.Published(); d.do == askLate && p.Publish.Batches != seen.batches {
		return h.late(ctx, of, s, p.Publish.Seal, now)
	}
	return hourly{s, d}, nil
}

func (h *Handler) describe(ctx context.Context, s *ledger.State) (map[int]execution, error) {
	executions := map[int]execution{}
	for _, r := range s.Open() {
		name := r.Execution
		if name == "" {
			name = s.ExecutionName(r)
		}
		status, found, err := h.Executions.Describe(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("describe execution %s: %w", name, err)
		}
		executions[r.N] = execution{status, found}
	}
	return executions, nil
}

// end ends the open runs whose executions are closed.
func (h *Handler) end(ctx context.Context, s *ledger.State, executions map[int]execution, now time.Time) (*ledger.State, error) {
	var err error
	for _, e := range ended(s, executions, now) {
		s, err = h.Ledger.Append(ctx, s.Hour, func(s *ledger.State) (*hour.Entry, error) {
			if r := s.Run(e.Run); r == nil || r.Over() || r.Claimed && r.Execution != e.Execution {
				return nil, nil // it spoke for itself meanwhile
			}
			return e, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// late finds out what to do about an hour that is published and has other batches than its seal names.
func (h *Handler) late(ctx context.Context, of hour.Hour, s *ledger.State, ref hour.Ref, now time.Time) (hourly, error) {
	seal, err := h.Ledger.ReadSeal(ctx, ref)
	if err != nil {
		return hourly{}, err
	}
	fresh, newest, err := h.news(ctx, of, seal)
	if err != nil || len(fresh) == 0 {
		return hourly{s, decision{}}, err
	}
	if s == nil {
		if s, err = h.Ledger.Read(ctx, of); err != nil {
			return hourly{}, err
		}
	}
	d := decideLate(s, len(fresh), newest, now, h.Rules)
	if d.do != start {
		return hourly{s, d}, nil
	}
	adds, err := h.Late.Adds(ctx, of, seal, fresh)
	if err != nil {
		return hourly{}, fmt.Errorf("look at late data of hour %s: %w", of, err)
	}
	if !adds {
		d = decision{}
	}
	return hourly{s, d}, nil
}
