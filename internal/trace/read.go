package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Limits of what is read back; what exceeds them is left out and counted.
const (
	MaxSegments = 20_000 // segments of one reading
	maxLine     = 1 << 20
	maxNesting  = 32 // levels of subsegments within a document
	maxDetails  = 40 // details of a segment
	maxDetail   = 1000
)

// wire is a document as it is read. Its parts are decoded one by one, so that an odd one does not cost the rest.
type wire struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	TraceID     string            `json:"trace_id"`
	ParentID    string            `json:"parent_id"`
	Type        string            `json:"type"`
	Start       *Seconds          `json:"start_time"`
	End         *Seconds          `json:"end_time"`
	InProgress  bool              `json:"in_progress"`
	Origin      string            `json:"origin"`
	Namespace   string            `json:"namespace"`
	Fault       bool              `json:"fault"`
	Error       bool              `json:"error"`
	Throttle    bool              `json:"throttle"`
	Cause       json.RawMessage   `json:"cause"`
	Annotations json.RawMessage   `json:"annotations"`
	Metadata    json.RawMessage   `json:"metadata"`
	AWS         json.RawMessage   `json:"aws"`
	HTTP        json.RawMessage   `json:"http"`
	Subsegments []json.RawMessage `json:"subsegments"`
}

// flat is a segment that is not yet in a tree.
type flat struct {
	seg             *Segment
	traceID, parent string
}

// reading collects the segments of documents, within the limits.
type reading struct {
	segments  []flat
	damaged   int  // documents that are not segment documents
	truncated bool // something was left out for its number or depth
}

// add reads a document and the subsegments in it.
func (r *reading) add(doc []byte) { r.addUnder(doc, "", "", 0) }

func (r *reading) addUnder(doc []byte, traceID, parent string, depth int) {
	if len(r.segments) >= MaxSegments || depth > maxNesting {
		r.truncated = true
		return
	}
	var w wire
	if err := json.Unmarshal(doc, &w); err != nil {
		r.damaged++
		return
	}
	if w.TraceID == "" {
		w.TraceID = traceID
	}
	if parent != "" {
		w.ParentID = parent
	}
	seg, ok := w.segment(parent != "")
	if _, known := TraceTime(w.TraceID); !ok || !known {
		r.damaged++
		return
	}
	r.segments = append(r.segments, flat{seg: seg, traceID: w.TraceID, parent: w.ParentID})
	for _, sub := range w.Subsegments {
		r.addUnder(sub, w.TraceID, w.ID, depth+1)
	}
}

// segment turns a document into a segment without children; false says that it is none.
func (w *wire) segment(nested bool) (*Segment, bool) {
	if w.ID == "" || len(w.ID) > 64 || len(w.ParentID) > 64 || w.Start == nil || !w.Start.valid() {
		return nil, false
	}
	s := &Segment{
		ID: w.ID, Name: clip(w.Name, 4*maxName), Start: w.Start.Time(),
		Failed: w.Fault || w.Error || w.Throttle, Throttled: w.Throttle,
		Errors: readCause(w.Cause), Details: map[string]string{},
	}
	if w.End != nil && !w.InProgress {
		if !w.End.valid() {
			return nil, false
		}
		s.End = w.End.Time()
		if s.End.Before(s.Start) {
			s.End = s.Start
		}
	}
	s.Running = s.End.IsZero()

	var metadata map[string]map[string]json.RawMessage
	if json.Unmarshal(w.Metadata, &metadata) != nil {
		metadata = nil
	}
	doc := Document{Type: w.Type, Origin: w.Origin, Namespace: w.Namespace, Metadata: map[string]map[string]any{}}
	if nested {
		doc.Type = typeSubsegment
	}
	doc.Metadata[metadataNamespace] = map[string]any{"kind": plain(metadata[metadataNamespace]["kind"])}
	s.Kind = kindOf(&doc)
	s.Type = clip(plain(metadata[metadataNamespace]["type"]), 40)
	for _, ns := range slices.Sorted(maps.Keys(metadata)) {
		for _, k := range slices.Sorted(maps.Keys(metadata[ns])) {
			switch {
			case ns == metadataNamespace && (k == "kind" || k == "type"):
			case ns == metadataNamespace || ns == "default":
				s.detail(k, metadata[ns][k])
			default:
				s.detail(ns+"."+k, metadata[ns][k])
			}
		}
	}
	s.readAWS(w.AWS, w.HTTP)
	s.readAnnotations(w.Annotations)
	return s, true
}

