package ingest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/trace"
)

// Schema checks.
const (
	CheckLenient = "lenient" // takes any JSON object and counts those that break the schema; the default
	CheckStrict  = "strict"  // refuses a body with one that breaks it
)

// Formats of an event.
const (
	FormatJSON = "json"
	FormatText = "text" // each line is an event
)

// Config configures a Handler. Sender and Now are needed.
type Config struct {
	Sender   *Sender
	Now      func() time.Time
	Format   string  // FormatJSON if empty
	KeyField string  // the member of an event that is its partition key; "" spreads them
	Schema   *Schema // may be nil, for no check
	Check    string  // CheckLenient if empty
	// Timeout is how long a request may take to get into the stream; 0: as long as its context lives. The gateway gives up
	// after 29 seconds.
	Timeout time.Duration
	Figures emf.Figures  // gets one line for each request
	Log     *slog.Logger // gets what stopped a request; may be nil
}

// Handler answers POST /events of a REST API: one JSON object, an array of them, or one a line (with FormatText any
// lines). A body is taken as a whole or, for what is wrong with it, refused as a whole. The answers:
//
//	202 {"accepted":3}                                       all events are in the stream
//	207 {"accepted":2,"failed":[{"index":1,"reason":"..."}]} all but these, which can be sent again unless too large
//	400 {"line":2,"message":"..."}                           malformed, or breaks the schema (strict)
//	405, 413, 415                                            not POST; too large; neither JSON nor lines
//	429, 503                                                 nothing is in the stream: throttled, or unavailable
//
// It is safe for concurrent use.
type Handler struct{ c Config }

// New returns a handler. A configuration that is none is a *fault.BadInput.
func New(c Config) (*Handler, error) {
	if c.Format == "" {
		c.Format = FormatJSON
	}
	if c.Check == "" {
		c.Check = CheckLenient
	}
	switch {
	case c.Sender == nil || c.Now == nil:
		return nil, &fault.BadInput{Detail: "configure ingest: Sender and Now are needed"}
	case c.Format != FormatJSON && c.Format != FormatText:
		return nil, &fault.BadInput{Detail: fmt.Sprintf("configure ingest: format %.20q is neither json nor text", c.Format)}
	case c.Check != CheckLenient && c.Check != CheckStrict:
		return nil, &fault.BadInput{Detail: fmt.Sprintf("configure ingest: schema check %.20q is neither lenient nor strict", c.Check)}
	}
	return &Handler{c}, nil
}

// failure is a failed event in an answer.
type failure struct {
	Index  int    `json:"index"` // among the body's events, from 0
	Reason string `json:"reason"`
}

// answer is the body of an answer.
type answer struct {
	Accepted      *int      `json:"accepted,omitempty"`
	Nonconforming int       `json:"nonconforming,omitempty"` // accepted, though they break the schema
	Failed        []failure `json:"failed,omitempty"`
	Line          int       `json:"line,omitempty"`
	Message       string    `json:"message,omitempty"`
}

// figures are what a request counts.
type figures struct{ events, bytes, failed, nonconforming, refused int }

// Handle answers one request. It returns an error, so that Lambda counts it and the gateway answers 502, only where
// nothing was accepted and sending again does not help: *fault.AccessDenied or *fault.BadInput (no such stream).
func (h *Handler) Handle(ctx context.Context, r events.APIGatewayProxyRequest) (response events.APIGatewayProxyResponse, err error) {
	ctx, span := trace.Begin(ctx, "ingest")
	defer func() { span.End(err) }()
	var f figures
	defer func() { h.report(ctx, f) }()
	body, refusal := h.body(&r)
	var list parsed
	if refusal == nil {
		list, refusal = h.parse(body)
	}
	if refusal == nil {
		f.nonconforming, refusal = h.checkSchema(&list)
	}
	if refusal != nil {
		f = figures{refused: 1}
		return refusal.respond(), nil
	}
	span.Annotate(trace.Events, len(list.events))
	return h.send(ctx, list.events, &f)
}

// send puts the events into the stream and says what became of them.
func (h *Handler) send(ctx context.Context, list [][]byte, f *figures) (events.APIGatewayProxyResponse, error) {
	if h.c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.c.Timeout)
		defer cancel()
	}
	batch := make([]Event, len(list))
	for i, data := range list {
		batch[i].Data = data
		if h.c.Format == FormatJSON {
			batch[i].Key = KeyOf(data, h.c.KeyField)
		}
	}
	failures, err := h.c.Sender.Send(ctx, batch)
	if err != nil && h.c.Log != nil {
		h.c.Log.WarnContext(ctx, "events are not in the stream", "events", len(list), "failed", len(failures), "error", err.Error())
	}
	accepted := len(list) - len(failures)
	f.events, f.failed = accepted, len(failures)
	for _, data := range list {
		f.bytes += len(data)
	}
	for _, x := range failures {
		f.bytes -= len(list[x.Index])
	}
	f.nonconforming = min(f.nonconforming, accepted)
	switch err := fault.Outermost(err).(type) {
	case *fault.AccessDenied, *fault.BadInput:
		if accepted == 0 {
			return events.APIGatewayProxyResponse{}, err
		}
	}
	if len(failures) == 0 {
		return respond(http.StatusAccepted, answer{Accepted: &accepted, Nonconforming: f.nonconforming}), nil
	}
	if accepted == 0 {
		return nothingAccepted(failures), nil
	}
	a := answer{Accepted: &accepted, Nonconforming: f.nonconforming}
	for _, x := range failures {
		a.Failed = append(a.Failed, failure{x.Index, x.Code})
	}
	return respond(http.StatusMultiStatus, a), nil
}

