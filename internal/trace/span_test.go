package trace

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

func TestSpanOutsideATraceDoesNothing(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"no header":            t.Context(),
		"empty header":         withHeader(t.Context(), ""),
		"malformed header":     withHeader(t.Context(), "\x00;;=;Root"),
		"header not sampled":   withHeader(t.Context(), "Root=1-65637c00-000000000000000000000001;Sampled=0"),
		"header without a bit": withHeader(t.Context(), "Root=1-65637c00-000000000000000000000001"),
	} {
		t.Run(name, func(t *testing.T) {
			spanCtx, span := Begin(ctx, "archive")
			if spanCtx == nil {
				t.Fatal("no context")
			}
			span.Annotate(Hour, "2026-11-23T07")
			span.Metadata("plan", map[string]int{"parts": 3})
			span.Fail(errors.New("first try"))
			span.End(errors.New("second try"))
			span.End(nil)
			if err := Do(ctx, "archive", func(context.Context) error { return context.Canceled }); err != context.Canceled {
				t.Errorf("Do changed the error to %v", err)
			}
		})
	}
}

func TestSpanWithTheSDKDisabledDoesNothing(t *testing.T) {
	t.Setenv("AWS_XRAY_SDK_DISABLED", "TRUE")
	sink, out, _ := newTestSink(t)
	id := TraceIDFor(1, "r", time.Unix(1_800_000_000, 0))
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "archive", RequestID: "r", Header: Header(id, "")})
	ctx, span := Begin(ctx, "archive")
	span.Annotate(Events, 3)
	span.End(nil)
	end(nil)
	if len(out.files) != 0 {
		t.Errorf("wrote %s", out)
	}
	if got := ID(ctx); got != id {
		t.Errorf("trace id %q, want %q", got, id)
	}
}

func TestNilSinkKeepsTheIDs(t *testing.T) {
	var sink *Sink
	run := sink.Start(Start{Name: "2026-11-23T07-1", Machine: "hour", TraceID: TraceIDFor(7, "2026-11-23T07-1", time.Unix(1_800_000_000, 0)), At: time.Unix(1_800_000_000, 0)})
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "compact", RequestID: "req-9", Header: run.Header()})
	if ID(ctx) != run.TraceID() || RequestID(ctx) != "req-9" {
		t.Errorf("trace id %q, request id %q", ID(ctx), RequestID(ctx))
	}
	ctx, span := Begin(ctx, "compact")
	if seg := xray.GetSegment(ctx); seg != nil && !seg.Dummy {
		t.Error("a span of a nil sink would be sent to a daemon")
	}
	span.End(nil)
	end(nil)
	run.End(time.Unix(1_800_000_001, 0), Failure{})
	if err := sink.Err(); err != nil {
		t.Error(err)
	}
}

func TestPanicInASpanIsNotMasked(t *testing.T) {
	sink, out, _ := newTestSink(t)
	id := TraceIDFor(1, "r", newManual().t)
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "seal", RequestID: "r", Header: Header(id, "")})
	type poison struct{ n int }
	for name, ctx := range map[string]context.Context{"in a trace": ctx, "outside": t.Context()} {
		func() {
			defer func() {
				if got := recover(); got != (poison{3}) {
					t.Errorf("%s: recovered %v", name, got)
				}
			}()
			_ = Do(ctx, "list", func(context.Context) error { panic(poison{3}) })
		}()
	}
	end(nil)
	d := find(t, out.documents(t, "2026/11/23/08/seal.ndjson"), "list")
	if !d.Fault || d.Cause == nil || d.Cause.Exceptions[0].Type != "panic" {
		t.Errorf("the panic left no mark: %+v", d)
	}
}

// Unavailable is named as the fault package's, to see that only the bare name is recorded.
type Unavailable struct{ what string }

func (e *Unavailable) Error() string { return e.what + " unavailable" }

func TestErrorNameIsWhatLambdaReports(t *testing.T) {
	for want, err := range map[string]error{
		"Unavailable": &Unavailable{"s3"},
		"errorString": errors.New("x"),
		"wrapError":   fmt.Errorf("read: %w", &Unavailable{"s3"}),
		"panic":       errUnfinished,
	} {
		if got := errorName(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestTraceIDs(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 30, 1, 999, time.UTC)
	a := NewTraceID(rand.New(rand.NewPCG(1, 2)), at)
	if b := NewTraceID(rand.New(rand.NewPCG(1, 2)), at); a != b {
		t.Errorf("same seed, ids %s and %s", a, b)
	}
	if TraceIDFor(1, "x", at) == TraceIDFor(2, "x", at) || TraceIDFor(1, "x", at) == TraceIDFor(1, "y", at) {
		t.Error("seed or name does not reach the id")
	}
	for _, id := range []string{a, TraceIDFor(1, "x", at)} {
		got, ok := TraceTime(id)
		if !ok || !got.Equal(at.Truncate(time.Second)) {
			t.Errorf("%s: time %v, %v", id, got, ok)
		}
	}
	for _, id := range []string{"", "1-", a[:34], a + "0", strings.ToUpper(a[:11]) + "GGGGGGGGGGGGGGGGGGGGGGGG", "2" + a[1:], a[:10] + "_" + a[11:]} {
		if _, ok := TraceTime(id); ok {
			t.Errorf("%q passed as a trace id", id)
		}
	}
}

func TestIDReadsTheHeader(t *testing.T) {
	const id = "1-65637c00-00000000000000000000000a"
	for h, want := range map[string]string{
		"Root=" + id + ";Parent=53995c3f42cd8ad8;Sampled=1;Lineage=25:1": id,
		"Sampled=0; Root=" + id: id,
		"Root=../../etc":        "",
		"":                      "",
	} {
		if got := ID(withHeader(t.Context(), h)); got != want {
			t.Errorf("%q: %q, want %q", h, got, want)
		}
	}
}

// FuzzHeader holds that whatever comes as a trace header, spans run and ids are well-formed or absent.
func FuzzHeader(f *testing.F) {
	f.Add("Root=1-65637c00-00000000000000000000000a;Parent=53995c3f42cd8ad8;Sampled=1")
	f.Add("Sampled=?;Root=;=;;Self=x")
	f.Fuzz(func(t *testing.T, h string) {
		ctx := withHeader(t.Context(), h)
		if id := ID(ctx); id != "" {
			if _, ok := TraceTime(id); !ok {
				t.Errorf("id %q", id)
			}
		}
		sink, out, _ := newTestSink(t)
		ctx, end := sink.Invoke(ctx, Invocation{Function: "archive", RequestID: "r", Header: h})
		_, span := Begin(ctx, "archive")
		span.End(nil)
		end(nil)
		for name := range out.files {
			if docs := out.documents(t, name); len(docs) != 2 {
				t.Errorf("%d documents", len(docs))
			}
		}
	})
}
