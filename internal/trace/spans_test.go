package trace_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"penstock/internal/trace"
)

// spanLog are the spans of a run of 90 s: an execution, a state, a function with a stage that failed, and a call.
var spanLog = []string{
	`{"resource":{"attributes":{"service.name":"penstock-hour"}},"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"00000000000000a1","name":"penstock-hour","kind":"SERVER",
	  "startTimeUnixNano":1795421200000000000,"endTimeUnixNano":1795421290000000000,"attributes":{"aws.xray.origin":"AWS::StepFunctions::StateMachine"},"status":{"code":"UNSET"}}`,
	`{"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"00000000000000a2","parentSpanId":"00000000000000a1","name":"Seal","kind":"INTERNAL",
	  "startTimeUnixNano":"1795421201000000000","endTimeUnixNano":"1795421230000000000","attributes":{"aws.xray.origin":"AWS::StepFunctions::StateMachine"}}`,
	`{"resource":{"attributes":{"cloud.platform":"aws_lambda"}},"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"00000000000000a3","parentSpanId":"00000000000000a2","name":"penstock-seal","kind":"SERVER",
	  "startTimeUnixNano":1795421202000000000,"endTimeUnixNano":1795421229000000000,"attributes":{"faas.invocation_id":"r-1"}}`,
	`{"resource":{"attributes":{"cloud.platform":"aws_lambda"}},"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"00000000000000a4","parentSpanId":"00000000000000a3","name":"seal","kind":"INTERNAL",
	  "startTimeUnixNano":1795421203000000000,"endTimeUnixNano":1795421228000000000,"attributes":{"annotation.hour":"2026-11-23T07","execution":"2026-11-23T07-1","events":12},
	  "status":{"code":"ERROR"},"events":[{"name":"exception","attributes":{"exception.type":"Unavailable","exception.message":"kinesis is throttled"}}]}`,
	`{"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"00000000000000a5","parentSpanId":"00000000000000a4","name":"Kinesis.GetRecords","kind":"CLIENT",
	  "startTimeUnixNano":1795421204000000000,"endTimeUnixNano":1795421205000000000}`,
}

func TestSpansOfTransactionSearchAreATree(t *testing.T) {
	var s trace.Spans
	for _, i := range []int{3, 0, 4, 2, 1} { // a log is in no order
		s.Add([]byte(spanLog[i]))
	}
	traces := s.Traces()
	if len(traces) != 1 || traces[0].ID != "1-6b03f2bc-0123456789abcdef01234567" || traces[0].Damaged != 0 {
		t.Fatalf("%+v", traces)
	}
	var kinds []string
	seg := traces[0].Roots[0]
	for {
		kinds = append(kinds, string(seg.Kind))
		if seg.Kind == trace.KindStage {
			if !seg.Failed || len(seg.Errors) != 1 || seg.Errors[0] != (trace.Failure{Error: "Unavailable", Cause: "kinesis is throttled"}) {
				t.Errorf("errors %+v", seg.Errors)
			}
			if seg.Annotations[trace.Hour] != "2026-11-23T07" || seg.Annotations[trace.Execution] != "2026-11-23T07-1" || seg.Annotations[trace.Events] != 12.0 {
				t.Errorf("annotations %v", seg.Annotations)
			}
		}
		if len(seg.Children) == 0 {
			break
		}
		seg = seg.Children[0]
	}
	if got := strings.Join(kinds, " "); got != "execution state function stage call" {
		t.Errorf("kinds %s", got)
	}
	var b bytes.Buffer
	if err := trace.Waterfall(&b, traces[0], 100, false); err != nil || !strings.Contains(b.String(), "Unavailable: kinesis is throttled") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestWhatIsNoSpanIsCounted(t *testing.T) {
	var s trace.Spans
	for _, doc := range []string{"", "{", `[]`, `{"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"a1"}`, `{"spanId":"a1","startTimeUnixNano":1}`, spanLog[0],
		strings.Replace(spanLog[1], `"1795421201000000000"`, `"-5"`, 1), `{"name":"` + strings.Repeat("x", 1<<20) + `"}`} {
		s.Add([]byte(doc))
	}
	if traces := s.Traces(); len(traces) != 1 || traces[0].Damaged != 7 {
		t.Errorf("%+v", traces)
	}
}

func TestASpanNamesAnXRayTraceByItsDigits(t *testing.T) {
	if got := trace.SpanTraceID("1-6b03f2bc-0123456789abcdef01234567"); got != "6b03f2bc0123456789abcdef01234567" {
		t.Error(got)
	}
	if got := trace.SpanTraceID("1-2"); got != "" {
		t.Error(got)
	}
}

func FuzzSpans(f *testing.F) {
	f.Add([]byte(strings.Join(spanLog, "\n")))
	f.Add([]byte(`{"traceId":"6b03f2bc0123456789abcdef01234567","spanId":"a","parentSpanId":"a","startTimeUnixNano":1e18,"endTimeUnixNano":"9223372036854775807"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s trace.Spans
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			s.Add(line)
		}
		for _, tr := range s.Traces() {
			if err := trace.Waterfall(io.Discard, tr, 80, true); err != nil {
				t.Fatal(err)
			}
			if err := trace.JSON(io.Discard, tr); err != nil {
				t.Fatal(err)
			}
		}
	})
}
