package asl_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/asl"
)

// mapOf is a machine of one Map over the given states, which begin at S.
func mapOf(fields, states string) string {
	out := `{"StartAt":"M","States":{"M":{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"S","States":{` + states + `}},"End":true` + comma(fields) + `}`
	if strings.Contains(fields, "Caught") {
		out += `,"Caught":{"Type":"Pass","End":true}`
	}
	return out + `}}`
}

func TestAMapGathersItsResultsInTheOrderOfTheItems(t *testing.T) {
	const same = `"S":{"Type":"Pass","End":true}`
	// The later an item, the sooner it is done.
	const slow = `"S":{"Type":"Wait","SecondsPath":"$.s","Next":"E"},"E":{"Type":"Pass","OutputPath":"$.s","End":true}`
	for name, c := range map[string]struct{ definition, input, want string }{
		"items as they are":          {mapOf("", same), `[1,"a",null]`, `[1,"a",null]`},
		"no items":                   {mapOf("", same), `[]`, `[]`},
		"ItemsPath":                  {mapOf(`"ItemsPath":"$.l"`, same), `{"l":[1]}`, `[1]`},
		"ItemsPath in the context":   {mapOf(`"InputPath":"$.x","ItemsPath":"$$.Execution.Input.l"`, same), `{"l":[1],"x":2}`, `[1]`},
		"ItemSelector":               {mapOf(`"ItemsPath":"$.l","ItemSelector":{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value","k.$":"$.k"}`, same), `{"l":["a","b"],"k":0}`, `[{"i":0,"k":0,"v":"a"},{"i":1,"k":0,"v":"b"}]`},
		"ResultSelector, ResultPath": {mapOf(`"ItemsPath":"$.l","ResultSelector":{"n.$":"States.ArrayLength($)"},"ResultPath":"$.r"`, same), `{"l":[1,2]}`, `{"l":[1,2],"r":{"n":2}}`},
		"out of step":                {mapOf("", slow), `[{"s":3},{"s":2},{"s":1}]`, `[3,2,1]`},
		"the context within":         {mapOf("", `"S":{"Type":"Pass","Parameters":{"x.$":"$$.Map.Item.Value"},"End":true}`), `[7]`, `[{"x":7}]`},
		"a Map in a Map":             {mapOf("", `"S":{"Type":"Map","ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","Parameters":{"v.$":"$$.Map.Item.Value"},"OutputPath":"$.v","End":true}}},"End":true}`), `[[1,2],[3]]`, `[[1,2],[3]]`},
		"no array":                   {mapOf(`"ItemsPath":"$.l"`, same), `{"l":{}}`, `FAILED States.Runtime: Reference path "$.l" must point to array.`},
		"nothing there":              {mapOf(`"ItemsPath":"$.l",`+catchAll, same), `{}`, `FAILED States.Runtime: An error occurred while executing the state 'M' (entered at the event id #2). Invalid path '$.l' : No results for path: $['l']`},
		"the first failure wins":     {mapOf("", `"S":{"Type":"Wait","SecondsPath":"$","Next":"F"},"F":{"Type":"Fail","ErrorPath":"States.Format('E{}', $)"}`), `[3,1,2]`, `FAILED E1`},
		"caught":                     {mapOf(catchAll, `"S":{"Type":"Fail","Error":"E","Cause":"c"}`), `[]`, `[]`},
		"caught as BranchFailed":     {mapOf(`"Catch":[{"ErrorEquals":["States.BranchFailed"],"Next":"Caught"}]`, `"S":{"Type":"Fail","Error":"E","Cause":"c"}`), `[0]`, `{"Cause":"c","Error":"E"}`},
		"Runtime within is terminal": {mapOf(`"Catch":[{"ErrorEquals":["States.BranchFailed"],"Next":"Caught"}]`, `"S":{"Type":"Pass","InputPath":"$.no","End":true}`), `[0]`, `FAILED States.Runtime: An error occurred while executing the state 'S' (entered at the event id #5). Invalid path '$.no' : No results for path: $['no']`},
	} {
		if got := outcome(simulate(t, c.definition, c.input, "")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestMaxConcurrencyBoundsWhatRunsAtTheSameTime(t *testing.T) {
	items := "[" + strings.TrimSuffix(strings.Repeat("0,", 100), ",") + "]"
	for _, c := range []struct {
		fields  string
		seconds float64
	}{{`"MaxConcurrency":1`, 1000}, {`"MaxConcurrency":3`, 340}, {`"MaxConcurrencyPath":"$$.Execution.Input[0]"`, 30}, {``, 30}, {`"MaxConcurrency":1000`, 30}} {
		r := simulate(t, mapOf(c.fields, `"S":{"Type":"Wait","Seconds":10,"End":true}`), items, "")
		if took := r.History[len(r.History)-1].At.Sub(r.History[0].At).Seconds(); took != c.seconds {
			t.Errorf("%s: %v s, want %v s", c.fields, took, c.seconds)
		}
	}
}

func TestAParallelGivesEachBranchItsInput(t *testing.T) {
	r := simulate(t, `{"StartAt":"P","States":{"P":{"Type":"Parallel","Parameters":{"v.$":"$.x"},"ResultPath":"$.r","End":true,"Branches":[
		{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":5,"End":true}}},
		{"StartAt":"B","States":{"B":{"Type":"Pass","Result":2,"End":true}}}]}}}`, `{"x":1}`, "")
	if got, want := outcome(r), `{"r":[{"v":1},2],"x":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFailedBranchAbortsTheOthersAndARetryRunsThemAllAgain(t *testing.T) {
	r := simulate(t, `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Retry":[{"ErrorEquals":["E"],"IntervalSeconds":7}],"Branches":[
		{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"Next":"W2"},"W2":{"Type":"Succeed"}}},
		{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","End":true}}}]}}}`, `{}`,
		`{"T":[{"error":"E","seconds":3},{"result":1}]}`)
	if got := outcome(r); got != `[{},1]` {
		t.Errorf("outcome %s", got)
	}
	if took := r.History[len(r.History)-1].At.Sub(r.History[0].At).Seconds(); took != 3+7+60 {
		t.Errorf("took %v s", took)
	}
	if got := types(r); strings.Count(got, "WaitStateAborted") != 1 || strings.Count(got, "ParallelStateStarted") != 2 || strings.Contains(got, "ParallelStateFailed") {
		t.Errorf("history %s", got)
	}
}

// The histories below are as Step Functions was recorded to write them: id, previous id, type.
func TestHistoriesHaveTheShapeOfStepFunctions(t *testing.T) {
	for name, c := range map[string]struct{ definition, input, mocks, want string }{
		"a Map whose iteration fails, retried and then not caught": {
			`{"StartAt":"P","States":{"P":{"Type":"Pass","Result":{"arr":[1]},"Next":"M"},"M":{"Type":"Map","ItemsPath":"$.arr","MaxConcurrency":1,
			"Retry":[{"ErrorEquals":["E"],"MaxAttempts":1}],"ItemProcessor":{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E"}}},"End":true}}}`, `{}`, "",
			`1<0 ExecutionStarted, 2<0 PassStateEntered, 3<2 PassStateExited, 4<3 MapStateEntered, 5<4 MapStateStarted, 6<5 MapIterationStarted,
			7<6 FailStateEntered, 8<7 MapIterationFailed, 9<7 MapStateStarted, 10<9 MapIterationStarted, 11<10 FailStateEntered, 12<11 MapIterationFailed,
			13<11 MapStateFailed, 14<13 ExecutionFailed`},
		"a Map that succeeds": {
			mapOf(`"MaxConcurrency":1`, `"S":{"Type":"Pass","End":true}`), `[1]`, "",
			`1<0 ExecutionStarted, 2<0 MapStateEntered, 3<2 MapStateStarted, 4<3 MapIterationStarted, 5<4 PassStateEntered, 6<5 PassStateExited,
			7<6 MapIterationSucceeded, 8<6 MapStateSucceeded, 9<6 MapStateExited, 10<9 ExecutionSucceeded`},
		"a Parallel that is caught": {
			`{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E"}}}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"End":true},"C":{"Type":"Pass","End":true}}}`, `{}`, "",
			`1<0 ExecutionStarted, 2<0 ParallelStateEntered, 3<2 ParallelStateStarted, 4<3 FailStateEntered, 5<4 ParallelStateFailed, 6<5 ParallelStateExited,
			7<6 PassStateEntered, 8<7 PassStateExited, 9<8 ExecutionSucceeded`},
		"a task that is retried and times out": {
			task(`"TimeoutSeconds":5,"Retry":[{"ErrorEquals":["E"]}]`), `{}`, `{"T":[{"error":"E"},{"result":1,"seconds":6}]}`,
			`1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 TaskScheduled, 4<3 TaskStarted, 5<4 TaskFailed, 6<5 TaskScheduled, 7<6 TaskStarted, 8<7 TaskTimedOut, 9<8 ExecutionFailed`},
		"a Lambda function's ARN": {
			`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"${F}","End":true}}}`, `{}`, `{"T":[{"result":1}]}`,
			`1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 LambdaFunctionScheduled, 4<3 LambdaFunctionStarted, 5<4 LambdaFunctionSucceeded, 6<5 TaskStateExited, 7<6 ExecutionSucceeded`},
		"siblings aborted": {
			mapOf("", `"S":{"Type":"Task","Resource":"${F}","TimeoutSeconds":5,"End":true}`), `[0,0]`, `{"S":[{"result":1,"seconds":4},{"error":"E","seconds":3}]}`,
			`1<0 ExecutionStarted, 2<0 MapStateEntered, 3<2 MapStateStarted, 4<3 MapIterationStarted, 5<4 TaskStateEntered, 6<5 LambdaFunctionScheduled,
			7<6 LambdaFunctionStarted, 8<3 MapIterationStarted, 9<8 TaskStateEntered, 10<9 LambdaFunctionScheduled, 11<10 LambdaFunctionStarted, 12<11 LambdaFunctionFailed,
			13<12 MapIterationFailed, 14<7 TaskStateAborted, 15<7 MapIterationAborted, 16<12 MapStateFailed, 17<16 ExecutionFailed`},
		"the machine's timeout": {
			`{"TimeoutSeconds":1,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":5,"End":true}}}`, `{}`, "",
			`1<0 ExecutionStarted, 2<0 WaitStateEntered, 3<0 ExecutionTimedOut`},
	} {
		r := simulate(t, c.definition, c.input, c.mocks)
		var got []string
		for _, e := range r.History {
			got = append(got, fmt.Sprintf("%d<%d %s", e.ID, e.PreviousID, e.Type))
		}
		if want := strings.Join(strings.Fields(c.want), " "); strings.Join(got, ", ") != want {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, ", "), want)
		}
	}
}

