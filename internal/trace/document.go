package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxDocument is the greatest size of a segment document, in bytes.
const MaxDocument = 64 << 10

// Limits of X-Ray's segment documents.
const (
	maxName           = 200
	maxAnnotations    = 50
	maxAnnotationKey  = 500
	nameSpecials      = "_.:/%&#=+\\-@"
	originExecution   = "AWS::StepFunctions::StateMachine"
	originFunction    = "AWS::Lambda::Function"
	originService     = "AWS::Lambda"
	originCluster     = "AWS::EMR::Cluster"
	typeSubsegment    = "subsegment"
	metadataNamespace = "penstock"
)

// Document is a segment document of X-Ray's format, or a subsegment's that is sent on its own. A sink never nests
// subsegments: each has a document of its own that names its parent, so that no document outgrows the limit.
type Document struct {
	Name        string                    `json:"name"`
	ID          string                    `json:"id"`
	TraceID     string                    `json:"trace_id,omitempty"`
	ParentID    string                    `json:"parent_id,omitempty"`
	Type        string                    `json:"type,omitempty"` // "subsegment", or "" for a segment
	StartTime   Seconds                   `json:"start_time"`
	EndTime     Seconds                   `json:"end_time,omitempty"`
	InProgress  bool                      `json:"in_progress,omitempty"`
	Origin      string                    `json:"origin,omitempty"`
	Namespace   string                    `json:"namespace,omitempty"` // "aws" or "remote"
	Fault       bool                      `json:"fault,omitempty"`
	Error       bool                      `json:"error,omitempty"`
	Throttle    bool                      `json:"throttle,omitempty"`
	Cause       *Cause                    `json:"cause,omitempty"`
	Annotations map[string]any            `json:"annotations,omitempty"`
	Metadata    map[string]map[string]any `json:"metadata,omitempty"`
	AWS         map[string]any            `json:"aws,omitempty"`
	HTTP        json.RawMessage           `json:"http,omitempty"`
}

// Cause says why a segment failed.
type Cause struct {
	Exceptions []Exception `json:"exceptions,omitempty"`
}

// Exception is one error of a [Cause].
type Exception struct {
	ID      string `json:"id"`
	Type    string `json:"type,omitempty"`
	Message string `json:"message,omitempty"`
}

// Seconds is a time as X-Ray writes it: Unix seconds with a fraction, here to the microsecond.
type Seconds float64

// SecondsOf returns t in X-Ray's form.
func SecondsOf(t time.Time) Seconds { return Seconds(float64(t.UnixMicro()) / 1e6) }

// Time returns the time, to the microsecond, in UTC.
func (s Seconds) Time() time.Time { return time.UnixMicro(int64(math.Round(float64(s) * 1e6))).UTC() }

// valid says whether s is a time between 1970 and 9999.
func (s Seconds) valid() bool { return s >= 0 && s < 253_402_300_800 }

// Validate says what in d X-Ray would refuse or ignore, all of it, or nil.
func (d *Document) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if n := utf8.RuneCountInString(d.Name); n == 0 || n > maxName || d.Name != cleanName(d.Name) {
		bad("name %q", clip(d.Name, maxName))
	}
	if !isSegmentID(d.ID) {
		bad("id %q", d.ID)
	}
	if _, ok := TraceTime(d.TraceID); !ok {
		bad("trace_id %q", d.TraceID)
	}
	if d.ParentID != "" && (!isSegmentID(d.ParentID) || d.ParentID == d.ID) {
		bad("parent_id %q", d.ParentID)
	}
	switch {
	case d.Type == typeSubsegment && d.ParentID == "":
		bad("a subsegment without parent_id")
	case d.Type != typeSubsegment && d.Type != "":
		bad("type %q", d.Type)
	case d.Type == "" && d.Namespace != "":
		bad("namespace %q of a segment", d.Namespace)
	}
	switch {
	case !d.StartTime.valid():
		bad("start_time %v", d.StartTime)
	case d.InProgress && d.EndTime != 0:
		bad("in_progress with end_time")
	case !d.InProgress && (!d.EndTime.valid() || d.EndTime < d.StartTime):
		bad("end_time %v before start_time %v", d.EndTime, d.StartTime)
	}
	if len(d.Annotations) > maxAnnotations {
		bad("%d annotations", len(d.Annotations))
	}
	for k, v := range d.Annotations {
		if k == "" || len(k) > maxAnnotationKey || k != cleanKey(k) {
			bad("annotation key %q", k)
		}
		switch v := v.(type) {
		case bool, int, uint, float32, float64:
		case string:
			if utf8.RuneCountInString(v) > maxAnnotation {
				bad("annotation %s of %d bytes", k, len(v))
			}
		default:
			bad("annotation %s of type %T", k, v)
		}
	}
	if d.Cause != nil {
		for _, x := range d.Cause.Exceptions {
			if !isSegmentID(x.ID) {
				bad("exception id %q", x.ID)
			}
		}
	}
	if data, err := json.Marshal(d); err != nil {
		bad("no JSON: %v", err)
	} else if len(data) > MaxDocument {
		bad("%d bytes", len(data))
	}
	return errors.Join(errs...)
}

// encode returns d as one line. A document that is too large even so loses its metadata, then its cause.
func (d *Document) encode() ([]byte, error) {
	data, err := json.Marshal(d)
	if err == nil && len(data) >= MaxDocument {
		d.Metadata = kindMetadata(kindOf(d))
		data, err = json.Marshal(d)
	}
	if err == nil && len(data) >= MaxDocument {
		d.Cause, d.HTTP, d.AWS = nil, nil, nil
		data, err = json.Marshal(d)
	}
	if err != nil {
		return nil, fmt.Errorf("encode segment %s: %w", d.ID, err)
	}
	return append(data, '\n'), nil
}

// cause describes an error by name and cause; nil for neither.
func cause(segmentID, name, message string) *Cause {
	if name == "" && message == "" {
		return nil
	}
	return &Cause{Exceptions: []Exception{{
		ID:      derivedID(segmentID, "exception"),
		Type:    clip(name, maxName),
		Message: clip(strings.ToValidUTF8(message, "\uFFFD"), maxMessage),
	}}}
}

// cleanName makes a segment's name of any string: characters that X-Ray does not take become _, and 200 remain.
func cleanName(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxName {
			break
		}
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune(nameSpecials, r) {
			r = '_'
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}

// cleanKey makes an annotation's key of any string.
func cleanKey(s string) string {
	if s == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, clip(s, maxAnnotationKey))
}
