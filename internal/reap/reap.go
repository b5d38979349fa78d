// Package reap ends the clusters of the stack that no running execution owns, and then takes away what of the hours nobody
// gets any more. It is the last of four safeguards: a
// cluster ends with its last step, the machine's own catch ends it, its idle policy does, and then the reaper.
//
// Whether a cluster is owned stands in its name, in the ledger of its hour, and with the service that runs the execution,
// asked in this order. A twin, made by a call whose answer was lost, is owned by nobody once the run has gone on to the
// next cluster.
package reap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/trace"
)

// Ledger is what the reaper needs of the hours' ledgers.
type Ledger interface {
	Read(ctx context.Context, h hour.Hour) (*ledger.State, error)
}

// Executions is what the reaper needs of the service that runs the hour machine.
type Executions interface {
	// Describe returns the status of an execution by its ARN. One that is forgotten is not found, which is no error.
	Describe(ctx context.Context, execution string) (status string, found bool, err error)
}

// Ender ends clusters.
type Ender interface {
	// End begins to end clusters, at most MaxIDs at once. One that has ended already is no error.
	End(ctx context.Context, ids []string) error
}

// MaxIDs is the most clusters that one call may end. Source: EMR API reference, TerminateJobFlows.
const MaxIDs = 10

// MinAge is how old a cluster must be to be reaped: below, the run that asked for it may not have learned of it.
const MinAge = 15 * time.Minute

// Handler reaps clusters. It is safe for concurrent use.
type Handler struct {
	Stack      string
	Clusters   cluster.Lister
	Executions Executions
	Ledger     Ledger
	Ender      Ender
	Now        func() time.Time
	// Figures gets the age of the oldest live cluster of the stack, OldestClusterMinutes, 0 without one, and what was
	// deleted of the hours, CleanedBytes.
	Figures emf.Figures
	// Cleaning takes away what nobody gets any more, after the clusters; the zero Cleaning does not.
	Cleaning Cleaning
}

// In is the event: a change of an execution's status, or a timer's. Whatever it was, all clusters are looked at.
type In struct {
	DryRun bool `json:"dryRun"` // only say what would be ended
}

// Out reports.
type Out struct {
	DryRun bool     `json:"dryRun,omitempty"`
	Ended  []Reaped `json:"ended"`
	Kept   []Reaped `json:"kept"` // those of the stack that stay, and why
	// Cleaned is what of the hours was deleted; nil if nothing was looked at.
	Cleaned *Cleaned `json:"cleaned,omitempty"`
}

// Reaped is a cluster and what was decided about it.
type Reaped struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Handle looks at all live clusters of the stack and ends those that nobody owns. Errors are EMR's, those of Executions,
// and the store's; what is wrong with one hour's ledger keeps that hour's clusters and is said.
func (h *Handler) Handle(ctx context.Context, in In) (out Out, err error) {
	ctx, span := trace.Begin(ctx, "reap")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	out = Out{DryRun: in.DryRun, Ended: []Reaped{}, Kept: []Reaped{}}
	live, err := h.list(ctx)
	if err != nil {
		return out, err
	}
	h.report(ctx, live)
	known := owners{h: h, states: map[hour.Hour]*ledger.State{}, statuses: map[string]string{}}
	for _, c := range live {
		r := Reaped{ID: c.ID, Name: c.Name}
		owned := false
		if age := h.Now().Sub(c.CreatedAt); age < MinAge {
			owned, r.Why = true, "it is young"
		} else if owned, r.Why, err = known.owned(ctx, c); err != nil {
			return out, err
		}
		if owned {
			out.Kept = append(out.Kept, r)
		} else {
			out.Ended = append(out.Ended, r)
		}
	}
	span.Annotate("ended", len(out.Ended))
	if err := h.end(ctx, in, out.Ended); err != nil {
		return out, err
	}
	out.Cleaned, err = h.clean(ctx, in.DryRun)
	return out, err
}

