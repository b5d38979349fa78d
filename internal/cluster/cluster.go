// Package cluster holds what the stages need to know of EMR's clusters: how they are listed, and where the playbook lies
// that they are made by.
package cluster

import (
	"context"
	"iter"
	"time"
)

// Summary is a cluster as ListClusters gives it.
type Summary struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"createdAt"`
}

// Lister lists the clusters of the account, in no order, page after page. Clusters created while it lists may be
// missing. An error ends the sequence; it is a type of package fault.
type Lister interface {
	// Clusters yields those created after since (zero: all that EMR remembers); with live, only those that have not ended
	// and are not about to.
	Clusters(ctx context.Context, since time.Time, live bool) iter.Seq2[Summary, error]
}

// States of a cluster. Source: EMR API reference, ClusterStatus.
const (
	Starting             = "STARTING"
	Bootstrapping        = "BOOTSTRAPPING"
	Running              = "RUNNING"
	Waiting              = "WAITING"
	Terminating          = "TERMINATING"
	Terminated           = "TERMINATED"
	TerminatedWithErrors = "TERMINATED_WITH_ERRORS"
)

// Max is the most clusters that a run may have.
const Max = 3