func TestEventsAreWrittenAsStepFunctionsWritesThem(t *testing.T) {
	r := simulate(t, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:emr:runJobFlow","TimeoutSeconds":60,"HeartbeatSeconds":20,"Parameters":{"Name":"x"},"End":true,
		"Retry":[{"ErrorEquals":["E"]}]}}}`, `{"a":"<"}`, `{"T":[{"error":"E","cause":"c"},{"result":{"JobFlowId":"j-1"}}]}`)
	want := []string{
		`{"executionStartedEventDetails":{"input":"{\"a\":\"<\"}","inputDetails":{"truncated":false},"roleArn":"arn:aws:iam::123456789012:role/states"},"id":1,"previousEventId":0,"timestamp":"2026-01-01T00:00:00.000Z","type":"ExecutionStarted"}`,
		`{"id":2,"previousEventId":0,"stateEnteredEventDetails":{"input":"{\"a\":\"<\"}","inputDetails":{"truncated":false},"name":"T"},"timestamp":"2026-01-01T00:00:00.000Z","type":"TaskStateEntered"}`,
		`{"id":3,"previousEventId":2,"taskScheduledEventDetails":{"heartbeatInSeconds":20,"parameters":"{\"Name\":\"x\"}","region":"us-east-1","resource":"runJobFlow","resourceType":"aws-sdk:emr","timeoutInSeconds":60},"timestamp":"2026-01-01T00:00:00.000Z","type":"TaskScheduled"}`,
		`{"id":4,"previousEventId":3,"taskStartedEventDetails":{"resource":"runJobFlow","resourceType":"aws-sdk:emr"},"timestamp":"2026-01-01T00:00:00.000Z","type":"TaskStarted"}`,
		`{"id":5,"previousEventId":4,"taskFailedEventDetails":{"cause":"c","error":"E","resource":"runJobFlow","resourceType":"aws-sdk:emr"},"timestamp":"2026-01-01T00:00:00.000Z","type":"TaskFailed"}`,
	}
	for i, w := range want {
		if got, err := r.History[i].MarshalJSON(); err != nil || string(got) != w {
			t.Errorf("event %d: %v\n got %s\nwant %s", i+1, err, got, w)
		}
	}
	last, _ := r.History[len(r.History)-1].MarshalJSON()
	if want := `{"executionSucceededEventDetails":{"output":"{\"JobFlowId\":\"j-1\"}","outputDetails":{"truncated":false}},"id":10,"previousEventId":9,"timestamp":"2026-01-01T00:00:01.000Z","type":"ExecutionSucceeded"}`; string(last) != want {
		t.Errorf("last event:\n got %s\nwant %s", last, want)
	}
	if r.Status != asl.Succeeded {
		t.Error(r.Status)
	}
}
