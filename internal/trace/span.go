package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

// Annotation keys: X-Ray indexes them, so that a run is found by what it worked on.
const (
	Hour      = "hour"      // the hour, as 2026-11-23T07
	Shard     = "shard"     // the shard's id
	Revision  = "revision"  // the revision of the hour
	Execution = "execution" // the execution's name, <hour>-<n>
	Events    = "events"    // how many events were handled
)

// Limits of what a span carries; X-Ray takes a document of at most 64 kB.
const (
	maxAnnotation = 1000 // characters of an annotation's string, X-Ray's own limit
	maxMetadata   = 4096 // bytes of one metadata value
	maxMessage    = 2048 // bytes of an error's message
)

// errUnfinished stands for the error of a body that did not return.
var errUnfinished = errors.New("the work ended in a panic")

// Span is a piece of work that is being traced: an X-Ray subsegment. Its methods do nothing on a nil Span, so that
// traced code runs the same without a trace. They may be called concurrently.
type Span struct {
	seg   *xray.Segment
	local *invocation // nil: the daemon
	ended atomic.Bool
}

// Begin starts a span under the segment or the Lambda trace header of ctx. The context returned carries it. When there
// is no trace to belong to, or the SDK is disabled, it returns ctx and nil, silently. The caller defers [Span.End].
func Begin(ctx context.Context, name string) (context.Context, *Span) {
	if xray.SdkDisabled() {
		return ctx, nil
	}
	if xray.GetSegment(ctx) == nil {
		if h, ok := ctx.Value(xray.LambdaTraceHeaderKey).(string); !ok || h == "" {
			return ctx, nil
		}
	}
	spanCtx, seg := xray.BeginSubsegment(ctx, cleanName(name))
	if seg == nil {
		return ctx, nil
	}
	s := &Span{seg: seg}
	if r := xray.GetRecorder(ctx); r != nil {
		s.local, _ = r.Emitter.(*invocation)
	}
	if s.local != nil {
		s.local.opened(seg)
	}
	return spanCtx, s
}

// Do runs fn in a span. A panic in fn marks the span as failed and goes on, with its own stack.
func Do(ctx context.Context, name string, fn func(context.Context) error) error {
	ctx, span := Begin(ctx, name)
	if span == nil {
		return fn(ctx)
	}
	err := errUnfinished
	defer func() { span.End(err) }()
	err = fn(ctx)
	return err
}

// Annotate adds an indexed annotation: a string (cut to 1 000 characters), a number or a boolean; other values are
// formatted. Characters of key other than letters, digits and _ become _.
func (s *Span) Annotate(key string, value any) {
	if s == nil {
		return
	}
	// The SDK refuses types it does not know; annotation returns one that it knows.
	_ = s.seg.AddAnnotation(cleanKey(key), annotation(value))
}

// Metadata adds a value that is shown but not searchable. A value of more than 4 kB of JSON, or one that has no JSON,
// is replaced by a note of that.
func (s *Span) Metadata(key string, value any) {
	if s == nil {
		return
	}
	_ = s.seg.AddMetadata(key, boundedJSON(value))
}

// Fail adds an error that the span survives, such as that of an attempt which is tried again.
func (s *Span) Fail(err error) {
	if s == nil || err == nil {
		return
	}
	_ = s.seg.AddError(err)
}

// End ends the span and hands it to X-Ray or to the sink; err, if not nil, marks it as failed. Only the first call
// counts.
func (s *Span) End(err error) {
	if s == nil || s.ended.Swap(true) {
		return
	}
	if s.local != nil {
		s.seg.CloseAndStream(err)
		return
	}
	s.seg.Close(err)
}

// annotation turns a value into one of the types that the SDK takes.
func annotation(value any) any {
	switch v := value.(type) {
	case string:
		return clip(v, maxAnnotation)
	case bool, int, uint, float32, float64:
		return v
	case int64:
		return int(v)
	case int32:
		return int(v)
	case uint64:
		return uint(v)
	case uint32:
		return uint(v)
	default:
		return clip(fmt.Sprint(v), maxAnnotation)
	}
}

// boundedJSON encodes value now, so that a bad one cannot spoil the document it is put in later.
func boundedJSON(value any) json.RawMessage {
	data, err := json.Marshal(value)
	switch {
	case err != nil:
		return json.RawMessage(`"(no JSON)"`)
	case len(data) > maxMetadata:
		return json.RawMessage(fmt.Sprintf(`"(%d bytes, left out)"`, len(data)))
	}
	return data
}

// clip cuts s to at most n bytes at a rune's start and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "..."
	end := n - len(mark)
	for end > 0 && s[end]&0xc0 == 0x80 {
		end--
	}
	return s[:end] + mark
}
