package prepare

import (
	"fmt"
	"strings"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/hour"
)

// States of a step. Source: EMR API reference, StepStatus.
const (
	stepPending   = "PENDING"
	stepCompleted = "COMPLETED"
	stepFailed    = "FAILED"
)

// verdict is a judgement and its reason; what is a hour.Verdict, or "" for none yet.
type verdict struct{ what, reason string }

// ownCodes are the reasons for which a cluster ends that are not its own fault: its steps decide. Every other reason
// (BOOTSTRAP_FAILURE, INSTANCE_FAILURE, INSTANCE_FLEET_TIMEOUT, INTERNAL_ERROR, VALIDATION_ERROR and what EMR may add) is
// the cluster's failure even where it made a step fail.
var ownCodes = map[string]bool{"": true, "STEP_FAILURE": true, "ALL_STEPS_COMPLETED": true, "USER_REQUEST": true}

// judge says what became of a cluster, by the states of its steps: a failed step leaves some clusters TERMINATED without
// a reason, and a cluster whose steps are all complete may end TERMINATED_WITH_ERRORS. Steps are the newest first.
func judge(status Status, steps []StepStatus, age, max time.Duration) verdict {
	over := status.State == cluster.Terminated || status.State == cluster.TerminatedWithErrors
	code := status.StateChangeReason.Code
	failed, completed, began := -1, 0, false
	for i, s := range steps {
		switch s.State {
		case stepFailed:
			failed = i // the oldest one
		case stepCompleted:
			completed++
		}
		began = began || s.State != stepPending
	}
	switch {
	case completed > 0 && completed == len(steps):
		return verdict{hour.VerdictCompleted, ""}
	case failed >= 0 && (over || code != "" && status.State == cluster.Terminating || age > max):
		if !ownCodes[code] {
			return verdict{hour.VerdictAgain, describe(status)}
		}
		return verdict{hour.VerdictStepFailed, steps[failed].describe()}
	case over && code == "STEP_FAILURE": // on a page of steps that was not given
		return verdict{hour.VerdictStepFailed, describe(status)}
	case over:
		return verdict{hour.VerdictAgain, describe(status)}
	case age > max && !began:
		return verdict{hour.VerdictAgain, fmt.Sprintf("%s after %s, no step began", status.State, age.Round(time.Second))}
	case age > max:
		return verdict{hour.VerdictTooOld, fmt.Sprintf("%s after %s, the playbook allows %s", status.State, age.Round(time.Second), max)}
	}
	return verdict{}
}

func describe(s Status) string {
	return join(s.State, s.StateChangeReason.Code, s.StateChangeReason.Message)
}

func (s StepStatus) describe() string {
	return join("a step failed", s.FailureDetails.Reason, s.FailureDetails.Message, s.StateChangeReason.Message, s.FailureDetails.LogFile)
}

// join puts the parts that there are one behind the other.
func join(parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, ": ")
}
