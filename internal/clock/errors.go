package clock

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"time"
)

// PanicError reports that a task of a Virtual clock panicked. Value is what it panicked with: a
// test that injects the death of the process as a panic finds it here.
type PanicError struct {
	Value any
	Task  string // the function the task was started with
	Stack []byte // where it panicked, as debug.Stack prints it
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("task %s panicked: %v\n%s", e.Task, e.Value, e.Stack)
}

// Unwrap is the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// DeadlockError reports that no task of a Virtual clock could go on: each waits, without a
// timeout, for an event that only another waiting task could fire.
type DeadlockError struct {
	At    time.Time
	Tasks []string // each task and the place where it waits
}

func (e *DeadlockError) Error() string {
	return fmt.Sprintf("deadlock at %s: every task waits for another: %s",
		e.At.Format(time.RFC3339Nano), strings.Join(e.Tasks, "; "))
}

// HorizonError reports that a Virtual clock would have passed the time it may not pass.
type HorizonError struct{ Horizon time.Time }

func (e *HorizonError) Error() string {
	return fmt.Sprintf("the main task still waits when the clock reaches its horizon %s",
		e.Horizon.Format(time.RFC3339Nano))
}

const maxMourned = 20

// deadlock makes the error and has it filled in while the tasks are ended: only a task itself
// can tell where it waits.
func (v *Virtual) deadlock() error {
	e := &DeadlockError{At: v.Now()}
	v.mourn = func(t *task) {
		switch {
		case len(e.Tasks) < maxMourned:
			e.Tasks = append(e.Tasks, t.name()+" waits in "+caller())
		case len(e.Tasks) == maxMourned:
			e.Tasks = append(e.Tasks, "and others")
		}
	}
	return e
}

func (t *task) name() string {
	name := "function"
	if f := runtime.FuncForPC(reflect.ValueOf(t.fn).Pointer()); f != nil {
		name = f.Name()
	}
	return fmt.Sprintf("%d (%s)", t.id, name)
}

// caller is the innermost function on the stack that does not belong to the clock itself.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !ownFrame(f) {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

func ownFrame(f runtime.Frame) bool {
	return strings.Contains(f.Function, "internal/clock.") && !strings.HasSuffix(f.File, "_test.go")
}
