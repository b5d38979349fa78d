package asl

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// maxEvents is how many events a history may have; the last one then says that the execution failed.
const maxEvents = 25_000

// Event is one entry of an execution's history. Its JSON is Step Functions' HistoryEvent; in Go
// the details lie flat, and which are set follows from Type.
type Event struct {
	ID         int64
	PreviousID int64
	At         time.Time
	Type       string // such as TaskStateEntered

	State      string          // name of the state, of ...StateEntered, ...StateExited and MapIteration...
	Input      json.RawMessage // ExecutionStarted, ...StateEntered, LambdaFunctionScheduled
	Output     json.RawMessage // ExecutionSucceeded, ...StateExited, TaskSucceeded, LambdaFunctionSucceeded
	Parameters json.RawMessage // TaskScheduled
	Resource   string          // of Task... and LambdaFunctionScheduled, as written in the definition
	Region     string          // TaskScheduled
	Role       string          // ExecutionStarted
	Timeout    time.Duration   // TaskScheduled, LambdaFunctionScheduled
	Heartbeat  time.Duration   // TaskScheduled
	Error      string          // ...Failed, ...TimedOut, ExecutionAborted
	Cause      string
	Length     int // MapStateStarted
	Index      int // MapIteration...
}

// MarshalJSON writes the event in the shape of GetExecutionHistory. Inputs and outputs are JSON
// within strings, timestamps RFC 3339 with milliseconds.
func (e Event) MarshalJSON() ([]byte, error) {
	out := map[string]any{
		"id":              e.ID,
		"previousEventId": e.PreviousID,
		"timestamp":       stamp(e.At),
		"type":            e.Type,
	}
	if key, details := e.details(); key != "" {
		out[key] = details
	}
	return encode(out), nil
}

// stamp writes a time as Step Functions does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// details is the member of the event that depends on its type; the key is empty for a type that
// has none.
func (e Event) details() (key string, details map[string]any) {
	d := map[string]any{}
	text := func(name string, v json.RawMessage) {
		d[name] = string(v)
		if name != "parameters" {
			d[name+"Details"] = map[string]any{"truncated": false}
		}
	}
	problem := func() {
		if e.Error != "" {
			d["error"] = e.Error
		}
		if e.Cause != "" {
			d["cause"] = e.Cause
		}
	}
	seconds := func(name string, v time.Duration) {
		if v > 0 {
			d[name] = int64(v / time.Second)
		}
	}
	switch e.Type {
	case "ExecutionStarted":
		text("input", e.Input)
		d["roleArn"] = e.Role
	case "ExecutionSucceeded", "LambdaFunctionSucceeded":
		text("output", e.Output)
	case "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut", "LambdaFunctionFailed", "LambdaFunctionTimedOut":
		problem()
	case "LambdaFunctionScheduled":
		text("input", e.Input)
		d["resource"] = e.Resource
		seconds("timeoutInSeconds", e.Timeout)
	case "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskFailed", "TaskTimedOut":
		d["resourceType"], d["resource"] = resourceType(e.Resource)
		problem()
		seconds("timeoutInSeconds", e.Timeout)
		seconds("heartbeatInSeconds", e.Heartbeat)
		if e.Type == "TaskScheduled" {
			text("parameters", e.Parameters)
			d["region"] = e.Region
		}
		if e.Type == "TaskSucceeded" {
			text("output", e.Output)
		}
	case "MapStateStarted":
		d["length"] = e.Length
	case "MapIterationStarted", "MapIterationSucceeded", "MapIterationFailed", "MapIterationAborted":
		d["name"], d["index"] = e.State, e.Index
	default:
		switch {
		case strings.HasSuffix(e.Type, "StateEntered"):
			d["name"] = e.State
			text("input", e.Input)
			return "stateEnteredEventDetails", d
		case strings.HasSuffix(e.Type, "StateExited"):
			d["name"] = e.State
			text("output", e.Output)
			return "stateExitedEventDetails", d
		}
		return "", nil
	}
	return strings.ToLower(e.Type[:1]) + e.Type[1:] + "EventDetails", d
}

// record appends an event. It returns the event's id, or 0 when the execution is closed. When the
// history is full the execution fails.
func (x *execution) record(previous int64, e Event) int64 {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if x.status != Running {
		return 0
	}
	if len(x.events) == maxEvents-1 {
		x.close(Failed, nil, ErrRuntime, fmt.Sprintf("The execution reached the maximum number of history events (%d).", maxEvents), previous)
		return 0
	}
	return x.append(previous, e)
}

// append adds an event; the engine is locked.
func (x *execution) append(previous int64, e Event) int64 {
	e.ID, e.PreviousID, e.At = int64(len(x.events)+1), previous, x.engine.clock.Now()
	x.events = append(x.events, e)
	return e.ID
}
