package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"penstock/internal/asl"
	"penstock/internal/clock"
)

// An execution of a foreign engine is repeated in internal/asl: the same definition and input, and each task gets the
// answers that it got there. Both must then enter the same states in the same order with the same inputs, give every task
// the same parameters, try it as often, leave with the same outputs, and end alike.

// happened is an execution as either engine's history tells it.
type happened struct {
	Status, Error, Cause string
	Output               any
	Visits               []*visit // in the order of their beginning
}

// visit is one visit of a state.
type visit struct {
	State         string
	Input, Output any
	Tries         []try
}

// try is one try of a Task.
type try struct {
	Parameters, Output any
	Error, Cause       string
}

// moment is an event of a history, of either engine.
type moment struct {
	id, before                int64
	kind, state               string
	input, output, parameters string
	err, cause                string
}

// fold makes an execution of its events. An event belongs to the visit that the chain of events before it began.
func fold(t *testing.T, moments []moment) *happened {
	t.Helper()
	h := &happened{}
	of := map[int64]*visit{}
	for _, m := range moments {
		v := of[m.before]
		switch {
		case strings.HasSuffix(m.kind, "StateEntered"):
			v = &visit{State: m.state, Input: value(t, m.input)}
			h.Visits = append(h.Visits, v)
		case strings.HasSuffix(m.kind, "StateExited"):
			for v == nil || v.State != m.state { // the end of a Map follows what was in it
				v = nil
				for _, x := range slices.Backward(h.Visits) {
					if x.State == m.state && x.Output == nil {
						v = x
						break
					}
				}
				if v == nil {
					t.Fatalf("%s of %s, which was not entered", m.kind, m.state)
				}
			}
			v.Output = value(t, m.output)
		case m.kind == "TaskScheduled" && v != nil:
			v.Tries = append(v.Tries, try{Parameters: value(t, m.parameters)})
		case (m.kind == "TaskSucceeded" || m.kind == "TaskFailed" || m.kind == "TaskTimedOut") && v != nil && len(v.Tries) > 0:
			last := &v.Tries[len(v.Tries)-1]
			last.Output, last.Error, last.Cause = value(t, m.output), m.err, m.cause
		case strings.HasPrefix(m.kind, "Execution") && m.kind != "ExecutionStarted":
			h.Status = strings.ToUpper(strings.TrimPrefix(m.kind, "Execution"))
			h.Output, h.Error, h.Cause = value(t, m.output), m.err, m.cause
		}
		of[m.id] = v
	}
	return h
}

func value(t *testing.T, text string) (v any) {
	t.Helper()
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return v
}

// foreign reads a history from the server, with what is known mended.
func (s *stack) foreign(t *testing.T, arn string) *happened {
	t.Helper()
	var all []moment
	pages := sfn.NewGetExecutionHistoryPaginator(s.machines, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			all = append(all, momentOf(&page.Events[i]))
		}
	}
	h := fold(t, all)
	mend(h)
	return h
}

func momentOf(e *types.HistoryEvent) moment {
	m := moment{id: e.Id, before: e.PreviousEventId, kind: string(e.Type)}
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	if d := e.StateEnteredEventDetails; d != nil {
		set(&m.state, d.Name)
		set(&m.input, d.Input)
	}
	if d := e.StateExitedEventDetails; d != nil {
		set(&m.state, d.Name)
		set(&m.output, d.Output)
	}
	if d := e.TaskScheduledEventDetails; d != nil {
		set(&m.parameters, d.Parameters)
	}
	if d := e.TaskSucceededEventDetails; d != nil {
		set(&m.output, d.Output)
	}
	if d := e.TaskFailedEventDetails; d != nil {
		set(&m.err, d.Error)
		set(&m.cause, d.Cause)
	}
	if d := e.TaskTimedOutEventDetails; d != nil {
		set(&m.err, d.Error)
		set(&m.cause, d.Cause)
	}
	if d := e.ExecutionSucceededEventDetails; d != nil {
		set(&m.output, d.Output)
	}
	if d := e.ExecutionFailedEventDetails; d != nil {
		set(&m.err, d.Error)
		set(&m.cause, d.Cause)
	}
	return m
}

