// Package metrics counts what arrives, seconds after it does: the second subscriber of the stream.
//
// A Handler runs with a tumbling window. It adds up events, rejects and bytes by minute of arrival and type of event in
// the window's state, and writes them as metrics when the window ends. It is independent of the archive: where it
// fails, figures are missing and no event is. Delivered again, a batch counts again.
package metrics

import (
	"bytes"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/jsonwalk"
	"penstock/internal/stream/kpl"
	"penstock/internal/trace"
)

// Formats of an event, and how records are split.
const (
	FormatJSON = "json"
	FormatText = "text"
	SplitLines = "lines"
)

// Types that are not an event's own.
const (
	TypeOther = "other" // beyond MaxTypes, or too long
	TypeNone  = "none"  // without a type: text, rejects, JSON without the field
)

// Config configures a Handler. Now and Figures.Out are needed.
type Config struct {
	Now       func() time.Time
	Figures   emf.Figures
	Format    string // FormatJSON if empty
	Split     string // SplitLines, or "" for one event a record
	TypeField string // the member of an event whose text is its type; "" for no types
	// MaxTypes is how many types are told apart in a window; 0 means 20. The rest are TypeOther.
	MaxTypes int
}

// Handler counts. It is safe for concurrent use: all it knows is in the window's state.
type Handler struct{ c Config }

// New returns a handler. A configuration that is none is a *fault.BadInput.
func New(c Config) (*Handler, error) {
	if c.Format == "" {
		c.Format = FormatJSON
	}
	if c.MaxTypes == 0 {
		c.MaxTypes = 20
	}
	switch {
	case c.Now == nil || c.Figures.Out == nil:
		return nil, &fault.BadInput{Detail: "configure metrics: Now and Figures.Out are needed"}
	case c.Format != FormatJSON && c.Format != FormatText:
		return nil, &fault.BadInput{Detail: fmt.Sprintf("configure metrics: format %.20q is neither json nor text", c.Format)}
	case c.Split != "" && c.Split != SplitLines:
		return nil, &fault.BadInput{Detail: fmt.Sprintf("configure metrics: split %.20q is neither empty nor lines", c.Split)}
	case c.MaxTypes < 0 || c.MaxTypes > 500:
		return nil, &fault.BadInput{Detail: "configure metrics: MaxTypes out of range"}
	}
	return &Handler{c}, nil
}

// Handle counts a batch of a window, and writes the figures with the window's last one. It fails only where they cannot
// be written: *fault.Unavailable.
func (h *Handler) Handle(ctx context.Context, e events.KinesisTimeWindowEvent) (response events.KinesisTimeWindowEventResponse, err error) {
	_, span := trace.Begin(ctx, "metrics")
	defer func() { span.End(err) }()
	span.Annotate(trace.Shard, e.ShardID)
	s := readState(e.State, h.c.MaxTypes)
	n := 0
	for i := range e.Records {
		r := &e.Records[i].Kinesis
		arrival := clamp(r.ApproximateArrivalTimestamp.Time, e.Window)
		age := max(0, h.c.Now().Sub(r.ApproximateArrivalTimestamp.Time))
		h.record(r.Data, func(kind string, rejected bool, size int) {
			n++
			s.add(arrival.Truncate(time.Minute), kind, rejected, size, age)
		})
	}
	span.Annotate(trace.Events, n)
	response.BatchItemFailures = []events.KinesisBatchItemFailure{}
	if e.IsFinalInvokeForWindow || e.IsWindowTerminatedEarly {
		if err := s.write(h.c.Figures); err != nil {
			return response, &fault.Unavailable{Service: "log", Action: "write metrics", Err: err}
		}
	}
	if !e.IsFinalInvokeForWindow {
		response.State = s.encode()
	}
	return response, nil
}

// clamp keeps arrival within the window, which bounds the minutes of a state.
func clamp(arrival time.Time, w events.Window) time.Time {
	if w.Start.IsZero() || w.End.IsZero() {
		return arrival
	}
	if arrival.Before(w.Start.Time) {
		return w.Start.Time
	}
	if last := w.End.Add(-time.Millisecond); arrival.After(last) {
		return last
	}
	return arrival
}

// record calls count with each event and reject of a record, by the rules of the archive.
func (h *Handler) record(data []byte, count func(kind string, rejected bool, size int)) {
	parts, aggregated, err := kpl.Deaggregate(data)
	if err != nil {
		count(TypeNone, true, len(data))
		return
	}
	if !aggregated {
		parts = [][]byte{data}
	}
	for _, part := range parts {
		if h.c.Split != SplitLines {
			h.part(part, count)
			continue
		}
		for line := range bytes.Lines(part) {
			if len(bytes.TrimRight(line, "\r\n")) > 0 {
				h.part(line, count)
			}
		}
	}
}

func (h *Handler) part(data []byte, count func(kind string, rejected bool, size int)) {
	event := bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(event) == 0:
		count(TypeNone, true, len(data))
	case h.c.Format == FormatText:
		count(TypeNone, bytes.ContainsAny(event, "\r\n"), len(data))
	case jsonwalk.Valid(event) != nil || !utf8.Valid(event):
		count(TypeNone, true, len(data))
	default:
		count(typeOf(event, h.c.TypeField), false, len(data))
	}
}

// maxType is the longest type that is told apart, in bytes.
const maxType = 64

// typeOf returns the type of a valid JSON event.
func typeOf(event []byte, field string) string {
	if field == "" {
		return TypeNone
	}
	kind := TypeNone
	w := jsonwalk.New(event)
	_ = w.Object(func(name []byte) error { // it is valid, or no object
		if string(name) != field || w.Peek() != '"' {
			return w.Value()
		}
		raw, escaped, err := w.Text()
		if err != nil {
			return err
		}
		kind = TypeOther
		if !escaped && len(raw) > 0 && len(raw) <= maxType && plain(raw) {
			kind = string(raw)
		}
		return nil
	})
	return kind
}

// plain says whether a type is made of letters, digits and _.:/- only, so that it can be a dimension.
func plain(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && bytes.IndexByte([]byte("_.:/-"), c) < 0 {
			return false
		}
	}
	return true
}
