package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// Clusters is what cancelling needs of EMR.
type Clusters interface {
	cluster.Lister
	// End begins to end clusters, at most ten at once. One that has ended already is no error.
	End(ctx context.Context, ids []string) error
}

// Cancel is an order to stop what runs for an hour.
type Cancel struct {
	Hour     hour.Hour
	Stack    string   // whose clusters they are
	Clusters Clusters // nil: there are none that outlive their execution
	Cause    string
	Poll     time.Duration
	Limit    time.Duration      // for executions and clusters to end
	Told     func(doing string) // may be nil
}

// Cancelled says what was found and how it ended.
type Cancelled struct {
	Runs     []Stopped         `json:"runs"`
	Clusters []cluster.Summary `json:"clusters"` // of the hour, that were not over, as they were seen last
	// Open says in words what is not over: nothing may be concluded of it. Empty is the proof that all is.
	Open []string `json:"open"`
}

// Stopped is a run that was open.
type Stopped struct {
	Run       int    `json:"run"`
	Execution string `json:"execution"`
	Outcome   string `json:"outcome"` // a status such as ABORTED, "published" or the error that it ended with by itself
}

// appears is how long after it was requested a cluster may take to show in EMR's list: what findcluster waits, too.
const appears = 2 * time.Minute

// Cancel stops the open runs of an hour, writes into the ledger that they were aborted (the schedule then leaves the hour to
// people), ends every cluster of the hour, and looks until executions and clusters are over. It may be repeated: clusters
// that an earlier call left are ended. Errors are those of the ledger, of Executions and of Clusters; what is not over
// within the limit is no error and stands in Open.
func (o *Operator) Cancel(ctx context.Context, c Cancel) (*Cancelled, error) {
	out := &Cancelled{Runs: []Stopped{}, Clusters: []cluster.Summary{}, Open: []string{}}
	if c.Told == nil {
		c.Told = func(string) {}
	}
	s, err := o.Ledger.Read(ctx, c.Hour)
	if err != nil {
		return nil, err
	}
	until := o.Ledger.Now().Add(c.Limit)
	var awaited []ledger.Cluster
	for _, r := range s.Open() {
		stopped, err := o.stop(ctx, s, r, c, until, out)
		if err != nil {
			return nil, err
		}
		out.Runs = append(out.Runs, stopped)
	}
	if s, err = o.Ledger.Read(ctx, c.Hour); err != nil { // a cluster may have been requested meanwhile
		return nil, err
	}
	for _, stopped := range out.Runs {
		for _, known := range s.Run(stopped.Run).Clusters {
			if !known.Ended {
				awaited = append(awaited, known)
			}
		}
	}
	if c.Clusters == nil {
		return out, nil
	}
	return out, o.endClusters(ctx, s, c, awaited, until, out)
}

// stop stops one run's execution, waits until it is closed, and ends the run.
func (o *Operator) stop(ctx context.Context, s *ledger.State, r *ledger.Run, c Cancel, until time.Time, out *Cancelled) (Stopped, error) {
	x := executionOf(s, r)
	stopped := Stopped{Run: r.N, Execution: x}
	for asked := false; ; {
		status, found, err := o.Executions.Describe(ctx, x)
		if err != nil {
			return stopped, err
		}
		if !found || isClosed(status) {
			break
		}
		if !asked {
			c.Told(fmt.Sprintf("stopping execution %s", x))
			if err := o.Executions.Stop(ctx, x, c.Cause); err != nil {
				return stopped, err
			}
			asked = true
			continue
		}
		if !o.Ledger.Now().Before(until) {
			stopped.Outcome = status
			out.Open = append(out.Open, fmt.Sprintf("execution %s is %s", x, status))
			return stopped, nil
		}
		if err := o.Pause(ctx, c.Poll); err != nil {
			return stopped, err
		}
	}
	e := ledger.EndedEntry(r, fault.StatusAborted)
	e.Cause = c.Cause
	after, err := o.end(ctx, s.Hour, e)
	if err != nil {
		return stopped, err
	}
	switch now := after.Run(r.N); {
	case now.Published > 0:
		stopped.Outcome = "published"
	case now.Error != "":
		stopped.Outcome = now.Error
	default:
		stopped.Outcome = now.Status
	}
	return stopped, nil
}

