package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"penstock/internal/asl"
	"penstock/internal/clock"
)

func ExampleEngine() {
	machine, err := asl.Parse([]byte(`{"StartAt": "Seal", "States": {
		"Seal": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
			"Parameters": {"FunctionName": "seal", "Payload": {"hour.$": "$.hour"}},
			"ResultSelector": {"complete.$": "$.Payload.complete"}, "ResultPath": "$.seal", "TimeoutSeconds": 60, "Next": "Complete"},
		"Complete": {"Type": "Choice", "Choices": [{"Variable": "$.seal.complete", "BooleanEquals": true, "Next": "Done"}], "Default": "Wait"},
		"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Seal"},
		"Done": {"Type": "Succeed"}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	virtual := clock.NewVirtual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))
	calls := 0
	seal := asl.InvokerFunc(func(_ context.Context, call asl.Call) (json.RawMessage, error) {
		function, payload, _, err := call.LambdaCall()
		fmt.Println(virtual.Now().Format(time.TimeOnly), function, string(payload))
		calls++
		return call.LambdaResult(json.RawMessage(fmt.Sprintf(`{"complete": %t}`, calls == 3))), err
	})
	engine := asl.NewEngine(asl.Config{Clock: virtual, Invoker: seal})
	if _, err := engine.CreateMachine("hour", machine); err != nil {
		fmt.Println(err)
		return
	}
	err = virtual.Run(func() {
		started, err := engine.StartExecution(context.Background(), "hour", "2026112307-1", json.RawMessage(`{"hour":"2026-11-23T07"}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		ended, err := engine.Wait(-1, started.ARN)
		fmt.Println(ended.Status, string(ended.Output), err)
	})
	fmt.Println(err)
	// Output:
	// 08:00:00 seal {"hour":"2026-11-23T07"}
	// 08:01:00 seal {"hour":"2026-11-23T07"}
	// 08:02:00 seal {"hour":"2026-11-23T07"}
	// SUCCEEDED {"hour":"2026-11-23T07","seal":{"complete":true}} <nil>
	// <nil>
}

func ExampleSimulate() {
	report, err := asl.Simulate(asl.Simulation{
		Definition: []byte(`{"StartAt": "Publish", "States": {"Publish": {"Type": "Task", "Resource": "${Publish}", "End": true,
			"Retry": [{"ErrorEquals": ["Unavailable"]}]}}}`),
		Mocks: []byte(`{"Publish": [{"error": "Unavailable", "cause": "s3"}, {"result": {"published": true}}]}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Status, string(report.Output), len(report.History), "events")
	// Output: SUCCEEDED {"published":true} 10 events
}