// readAWS keeps what tells one call from another.
func (s *Segment) readAWS(rawAWS, rawHTTP json.RawMessage) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(rawAWS, &fields) == nil {
		for _, k := range slices.Sorted(maps.Keys(fields)) {
			if k != "xray" {
				s.detail(k, fields[k])
			}
		}
	}
	var h struct {
		Response struct {
			Status json.RawMessage `json:"status"`
		} `json:"response"`
	}
	if json.Unmarshal(rawHTTP, &h) == nil && len(h.Response.Status) > 0 {
		s.detail("http status", h.Response.Status)
	}
}

func (s *Segment) readAnnotations(raw json.RawMessage) {
	var all map[string]any
	if json.Unmarshal(raw, &all) != nil {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if len(s.Annotations) >= maxAnnotations {
			return
		}
		switch v := all[k].(type) {
		case string:
			s.annotate(k, clip(v, maxAnnotation))
		case float64, bool:
			s.annotate(k, v)
		}
	}
}

func (s *Segment) annotate(key string, value any) {
	if s.Annotations == nil {
		s.Annotations = map[string]any{}
	}
	s.Annotations[clip(key, maxAnnotationKey)] = value
}

func (s *Segment) detail(key string, value json.RawMessage) {
	if text := plain(value); text != "" && len(s.Details) < maxDetails {
		s.Details[clip(key, maxAnnotationKey)] = text
	}
}

// plain returns a JSON value as text for people: a string's content, else its compact form, bounded.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return clip(text, maxDetail)
	}
	var b bytes.Buffer
	if len(value) == 0 || json.Compact(&b, value) != nil {
		return ""
	}
	return clip(b.String(), maxDetail)
}

// readCause reads exceptions. X-Ray also has a cause that is an exception's id of another segment: it tells nothing.
func readCause(raw json.RawMessage) []Failure {
	var c struct {
		Exceptions []struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"exceptions"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return nil
	}
	var out []Failure
	for _, x := range c.Exceptions {
		if len(out) == 10 {
			break
		}
		out = append(out, Failure{Error: clip(x.Type, maxName), Cause: clip(message(x.Message), maxMessage)})
	}
	return out
}

// message returns what a person wants of a cause: the message within the JSON that Lambda makes of an error.
func message(cause string) string {
	if !strings.HasPrefix(cause, "{") {
		return cause
	}
	var lambda struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(cause), &lambda) == nil && lambda.Message != "" {
		return lambda.Message
	}
	return cause
}

// Read reads newline-delimited segment documents, as a sink writes them, into the traces they belong to, in order of
// their first line. Lines that are no document are counted in Damaged of the first trace; of a document written twice
// the one that has ended counts, else the last.
func Read(r io.Reader) ([]*Trace, error) { return read(r, "") }

// read is Read for the lines that contain match.
func read(r io.Reader, match string) ([]*Trace, error) {
	var all reading
	err := eachLine(r, func(line []byte, whole bool) bool {
		line = bytes.TrimSpace(line)
		switch {
		case !whole:
			all.damaged++
		case len(line) > 0 && bytes.Contains(line, []byte(match)):
			all.add(line)
		}
		return len(all.segments) < MaxSegments
	})
	if err != nil {
		return nil, err
	}
	return all.traces(), nil
}

// eachLine calls f with each line, or with the beginning of one that is too long, until it returns false.
func eachLine(r io.Reader, f func(line []byte, whole bool) bool) error {
	b := bufio.NewReaderSize(io.LimitReader(r, MaxFile), maxLine)
	for {
		line, err := b.ReadSlice('\n')
		whole := true
		for errors.Is(err, bufio.ErrBufferFull) {
			whole = false
			_, err = b.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read trace: %w", err)
		}
		if (len(line) > 0 && !f(line, whole)) || err != nil {
			return nil
		}
	}
}