func nothingAccepted(failures []Failure) events.APIGatewayProxyResponse {
	codes := map[string]int{}
	for _, x := range failures {
		codes[x.Code]++
	}
	throttled, large := codes[CodeThrottled], codes[CodeTooLarge]
	zero := 0
	switch {
	case large == len(failures):
		return respond(http.StatusRequestEntityTooLarge, answer{Accepted: &zero, Message: "the events are larger than a record may be"})
	case throttled > 0 && throttled+large+codes[CodeNotSent] == len(failures):
		r := respond(http.StatusTooManyRequests, answer{Accepted: &zero, Message: "the stream is busy, send again later"})
		r.Headers["Retry-After"] = "1"
		return r
	}
	return respond(http.StatusServiceUnavailable, answer{Accepted: &zero, Message: "the stream did not take the events, send again later"})
}

func (h *Handler) parse(body []byte) (parsed, *refusal) {
	if h.c.Format == FormatText {
		return parseText(body)
	}
	return parseJSON(body)
}

// body checks the request and returns its body.
func (h *Handler) body(r *events.APIGatewayProxyRequest) ([]byte, *refusal) {
	if r.HTTPMethod != http.MethodPost {
		return nil, &refusal{http.StatusMethodNotAllowed, 0, "only POST is allowed"}
	}
	if reason := h.checkHeaders(r); reason != "" {
		return nil, &refusal{http.StatusUnsupportedMediaType, 0, reason}
	}
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		if len(r.Body) > base64.StdEncoding.EncodedLen(MaxBody) {
			return nil, tooLarge()
		}
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return nil, refuse(0, "the body is not base64")
		}
	}
	if len(body) > MaxBody {
		return nil, tooLarge()
	}
	return body, nil
}

func tooLarge() *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, 0, fmt.Sprintf("the body is larger than %d bytes", MaxBody)}
}

// checkHeaders says what about the body's type cannot be taken.
func (h *Handler) checkHeaders(r *events.APIGatewayProxyRequest) string {
	if e := header(r, "Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return "compressed bodies are not taken"
	}
	value := header(r, "Content-Type")
	if value == "" {
		return ""
	}
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		return "the Content-Type is malformed"
	}
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") && !strings.EqualFold(c, "us-ascii") {
		return "only UTF-8 is taken"
	}
	switch kind {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return ""
	case "text/plain":
		if h.c.Format == FormatText {
			return ""
		}
	}
	return "the Content-Type is not one that is taken here"
}

func header(r *events.APIGatewayProxyRequest, name string) string {
	for k, v := range r.Headers {
		if strings.EqualFold(k, name) {
			return strings.TrimSpace(v)
		}
	}
	for k, v := range r.MultiValueHeaders {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return strings.TrimSpace(v[0])
		}
	}
	return ""
}

// checkSchema counts the events that break the schema, or refuses the first.
func (h *Handler) checkSchema(p *parsed) (nonconforming int, r *refusal) {
	if h.c.Schema == nil || h.c.Format != FormatJSON {
		return 0, nil
	}
	for i, event := range p.events {
		reason := h.c.Schema.Check(event)
		if reason == "" {
			continue
		}
		if h.c.Check == CheckStrict {
			return 0, refuse(p.lines[i], "%s", reason)
		}
		nonconforming++
	}
	return nonconforming, nil
}

func (r *refusal) respond() events.APIGatewayProxyResponse {
	response := respond(r.status, answer{Line: r.line, Message: r.reason})
	if r.status == http.StatusMethodNotAllowed {
		response.Headers["Allow"] = http.MethodPost
	}
	return response
}

func respond(status int, a answer) events.APIGatewayProxyResponse {
	body, err := json.Marshal(a)
	if err != nil {
		panic(err) // plain fields
	}
	return events.APIGatewayProxyResponse{StatusCode: status, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body)}
}

func (h *Handler) report(ctx context.Context, f figures) {
	h.c.Figures.Report(ctx, h.c.Now(),
		emf.Metric{Name: "IngestedEvents", Unit: emf.Count, Value: float64(f.events)},
		emf.Metric{Name: "IngestedBytes", Unit: emf.Bytes, Value: float64(f.bytes)},
		emf.Metric{Name: "FailedEvents", Unit: emf.Count, Value: float64(f.failed)},
		emf.Metric{Name: "NonconformingEvents", Unit: emf.Count, Value: float64(f.nonconforming)},
		emf.Metric{Name: "RefusedRequests", Unit: emf.Count, Value: float64(f.refused)})
}
