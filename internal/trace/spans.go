package trace

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSpan is the largest document of a span that is read, in bytes: CloudWatch Logs takes events of up to 1 MiB.
const maxSpan = 1 << 20

// Spans collects the traces of spans as Transaction Search keeps them in the log group [SpansLogGroup]: one JSON document a
// span, in OpenTelemetry's terms. It is bounded as reading X-Ray is. The zero Spans is empty.
//
// Source of the members: OpenTelemetry's data model of a span (traceId, spanId, parentSpanId, times in nanoseconds, status,
// events) and its semantic conventions for AWS. What X-Ray calls an annotation is an attribute, as it is or behind
// "annotation.".
type Spans struct{ all reading }

// span is a document as it is read.
type spanDocument struct {
	TraceID      string                     `json:"traceId"`
	SpanID       string                     `json:"spanId"`
	ParentSpanID string                     `json:"parentSpanId"`
	Name         string                     `json:"name"`
	Kind         json.RawMessage            `json:"kind"` // "SERVER", or OTLP's number
	Start        json.RawMessage            `json:"startTimeUnixNano"`
	End          json.RawMessage            `json:"endTimeUnixNano"`
	Attributes   map[string]json.RawMessage `json:"attributes"`
	Resource     struct {
		Attributes map[string]json.RawMessage `json:"attributes"`
	} `json:"resource"`
	Status struct {
		Code    json.RawMessage `json:"code"` // "ERROR", or 2
		Message string          `json:"message"`
	} `json:"status"`
	Events []struct {
		Name       string                     `json:"name"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	} `json:"events"`
}

// Add reads one document; one that is no span is counted as damaged. It returns false when no more are taken.
func (s *Spans) Add(doc []byte) bool {
	r := &s.all
	if len(r.segments) >= MaxSegments {
		r.truncated = true
		return false
	}
	var d spanDocument
	if len(doc) > maxSpan || json.Unmarshal(doc, &d) != nil {
		r.damaged++
		return true
	}
	id, ok := traceIDOf(d.TraceID)
	seg, whole := d.segment()
	if !ok || !whole {
		r.damaged++
		return true
	}
	r.segments = append(r.segments, flat{seg: seg, traceID: id, parent: d.ParentSpanID})
	return true
}

// Traces returns the traces of what was added, in the order of first appearance.
func (s *Spans) Traces() []*Trace { return s.all.traces() }

// SpanTraceID is how a span names the trace of an X-Ray id: 32 hex digits. "" if id is none.
func SpanTraceID(id string) string {
	if _, ok := TraceTime(id); !ok {
		return ""
	}
	return id[2:10] + id[11:]
}

// traceIDOf is X-Ray's form of a span's trace id, which may have it already.
func traceIDOf(id string) (string, bool) {
	if len(id) == 32 && isHex(id) {
		id = "1-" + id[:8] + "-" + id[8:]
	}
	_, ok := TraceTime(id)
	return id, ok
}

func (d *spanDocument) segment() (*Segment, bool) {
	start, ok := nanoseconds(d.Start)
	if !ok || d.SpanID == "" || len(d.SpanID) > 64 || len(d.ParentSpanID) > 64 {
		return nil, false
	}
	s := &Segment{ID: d.SpanID, Name: clip(d.Name, 4*maxName), Start: start, Details: map[string]string{}}
	if end, ok := nanoseconds(d.End); ok {
		s.End = end
		if end.Before(start) {
			s.End = start
		}
	}
	s.Running = s.End.IsZero()
	s.Kind = d.kind()
	if s.Name == "" {
		s.Name = clip(plain(d.Resource.Attributes["service.name"]), maxName)
	}
	code := plain(d.Status.Code)
	s.Failed = code == "2" || strings.EqualFold(strings.TrimPrefix(code, "STATUS_CODE_"), "error")
	for _, e := range d.Events {
		if e.Name == "exception" && len(s.Errors) < 10 {
			s.Errors = append(s.Errors, Failure{Error: clip(plain(e.Attributes["exception.type"]), maxName),
				Cause: clip(message(plain(e.Attributes["exception.message"])), maxMessage)})
		}
	}
	if s.Failed && len(s.Errors) == 0 && d.Status.Message != "" {
		s.Errors = []Failure{{Cause: clip(message(d.Status.Message), maxMessage)}}
	}
	for _, k := range slices.Sorted(maps.Keys(d.Attributes)) {
		name := strings.TrimPrefix(strings.TrimPrefix(k, "aws.xray."), "annotation.")
		switch name {
		case Hour, Shard, Revision, Execution, Events:
			if len(s.Annotations) < maxAnnotations {
				s.annotate(name, attribute(d.Attributes[k]))
			}
		default:
			s.detail(k, d.Attributes[k])
		}
	}
	return s, true
}

// kind tells what a span stands for: where it ran, else by its own kind.
func (d *spanDocument) kind() Kind {
	own := strings.TrimPrefix(strings.ToUpper(plain(d.Kind)), "SPAN_KIND_")
	for _, raw := range []json.RawMessage{d.Attributes["aws.xray.origin"], d.Attributes["origin"], d.Resource.Attributes["cloud.platform"], d.Resource.Attributes["aws.xray.origin"]} {
		switch plain(raw) {
		case originExecution:
			if own == "INTERNAL" || own == "1" {
				return KindState
			}
			return KindExecution
		case originService:
			return KindService
		case originFunction, "aws_lambda":
			if own == "SERVER" || own == "2" {
				return KindFunction
			}
		}
	}
	switch own {
	case "CLIENT", "3", "PRODUCER", "4":
		return KindCall
	case "INTERNAL", "1":
		return KindStage
	}
	return KindOther
}

// attribute is an attribute's value as an annotation has it.
func attribute(raw json.RawMessage) any {
	var v any
	if json.Unmarshal(raw, &v) == nil {
		switch v := v.(type) {
		case float64, bool:
			return v
		}
	}
	return plain(raw)
}

// nanoseconds reads a time since the Unix epoch, a number or a string of digits.
func nanoseconds(raw json.RawMessage) (time.Time, bool) {
	text := strings.Trim(string(raw), `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64) // 1.79e18
		if err != nil || math.IsNaN(f) || f >= math.MaxInt64 {
			return time.Time{}, false
		}
		n = int64(f)
	}
	if n < 0 || !Seconds(float64(n)/1e9).valid() {
		return time.Time{}, false
	}
	return time.Unix(0, n).UTC(), true
}
