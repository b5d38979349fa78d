package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Moment is one moment of an execution as a state machine's engine tells it. Within a visit of a state, which lies
// between [StateEntered] and [StateExited], each try of a Task, Map or Parallel lies between [AttemptStarted] and
// [AttemptEnded].
type Moment struct {
	What      Point
	At        time.Time
	Execution string // identifies the execution among those that run: its ARN
	Name      string // of the execution
	Machine   string

	State     string // "" for the moments of the execution itself
	Type      string // of the state: Task, Wait, ...
	Resource  string // of a Task
	Visit     int64  // identifies the visit within the execution
	Parent    int64  // the visit of the Map or Parallel around, 0 at the top
	Iteration int    // of the Map, or branch of the Parallel, around
	Attempt   int    // 0 for the first

	Status string // [ExecutionEnded]: SUCCEEDED, FAILED, TIMED_OUT, ABORTED
	Error  string // what went wrong, also when it was caught
	Cause  string
}

// Point is the kind of a [Moment].
type Point int

// The points, in the order in which they come.
const (
	ExecutionStarted Point = iota
	StateEntered
	AttemptStarted
	AttemptEnded
	StateExited
	ExecutionEnded
)

// Recorder turns the moments of executions into segments, as Step Functions does: a state under its execution or its
// Map iteration, an attempt under its state, and the wait before each further attempt. It is safe for concurrent use;
// the moments of one execution come in order.
type Recorder struct {
	sink    *Sink
	traceID func(execution string, at time.Time) string

	mu   sync.Mutex
	runs map[string]*recording
}

// recording is an execution that runs.
type recording struct {
	root   *Node
	visits map[int64]*visit
}

// visit is a stay in a state.
type visit struct {
	state    *Node
	attempt  *Node
	ended    time.Time // of the last attempt; zero before
	branches map[int]*branch
}

// branch is an iteration of a Map or a branch of a Parallel. Nobody tells its end; it is that of its last state.
type branch struct {
	node    *Node
	last    time.Time
	failure Failure
}

// NewRecorder returns a recorder that writes to sink, which may be nil. traceID gives an execution its trace id: see
// [TraceIDFor].
func NewRecorder(sink *Sink, traceID func(execution string, at time.Time) string) *Recorder {
	return &Recorder{sink: sink, traceID: traceID, runs: map[string]*recording{}}
}

// Record takes a moment. Moments of an execution that did not start with [ExecutionStarted] are ignored.
func (r *Recorder) Record(m Moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.What == ExecutionStarted {
		r.runs[m.Execution] = &recording{visits: map[int64]*visit{}, root: r.sink.Start(Start{
			Name: m.Name, Machine: m.Machine, TraceID: r.traceID(m.Name, m.At), At: m.At,
		})}
		return
	}
	run := r.runs[m.Execution]
	if run == nil {
		return
	}
	if m.What == ExecutionEnded {
		f := Failure{Error: m.Error, Cause: m.Cause}
		if f.Error == "" && m.Status != "SUCCEEDED" {
			f.Error = m.Status
		}
		run.root.End(m.At, f)
		delete(r.runs, m.Execution)
		return
	}
	run.record(m)
}

func (run *recording) record(m Moment) {
	failure := Failure{Error: m.Error, Cause: m.Cause}
	v := run.visits[m.Visit]
	if m.What == StateEntered {
		state := run.parentOf(m).Begin(KindState, m.State, m.At)
		state.Metadata("type", m.Type)
		run.visits[m.Visit] = &visit{state: state}
		return
	}
	if v == nil {
		return
	}
	switch m.What {
	case AttemptStarted:
		if !v.ended.IsZero() && m.At.After(v.ended) {
			v.state.Wait(fmt.Sprintf("before attempt %d", m.Attempt+1), v.ended, m.At)
		}
		v.branches = nil
		if m.Type == "Task" {
			v.attempt = v.state.Begin(KindAttempt, resourceName(m.Resource), m.At)
			if m.Attempt > 0 {
				v.attempt.Metadata("retry", m.Attempt)
			}
		}
	case AttemptEnded:
		for _, i := range slices.Sorted(maps.Keys(v.branches)) {
			b := v.branches[i]
			b.node.End(b.last, b.failure)
		}
		v.attempt.End(m.At, failure)
		v.ended = m.At
	case StateExited:
		v.state.End(m.At, failure)
		delete(run.visits, m.Visit)
		if p := run.visits[m.Parent]; p != nil && p.branches[m.Iteration] != nil {
			b := p.branches[m.Iteration]
			b.last, b.failure = m.At, failure
		}
	}
}

// parentOf returns the node that a state of m hangs under; it begins the branch around it.
func (run *recording) parentOf(m Moment) *Node {
	v := run.visits[m.Parent]
	if m.Parent == 0 || v == nil {
		return run.root
	}
	if v.branches == nil {
		v.branches = map[int]*branch{}
	}
	b := v.branches[m.Iteration]
	if b == nil {
		b = &branch{node: v.state.Begin(KindBranch, fmt.Sprintf("iteration %d", m.Iteration), m.At)}
		v.branches[m.Iteration] = b
	}
	b.last, b.failure = m.At, Failure{}
	return b.node
}

// Attempt returns the node of the try that runs in a visit of a state, for the header of what it calls and for a better
// name than its resource's; nil if there is none.
func (r *Recorder) Attempt(execution string, visit int64) *Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.runs[execution]; run != nil {
		if v := run.visits[visit]; v != nil {
			return v.attempt
		}
	}
	return nil
}

// Execution returns the node of an execution that runs, for segments of its own such as a cluster's; nil if there is
// none.
func (r *Recorder) Execution(execution string) *Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.runs[execution]; run != nil {
		return run.root
	}
	return nil
}

// resourceName is what a person calls a Task's resource: "emr:runJobFlow" for arn:aws:states:::aws-sdk:emr:runJobFlow,
// "lambda:compact" for a function's ARN.
func resourceName(resource string) string {
	if _, name, ok := strings.Cut(resource, ":function:"); ok {
		return "lambda:" + name
	}
	if _, action, ok := strings.Cut(resource, ":states:::"); ok {
		return strings.TrimPrefix(action, "aws-sdk:")
	}
	if resource == "" {
		return "task"
	}
	return resource
}