// own is the same of the project's engine.
func own(t *testing.T, events []asl.Event) *happened {
	t.Helper()
	var all []moment
	for _, e := range events {
		all = append(all, moment{e.ID, e.PreviousID, e.Type, e.State, string(e.Input), string(e.Output), string(e.Parameters), e.Error, e.Cause})
	}
	return fold(t, all)
}

// recorded answers tasks as they were answered before: by state and parameters, in order.
type recorded struct {
	mu      sync.Mutex
	answers map[string][]try
	missing []string
}

func record(h *happened) *recorded {
	r := &recorded{answers: map[string][]try{}}
	for _, v := range h.Visits {
		for _, one := range v.Tries {
			key := v.State + " " + text(one.Parameters)
			r.answers[key] = append(r.answers[key], one)
		}
	}
	return r
}

func (r *recorded) Invoke(_ context.Context, call asl.Call) (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parameters any
	if err := json.Unmarshal(call.Parameters, &parameters); err != nil {
		return nil, err
	}
	key := call.State + " " + text(parameters)
	if len(r.answers[key]) == 0 {
		r.missing = append(r.missing, key)
		return nil, &asl.Error{Name: "Test.NeverAsked", Cause: key}
	}
	one := r.answers[key][0]
	r.answers[key] = r.answers[key][1:]
	if one.Error != "" {
		return nil, &asl.Error{Name: one.Error, Cause: one.Cause}
	}
	return json.RawMessage(text(one.Output)), nil
}

// text is JSON with sorted members.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(b)
}

// repeat runs an execution again in internal/asl.
func (s *stack) repeat(t *testing.T, x *sfn.DescribeExecutionOutput, there *happened) *happened {
	t.Helper()
	definition, err := s.machines.DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: x.StateMachineArn})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := asl.Parse([]byte(*definition.Definition))
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewVirtual(x.StartDate.UTC())
	answers := record(there)
	engine := asl.NewEngine(asl.Config{Clock: c, Invoker: answers, Account: "000000000000"})
	if _, err := engine.CreateMachine(*definition.Name, machine); err != nil {
		t.Fatal(err)
	}
	var events []asl.Event
	var failed error
	ran := c.Run(func() {
		started, err := engine.StartExecution(context.Background(), *definition.Name, *x.Name, json.RawMessage(*x.Input))
		if err == nil {
			_, err = engine.Wait(-1, started.ARN)
		}
		if err == nil {
			events, err = engine.GetExecutionHistory(started.ARN)
		}
		failed = err
	})
	if err := errors.Join(ran, failed); err != nil {
		t.Fatal(err)
	}
	for _, key := range answers.missing {
		t.Errorf("%s: here a task was given what it was not given there: %.600s", *x.Name, key)
	}
	for _, key := range slices.Sorted(maps.Keys(answers.answers)) {
		if n := len(answers.answers[key]); n > 0 {
			t.Errorf("%s: there a task was tried %d times more: %.600s", *x.Name, n, key)
		}
	}
	return own(t, events)
}

// known are differences that are the foreign engine's own: what it writes, what AWS does, and where that stands. Each
// changes a value of a history into what AWS would have told.
var known = []struct {
	why  string
	mend func(member map[string]any)
}{{
	`LocalStack calls a lost connection of an SDK call States.Runtime and lets States.ALL catch it. On AWS a catcher of
States.ALL does not catch States.Runtime (Step Functions developer guide, "Handling errors", Error names), so that this
cannot be its name there; the client's errors bear the service's name (the same guide, "Call AWS service APIs").`,
	func(member map[string]any) {
		cause, _ := member["Cause"].(string)
		if member["Error"] == "States.Runtime" && strings.HasPrefix(cause, "Connection was closed before we received a valid response") {
			member["Error"] = "Emr.SdkClientException"
		}
	},
}}

