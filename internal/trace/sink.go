package trace

import (
	"context"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/ctxmissing"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

// Appender takes the lines of a sink. Append adds whole lines at the end of the file of that name, which is relative
// and slash-separated ("2026/11/23/07/2026-11-23T07-1.ndjson"). A sink calls it from one goroutine at a time.
type Appender interface {
	Append(name string, lines []byte) error
}

// Sink writes segment documents where X-Ray's daemon would be, with the times of its clock and with derived ids. It is
// safe for concurrent use. A nil Sink is off: contexts carry their trace id, and nothing is written.
//
// Tracing never fails the work: what cannot be written is dropped, see [Sink.Err].
type Sink struct {
	out    Appender
	now    func() time.Time
	format exceptions

	mu      sync.Mutex
	files   map[string]string // trace id -> file, of executions that run or have ended lately
	ended   []string          // trace ids of those that have ended, the oldest first
	dropped int
	err     error
}

// NewSink returns a sink that writes to out by the clock now.
func NewSink(out Appender, now func() time.Time) (*Sink, error) {
	format, err := newExceptions()
	if err != nil {
		return nil, err
	}
	return &Sink{out: out, now: now, format: format, files: map[string]string{}}, nil
}

// Err returns the first error of writing documents, with how many were dropped so far, or nil.
func (s *Sink) Err() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return fmt.Errorf("write traces: %d appends dropped: %w", s.dropped, s.err)
}

// maxEnded is how many executions that have ended still receive what comes late: a function that outlives its task.
const maxEnded = 256

// forget says that the execution of a trace has ended.
func (s *Sink) forget(traceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, traceID)
	if len(s.ended) > maxEnded {
		delete(s.files, s.ended[0])
		s.ended = s.ended[1:]
	}
}

func (s *Sink) write(file string, docs ...*Document) {
	var lines []byte
	var bad error
	for _, d := range docs {
		line, err := d.encode()
		if err != nil {
			bad = err
			continue
		}
		lines = append(lines, line...)
	}
	s.append(file, lines, bad)
}

func (s *Sink) append(file string, lines []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(lines) > 0 {
		if e := s.out.Append(file, lines); err == nil {
			err = e
		}
	}
	if err != nil {
		s.dropped++
		if s.err == nil {
			s.err = err
		}
	}
}

// Invocation describes a call of a Lambda function.
type Invocation struct {
	Function  string // the function's name, as "compact"
	RequestID string // the request id; unique
	Header    string // X-Amzn-Trace-Id: see [Header] and [Node.Header]
}

// Invoke returns a context as aws-lambda-go would give it to a handler (request id, trace header) in which spans go to
// the sink, and the function that ends the invocation's own segment with the handler's error. On a nil Sink the
// context still has both ids. When the SDK is disabled, nothing is written.
func (s *Sink) Invoke(ctx context.Context, call Invocation) (context.Context, func(err error)) {
	traceID, parent := headerField(call.Header, "Root"), headerField(call.Header, "Parent")
	if !isSegmentID(parent) {
		parent = ""
	}
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: call.RequestID})
	if _, ok := TraceTime(traceID); s == nil || !ok || xray.SdkDisabled() || headerField(call.Header, "Sampled") == "0" {
		return withHeader(ctx, header(traceID, parent, false)), func(error) {}
	}
	inv := &invocation{
		sink: s,
		file: s.fileOf(traceID, call.Function),
		doc: Document{
			Name:      cleanName(call.Function),
			ID:        derivedID(traceID, parent, call.Function, call.RequestID),
			TraceID:   traceID,
			ParentID:  parent,
			StartTime: SecondsOf(s.now()),
			Origin:    originFunction,
			AWS:       map[string]any{"request_id": call.RequestID},
			Metadata:  kindMetadata(KindFunction),
		},
		open: map[string]bool{},
	}
	ctx = withHeader(ctx, header(traceID, inv.doc.ID, true))
	// The recorder goes in directly: xray.ContextWithConfig does the same after reading the environment, and logs.
	ctx = context.WithValue(ctx, xray.RecorderContextKey{}, &xray.Config{
		Emitter:                     inv,
		ExceptionFormattingStrategy: s.format,
		ContextMissingStrategy:      ctxmissing.NewDefaultIgnoreErrorStrategy(),
	})
	return ctx, inv.end
}

// withHeader puts a trace header where aws-lambda-go puts it, and hides the segment of an outer trace.
func withHeader(ctx context.Context, h string) context.Context {
	//lint:ignore SA1029 the key is aws-lambda-go's, a plain string
	ctx = context.WithValue(ctx, xray.LambdaTraceHeaderKey, h)
	return context.WithValue(ctx, xray.ContextKey, (*xray.Segment)(nil))
}

// fileOf returns the file of a trace: its execution's, or that of the function and the hour in which the trace began.
func (s *Sink) fileOf(traceID, function string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.files[traceID]; ok {
		return f
	}
	t, _ := TraceTime(traceID)
	return functionFile(function, t)
}

