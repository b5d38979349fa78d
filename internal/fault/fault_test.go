package fault_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"penstock/internal/fault"
)

// all are the errors that handlers return, with the kind that each has by its name.
var all = []struct {
	err  error
	kind fault.Kind
}{
	{&fault.Conflict{}, fault.Person}, {&fault.Corrupt{}, fault.Person}, {&fault.NewerVersion{}, fault.Person},
	{&fault.BadInput{}, fault.Person}, {&fault.AccessDenied{}, fault.Person}, {&fault.ArchiveExpired{}, fault.Person},
	{&fault.Unproven{}, fault.Person}, {&fault.AlreadyRunning{}, fault.Other}, {&fault.Superseded{}, fault.Other},
	{&fault.HourChanged{}, fault.Other}, {&fault.HourNotComplete{}, fault.Waiting}, {&fault.StepFailed{}, fault.Step},
	{&fault.ResultMismatch{}, fault.Step}, {&fault.ClusterTooOld{}, fault.Step}, {&fault.ClusterFailed{}, fault.Infrastructure},
	{&fault.ClusterLost{}, fault.Infrastructure}, {&fault.Unavailable{}, fault.Infrastructure}, {&fault.NotFound{}, fault.Infrastructure},
	{&fault.Exists{}, fault.Infrastructure}, {&fault.Changed{}, fault.Infrastructure},
}

func TestAHandlersErrorIsOutermostUnderTheNameThatTheMachineCatches(t *testing.T) {
	for _, c := range all {
		name := reflect.TypeOf(c.err).Elem().Name()
		if got := fault.Outermost(fmt.Errorf("do this: %w", fmt.Errorf("do that: %w", c.err))); got != c.err {
			t.Errorf("%s comes out as %T", name, got)
		}
		if got := fault.NameOf(fmt.Errorf("do this: %w", c.err)); got != name {
			t.Errorf("%s is reported as %s", name, got)
		}
		if got := fault.KindOf(name); got != c.kind {
			t.Errorf("%s is %s, want %s", name, got, c.kind)
		}
	}
	plain := errors.New("plain")
	if fault.Outermost(plain) != plain || fault.Outermost(nil) != nil {
		t.Error("an error of no known type is not left as it is")
	}
}

func TestWhatIsNotOurOwnIsTheInfrastructures(t *testing.T) {
	for _, name := range []string{"States.Timeout", "States.TaskFailed", "Lambda.Unknown", "Emr.ThrottlingException", "Unknown", ""} {
		if got := fault.KindOf(name); got != fault.Infrastructure || !got.Retried() {
			t.Errorf("%q is %s", name, got)
		}
	}
	if fault.KindOfStatus(fault.StatusAborted).Retried() || !fault.KindOfStatus(fault.StatusTimedOut).Retried() {
		t.Error("what a person stopped is started again, or what timed out is not")
	}
}