// mend changes all that is known in a history.
func mend(h *happened) {
	for _, v := range h.Visits {
		for _, value := range []any{v.Input, v.Output} {
			mendValue(value)
		}
		for i := range v.Tries {
			one := &v.Tries[i]
			mendValue(one.Parameters)
			mendValue(one.Output)
			failed := map[string]any{"Error": one.Error, "Cause": one.Cause}
			mendValue(failed)
			one.Error = failed["Error"].(string)
		}
	}
	mendValue(h.Output)
}

func mendValue(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			mendValue(x)
		}
	case map[string]any:
		for _, k := range known {
			k.mend(v)
		}
		for _, x := range v {
			mendValue(x)
		}
	}
}

// repeats holds every execution of both machines, but those that were stopped from outside, against internal/asl.
func (s *stack) repeats(t *testing.T) {
	compared, tries := 0, 0
	for _, machine := range []string{s.Outputs["HourMachineArn"], s.Outputs["ScheduleMachineArn"]} {
		list, err := s.machines.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &machine})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Executions {
			x, err := s.machines.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: e.ExecutionArn})
			if err != nil {
				t.Fatal(err)
			}
			if x.Status != types.ExecutionStatusSucceeded && x.Status != types.ExecutionStatusFailed {
				t.Logf("%s %s is not compared", *x.Name, x.Status)
				continue
			}
			there := s.foreign(t, *e.ExecutionArn)
			here := s.repeat(t, x, there)
			for _, d := range differences(there, here) {
				t.Errorf("%s %s: %s", machine[strings.LastIndexByte(machine, 58)+1:], *x.Name, d)
			}
			compared++
			for _, v := range there.Visits {
				tries += len(v.Tries)
			}
		}
	}
	t.Logf("%d executions of %d tries were repeated", compared, tries)
	if compared < 10 {
		t.Errorf("only %d executions were compared", compared)
	}
}

// inside are the states within a Map: its iterations may take turns.
var inside = []string{"CompactPart", "StartHour", "StartedBefore", "NextTickStartsIt"}

// differences says in what two executions differ; the first visits that do are shown.
func differences(there, here *happened) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if there.Status != here.Status || there.Error != here.Error || there.Cause != here.Cause {
		say("it ended %s %s (%.200s), here %s %s (%.200s)", there.Status, there.Error, there.Cause, here.Status, here.Error, here.Cause)
	}
	if !reflect.DeepEqual(there.Output, here.Output) {
		say("its output was\n%s, here\n%s", text(there.Output), text(here.Output))
	}
	a, b := ordered(there.Visits), ordered(here.Visits)
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		switch {
		case x.State != y.State:
			say("visit %d was of %s, here of %s", i, x.State, y.State)
		case !reflect.DeepEqual(x.Input, y.Input):
			say("visit %d, %s: the input was\n%s, here\n%s", i, x.State, text(x.Input), text(y.Input))
		case !reflect.DeepEqual(x.Tries, y.Tries):
			say("visit %d, %s: the tries were\n%s, here\n%s", i, x.State, text(x.Tries), text(y.Tries))
		case !reflect.DeepEqual(x.Output, y.Output):
			say("visit %d, %s: the output was\n%s, here\n%s", i, x.State, text(x.Output), text(y.Output))
		default:
			continue
		}
		return all
	}
	if len(a) != len(b) {
		say("%d visits, here %d", len(a), len(b))
	}
	return all
}

// ordered sorts neighbours that are inside a Map by what they are.
func ordered(visits []*visit) []*visit {
	all := slices.Clone(visits)
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && slices.Contains(inside, all[j].State) {
			j++
		}
		slices.SortFunc(all[i:j], func(a, b *visit) int { return strings.Compare(text(a), text(b)) })
		i = max(j, i+1)
	}
	return all
}
