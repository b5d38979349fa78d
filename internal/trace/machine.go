package trace

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// Start describes an execution of a state machine that begins.
type Start struct {
	Name        string // the execution's name, <hour>-<n>
	Machine     string // the machine's name, as "hour"
	TraceID     string // see [TraceIDFor]
	Parent      string // the segment that started it, or ""
	At          time.Time
	Annotations map[string]any // beside execution, and hour where the name begins with one
}

// Failure is an error as a state machine knows it. The zero Failure is success.
type Failure struct {
	Error string `json:"error"` // the error's name, as "States.Timeout"
	Cause string `json:"cause,omitempty"`
}

// Node is a piece of an execution that is being recorded: the execution itself, a state, an attempt, a wait, a cluster.
// Each node becomes a document of its own when it ends; the execution has one from its start on, so that a run can be
// watched. The caller gives the times; children end before their parent. The methods may be called concurrently and do
// nothing on a nil Node, except that ids need one.
type Node struct {
	run  *run
	mu   sync.Mutex
	doc  Document
	done bool
}

// run is what the nodes of an execution share.
type run struct {
	sink *Sink // nil: off
	file string
	mu   sync.Mutex
	n    int
}

func (r *run) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	return strconv.Itoa(r.n)
}

// Start begins the record of an execution. On a nil Sink the nodes have their ids and write nothing.
func (s *Sink) Start(e Start) *Node {
	r := &run{sink: s, file: executionFile(e.Name, e.At)}
	n := &Node{run: r, doc: Document{
		Name:        cleanName(e.Machine),
		ID:          derivedID(e.TraceID, e.Parent, string(KindExecution), e.Name),
		TraceID:     e.TraceID,
		ParentID:    e.Parent,
		StartTime:   SecondsOf(e.At),
		InProgress:  true,
		Origin:      originExecution,
		Annotations: map[string]any{},
		Metadata:    kindMetadata(KindExecution),
	}}
	n.Annotate(Execution, e.Name)
	if h, ok := hourOf(e.Name); ok {
		n.Annotate(Hour, h.Format(hourLayout))
	}
	for k, v := range e.Annotations {
		n.Annotate(k, v)
	}
	if s != nil {
		s.mu.Lock()
		s.files[e.TraceID] = r.file
		s.mu.Unlock()
		s.write(r.file, &n.doc)
	}
	return n
}

// Begin begins a node under n. Its name is what a person reads: a state's name, "lambda:compact" for an attempt,
// "iteration 3" for a branch.
func (n *Node) Begin(kind Kind, name string, at time.Time) *Node {
	if n == nil {
		return nil
	}
	c := &Node{run: n.run, doc: Document{
		Name:      cleanName(name),
		ID:        derivedID(n.doc.TraceID, n.doc.ID, string(kind), name, n.run.next()),
		TraceID:   n.doc.TraceID,
		ParentID:  n.doc.ID,
		Type:      typeSubsegment,
		StartTime: SecondsOf(at),
		Metadata:  kindMetadata(kind),
	}}
	if kind == KindAttempt || kind == KindCall {
		c.doc.Namespace = "aws"
	}
	return c
}

// Wait records a time that has passed, or is known to pass, without work.
func (n *Node) Wait(reason string, from, to time.Time) {
	n.Begin(KindWait, reason, from).End(to, Failure{})
}

// Annotate adds an indexed annotation to the node, as [Span.Annotate].
func (n *Node) Annotate(key string, value any) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.doc.Annotations == nil {
		n.doc.Annotations = map[string]any{}
	}
	if len(n.doc.Annotations) < maxAnnotations {
		n.doc.Annotations[cleanKey(key)] = annotation(value)
	}
}

// Metadata adds a value that is shown but not searchable, as [Span.Metadata]. The key "kind" is taken.
func (n *Node) Metadata(key string, value any) {
	if n == nil || key == "kind" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doc.Metadata[metadataNamespace][key] = boundedJSON(value)
}

// End ends the node at a time, with the error it ended with. Only the first call counts.
func (n *Node) End(at time.Time, f Failure) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done {
		return
	}
	n.done = true
	n.doc.InProgress = false
	n.doc.EndTime = max(SecondsOf(at), n.doc.StartTime)
	if f != (Failure{}) {
		n.doc.Fault = true
		n.doc.Throttle = strings.Contains(f.Error, "Throttling") || strings.Contains(f.Error, "TooManyRequests")
		n.doc.Cause = cause(n.doc.ID, f.Error, f.Cause)
	}
	s := n.run.sink
	if s == nil {
		return
	}
	s.write(n.run.file, &n.doc)
	if n.doc.Type == "" {
		s.forget(n.doc.TraceID)
	}
}

// Rename gives the node a better name than it began with, as "lambda:compact" once the function is known.
func (n *Node) Rename(name string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doc.Name = cleanName(name)
}

// ID returns the id of the node's segment, or "" on a nil Node.
func (n *Node) ID() string {
	if n == nil {
		return ""
	}
	return n.doc.ID
}

// TraceID returns the id of the node's trace, or "" on a nil Node.
func (n *Node) TraceID() string {
	if n == nil {
		return ""
	}
	return n.doc.TraceID
}

// Header returns the X-Amzn-Trace-Id header for what the node calls, so that its segments hang under the node.
func (n *Node) Header() string {
	if n == nil {
		return ""
	}
	return header(n.doc.TraceID, n.doc.ID, n.run.sink != nil)
}