// invocation is one function call: the emitter of the spans under it.
type invocation struct {
	sink *Sink
	file string

	mu    sync.Mutex
	doc   Document
	n     int             // spans so far
	open  map[string]bool // ids of spans that have begun and not ended
	lines []byte          // documents not yet written
	bad   error
	ended bool
}

// maxPending is how many bytes of an invocation's documents wait for its end.
const maxPending = 64 << 10

// opened gives a span that has just begun its id and start. Nobody else knows the segment yet.
func (v *invocation) opened(seg *xray.Segment) {
	seg.Lock()
	defer seg.Unlock()
	if seg.Dummy {
		return
	}
	seg.ID = v.nextID(true)
	seg.StartTime = float64(SecondsOf(v.sink.now()))
}

func (v *invocation) nextID(open bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n++
	id := derivedID(v.doc.TraceID, v.doc.ID, strconv.Itoa(v.n))
	if open {
		v.open[id] = true
	}
	return id
}

// Emit takes a span that has ended; the caller holds its lock. The SDK stamps real times and random ids; the span's id
// and start were replaced when it began, its end is now. A subsegment that did not begin with [Begin] is a moment now.
func (v *invocation) Emit(seg *xray.Segment) {
	if seg == nil || seg.Dummy || seg.ParentSegment == nil || !seg.ParentSegment.Sampled {
		return
	}
	now := SecondsOf(v.sink.now())
	v.mu.Lock()
	mine := v.open[seg.ID]
	delete(v.open, seg.ID)
	v.mu.Unlock()
	if !mine {
		seg.ID, seg.StartTime = v.nextID(false), float64(now)
	}
	seg.EndTime = float64(now)
	d := documentOf(seg)

	line, err := d.encode()
	v.mu.Lock()
	v.lines = append(v.lines, line...)
	if err != nil && v.bad == nil {
		v.bad = err
	}
	full := v.ended || len(v.lines) > maxPending
	v.mu.Unlock()
	if full {
		v.flush()
	}
}

// RefreshEmitterWithAddress does nothing: there is no daemon.
func (v *invocation) RefreshEmitterWithAddress(*net.UDPAddr) {}

func (v *invocation) flush() {
	v.mu.Lock()
	lines, err := v.lines, v.bad
	v.lines, v.bad = nil, nil
	v.mu.Unlock()
	v.sink.append(v.file, lines, err)
}

// end writes the function's own segment, once.
func (v *invocation) end(err error) {
	v.mu.Lock()
	if v.ended {
		v.mu.Unlock()
		return
	}
	v.ended = true
	v.doc.EndTime = SecondsOf(v.sink.now())
	if err != nil {
		v.doc.Fault = true
		v.doc.Cause = cause(v.doc.ID, errorName(err), err.Error())
	}
	line, e := v.doc.encode()
	v.lines = append(v.lines, line...)
	if v.bad == nil {
		v.bad = e
	}
	v.mu.Unlock()
	v.flush()
}

// documentOf copies a closed segment of the SDK. Stacks, paths and random exception ids stay behind: they differ from
// run to run.
func documentOf(seg *xray.Segment) *Document {
	d := &Document{
		Name: cleanName(seg.Name), ID: seg.ID, TraceID: seg.TraceID, ParentID: seg.ParentID, Type: typeSubsegment,
		StartTime: Seconds(seg.StartTime), EndTime: Seconds(seg.EndTime), Namespace: seg.Namespace,
		Fault: seg.Fault, Error: seg.Error, Throttle: seg.Throttle,
		Annotations: seg.Annotations, Metadata: seg.Metadata, AWS: seg.AWS,
	}
	if d.EndTime < d.StartTime {
		d.EndTime = d.StartTime
	}
	if seg.Cause != nil && len(seg.Cause.Exceptions) > 0 {
		d.Cause = &Cause{}
		for i, x := range seg.Cause.Exceptions {
			d.Cause.Exceptions = append(d.Cause.Exceptions, Exception{
				ID: derivedID(seg.ID, "exception", strconv.Itoa(i)), Type: x.Type, Message: x.Message,
			})
		}
	}
	return d
}

// functionFile is the file of the traces of a function that began in the hour of t.
func functionFile(function string, t time.Time) string {
	return path.Join(hourFolder(t), fileName(function)+extension)
}

// executionFile is the file of an execution: under the hour that its name begins with, else under that of its start.
func executionFile(name string, start time.Time) string {
	if h, ok := hourOf(name); ok {
		start = h
	}
	return path.Join(hourFolder(start), fileName(name)+extension)
}

const (
	extension  = ".ndjson"
	hourLayout = "2006-01-02T15"
)

// hourOf returns the hour that an execution is named after, as 2026-11-23T07-1.
func hourOf(execution string) (time.Time, bool) {
	if len(execution) < len(hourLayout) {
		return time.Time{}, false
	}
	h, err := time.Parse(hourLayout, execution[:len(hourLayout)])
	return h, err == nil
}

func hourFolder(t time.Time) string { return t.UTC().Format("2006/01/02/15") }

// fileName makes a file's name of any string.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, clip(s, 120))
	if s == "" || s[0] == '.' {
		return "_" + s
	}
	return s
}