func isClosed(status string) bool {
	switch status {
	case fault.StatusSucceeded, fault.StatusFailed, fault.StatusTimedOut, fault.StatusAborted, fault.StatusAbsent:
		return true
	}
	return false
}

// endClusters ends the clusters of the hour that are not over, and looks until they are. awaited are those that the stopped
// runs had asked for: an answer may be under way, so that they are looked for until they would show.
func (o *Operator) endClusters(ctx context.Context, s *ledger.State, c Cancel, awaited []ledger.Cluster, until time.Time, out *Cancelled) error {
	since, any := firstRequest(s)
	if !any {
		return nil
	}
	for {
		all, err := c.list(ctx, since.Add(-appears))
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(slices.Clone(all), func(k cluster.Summary) bool { return over(k.State) })
		out.Clusters = merge(out.Clusters, all, open)
		if err := c.end(ctx, open); err != nil {
			return err
		}
		hidden := slices.ContainsFunc(awaited, func(k ledger.Cluster) bool {
			shown := slices.ContainsFunc(all, func(x cluster.Summary) bool { return x.Name == k.Name })
			return !shown && o.Ledger.Now().Before(k.RequestedAt.Add(appears))
		})
		if len(open) == 0 && !hidden {
			return nil
		}
		if !o.Ledger.Now().Before(until) {
			for _, k := range open {
				out.Open = append(out.Open, fmt.Sprintf("cluster %s (%s) is %s", k.ID, k.Name, k.State))
			}
			if hidden {
				out.Open = append(out.Open, "a cluster was asked for just now and may still appear")
			}
			return nil
		}
		c.Told(waiting(len(open)))
		if err := o.Pause(ctx, c.Poll); err != nil {
			return err
		}
	}
}

func waiting(open int) string {
	switch open {
	case 0:
		return "waiting for a cluster that was asked for and does not show yet"
	case 1:
		return "waiting for a cluster to end"
	}
	return fmt.Sprintf("waiting for %d clusters to end", open)
}

func over(state string) bool {
	return state == cluster.Terminated || state == cluster.TerminatedWithErrors
}

// list lists the hour's clusters, whatever their state.
func (c Cancel) list(ctx context.Context, since time.Time) ([]cluster.Summary, error) {
	var all []cluster.Summary
	for k, err := range c.Clusters.Clusters(ctx, since, false) {
		if err != nil {
			return nil, fmt.Errorf("list clusters of hour %s: %w", c.Hour, err)
		}
		if h, _, _, ok := hour.ParseClusterName(c.Stack, k.Name); ok && h == c.Hour {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b cluster.Summary) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// end begins to end those that nobody has begun to end.
func (c Cancel) end(ctx context.Context, open []cluster.Summary) error {
	var ids []string
	for _, k := range open {
		if k.State != cluster.Terminating {
			c.Told(fmt.Sprintf("ending cluster %s", k.ID))
			ids = append(ids, k.ID)
		}
	}
	for some := range slices.Chunk(ids, 10) {
		if err := c.Clusters.End(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// merge keeps every cluster that was open once, in its latest state.
func merge(known, all, open []cluster.Summary) []cluster.Summary {
	for _, k := range all {
		at := slices.IndexFunc(known, func(was cluster.Summary) bool { return was.ID == k.ID })
		switch {
		case at >= 0:
			known[at] = k
		case slices.Contains(open, k):
			known = append(known, k)
		}
	}
	return known
}

// firstRequest is when the hour's first cluster was asked for.
func firstRequest(s *ledger.State) (at time.Time, any bool) {
	for _, r := range s.Runs {
		for _, k := range r.Clusters {
			if !any || k.RequestedAt.Before(at) {
				at, any = k.RequestedAt.Time, true
			}
		}
	}
	return at, any
}
