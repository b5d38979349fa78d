package archive

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"penstock/internal/hour"
	"penstock/internal/jsonwalk"
	"penstock/internal/stream/kpl"
)

// Reasons of rejects.
const (
	reasonEmpty     = "empty"
	reasonSyntax    = "not valid JSON"
	reasonUTF8      = "not valid UTF-8"
	reasonDepth     = "JSON nested too deeply"
	reasonLineEnd   = "line end within a text event"
	reasonAggregate = "malformed aggregate"
	reasonMany      = "too many mangled sub-records"
	reasonPanic     = "cannot be processed"
)

// maxRejects is how many sub-records of a record of n bytes may be rejects before the whole record is one.
func maxRejects(n int) int { return 16 + n/32 }

// sorter sorts what records hold into events and rejects. It is used for one hour of a batch after the other and keeps
// its memory.
type sorter struct {
	text, split bool
	probe       func(data []byte) // for tests: called with each sub-record

	shard   string
	lines   []byte // events, each with a line feed
	rejects []byte // JSON lines
	events  int    // in lines
	rejectN int

	fates []byte // of the present record's sub-records
}

func (s *sorter) reset(shard string) {
	s.shard = shard
	s.lines, s.rejects, s.events, s.rejectN = s.lines[:0], s.rejects[:0], 0, 0
}

// add sorts one record and returns its kind. It does not panic.
func (s *sorter) add(r *record, data []byte) hour.Kind {
	lines, rejects, events, rejectN := len(s.lines), len(s.rejects), s.events, s.rejectN
	reason := s.try(r, data)
	if reason == "" {
		return hour.KindOf(s.fates)
	}
	s.lines, s.rejects, s.events, s.rejectN = s.lines[:lines], s.rejects[:rejects], events, rejectN
	s.fates = s.fates[:0]
	s.reject(r, data, reason)
	return hour.KindOf(s.fates)
}

// try returns why the whole record is a reject, or "".
func (s *sorter) try(r *record, data []byte) (reason string) {
	defer func() {
		if recover() != nil {
			reason = reasonPanic
		}
	}()
	s.fates = s.fates[:0]
	limit := s.rejectN + maxRejects(len(data))
	parts, aggregated, err := kpl.Deaggregate(data)
	switch {
	case err != nil:
		return reasonAggregate
	case !aggregated:
		s.parts(r, data, limit)
	}
	for _, part := range parts {
		s.parts(r, part, limit)
	}
	if s.rejectN > limit {
		return reasonMany
	}
	return ""
}

// parts sorts what is one event, or with split one event a line. It stops at limit.
func (s *sorter) parts(r *record, data []byte, limit int) {
	if s.rejectN > limit {
		return
	}
	if !s.split {
		s.part(r, data)
		return
	}
	before := len(s.fates)
	for rest := data; len(rest) > 0 && s.rejectN <= limit; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if len(line) > 0 && string(line) != "\r" {
			s.part(r, line)
		}
	}
	if len(s.fates) == before {
		s.reject(r, data, reasonEmpty)
	}
}

// part sorts one sub-record.
func (s *sorter) part(r *record, data []byte) {
	if s.probe != nil {
		s.probe(data)
	}
	event := bytes.TrimSuffix(data, []byte("\n"))
	if len(event) < len(data) || s.split {
		event = bytes.TrimSuffix(event, []byte("\r"))
	}
	reason := ""
	switch {
	case len(event) == 0:
		reason = reasonEmpty
	case s.text && bytes.ContainsAny(event, "\r\n"):
		reason = reasonLineEnd
	case !s.text:
		reason = jsonReason(event)
	}
	if reason != "" {
		s.reject(r, data, reason)
		return
	}
	if !s.text && (bytes.IndexByte(event, '\n') >= 0 || bytes.IndexByte(event, '\r') >= 0) {
		s.lines = jsonwalk.AppendCompact(s.lines, event)
	} else {
		s.lines = append(s.lines, event...)
	}
	s.lines = append(s.lines, '\n')
	s.events++
	s.fates = append(s.fates, 'e')
}

// jsonReason says why b cannot be a JSON event, or "".
func jsonReason(b []byte) string {
	switch jsonwalk.Valid(b) {
	case nil:
	case jsonwalk.ErrDepth:
		return reasonDepth
	default:
		return reasonSyntax
	}
	if !utf8.Valid(b) {
		return reasonUTF8
	}
	return ""
}

func (s *sorter) reject(r *record, data []byte, reason string) {
	line, err := json.Marshal(hour.Reject{
		Version: hour.Version, Shard: s.shard, Sequence: hour.Sequence(r.seq), Sub: len(s.fates), Arrival: r.arrival(),
		Reason: reason, Payload: data,
	})
	if err != nil {
		panic(err) // plain fields
	}
	s.rejects = append(append(s.rejects, line...), '\n')
	s.rejectN++
	s.fates = append(s.fates, 'r')
}
