package local

import (
	"context"
	"encoding/json"
	"time"

	"penstock/internal/trace"
)

// timeline is the part of a cluster's and of a step's status that is drawn.
type timeline struct {
	State             string
	StateChangeReason struct{ Code, Message string }
	FailureDetails    struct{ Reason, Message string }
	Timeline          struct{ CreationDateTime, ReadyDateTime, StartDateTime, EndDateTime float64 }
}

// drawCluster draws a cluster that was judged, with its start and its steps, into the trace of its execution. On AWS
// nothing of a cluster is in X-Ray but the calls.
func (p *Pipeline) drawCluster(ctx context.Context, execution, id string) {
	var cluster struct {
		Cluster struct {
			Name   string
			Status timeline
		}
	}
	var steps struct {
		Steps []struct {
			Name   string
			Status timeline
		}
	}
	in := plain(map[string]string{"ClusterId": id})
	if p.ask(ctx, "DescribeCluster", in, &cluster) != nil || p.ask(ctx, "ListSteps", in, &steps) != nil {
		return // tracing never fails the work
	}
	now := p.Clock.Now()
	status := cluster.Cluster.Status
	node := p.recorder.Execution(execution).Begin(trace.KindCluster, "cluster "+cluster.Cluster.Name, instant(status.Timeline.CreationDateTime, now))
	ready := instant(status.Timeline.ReadyDateTime, now)
	node.Begin(trace.KindCluster, "start and bootstrap", instant(status.Timeline.CreationDateTime, now)).End(ready, trace.Failure{})
	for i := len(steps.Steps) - 1; i >= 0; i-- { // the newest comes first
		s := steps.Steps[i]
		if s.Status.Timeline.StartDateTime == 0 {
			continue
		}
		var failed trace.Failure
		if s.Status.State == "FAILED" {
			failed = trace.Failure{Error: s.Status.State, Cause: s.Status.FailureDetails.Reason + " " + s.Status.FailureDetails.Message}
		}
		node.Begin(trace.KindStep, "step "+s.Name, instant(s.Status.Timeline.StartDateTime, now)).End(instant(s.Status.Timeline.EndDateTime, now), failed)
	}
	var failed trace.Failure
	switch status.StateChangeReason.Code {
	case "", "ALL_STEPS_COMPLETED", "USER_REQUEST":
	default:
		failed = trace.Failure{Error: status.StateChangeReason.Code, Cause: status.StateChangeReason.Message}
	}
	node.End(instant(status.Timeline.EndDateTime, now), failed)
}

func (p *Pipeline) ask(ctx context.Context, action string, in json.RawMessage, out any) error {
	b, err := p.EMR.Call(ctx, action, in)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// instant reads EMR's seconds; what has not happened yet is now.
func instant(seconds float64, now time.Time) time.Time {
	if seconds == 0 {
		return now
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC()
}
