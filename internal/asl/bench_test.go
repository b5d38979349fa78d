package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"penstock/internal/asl"
	"penstock/internal/clock"
)

// BenchmarkExecution measures one execution of ten Tasks with a Choice after each.
func BenchmarkExecution(b *testing.B) {
	states := ""
	for i := range 10 {
		states += fmt.Sprintf(`"T%d":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload":{"hour.$":"$.hour","n.$":"$$.Execution.Name"}},
			"ResultSelector":{"x.$":"$.Payload.x"},"ResultPath":"$.r","TimeoutSeconds":60,"Next":"C%d"},
			"C%d":{"Type":"Choice","Choices":[{"Variable":"$.r.x","NumericEquals":7,"Next":"T%d"}]},`, i, i, i, i+1)
	}
	definition := `{"StartAt":"T0","States":{` + states + `"T10":{"Type":"Succeed"}}}`
	invoker := asl.InvokerFunc(func(_ context.Context, call asl.Call) (json.RawMessage, error) {
		return call.LambdaResult(json.RawMessage(`{"x":7}`)), nil
	})
	b.ReportAllocs()
	inEngine(b, definition, asl.Config{Invoker: invoker}, func(e *asl.Engine, _ *clock.Virtual) {
		for range b.N {
			x, err := e.StartExecution(context.Background(), "hour", "", json.RawMessage(`{"hour":"2026-11-23T07"}`))
			if err != nil {
				b.Fatal(err)
			}
			if x, err = e.Wait(-1, x.ARN); err != nil || x.Status != asl.Succeeded {
				b.Fatal(x, err)
			}
		}
	})
}
