package emr

import "context"

// Runner does what steps say.
type Runner interface {
	// Open prepares a step: it looks at the input and says how much there is.
	// It runs as a task of the clock and may use the store and the clock. An
	// error ends the step as FAILED, with its text as the reason.
	Open(ctx context.Context, s StepRun) (Work, error)
}

// Work is a step that is about to run. The methods are called in the order
// Compute, Commit, Close; those after Compute may be left out, Close never. ctx
// is cancelled when the cluster is terminated.
type Work interface {
	// InputBytes is the size of the input as it is stored.
	InputBytes() int64
	// Compute does the work, beside other tasks of the clock: it may start
	// processes and read input, but must not use the clock and must not write
	// to the store.
	Compute(ctx context.Context)
	// Commit writes result and logs to the store, as a task of the clock, and
	// says how the step ended. It is called when Compute has returned and the
	// step's time has passed.
	Commit(ctx context.Context) StepResult
	// Close frees what the work holds.
	Close()
}

// StepRun is a step that a cluster has come to.
type StepRun struct {
	ClusterID   string
	ClusterName string
	StepID      string
	Name        string
	Jar         string
	Args        []string
	LogURI      string // of the cluster, as RunJobFlow gave it; may be empty
	// Fail, if not empty, is why the step must fail, after it has computed and
	// without a result: an injected failure.
	Fail string
}

// StepResult says how a step ended.
type StepResult struct {
	// Failure is why the step failed; "" says that it is complete.
	Failure string
	// LogFile is the URI of the step's standard error, if it was written.
	LogFile string
	// Counters are those that the step reported, by group and name.
	Counters map[string]map[string]int64
}
