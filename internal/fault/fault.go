// Package fault holds the error types that stages return.
//
// Lambda reports the outermost Go type name of a handler's error, so the name of a type here is the name that the
// state machines catch. A handler therefore returns one of these types unwrapped: see Outermost. Each type answers one
// question: does somebody retry, wait, or page a person?
package fault

import (
	"errors"
	"fmt"
	"reflect"

	"penstock/internal/hour"
)

// Conflict says that what stands under a key that is written once differs from what was to be written. A person has to
// look: two writers disagreed about the same records.
type Conflict struct {
	Key    string // the key that stands
	Detail string // what differs, without payload
}

func (e *Conflict) Error() string { return fmt.Sprintf("conflict at %s: %s", e.Key, e.Detail) }

// NotFound says that a key does not exist.
type NotFound struct{ Key string }

func (e *NotFound) Error() string { return "no such object: " + e.Key }

// Exists says that a key that was to be created exists (HTTP 412 to If-None-Match).
type Exists struct{ Key string }

func (e *Exists) Error() string { return "object exists: " + e.Key }

// Changed says that an object is not the version that was asked for (HTTP 412 to If-Match).
type Changed struct{ Key string }

func (e *Changed) Error() string { return "object changed: " + e.Key }

// Unavailable says that a service did not answer, answered with a server error, or asked to slow down. Trying again
// later is right.
type Unavailable struct {
	Service string // "s3", "kinesis", "store"
	Action  string // what was asked, with its identifiers
	Err     error
}

func (e *Unavailable) Error() string {
	return fmt.Sprintf("%s unavailable: %s: %v", e.Service, e.Action, e.Err)
}
func (e *Unavailable) Unwrap() error { return e.Err }

// IsUnavailable says whether err is, or wraps, an *Unavailable.
func IsUnavailable(err error) bool {
	_, ok := as[*Unavailable](err)
	return ok
}

// AccessDenied says that a role lacks a permission. Trying again does not help.
type AccessDenied struct {
	Service, Action string
	Err             error
}

func (e *AccessDenied) Error() string {
	return fmt.Sprintf("%s denies: %s: %v", e.Service, e.Action, e.Err)
}
func (e *AccessDenied) Unwrap() error { return e.Err }

// Corrupt and NewerVersion are the errors of reading a document; package hour declares them.
type (
	Corrupt      = hour.Corrupt
	NewerVersion = hour.NewerVersion
)

// BadInput says that what was asked is malformed: an hour, an option, an event of the wrong shape.
type BadInput struct{ Detail string }

func (e *BadInput) Error() string { return e.Detail }

// AlreadyRunning says that another execution holds the hour.
type AlreadyRunning struct{ Hour, Holder string }

func (e *AlreadyRunning) Error() string {
	return fmt.Sprintf("hour %s is already running: %s", e.Hour, e.Holder)
}

// ArchiveExpired says that records of the last published revision are no longer in the archive, so that a new
// revision would lose them. Nothing is published.
type ArchiveExpired struct{ Hour, Detail string }

func (e *ArchiveExpired) Error() string {
	return fmt.Sprintf("archive of hour %s expired: %s", e.Hour, e.Detail)
}

// HourNotComplete says that an hour could not be proven complete before the run's deadline.
type HourNotComplete struct{ Hour, Waiting string }

func (e *HourNotComplete) Error() string {
	return fmt.Sprintf("hour %s is not complete: %s", e.Hour, e.Waiting)
}

// Unproven says that the stream no longer holds the hour, so that nothing proves it complete; sealing it needs
// --accept-unproven.
type Unproven struct{ Hour, Detail string }

func (e *Unproven) Error() string {
	return fmt.Sprintf("hour %s cannot be proven complete: %s", e.Hour, e.Detail)
}

// Superseded says that a newer seal of the hour is published, so that this run's must not be.
type Superseded struct{ Hour, Detail string }

func (e *Superseded) Error() string { return fmt.Sprintf("hour %s: superseded: %s", e.Hour, e.Detail) }

// ResultMismatch says that a job's output fails the playbook's check.
type ResultMismatch struct{ Hour, Detail string }

func (e *ResultMismatch) Error() string {
	return fmt.Sprintf("result of hour %s: %s", e.Hour, e.Detail)
}

// HourChanged says that the hour is no longer in the state that a dry run showed.
type HourChanged struct{ Hour, Detail string }

func (e *HourChanged) Error() string { return fmt.Sprintf("hour %s changed: %s", e.Hour, e.Detail) }

// StepFailed says that a step failed on a healthy cluster: the job is wrong, or its input. Another cluster would fail too.
type StepFailed struct{ Hour, Detail string }

func (e *StepFailed) Error() string {
	return fmt.Sprintf("job of hour %s failed: %s", e.Hour, e.Detail)
}

// ClusterFailed says that each cluster that a run may have failed by itself: capacity, bootstrap, instances.
type ClusterFailed struct{ Hour, Detail string }

func (e *ClusterFailed) Error() string {
	return fmt.Sprintf("cluster of hour %s failed: %s", e.Hour, e.Detail)
}

// ClusterLost says that the calls for each cluster that a run may have went unanswered, and that none was found.
type ClusterLost struct{ Hour, Detail string }

func (e *ClusterLost) Error() string {
	return fmt.Sprintf("cluster of hour %s was not found: %s", e.Hour, e.Detail)
}

// ClusterTooOld says that a job ran longer than its playbook allows.
type ClusterTooOld struct{ Hour, Detail string }

func (e *ClusterTooOld) Error() string {
	return fmt.Sprintf("job of hour %s takes too long: %s", e.Hour, e.Detail)
}

// Outermost returns the first error in err's chain whose type is one of this package's, or err itself. Handlers return
// it so that Lambda reports a name the state machine knows.
func Outermost(err error) error {
	if err == nil {
		return nil
	}
	for _, find := range []func(error) (error, bool){
		as[*Conflict], as[*Corrupt], as[*NewerVersion], as[*BadInput], as[*AlreadyRunning], as[*ArchiveExpired],
		as[*HourNotComplete], as[*Unproven], as[*Superseded], as[*ResultMismatch],
		as[*HourChanged], as[*StepFailed], as[*ClusterFailed], as[*ClusterLost], as[*ClusterTooOld], as[*AccessDenied], as[*Unavailable],
		as[*Changed], as[*Exists], as[*NotFound],
	} {
		if e, ok := find(err); ok {
			return e
		}
	}
	return err
}

// NameOf returns the name under which Lambda reports err once it is Outermost: its Go type's.
func NameOf(err error) string {
	if err == nil {
		return ""
	}
	t := reflect.TypeOf(Outermost(err))
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

func as[E error](err error) (error, bool) {
	var e E
	if errors.As(err, &e) {
		return e, true
	}
	return nil, false
}
