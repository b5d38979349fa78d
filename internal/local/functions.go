package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"

	"penstock/internal/asl"
	"penstock/internal/emr"
	"penstock/internal/fault"
	"penstock/internal/trace"
)

// Function is a Lambda function: the entry point that lambda.Start would be given.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// lambda makes a Function of a stage's handler.
func lambda[In, Out any](handle func(context.Context, In) (Out, error)) Function {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var in In
		if err := json.Unmarshal(payload, &in); err != nil {
			return nil, &fault.BadInput{Detail: fmt.Sprintf("read input of the function: %v", err)}
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

// FunctionFault may harm a call of a function: before returns an error instead of running it, after loses the answer of
// a call that ran. Both are errors as Lambda names them, such as &asl.Error{Name: "Lambda.Unknown"}.
type FunctionFault func(function string, call int) (before, after error)

// invoke runs a function as Lambda would: with a request id, a trace header, and a segment of its own.
func (p *Pipeline) invoke(ctx context.Context, name, header string, payload []byte) ([]byte, error) {
	fn, ok := p.functions[name]
	if !ok {
		return nil, &fault.BadInput{Detail: "no such function: " + name}
	}
	p.calls[name]++
	n := p.calls[name]
	var before, after error
	if p.FunctionFault != nil {
		before, after = p.FunctionFault(name, n)
	}
	if before != nil {
		return nil, before
	}
	request := p.uuid(fmt.Sprintf("%s %d %d", name, n, p.Clock.Now().UnixNano()))
	if header == "" {
		header = trace.Header(trace.TraceIDFor(p.Seed, request, p.Clock.Now()), "")
	}
	ctx, end := p.Traces.Invoke(ctx, trace.Invocation{Function: name, RequestID: request, Header: header})
	out, err := fn(ctx, payload)
	end(err)
	if err == nil {
		err = after
	}
	return out, err
}

// uuid derives an id from the seed and a name: a version 4 UUID in shape.
func (p *Pipeline) uuid(name string) string {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%016x", p.Seed))
	id, err := uuid.NewRandomFromReader(rand.NewChaCha8(sum(seed, name)))
	if err != nil {
		panic(err) // the reader never fails
	}
	return id.String()
}

// Invoke implements asl.Invoker: the resources that the machines name.
func (p *Pipeline) Invoke(ctx context.Context, call asl.Call) (json.RawMessage, error) {
	attempt := p.recorder.Attempt(call.Execution, call.Visit)
	if function, payload, ok, err := call.LambdaCall(); ok {
		if err != nil {
			return nil, err
		}
		attempt.Rename("lambda:" + function)
		out, err := p.invoke(ctx, function, attempt.Header(), payload)
		if function == "judge" {
			p.judged(ctx, call.Execution, payload, out, err)
		}
		if err != nil {
			return nil, err
		}
		return call.LambdaResult(out), nil
	}
	service, action, _ := call.SDKCall()
	attempt.Rename(service + ":" + action)
	switch service + ":" + action {
	case "sfn:startExecution":
		return p.startExecution(ctx, call.Parameters)
	default:
		if service != "emr" {
			return nil, &asl.Error{Name: "States.Runtime", Cause: "no such service here: " + service}
		}
		out, err := p.EMR.Call(ctx, action, call.Parameters)
		var e *emr.Error
		if errors.As(err, &e) {
			return nil, &asl.Error{Name: "Emr." + e.Name, Cause: e.Message}
		}
		return out, err
	}
}

func (p *Pipeline) startExecution(ctx context.Context, parameters json.RawMessage) (json.RawMessage, error) {
	var in struct{ StateMachineArn, Name, Input string }
	if err := json.Unmarshal(parameters, &in); err != nil {
		return nil, &asl.Error{Name: "Sfn.ValidationException", Cause: err.Error()}
	}
	x, err := p.Engine.StartExecution(ctx, in.StateMachineArn, in.Name, json.RawMessage(in.Input))
	var e *asl.Error
	if errors.As(err, &e) {
		return nil, &asl.Error{Name: "Sfn." + strings.TrimSuffix(e.Name, "Exception") + "Exception", Cause: e.Cause}
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"ExecutionArn": x.ARN, "StartDate": x.Start})
}

// observe draws executions as X-Ray segments.
func (p *Pipeline) observe(o asl.Observation) {
	p.recorder.Record(trace.Moment{What: trace.Point(o.Moment), At: o.At, Execution: o.Execution, Name: o.Name,
		Machine: o.Machine, State: o.State, Type: o.Type, Resource: o.Resource, Visit: o.Visit, Parent: o.Parent,
		Iteration: o.Iteration, Attempt: o.Attempt, Status: string(o.Status), Error: o.Error, Cause: o.Cause})
}

// judged draws a cluster when the verdict on it is final.
func (p *Pipeline) judged(ctx context.Context, execution string, payload, out []byte, err error) {
	var in struct {
		ID string `json:"id"`
	}
	var answer struct {
		Verdict string `json:"verdict"`
	}
	if json.Unmarshal(payload, &in) != nil {
		return
	}
	if err != nil || json.Unmarshal(out, &answer) == nil && answer.Verdict != "watch" {
		p.drawCluster(ctx, execution, in.ID)
	}
}
