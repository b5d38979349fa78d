package asl

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Error names of the States Language that this package raises or understands.
const (
	ErrAll                    = "States.ALL"
	ErrBranchFailed           = "States.BranchFailed"
	ErrDataLimitExceeded      = "States.DataLimitExceeded"
	ErrHeartbeatTimeout       = "States.HeartbeatTimeout"
	ErrIntrinsicFailure       = "States.IntrinsicFailure"
	ErrNoChoiceMatched        = "States.NoChoiceMatched"
	ErrParameterPathFailure   = "States.ParameterPathFailure"
	ErrPermissions            = "States.Permissions"
	ErrResultPathMatchFailure = "States.ResultPathMatchFailure"
	ErrRuntime                = "States.Runtime"
	ErrTaskFailed             = "States.TaskFailed"
	ErrTimeout                = "States.Timeout"
)

// reservedErrors are the names beginning with "States." that a Retry or Catch may use.
func reservedError(name string) bool {
	switch name {
	case ErrAll, ErrBranchFailed, ErrDataLimitExceeded, ErrHeartbeatTimeout, ErrIntrinsicFailure,
		ErrNoChoiceMatched, ErrParameterPathFailure, ErrPermissions, ErrResultPathMatchFailure,
		ErrRuntime, ErrTaskFailed, ErrTimeout,
		"States.ExceedToleratedFailureThreshold", "States.Http.Socket", "States.ItemReaderFailed",
		"States.QueryEvaluationError", "States.ResultWriterFailed":
		return true
	}
	return false
}

// Error is an error with the name by which Retry and Catch know it. An Invoker returns it to fail
// a task under that name.
type Error struct {
	Name  string // such as "Lambda.TooManyRequestsException" or "States.Timeout"
	Cause string // free text; Lambda puts a JSON object here
}

func (e *Error) Error() string {
	if e.Cause == "" {
		return e.Name
	}
	return e.Name + ": " + e.Cause
}

// errorOf names an Invoker's error. Any type but *Error gets the name that Lambda reports for a Go
// handler: that of the outermost type, without package and pointer, with Lambda's cause.
func errorOf(err error) *Error {
	if e, ok := err.(*Error); ok {
		return &Error{Name: e.Name, Cause: e.Cause}
	}
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	cause, _ := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{err.Error(), t.Name()})
	return &Error{Name: t.Name(), Cause: string(cause)}
}

// failure is how a state or a run of states fails.
type failure struct {
	Error
	anonymous bool // a Fail state without Error
	terminal  bool // no Retry and no Catch may have it: States.Runtime
	aborted   bool // the run was ended from outside; nobody is told
	branch    bool // raised by a branch of the Map or Parallel that is looked at
}

func fail(name, format string, args ...any) *failure {
	return &failure{Error: Error{Name: name, Cause: fmt.Sprintf(format, args...)}, terminal: name == ErrRuntime}
}

// Problem is one reason why a definition was refused.
type Problem struct {
	// Path is where in the document, as a JSON pointer: "/States/Seal/Retry/0/ErrorEquals".
	Path string
	// Detail says what is wrong and, where it helps, what to write instead.
	Detail string
	// Unsupported is true when AWS may well accept this and only this package does not.
	Unsupported bool
}

// LoadError says that a definition was refused. Problems are in the order of the document's sorted
// names, all of them, up to a limit.
type LoadError struct{ Problems []Problem }

func (e *LoadError) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		path := p.Path
		if path == "" {
			path = "/"
		}
		lines = append(lines, path+": "+p.Detail)
	}
	return "state machine refused: " + strings.Join(lines, "; ")
}

// RequestError is the refusal of a request to the Engine, with the code that Step Functions gives:
// ExecutionAlreadyExists, ExecutionDoesNotExist, ExecutionLimitExceeded, InvalidArn, InvalidName,
// InvalidExecutionInput, InvalidDefinition, StateMachineAlreadyExists or StateMachineDoesNotExist.
type RequestError struct{ Code, Message string }

func (e *RequestError) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) error {
	return &RequestError{Code: code, Message: fmt.Sprintf(format, args...)}
}