// end ends clusters.
func (h *Handler) end(ctx context.Context, in In, all []Reaped) error {
	if in.DryRun {
		return nil
	}
	for batch := range slices.Chunk(all, MaxIDs) {
		var ids []string
		for _, r := range batch {
			ids = append(ids, r.ID)
		}
		if err := h.Ender.End(ctx, ids); err != nil {
			return fmt.Errorf("end clusters %s: %w", strings.Join(ids, " "), err)
		}
	}
	return nil
}

// report writes how old the oldest of the clusters is: an alarm looks at it.
func (h *Handler) report(ctx context.Context, live []cluster.Summary) {
	oldest, now := time.Duration(0), h.Now()
	for _, c := range live {
		oldest = max(oldest, now.Sub(c.CreatedAt))
	}
	h.Figures.Report(ctx, now, emf.Metric{Name: "OldestClusterMinutes", Unit: emf.None, Value: oldest.Minutes()})
}

// list returns the live clusters of the stack, in the order of their names and ids.
func (h *Handler) list(ctx context.Context) ([]cluster.Summary, error) {
	var live []cluster.Summary
	for c, err := range h.Clusters.Clusters(ctx, time.Time{}, true) {
		if err != nil {
			return nil, fmt.Errorf("list clusters: %w", err)
		}
		if _, _, _, ok := hour.ParseClusterName(h.Stack, c.Name); ok {
			live = append(live, c)
		}
	}
	slices.SortFunc(live, func(a, b cluster.Summary) int { return strings.Compare(a.Name+" "+a.ID, b.Name+" "+b.ID) })
	return live, nil
}

// owners remembers what was read and asked.
type owners struct {
	h        *Handler
	states   map[hour.Hour]*ledger.State // nil: it cannot be read
	statuses map[string]string
}

// owned says whether a cluster belongs to a run that is at work with it, and why or why not.
func (o *owners) owned(ctx context.Context, c cluster.Summary) (bool, string, error) {
	of, n, number, _ := hour.ParseClusterName(o.h.Stack, c.Name)
	s, ok := o.states[of]
	if !ok {
		var err error
		if s, err = o.h.Ledger.Read(ctx, of); err != nil {
			if fault.KindOf(fault.NameOf(err)) != fault.Person {
				return false, "", err
			}
			s = nil
		}
		o.states[of] = s
	}
	if s == nil {
		return true, "the ledger of its hour cannot be read", nil
	}
	r := s.Run(n)
	if why := plan(r, number); why != "" {
		return false, why, nil
	}
	status, ok := o.statuses[r.Execution]
	if !ok {
		var found bool
		var err error
		if status, found, err = o.h.Executions.Describe(ctx, r.Execution); err != nil {
			return false, "", fmt.Errorf("describe execution %s: %w", r.Execution, err)
		}
		if !found {
			status = fault.StatusAbsent
		}
		o.statuses[r.Execution] = status
	}
	switch status {
	case fault.StatusSucceeded, fault.StatusFailed, fault.StatusTimedOut, fault.StatusAborted, fault.StatusAbsent:
		return false, fmt.Sprintf("execution %s is %s", r.Execution, status), nil
	}
	return true, fmt.Sprintf("execution %s is %s", r.Execution, status), nil
}

// plan says why a run does not own its cluster of that number, "" if it does as long as its execution runs.
func plan(r *ledger.Run, number int) string {
	switch {
	case r == nil:
		return "its hour has no such run"
	case r.Over():
		return fmt.Sprintf("run %d is over", r.N)
	case r.Cluster(number) == nil:
		return fmt.Sprintf("run %d has not asked for it", r.N)
	case r.Cluster(number).Ended:
		return fmt.Sprintf("run %d has done with it (%s)", r.N, r.Cluster(number).Verdict)
	case r.Clusters[len(r.Clusters)-1].Number != number:
		return fmt.Sprintf("run %d went on to cluster %d", r.N, r.Clusters[len(r.Clusters)-1].Number)
	}
	return ""
}
