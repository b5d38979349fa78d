package asl_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/asl"
)

const catchAll = `"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.e","Next":"Caught"}]`

func TestCatchersMatchErrorsByName(t *testing.T) {
	for name, c := range map[string]struct{ errors, raised, want string }{
		"by its name":                           {`"Conflict"`, "Conflict", "caught"},
		"one of several names":                  {`"A","Conflict"`, "Conflict", "caught"},
		"another name":                          {`"A"`, "Conflict", "FAILED Conflict: why"},
		"States.ALL takes any":                  {`"States.ALL"`, "Conflict", "caught"},
		"States.ALL takes a timeout":            {`"States.ALL"`, "States.Timeout", "caught"},
		"States.ALL never takes Runtime":        {`"States.ALL"`, "States.Runtime", "FAILED States.Runtime: why"},
		"nor does its own name":                 {`"States.Runtime"`, "States.Runtime", "FAILED States.Runtime: why"},
		"States.ALL never takes the data limit": {`"States.ALL"`, "States.DataLimitExceeded", "FAILED States.DataLimitExceeded: why"},
		"but its own name does":                 {`"States.DataLimitExceeded"`, "States.DataLimitExceeded", "caught"},
		"States.TaskFailed takes any":           {`"States.TaskFailed"`, "Lambda.Unknown", "caught"},
		"States.TaskFailed takes no timeout":    {`"States.TaskFailed"`, "States.Timeout", "FAILED States.Timeout: why"},
		"States.Timeout takes a heartbeat's":    {`"States.Timeout"`, "States.HeartbeatTimeout", "caught"},
		"prefixes do not count":                 {`"Lambda."`, "Lambda.Unknown", "FAILED Lambda.Unknown: why"},
	} {
		r := simulate(t, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","End":true,
			"Catch":[{"ErrorEquals":[`+c.errors+`],"Next":"Caught"}]},"Caught":{"Type":"Pass","Result":"caught","End":true}}}`, `{}`,
			`{"T":[{"error":"`+c.raised+`","cause":"why"}]}`)
		if got := strings.Trim(outcome(r), `"`); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestACatchPutsErrorAndCauseIntoTheInput(t *testing.T) {
	r := simulate(t, task(`"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.e","Next":"Caught"}],"OutputPath":"$.never"`), `{"keep":1}`,
		`{"T":[{"error":"E","cause":"{\"errorType\":\"E\"}"}]}`)
	if got, want := outcome(r), `{"e":{"Cause":"{\"errorType\":\"E\"}","Error":"E"},"keep":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFailuresOfTheFieldsOfATask(t *testing.T) {
	for name, c := range map[string]struct{ fields, want string }{
		"an intrinsic in Parameters is caught":    {`"Parameters":{"x.$":"States.ArrayLength($)"},` + catchAll, "States.IntrinsicFailure"},
		"a path in Parameters is States.Runtime":  {`"Parameters":{"x.$":"$.no"},` + catchAll, "FAILED States.Runtime"},
		"a path in ResultSelector likewise":       {`"ResultSelector":{"x.$":"$.no"},` + catchAll, "FAILED States.Runtime"},
		"OutputPath likewise, named or not":       {`"OutputPath":"$.no","Catch":[{"ErrorEquals":["States.Runtime"],"Next":"Caught"}]`, "FAILED States.Runtime"},
		"ResultPath is caught":                    {`"ResultPath":"$.s.x",` + catchAll, "States.ResultPathMatchFailure"},
		"TimeoutSecondsPath that finds nothing":   {`"TimeoutSecondsPath":"$.no",` + catchAll, "FAILED States.Runtime"},
		"TimeoutSecondsPath of the wrong type":    {`"TimeoutSecondsPath":"$.s",` + catchAll, "FAILED States.Runtime"},
		"TimeoutSecondsPath zero":                 {`"TimeoutSecondsPath":"$.zero",` + catchAll, "FAILED States.Runtime"},
		"an intrinsic in ResultSelector, retried": {`"ResultSelector":{"x.$":"States.MathAdd($.r, 1)"},"Retry":[{"ErrorEquals":["States.IntrinsicFailure"]}]`, `{"x":3}`},
	} {
		r := simulate(t, task(c.fields), `{"s":"x","zero":0}`, `{"T":[{"result":{"r":"one"}},{"result":{"r":2}}]}`)
		if got := outcome(r); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// waits gives the seconds between the attempts of a history.
func waits(r *asl.Report) (out []float64) {
	var failed time.Time
	for _, e := range r.History {
		switch e.Type {
		case "TaskFailed":
			failed = e.At
		case "TaskScheduled":
			if !failed.IsZero() {
				out = append(out, e.At.Sub(failed).Seconds())
			}
		}
	}
	return out
}

func equalFloats(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestRetriesBackOff(t *testing.T) {
	for name, c := range map[string]struct {
		retry, mocks string
		want         []float64
		outcome      string
	}{
		"three times by default": {`{"ErrorEquals":["States.ALL"]}`, `{"error":"E"}`, []float64{1, 2, 4}, "FAILED E"},
		"up to MaxDelaySeconds": {`{"ErrorEquals":["E"],"IntervalSeconds":10,"MaxAttempts":4,"BackoffRate":3,"MaxDelaySeconds":40}`,
			`{"error":"E"}`, []float64{10, 30, 40, 40}, "FAILED E"},
		"until it works":              {`{"ErrorEquals":["E"],"BackoffRate":1.5}`, `{"error":"E"},{"error":"E"},{"result":5}`, []float64{1, 1.5}, "5"},
		"never with 0 attempts":       {`{"ErrorEquals":["E"],"MaxAttempts":0},{"ErrorEquals":["States.ALL"]}`, `{"error":"E"}`, nil, "FAILED E"},
		"not for another error":       {`{"ErrorEquals":["E"]}`, `{"error":"F"}`, nil, "FAILED F"},
		"each retrier counts its own": {`{"ErrorEquals":["E"],"MaxAttempts":2},{"ErrorEquals":["F"],"IntervalSeconds":5}`, `{"error":"E"},{"error":"F"},{"error":"E"},{"error":"E"}`, []float64{1, 5, 2}, "FAILED E"},
		"never for States.Runtime":    {`{"ErrorEquals":["States.ALL"]}`, `{"error":"States.Runtime"}`, nil, "FAILED States.Runtime"},
	} {
		r := simulate(t, task(`"Retry":[`+c.retry+`]`), `{}`, `{"T":[`+c.mocks+`]}`)
		if got := waits(r); !equalFloats(got, c.want) || outcome(r) != c.outcome {
			t.Errorf("%s: waits %v, %s; want %v, %s", name, got, outcome(r), c.want, c.outcome)
		}
	}
}

func TestFullJitterStaysBelowTheDelayAndFollowsTheSeed(t *testing.T) {
	definition := task(`"Retry":[{"ErrorEquals":["E"],"IntervalSeconds":60,"MaxAttempts":50,"BackoffRate":1,"JitterStrategy":"FULL"}]`)
	run := func(seed uint64) []float64 {
		r, err := asl.Simulate(asl.Simulation{Definition: []byte(definition), Mocks: []byte(`{"T":[{"error":"E"}]}`), Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return waits(r)
	}
	a, sum := run(1), 0.0
	for _, w := range a {
		if w < 0 || w > 60 {
			t.Errorf("a wait of %v s", w)
		}
		sum += w
	}
	if len(a) != 50 || sum < 50*15 || sum > 50*45 {
		t.Errorf("%d waits, %v s in all", len(a), sum)
	}
	if !equalFloats(a, run(1)) || equalFloats(a, run(2)) {
		t.Error("the waits do not follow the seed")
	}
}

func TestRetryCountIsInTheContextOfEachAttempt(t *testing.T) {
	r := simulate(t, task(`"Parameters":{"n.$":"$$.State.RetryCount"},"Retry":[{"ErrorEquals":["E"]}]`), `{}`, `{"T":[{"error":"E"},{"error":"E"},{"result":1}]}`)
	var got []string
	for _, e := range r.History {
		if e.Type == "TaskScheduled" {
			got = append(got, string(e.Parameters))
		}
	}
	if strings.Join(got, "") != `{"n":0}{"n":1}{"n":2}` {
		t.Errorf("parameters %v", got)
	}
}

func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		definition, want string
		seconds          float64
	}{
		"a task in time":                        {task(`"TimeoutSeconds":11`), "1", 10},
		"a task that takes too long":            {task(`"TimeoutSeconds":9`), "FAILED States.Timeout", 9},
		"a timeout from the input":              {task(`"TimeoutSecondsPath":"$.limit"`), "FAILED States.Timeout", 7},
		"caught":                                {task(`"TimeoutSeconds":9,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"Caught"}]`), `{"Cause":"","Error":"States.Timeout"}`, 9},
		"a task that never heartbeats":          {task(`"TimeoutSeconds":9,"HeartbeatSeconds":3`), "FAILED States.HeartbeatTimeout", 3},
		"the machine's, which no Catch catches": {`{"TimeoutSeconds":5,` + task(catchAll)[1:], "TIMED_OUT", 5},
		"the machine's, not needed":             {`{"TimeoutSeconds":11,` + task("")[1:], "1", 10},
		"the machine's, during a retry's wait":  {`{"TimeoutSeconds":12,` + task(`"TimeoutSeconds":2,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":100}]`)[1:], "TIMED_OUT", 12},
	} {
		r := simulate(t, c.definition, `{"limit":7}`, `{"T":[{"result":1,"seconds":10}]}`)
		took := r.History[len(r.History)-1].At.Sub(r.History[0].At).Seconds()
		if got := outcome(r); got != c.want || took != c.seconds {
			t.Errorf("%s: %s after %v s, want %s after %v s", name, got, took, c.want, c.seconds)
		}
	}
}

func TestWaits(t *testing.T) {
	wait := func(fields string) string {
		return `{"StartAt":"W","States":{"W":{"Type":"Wait",` + fields + `,"End":true}}}`
	}
	const runtime = "FAILED States.Runtime: An error occurred while executing the state 'W' (entered at the event id #2). "
	for fields, want := range map[string]string{
		`"Seconds":90`:        "1m30s",
		`"Seconds":0`:         "0s",
		`"SecondsPath":"$.n"`: "5s",
		`"Timestamp":"2026-01-01T01:00:00+00:30"`: "30m0s",
		`"Timestamp":"2025-01-01T00:00:00Z"`:      "0s",
		`"TimestampPath":"$.t"`:                   "1.5s",
		`"InputPath":"$.in","SecondsPath":"$.n"`:  "6s",
		`"SecondsPath":"$.half"`:                  runtime + "The SecondsPath parameter does not reference a valid whole number: $.half == 1.5",
		`"SecondsPath":"$.negative"`:              runtime + "The SecondsPath parameter does not reference a valid whole number: $.negative == -1",
		`"SecondsPath":"$.no"`:                    runtime + "Invalid path '$.no' : No results for path: $['no']",
		`"TimestampPath":"$.day"`:                 runtime + "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.day == \"2026-01-01 00:00:00Z\"",
		`"TimestampPath":"$.no"`:                  runtime + "The TimestampPath parameter does not reference an input value: $.no",
		`"Timestamp":"9026-01-01T00:00:00Z"`:      runtime + "Wait state delay is too long",
	} {
		r := simulate(t, wait(fields), `{"n":5,"in":{"n":6},"half":1.5,"negative":-1,"t":"2026-01-01T00:00:01.500Z","day":"2026-01-01 00:00:00Z"}`, "")
		got := outcome(r)
		if r.Status == asl.Succeeded {
			got = r.History[len(r.History)-1].At.Sub(r.History[0].At).String()
		}
		if strings.TrimSuffix(got, ".") != want {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
	}
}

func TestFailStates(t *testing.T) {
	for fields, want := range map[string]string{
		``:                                    `FAILED`,
		`"Error":"E","Cause":"c"`:             `FAILED E: c`,
		`"ErrorPath":"$.e","CausePath":"$.c"`: `FAILED Busy: why`,
		`"Error":"E","CausePath":"States.Format('{}!', $.c)"`: `FAILED E: why!`,
		`"ErrorPath":"$.no"`:                    `FAILED States.Runtime: An error occurred while executing the state 'F' (entered at the event id #2). The JSONPath '$.no' specified for the field 'ErrorPath' could not be found in the input '{"c":"why","e":"Busy","n":1}'`,
		`"CausePath":"$.n"`:                     `FAILED States.Runtime: An error occurred while executing the state 'F' (entered at the event id #2). The field 'CausePath' references a number, a string is expected`,
		`"CausePath":"States.ArrayLength($.n)"`: `FAILED States.Runtime: An error occurred while executing the state 'F' (entered at the event id #2). The function 'States.ArrayLength($.n)' had the following error: States.ArrayLength: argument 1 is a number, an array is expected`,
	} {
		r := simulate(t, `{"StartAt":"F","States":{"F":{"Type":"Fail"`+comma(fields)+`}}}`, `{"e":"Busy","c":"why","n":1}`, "")
		if got := outcome(r); got != want {
			t.Errorf("%s:\n got %s\nwant %s", fields, got, want)
		}
	}
}

func TestMoreThan256KiBEndsTheExecutionPastStatesALL(t *testing.T) {
	big := strings.Repeat("x", 200_000)
	const doubled = `"Parameters":{"a.$":"$.s","b.$":"$.s"}`
	for name, c := range map[string]struct{ definition, mocks, want string }{
		"a state's output":       {pass(doubled), "", "FAILED States.DataLimitExceeded"},
		"a task's parameters":    {task(doubled + `,` + catchAll), `{"T":[{"result":1}]}`, "FAILED States.DataLimitExceeded"},
		"a task's result":        {task(catchAll), `{"T":[{"result":"` + strings.Repeat("x", 262_143) + `"}]}`, "FAILED States.DataLimitExceeded"},
		"a task's output":        {task(`"ResultPath":"$.r",` + catchAll), `{"T":[{"result":"` + big + `"}]}`, "FAILED States.DataLimitExceeded"},
		"caught by its own name": {task(`"ResultPath":"$.r","Catch":[{"ErrorEquals":["States.DataLimitExceeded"],"Next":"Caught"}]`), `{"T":[{"result":"` + big + `"}]}`, `{"Cause":"The state/task 'T'`},
		"just within":            {task(``), `{"T":[{"result":"` + strings.Repeat("x", 262_142) + `"}]}`, `"xxxx`},
	} {
		r := simulate(t, c.definition, `{"s":"`+big+`"}`, c.mocks)
		if got := outcome(r); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %.100s, want %s", name, got, c.want)
		}
	}
}

func TestAHistoryEndsAt25000Events(t *testing.T) {
	r := simulate(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.end","IsPresent":true,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"}}}`, `{}`, "")
	if got := outcome(r); len(r.History) != 25_000 || got != "FAILED States.Runtime: The execution reached the maximum number of history events (25000)." {
		t.Errorf("%d events, %s", len(r.History), got)
	}
}
