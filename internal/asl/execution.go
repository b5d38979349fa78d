package asl

import (
	"context"
	"encoding/json"
	"time"

	"penstock/internal/clock"
)

// Status is how an execution stands.
type Status string

// The values of Status.
const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

// Execution describes an execution.
type Execution struct {
	ARN        string          `json:"executionArn"`
	MachineARN string          `json:"stateMachineArn"`
	Name       string          `json:"name"`
	Status     Status          `json:"status"`
	Start      time.Time       `json:"startDate"`
	Stop       time.Time       `json:"stopDate,omitzero"` // zero while it is running
	Input      json.RawMessage `json:"input"`
	Output     json.RawMessage `json:"output,omitempty"` // of one that succeeded
	Error      string          `json:"error,omitempty"`  // of one that failed or was stopped with one
	Cause      string          `json:"cause,omitempty"`
}

// execution is one run of a machine. The engine's lock guards what changes: status, stopped,
// output, errorName, cause, events and the scopes.
type execution struct {
	engine    *Engine
	deployed  *deployed
	arn, name string
	ctx       context.Context
	started   time.Time
	input     any
	text      []byte // the input as JSON
	root      *scope
	done      clock.Event

	status    Status
	stopped   time.Time
	output    []byte
	errorName string
	cause     string
	events    []Event
}

func (x *execution) describe() Execution {
	return Execution{ARN: x.arn, MachineARN: x.deployed.arn, Name: x.name, Status: x.status, Start: x.started,
		Stop: x.stopped, Input: x.text, Output: x.output, Error: x.errorName, Cause: x.cause}
}

// run is the task of the execution.
func (x *execution) run() {
	x.observe(Observation{Moment: ExecutionStarted, Iteration: -1})
	if d := x.deployed.machine.timeout; d > 0 {
		x.engine.clock.Go(func() {
			if x.engine.clock.Wait(d, x.done) == -1 {
				x.finish(TimedOut, nil, ErrTimeout, "", 0)
			}
		})
	}
	r := &run{x: x, scope: x.root, index: -1}
	_, text, f := r.block(x.deployed.machine.root, x.input, x.text)
	switch {
	case f == nil:
		x.finish(Succeeded, text, "", "", r.prev)
	case !f.aborted:
		x.finish(Failed, nil, f.Name, f.Cause, r.prev)
	}
	x.engine.mu.Lock()
	end := Observation{Moment: ExecutionEnded, Iteration: -1, Status: x.status, Error: x.errorName, Cause: x.cause}
	x.engine.mu.Unlock()
	x.observe(end)
}

func (x *execution) finish(s Status, output []byte, name, cause string, previous int64) {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	x.close(s, output, name, cause, previous)
}

// close ends the execution, once; the engine is locked. Whoever waits in it is woken and finds
// itself cancelled.
func (x *execution) close(s Status, output []byte, name, cause string, previous int64) {
	if x.status != Running {
		return
	}
	kind := map[Status]string{Succeeded: "ExecutionSucceeded", Failed: "ExecutionFailed",
		TimedOut: "ExecutionTimedOut", Aborted: "ExecutionAborted"}[s]
	x.append(previous, Event{Type: kind, Output: output, Error: name, Cause: cause})
	x.status, x.stopped, x.output = s, x.engine.clock.Now(), output
	if s != TimedOut { // DescribeExecution tells no error then
		x.errorName, x.cause = name, cause
	}
	x.root.cancel()
	x.done.Fire()
}

func (x *execution) observe(o Observation) {
	if x.engine.config.Observe == nil {
		return
	}
	o.At, o.Execution, o.Name, o.Machine = x.engine.clock.Now(), x.arn, x.name, x.deployed.name
	x.engine.config.Observe(o)
}

// random is the engine's source, for concurrent use.
func (x *execution) random() uint64 {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	return x.engine.random.Uint64()
}

// scope is what is cancelled together: an execution, or the branches of one try of a Map or
// Parallel, and all scopes within. Its methods need the engine's lock.
type scope struct {
	engine    *Engine
	cancelled clock.Event
	children  []*scope // in the order in which they were made, which is the order of cancelling
}

func (s *scope) child() *scope {
	c := &scope{engine: s.engine, cancelled: s.engine.clock.NewEvent()}
	if s.cancelled.Fired() {
		c.cancelled.Fire()
	}
	s.children = append(s.children, c)
	return c
}

func (s *scope) drop(child *scope) {
	for i, c := range s.children {
		if c == child {
			s.children = append(s.children[:i], s.children[i+1:]...)
			return
		}
	}
}

func (s *scope) cancel() {
	s.cancelled.Fire()
	for _, c := range s.children {
		c.cancel()
	}
}
