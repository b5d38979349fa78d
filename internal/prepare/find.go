package prepare

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/trace"
)

// Lookups is how often a cluster is looked up again before it counts as lost. The machine waits 40 seconds before each:
// two minutes in all, since ListClusters may lag behind RunJobFlow.
const Lookups = 3

// clockSkew is how much EMR's clock may be behind the ledger's.
const clockSkew = 15 * time.Minute

// What the machine does after a look-up.
const (
	NextWatch = "watch" // the cluster was found
	NextWait  = "wait"  // wait, then look again
	NextAgain = "again" // ask for the next cluster
)

// FindIn is what the state FindCluster gives.
type FindIn struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"`
	Execution string    `json:"execution"`
	Cluster   int       `json:"cluster"`
	Name      string    `json:"name"`
	Tries     int       `json:"tries"` // look-ups before this one
	Error     struct {  // of RunJobFlow
		Error string
		Cause string
	} `json:"error"`
}

// FindOut says whether there is such a cluster.
type FindOut struct {
	Found bool   `json:"found"`
	ID    string `json:"id"`
	Next  string `json:"next"`
}

// Finder finds clusters by name. It is safe for concurrent use.
type Finder struct {
	Ledger   *ledger.Ledger
	Clusters cluster.Lister
}

// Handle looks for a cluster of that name after RunJobFlow answered with an error, whatever it was. Of several it takes
// the oldest; the others are the reaper's. A cluster that is given up is written down as lost, and stays so when it
// appears later. Errors are *fault.ClusterLost after the last cluster, *fault.Superseded, *fault.BadInput, EMR's and the
// ledger's.
func (f *Finder) Handle(ctx context.Context, in FindIn) (out FindOut, err error) {
	ctx, span := trace.Begin(ctx, "findcluster")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	span.Annotate(trace.Hour, in.Hour.String())
	s, err := f.Ledger.Read(ctx, in.Hour)
	if err != nil {
		return FindOut{}, err
	}
	c, err := ownCluster(s, in.N, in.Execution, in.Cluster)
	if err != nil {
		return FindOut{}, err
	}
	if !c.Ended {
		found, err := f.find(ctx, c)
		if err != nil {
			return FindOut{}, err
		}
		if found != "" {
			return FindOut{Found: true, ID: found, Next: NextWatch}, nil
		}
		if in.Tries < Lookups {
			return FindOut{Next: NextWait}, nil
		}
		reason := clip(fmt.Sprintf("RunJobFlow: %s: %s", in.Error.Error, in.Error.Cause))
		if _, err := f.Ledger.Append(ctx, in.Hour, endCluster(in.N, in.Execution, hour.Cluster{
			Number: in.Cluster, Name: c.Name, Verdict: hour.VerdictLost, Reason: reason,
		})); err != nil {
			return FindOut{}, err
		}
	}
	if in.Cluster >= cluster.Max {
		return FindOut{}, &fault.ClusterLost{Hour: in.Hour.String(), Detail: clip(fmt.Sprintf("%s: RunJobFlow: %s: %s", c.Name, in.Error.Error, in.Error.Cause))}
	}
	return FindOut{Next: NextAgain}, nil
}

func (f *Finder) find(ctx context.Context, c *ledger.Cluster) (string, error) {
	var oldest cluster.Summary
	for s, err := range f.Clusters.Clusters(ctx, c.RequestedAt.Add(-clockSkew), false) {
		if err != nil {
			return "", fmt.Errorf("find cluster %s: %w", c.Name, err)
		}
		if s.Name != c.Name {
			continue
		}
		if oldest.ID == "" || s.CreatedAt.Before(oldest.CreatedAt) || s.CreatedAt.Equal(oldest.CreatedAt) && s.ID < oldest.ID {
			oldest = s
		}
	}
	return oldest.ID, nil
}

// ownCluster returns cluster c of run n, which the execution must hold.
func ownCluster(s *ledger.State, n int, execution string, c int) (*ledger.Cluster, error) {
	r, err := s.Own(n, execution)
	if err != nil {
		return nil, err
	}
	if r.Cluster(c) == nil {
		return nil, &fault.BadInput{Detail: fmt.Sprintf("run %d of hour %s has not asked for cluster %d", n, s.Hour, c)}
	}
	return r.Cluster(c), nil
}

// endCluster decides to append ClusterEnded, unless the cluster was judged before: the first judgement stands.
func endCluster(n int, execution string, c hour.Cluster) func(*ledger.State) (*hour.Entry, error) {
	return func(s *ledger.State) (*hour.Entry, error) {
		have, err := ownCluster(s, n, execution, c.Number)
		if err != nil || have.Ended {
			return nil, err
		}
		return &hour.Entry{
			ID: fmt.Sprintf("%s/ClusterEnded/%d", execution, c.Number), Type: hour.EntryClusterEnded, Run: n, Execution: execution, Cluster: &c,
		}, nil
	}
}
