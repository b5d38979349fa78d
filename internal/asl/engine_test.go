package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock/internal/asl"
	"penstock/internal/clock"
)

var epoch = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func parse(t testing.TB, definition string) *asl.Machine {
	t.Helper()
	m, err := asl.Parse([]byte(definition))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// inEngine runs main beside an engine that has the machine "hour", on a virtual clock.
func inEngine(t testing.TB, definition string, config asl.Config, main func(e *asl.Engine, c *clock.Virtual)) {
	t.Helper()
	c := clock.NewVirtual(epoch)
	config.Clock = c
	e := asl.NewEngine(config)
	if _, err := e.CreateMachine("hour", parse(t, definition)); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(func() { main(e, c) }); err != nil {
		t.Fatal(err)
	}
}

func code(err error) string {
	var r *asl.RequestError
	if errors.As(err, &r) {
		return r.Code
	}
	return fmt.Sprint(err)
}

const waiting = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}`

func TestExecutionNamesAreIdempotentOnlyWhileTheyRun(t *testing.T) {
	ctx := context.Background()
	inEngine(t, waiting, asl.Config{}, func(e *asl.Engine, c *clock.Virtual) {
		first, err := e.StartExecution(ctx, "hour", "2026112307-1", json.RawMessage(`{"hour":"2026-11-23T07","n":1}`))
		if err != nil || first.Status != asl.Running || !first.Start.Equal(epoch) {
			t.Fatalf("start: %+v, %v", first, err)
		}
		again, err := e.StartExecution(ctx, first.MachineARN, "2026112307-1", json.RawMessage(` {"n":1, "hour":"2026-11-23T07"}`))
		if err != nil || again.ARN != first.ARN {
			t.Errorf("the same again: %+v, %v", again, err)
		}
		if _, err = e.StartExecution(ctx, "hour", "2026112307-1", json.RawMessage(`{"n":2}`)); code(err) != "ExecutionAlreadyExists" {
			t.Errorf("other input: %v", err)
		}
		if x, err := e.Wait(time.Second, first.ARN); err != nil || x.Status != asl.Running {
			t.Errorf("after a second: %+v, %v", x, err)
		}
		x, err := e.Wait(-1, first.ARN)
		if err != nil || x.Status != asl.Succeeded || !x.Stop.Equal(epoch.Add(time.Minute)) || string(x.Output) != `{"hour":"2026-11-23T07","n":1}` {
			t.Errorf("in the end: %+v, %v", x, err)
		}
		if _, err = e.StartExecution(ctx, "hour", "2026112307-1", first.Input); code(err) != "ExecutionAlreadyExists" {
			t.Errorf("a closed name: %v", err)
		}
		clock.Sleep(c, 91*24*time.Hour)
		if _, err = e.StartExecution(ctx, "hour", "2026112307-1", first.Input); err != nil {
			t.Errorf("a name closed 91 days ago: %v", err)
		}
	})
}

func TestRequestsThatStepFunctionsRefuses(t *testing.T) {
	ctx := context.Background()
	inEngine(t, waiting, asl.Config{}, func(e *asl.Engine, _ *clock.Virtual) {
		start := func(machine, name, input string) string {
			_, err := e.StartExecution(ctx, machine, name, json.RawMessage(input))
			return code(err)
		}
		for name, c := range map[string][2]string{
			"colon in the name":  {start("hour", "2026-11-23T07:00", ""), "InvalidName"},
			"space in the name":  {start("hour", "a b", ""), "InvalidName"},
			"81 characters":      {start("hour", strings.Repeat("x", 81), ""), "InvalidName"},
			"80 characters":      {start("hour", strings.Repeat("x", 80), ""), "<nil>"},
			"no such machine":    {start("minute", "x", ""), "StateMachineDoesNotExist"},
			"ARN of another one": {start("arn:aws:states:eu-west-1:1:stateMachine:hour", "x", ""), "StateMachineDoesNotExist"},
			"input not JSON":     {start("hour", "x", "{"), "InvalidExecutionInput"},
			"input too large":    {start("hour", "x", `"`+strings.Repeat("x", 262_144)+`"`), "InvalidExecutionInput"},
			"no name":            {start("hour", "", ""), "<nil>"},
		} {
			if c[0] != c[1] {
				t.Errorf("%s: %s, want %s", name, c[0], c[1])
			}
		}
		if _, err := e.DescribeExecution("arn:x"); code(err) != "ExecutionDoesNotExist" {
			t.Error(err)
		}
		if _, err := e.GetExecutionHistory("arn:x"); code(err) != "ExecutionDoesNotExist" {
			t.Error(err)
		}
		if _, err := e.Wait(0, "arn:x"); code(err) != "ExecutionDoesNotExist" {
			t.Error(err)
		}
		if _, err := e.StopExecution("arn:x", "", ""); code(err) != "ExecutionDoesNotExist" {
			t.Error(err)
		}
		if _, err := e.ListExecutions("minute", ""); code(err) != "StateMachineDoesNotExist" {
			t.Error(err)
		}
		if _, err := e.CreateMachine("hour", parse(t, waiting)); code(err) != "StateMachineAlreadyExists" {
			t.Error(err)
		}
		if _, err := e.CreateMachine("a:b", parse(t, waiting)); code(err) != "InvalidName" {
			t.Error(err)
		}
	})
}

func TestAStoppedExecutionEndsAtOnceAndItsTaskGoesOnUnheard(t *testing.T) {
	zombie := false
	var c *clock.Virtual
	invoker := asl.InvokerFunc(func(context.Context, asl.Call) (json.RawMessage, error) {
		clock.Sleep(c, time.Hour)
		zombie = true
		return nil, nil
	})
	var moments []string
	observe := func(o asl.Observation) {
		moments = append(moments, fmt.Sprint(o.Moment, " ", o.State, o.Status, " ", o.Error))
	}
	inEngine(t, task(catchAll), asl.Config{Invoker: invoker, Observe: observe}, func(e *asl.Engine, v *clock.Virtual) {
		c = v
		x, err := e.StartExecution(context.Background(), "hour", "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		clock.Sleep(c, time.Minute)
		if x, err = e.StopExecution(x.ARN, "Operator", "enough"); err != nil || x.Status != asl.Aborted || x.Error != "Operator" || !x.Stop.Equal(epoch.Add(time.Minute)) {
			t.Errorf("stopped: %+v, %v", x, err)
		}
		clock.Sleep(c, 2*time.Hour)
		if x, err = e.StopExecution(x.ARN, "Again", ""); err != nil || x.Error != "Operator" {
			t.Errorf("stopped twice: %+v, %v", x, err)
		}
		events, err := e.GetExecutionHistory(x.ARN)
		if err != nil || len(events) != 5 || events[4].Type != "ExecutionAborted" || events[4].Cause != "enough" {
			t.Errorf("history %+v, %v", events, err)
		}
	})
	if !zombie {
		t.Error("the task was ended with its execution")
	}
	want := []string{"ExecutionStarted  ", "StateEntered T ", "AttemptStarted T ", "AttemptEnded T Aborted", "StateExited T Aborted", "ExecutionEnded ABORTED Operator"}
	if !reflect.DeepEqual(moments, want) {
		t.Errorf("moments %q", moments)
	}
}

func TestATaskSeesItsCallAndAZombieAnswersNobody(t *testing.T) {
	type key struct{}
	var calls []asl.Call
	var c *clock.Virtual
	invoker := asl.InvokerFunc(func(ctx context.Context, call asl.Call) (json.RawMessage, error) {
		if ctx.Value(key{}) != "trace" || ctx.Err() != nil {
			t.Error("the context of the start does not reach the task")
		}
		calls = append(calls, call)
		if call.Attempt == 0 {
			clock.Sleep(c, 15*time.Second) // answers during the second attempt
			return json.RawMessage(`"zombie"`), nil
		}
		clock.Sleep(c, 8*time.Second)
		return json.RawMessage(`"second"`), nil
	})
	definition := task(`"Parameters":{"h.$":"$.h"},"TimeoutSeconds":10,"Retry":[{"ErrorEquals":["States.Timeout"]}]`)
	inEngine(t, definition, asl.Config{Invoker: invoker}, func(e *asl.Engine, v *clock.Virtual) {
		c = v
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "trace"))
		cancel()
		x, err := e.StartExecution(ctx, "hour", "a", json.RawMessage(`{"h":1}`))
		if err != nil {
			t.Fatal(err)
		}
		if x, err = e.Wait(-1, x.ARN); err != nil || string(x.Output) != `"second"` || x.Stop.Sub(epoch) != 19*time.Second {
			t.Errorf("%+v, %v", x, err)
		}
		arn, err := e.ExecutionARN("hour", "a")
		if err != nil || arn != x.ARN {
			t.Errorf("ARN %s, %v", arn, err)
		}
	})
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	got := calls[1]
	got.Heartbeat = nil
	want := asl.Call{Resource: "arn:aws:states:::aws-sdk:emr:describeCluster", Parameters: json.RawMessage(`{"h":1}`),
		Execution: "arn:aws:states:us-east-1:123456789012:execution:hour:a", Name: "a", State: "T", Visit: 2, Attempt: 1, Timeout: 10 * time.Second}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("call %+v", got)
	}
}

// Conflict is an error type of a stage; its name is what the machine catches.
type Conflict struct{}

func (*Conflict) Error() string { return "disagreement" }

func TestAnErrorsGoTypeIsItsName(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a stage's type": {&Conflict{}, `{"Cause":"{\"errorMessage\":\"disagreement\",\"errorType\":\"Conflict\"}","Error":"Conflict"}`},
		"wrapped":        {fmt.Errorf("seal: %w", &Conflict{}), `{"Cause":"{\"errorMessage\":\"seal: disagreement\",\"errorType\":\"wrapError\"}","Error":"wrapError"}`},
		"an ASL error":   {&asl.Error{Name: "Emr.EmrException", Cause: "slow down"}, `{"Cause":"slow down","Error":"Emr.EmrException"}`},
	} {
		invoker := asl.InvokerFunc(func(context.Context, asl.Call) (json.RawMessage, error) { return nil, c.err })
		inEngine(t, task(`"Catch":[{"ErrorEquals":["States.TaskFailed"],"Next":"Caught"}]`), asl.Config{Invoker: invoker}, func(e *asl.Engine, _ *clock.Virtual) {
			x, err := e.StartExecution(context.Background(), "hour", "a", nil)
			if err == nil {
				x, err = e.Wait(-1, x.ARN)
			}
			if err != nil || string(x.Output) != c.want {
				t.Errorf("%s: %s, %v", name, x.Output, err)
			}
		})
	}
}

func TestHeartbeatsKeepATaskAlive(t *testing.T) {
	for beats, want := range map[int]asl.Status{5: asl.Succeeded, 2: asl.Failed} {
		var c *clock.Virtual
		invoker := asl.InvokerFunc(func(_ context.Context, call asl.Call) (json.RawMessage, error) {
			for i := range 5 {
				clock.Sleep(c, 4*time.Second)
				if i < beats {
					call.Heartbeat()
				}
			}
			return nil, nil
		})
		inEngine(t, task(`"HeartbeatSeconds":5`), asl.Config{Invoker: invoker}, func(e *asl.Engine, v *clock.Virtual) {
			c = v
			x, _ := e.StartExecution(context.Background(), "hour", "a", nil)
			x, err := e.Wait(-1, x.ARN)
			if err != nil || x.Status != want || want == asl.Failed && (x.Error != asl.ErrHeartbeatTimeout || x.Stop.Sub(epoch) != 13*time.Second) {
				t.Errorf("%d beats: %+v, %v", beats, x, err)
			}
		})
	}
}

func TestObservationsNestAndCarryWhatASegmentNeeds(t *testing.T) {
	var got []string
	observe := func(o asl.Observation) {
		got = append(got, fmt.Sprintf("%s %s%s visit=%d in=%d[%d] attempt=%d at=%s err=%s caught=%v next=%s", o.Moment, o.State, o.Status, o.Visit, o.Parent, o.Iteration,
			o.Attempt, o.At.Sub(epoch), o.Error, o.Caught, o.Next))
	}
	n := 0
	invoker := asl.InvokerFunc(func(context.Context, asl.Call) (json.RawMessage, error) {
		if n++; n == 3 {
			return nil, nil
		}
		return nil, &Conflict{}
	})
	inEngine(t, `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","Retry":[{"ErrorEquals":["Conflict"],"MaxAttempts":1}],
		"Catch":[{"ErrorEquals":["States.ALL"],"Next":"M"}],"End":true},"M":{"Type":"Map","InputPath":"$$.Execution.Input","ItemProcessor":{"StartAt":"U","States":{
		"U":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","End":true}}},"End":true}}}`, asl.Config{Invoker: invoker, Observe: observe},
		func(e *asl.Engine, c *clock.Virtual) {
			x, _ := e.StartExecution(context.Background(), "hour", "a", json.RawMessage(`[0]`))
			if x, err := e.Wait(-1, x.ARN); err != nil || x.Status != asl.Succeeded {
				t.Errorf("%+v, %v", x, err)
			}
			clock.Sleep(c, 0) // the end of the execution is observed right after it
		})
	want := []string{
		"ExecutionStarted  visit=0 in=0[-1] attempt=0 at=0s err= caught=false next=",
		"StateEntered T visit=2 in=0[-1] attempt=0 at=0s err= caught=false next=",
		"AttemptStarted T visit=2 in=0[-1] attempt=0 at=0s err= caught=false next=",
		"AttemptEnded T visit=2 in=0[-1] attempt=0 at=0s err=Conflict caught=false next=",
		"AttemptStarted T visit=2 in=0[-1] attempt=1 at=1s err= caught=false next=",
		"AttemptEnded T visit=2 in=0[-1] attempt=1 at=1s err=Conflict caught=false next=",
		"StateExited T visit=2 in=0[-1] attempt=1 at=1s err=Conflict caught=true next=M",
		"StateEntered M visit=10 in=0[-1] attempt=0 at=1s err= caught=false next=",
		"AttemptStarted M visit=10 in=0[-1] attempt=0 at=1s err= caught=false next=",
		"StateEntered U visit=13 in=10[0] attempt=0 at=1s err= caught=false next=",
		"AttemptStarted U visit=13 in=10[0] attempt=0 at=1s err= caught=false next=",
		"AttemptEnded U visit=13 in=10[0] attempt=0 at=1s err= caught=false next=",
		"StateExited U visit=13 in=10[0] attempt=0 at=1s err= caught=false next=",
		"AttemptEnded M visit=10 in=0[-1] attempt=0 at=1s err= caught=false next=",
		"StateExited M visit=10 in=0[-1] attempt=0 at=1s err= caught=false next=",
		"ExecutionEnded SUCCEEDED visit=0 in=0[-1] attempt=0 at=1s err= caught=false next=",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("observations:\n%s", strings.Join(got, "\n"))
	}
}

func TestListedExecutionsComeLatestFirst(t *testing.T) {
	inEngine(t, waiting, asl.Config{}, func(e *asl.Engine, c *clock.Virtual) {
		for i := range 3 {
			if _, err := e.StartExecution(context.Background(), "hour", fmt.Sprint("x", i), nil); err != nil {
				t.Error(err)
			}
			clock.Sleep(c, 40*time.Second)
		}
		names := func(s asl.Status) (out string) {
			list, err := e.ListExecutions("hour", s)
			if err != nil {
				t.Error(err)
			}
			for _, x := range list {
				out += x.Name + " "
			}
			return out
		}
		if got := names("") + "| " + names(asl.Running) + "| " + names(asl.Succeeded); got != "x2 x1 x0 | x2 | x1 x0 " {
			t.Errorf("listed %s", got)
		}
	})
}
