package fault

// Kind says who has to act on a run that ended with an error: the terminal states of the hour machine are named by it,
// and due starts another run by it.
type Kind string

// Kinds of errors.
const (
	Infrastructure Kind = "infrastructure" // nobody yet: due starts another run, up to a limit
	Waiting        Kind = "waiting"        // the archive was not complete: likewise
	Step           Kind = "step"           // whoever owns the job
	Person         Kind = "person"         // whoever operates Penstock
	Other          Kind = "other"          // nobody: another run does, or did, what this one was to do
)

// Retried says whether due starts another run after an error of this kind.
func (k Kind) Retried() bool { return k == Infrastructure || k == Waiting }

// KindOf returns the kind of an error by the name under which Lambda and Step Functions report it. A name that is not
// one of this package's, such as States.Timeout or Lambda.Unknown, is the infrastructure's.
func KindOf(name string) Kind {
	switch name {
	case "HourNotComplete":
		return Waiting
	case "StepFailed", "ResultMismatch", "ClusterTooOld":
		return Step
	case "Conflict", "Corrupt", "NewerVersion", "BadInput", "AccessDenied", "ArchiveExpired", "Unproven":
		return Person
	case "AlreadyRunning", "Superseded", "HourChanged":
		return Other
	}
	return Infrastructure
}

// Statuses of an execution, as Step Functions names them, and one of our own.
const (
	StatusRunning   = "RUNNING"
	StatusSucceeded = "SUCCEEDED"
	StatusFailed    = "FAILED"
	StatusTimedOut  = "TIMED_OUT"
	StatusAborted   = "ABORTED"
	// StatusAbsent is the status of an execution that its service does not know any more: it ended with the machine that
	// ran it, or long ago.
	StatusAbsent = "ABSENT"
)

// KindOfStatus returns the kind of a run whose execution closed without a word. One that was aborted was stopped by
// somebody, and due does not work against them.
func KindOfStatus(status string) Kind {
	if status == StatusAborted {
		return Person
	}
	return Infrastructure
}
