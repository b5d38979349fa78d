package prepare

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/hour"
)

func steps(states ...string) []StepStatus {
	var all []StepStatus
	for _, s := range states {
		all = append(all, StepStatus{State: s})
	}
	return all
}

func TestAClusterIsJudgedByItsSteps(t *testing.T) {
	const limit = time.Hour
	for _, c := range []struct {
		name  string
		state string
		code  string
		steps []StepStatus // newest first
		age   time.Duration
		want  string
	}{
		{"a starting cluster is watched", "STARTING", "", steps("PENDING"), 0, ""},
		{"so is one whose steps are not listed yet", "STARTING", "", nil, 0, ""},
		{"so is a running one", "RUNNING", "", steps("PENDING", "RUNNING", "COMPLETED"), time.Minute, ""},
		{"complete steps count before the cluster has ended", "RUNNING", "", steps("COMPLETED", "COMPLETED"), time.Minute, hour.VerdictCompleted},
		{"complete steps count while it ends", "TERMINATING", "ALL_STEPS_COMPLETED", steps("COMPLETED"), time.Minute, hour.VerdictCompleted},
		{"complete steps count when it has ended", "TERMINATED", "ALL_STEPS_COMPLETED", steps("COMPLETED"), time.Minute, hour.VerdictCompleted},
		{"complete steps count though it ended with errors", "TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", steps("COMPLETED"), time.Minute, hour.VerdictCompleted},
		{"complete steps count however old it is", "WAITING", "", steps("COMPLETED"), 9 * limit, hour.VerdictCompleted},
		{"a failed step may leave it plain TERMINATED without a reason", "TERMINATED", "", steps("FAILED", "COMPLETED"), time.Minute, hour.VerdictStepFailed},
		{"a failed step on a healthy cluster", "TERMINATED_WITH_ERRORS", "STEP_FAILURE", steps("CANCELLED", "FAILED"), time.Minute, hour.VerdictStepFailed},
		{"a failed step while it ends for that reason", "TERMINATING", "STEP_FAILURE", steps("FAILED"), time.Minute, hour.VerdictStepFailed},
		{"a failed step though all steps are said to be complete", "TERMINATED", "ALL_STEPS_COMPLETED", steps("FAILED"), time.Minute, hour.VerdictStepFailed},
		{"a failed step of a cluster that somebody ended", "TERMINATED", "USER_REQUEST", steps("FAILED"), time.Minute, hour.VerdictStepFailed},
		{"whether a failed step is the cluster's fault is not known while it runs", "RUNNING", "", steps("PENDING", "FAILED"), time.Minute, ""},
		{"nor while it ends without a reason", "TERMINATING", "", steps("FAILED"), time.Minute, ""},
		{"but is not waited for for ever", "RUNNING", "", steps("FAILED"), 2 * limit, hour.VerdictStepFailed},
		{"a lost master fails a step", "TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", steps("CANCELLED", "FAILED"), time.Minute, hour.VerdictAgain},
		{"an internal error fails a step", "TERMINATING", "INTERNAL_ERROR", steps("FAILED"), time.Minute, hour.VerdictAgain},
		{"a reason that is new to us is the cluster's", "TERMINATED_WITH_ERRORS", "METEORITE", steps("FAILED"), time.Minute, hour.VerdictAgain},
		{"bootstrap failed", "TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE", steps("CANCELLED"), time.Minute, hour.VerdictAgain},
		{"no capacity", "TERMINATED_WITH_ERRORS", "INSTANCE_FLEET_TIMEOUT", steps("PENDING"), time.Minute, hour.VerdictAgain},
		{"the request was refused later", "TERMINATED_WITH_ERRORS", "VALIDATION_ERROR", nil, time.Minute, hour.VerdictAgain},
		{"instances failed between steps", "TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", steps("CANCELLED", "COMPLETED"), time.Minute, hour.VerdictAgain},
		{"somebody ended it, or it was idle", "TERMINATED", "USER_REQUEST", steps("CANCELLED", "COMPLETED"), time.Minute, hour.VerdictAgain},
		{"interrupted steps", "TERMINATED", "", steps("INTERRUPTED"), time.Minute, hour.VerdictAgain},
		{"it ended and nothing ran", "TERMINATED", "ALL_STEPS_COMPLETED", nil, time.Minute, hour.VerdictAgain},
		{"a cluster that ends with pending steps is watched until it has ended", "TERMINATING", "BOOTSTRAP_FAILURE", steps("PENDING"), time.Minute, ""},
		{"the failed step is on another page", "TERMINATED_WITH_ERRORS", "STEP_FAILURE", steps("CANCELLED", "CANCELLED"), time.Minute, hour.VerdictStepFailed},
		{"a job that takes too long", "RUNNING", "", steps("PENDING", "RUNNING"), limit + time.Minute, hour.VerdictTooOld},
		{"a cluster that never comes up", "STARTING", "", steps("PENDING"), limit + time.Minute, hour.VerdictAgain},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := Status{State: c.state, StateChangeReason: Reason{Code: c.code, Message: "the message"}}
			got := judge(status, c.steps, c.age, limit)
			if got.what != c.want {
				t.Errorf("judged %q (%s), want %q", got.what, got.reason, c.want)
			}
			if got.what != "" && got.what != hour.VerdictCompleted && got.reason == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestTheOldestFailedStepIsTheReason(t *testing.T) {
	all := []StepStatus{
		{State: "FAILED", FailureDetails: FailureDetails{Reason: "because of the first"}},
		{State: "FAILED", FailureDetails: FailureDetails{Reason: "no such column", LogFile: "s3://hours/logs/stderr.gz"}},
		{State: "COMPLETED"},
	}
	got := judge(Status{State: "TERMINATED"}, all, 0, time.Hour)
	if !strings.Contains(got.reason, "no such column") || !strings.Contains(got.reason, "s3://hours/logs/stderr.gz") {
		t.Errorf("reason %q", got.reason)
	}
}
