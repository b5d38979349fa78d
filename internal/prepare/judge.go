package prepare

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"penstock/internal/cluster"
	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/trace"
)

// What the machine does after a judgement.
const (
	JudgedPublish = "publish"
	JudgedAgain   = "again" // ask for the next cluster
	JudgedWatch   = "watch" // the cluster is at work
)

// JudgeIn is what the state Judge gives: the answers of DescribeCluster and ListSteps, cut down to their statuses.
type JudgeIn struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"`
	Execution string    `json:"execution"`
	Cluster   int       `json:"cluster"`
	Name      string    `json:"name"`
	ID        string    `json:"id"`
	Status    Status    `json:"status"`
	// Steps are the newest steps, the newest first, as ListSteps gives them: all, or a page of them.
	Steps           []StepStatus `json:"steps"`
	NormalizedHours int          `json:"normalizedHours"`
}

// JudgeOut is the verdict.
type JudgeOut struct {
	Verdict string `json:"verdict"`
	Cluster int    `json:"cluster"` // the next one's number after "again", else this one's
}

// Judge judges clusters. It is safe for concurrent use.
type Judge struct {
	Ledger *ledger.Ledger
	// Figures gets ClusterMinutes, what a cluster lived, with its judgement.
	Figures emf.Figures
}

// Handle judges a cluster and writes the judgement down with the minutes that the cluster took. The first judgement of a
// cluster stands. Errors are *fault.StepFailed, *fault.ClusterTooOld, *fault.ClusterFailed after the last cluster,
// *fault.Superseded, *fault.BadInput and the ledger's.
func (j *Judge) Handle(ctx context.Context, in JudgeIn) (out JudgeOut, err error) {
	ctx, span := trace.Begin(ctx, "judge")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	span.Annotate(trace.Hour, in.Hour.String())
	s, err := j.Ledger.Read(ctx, in.Hour)
	if err != nil {
		return JudgeOut{}, err
	}
	c, err := ownCluster(s, in.N, in.Execution, in.Cluster)
	if err != nil {
		return JudgeOut{}, err
	}
	if !c.Ended {
		created := in.Status.Timeline.CreationDateTime.Time
		if created.IsZero() {
			created = c.RequestedAt.Time
		}
		age := j.Ledger.Now().Sub(created)
		v := judge(in.Status, in.Steps, age, time.Duration(cmp.Or(c.MaxMinutes, maxMinutes))*time.Minute)
		if v.what == "" {
			return JudgeOut{JudgedWatch, in.Cluster}, nil
		}
		if end := in.Status.Timeline.EndDateTime.Time; !end.IsZero() {
			age = end.Sub(created)
		}
		s, err = j.Ledger.Append(ctx, in.Hour, endCluster(in.N, in.Execution, hour.Cluster{
			Number: in.Cluster, Name: c.Name, ID: in.ID, State: in.Status.State, Verdict: v.what, Reason: clip(v.reason),
			Minutes: minutes(age), NormalizedHours: in.NormalizedHours,
		}))
		if err != nil {
			return JudgeOut{}, err
		}
		if c = s.Run(in.N).Cluster(in.Cluster); c == nil || !c.Ended {
			return JudgeOut{}, &fault.Superseded{Hour: in.Hour.String(), Detail: "the judgement was not taken"}
		}
		j.Figures.Report(ctx, j.Ledger.Now(), emf.Metric{Name: "ClusterMinutes", Unit: emf.None, Value: c.Minutes})
	}
	return outcome(s.Hour, c)
}

// outcome is what a judgement that stands means to the machine.
func outcome(h hour.Hour, c *ledger.Cluster) (JudgeOut, error) {
	detail := fmt.Sprintf("cluster %s (%s): %s", c.Name, c.ID, c.Reason)
	switch {
	case c.Verdict == hour.VerdictCompleted:
		return JudgeOut{JudgedPublish, c.Number}, nil
	case c.Verdict == hour.VerdictStepFailed:
		return JudgeOut{}, &fault.StepFailed{Hour: h.String(), Detail: detail}
	case c.Verdict == hour.VerdictTooOld:
		return JudgeOut{}, &fault.ClusterTooOld{Hour: h.String(), Detail: detail}
	case c.Number >= cluster.Max:
		return JudgeOut{}, &fault.ClusterFailed{Hour: h.String(), Detail: detail}
	}
	return JudgeOut{JudgedAgain, c.Number + 1}, nil
}

// minutes are d's, to the hundredth.
func minutes(d time.Duration) float64 { return math.Round(max(0, d.Minutes())*100) / 100 }

// maxMinutes is how long a cluster may live that was asked for without a limit.
const maxMinutes = 24 * 60

// maxReason is how much of a reason is kept, in bytes.
const maxReason = 1024

func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
