package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Invoker answers the tasks of executions.
//
// Invoke runs as a task of the engine's clock and may wait on it. It returns the result as JSON
// (empty means null) or the error that the task ends with: an *Error under its own name, any other
// error under its Go type's name, as Lambda reports it. It may be called concurrently. When the
// task times out or its execution is stopped, nobody tells Invoke: it goes on, and its answer is
// dropped, as it happens with a Lambda function.
type Invoker interface {
	Invoke(ctx context.Context, call Call) (json.RawMessage, error)
}

// InvokerFunc is a function that is an Invoker.
type InvokerFunc func(ctx context.Context, call Call) (json.RawMessage, error)

// Invoke calls f.
func (f InvokerFunc) Invoke(ctx context.Context, call Call) (json.RawMessage, error) {
	return f(ctx, call)
}

// Call is one attempt of a Task.
type Call struct {
	Resource   string          // as written in the definition
	Parameters json.RawMessage // what Parameters gave, or the input where there are none
	Execution  string          // ARN of the execution
	Name       string          // of the execution
	State      string
	Visit      int64         // names this visit of the state within the execution: the id of its Entered event
	Attempt    int           // 0 for the first, then one more for each retry
	Timeout    time.Duration // 0 when the task has none
	Heartbeat  func()        // tells that the work goes on; never nil
}

// LambdaCall takes the parameters of a Lambda task apart. function is the name or ARN that
// lambda:invoke names, or the resource itself for a task that is a function's ARN. ok is false
// when the resource is no Lambda function.
func (c Call) LambdaCall() (function string, payload json.RawMessage, ok bool, err error) {
	if lambdaARN.MatchString(c.Resource) {
		return c.Resource, c.Parameters, true, nil
	}
	if !lambdaInvoke.MatchString(c.Resource) {
		return "", nil, false, nil
	}
	var p struct {
		FunctionName string
		Payload      json.RawMessage
	}
	if err := json.Unmarshal(c.Parameters, &p); err != nil {
		return "", nil, true, fmt.Errorf("read parameters of state %s: %w", c.State, err)
	}
	if p.Payload == nil {
		p.Payload = json.RawMessage("{}")
	}
	return p.FunctionName, p.Payload, true, nil
}

// LambdaResult gives a function's answer the shape that the task's resource has: lambda:invoke
// wraps it into Payload, StatusCode and ExecutedVersion, a function's ARN gives it as it is.
func (c Call) LambdaResult(answer json.RawMessage) json.RawMessage {
	if len(answer) == 0 {
		answer = json.RawMessage("null")
	}
	if !lambdaInvoke.MatchString(c.Resource) {
		return answer
	}
	out := append([]byte(`{"ExecutedVersion":"$LATEST","Payload":`), answer...)
	return append(out, `,"StatusCode":200}`...)
}

// SDKCall takes the resource of an aws-sdk task apart: "emr" and "runJobFlow".
func (c Call) SDKCall() (service, action string, ok bool) {
	m := sdkCall.FindStringSubmatch(c.Resource)
	if m == nil {
		return "", "", false
	}
	return m[2], m[3], true
}

// resourceType splits a resource as the events of a history show it: "lambda" and "invoke",
// "aws-sdk:emr" and "runJobFlow".
func resourceType(resource string) (kind, action string) {
	_, rest, ok := strings.Cut(resource, ":states:::")
	if !ok {
		return "", resource
	}
	i := strings.LastIndexByte(rest, ':')
	return rest[:i], rest[i+1:]
}

// Observation is one moment in the life of an execution, for whoever draws it: a visit of a state
// lies between StateEntered and StateExited, and within it every try of a Task, Map or Parallel
// between AttemptStarted and AttemptEnded. All moments of one execution come in order; those of
// branches that run at the same time are interleaved.
type Observation struct {
	Moment    Moment
	At        time.Time
	Execution string // ARN
	Name      string // of the execution
	Machine   string // name

	State     string // "" for the moments of the execution itself
	Type      string // of the state: Task, Choice, ...
	Resource  string // of a Task
	Visit     int64  // as in Call
	Parent    int64  // the Visit of the Map or Parallel around, 0 at the top
	Iteration int    // of the Map or branch of the Parallel around, -1 at the top
	Attempt   int    // as in Call

	Status Status // of the execution, at its end
	Next   string // StateExited: the next state, "" at the end
	Error  string // AttemptEnded, StateExited, ExecutionEnded: what went wrong, also when caught
	Cause  string
	Caught bool // StateExited: a Catch took the error
}

// Moment is the kind of an Observation.
type Moment int

// The moments, in the order in which they come.
const (
	ExecutionStarted Moment = iota
	StateEntered
	AttemptStarted
	AttemptEnded
	StateExited
	ExecutionEnded
)

// String names the moment.
func (m Moment) String() string {
	return [...]string{"ExecutionStarted", "StateEntered", "AttemptStarted", "AttemptEnded", "StateExited", "ExecutionEnded"}[m]
}
