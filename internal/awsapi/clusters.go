package awsapi

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/emr"
	"github.com/aws/aws-sdk-go-v2/service/emr/types"

	"penstock/internal/cluster"
	"penstock/internal/fault"
)

// EMR is what Clusters needs of *emr.Client.
type EMR interface {
	ListClusters(context.Context, *emr.ListClustersInput, ...func(*emr.Options)) (*emr.ListClustersOutput, error)
	TerminateJobFlows(context.Context, *emr.TerminateJobFlowsInput, ...func(*emr.Options)) (*emr.TerminateJobFlowsOutput, error)
}

// Clusters lists and ends EMR clusters. It is safe for concurrent use.
type Clusters struct{ API EMR }

var _ cluster.Lister = Clusters{}

// live are the states of a cluster that may still be ended.
var live = []types.ClusterState{types.ClusterStateStarting, types.ClusterStateBootstrapping, types.ClusterStateRunning, types.ClusterStateWaiting}

// Clusters implements cluster.Lister. EMR remembers clusters for two months.
func (c Clusters) Clusters(ctx context.Context, since time.Time, onlyLive bool) iter.Seq2[cluster.Summary, error] {
	return func(yield func(cluster.Summary, error) bool) {
		in := &emr.ListClustersInput{}
		if !since.IsZero() {
			in.CreatedAfter = &since
		}
		if onlyLive {
			in.ClusterStates = live
		}
		for range maxPages {
			out, err := c.page(ctx, in)
			if err != nil {
				yield(cluster.Summary{}, err)
				return
			}
			for _, s := range out.Clusters {
				if !yield(summary(s), nil) {
					return
				}
			}
			if aws.ToString(out.Marker) == "" {
				return
			}
			in.Marker = out.Marker
		}
		yield(cluster.Summary{}, &fault.Unavailable{Service: "emr", Action: "list clusters", Err: fmt.Errorf("no end after %d answers", maxPages)})
	}
}

func (c Clusters) page(ctx context.Context, in *emr.ListClustersInput) (*emr.ListClustersOutput, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := c.API.ListClusters(limited, in)
	if err != nil {
		return nil, classify(ctx, "emr", "list clusters", err)
	}
	return out, nil
}

func summary(s types.ClusterSummary) cluster.Summary {
	c := cluster.Summary{ID: aws.ToString(s.Id), Name: aws.ToString(s.Name)}
	if s.Status != nil {
		c.State = string(s.Status.State)
		if s.Status.Timeline != nil {
			c.CreatedAt = aws.ToTime(s.Status.Timeline.CreationDateTime).UTC()
		}
	}
	return c
}

// End begins to end clusters, at most ten at once; one that has ended already is no error. Errors are as Describe's.
func (c Clusters) End(ctx context.Context, ids []string) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := c.API.TerminateJobFlows(limited, &emr.TerminateJobFlowsInput{JobFlowIds: ids}); err != nil {
		return classify(ctx, "emr", "end clusters "+strings.Join(ids, " "), err)
	}
	return nil
}
