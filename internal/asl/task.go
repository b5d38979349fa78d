package asl

import (
	"encoding/json"
	"sync"
	"time"

	"penstock/internal/clock"
)

// answer is what an Invoker gave, once it has.
type answer struct {
	mu     sync.Mutex
	result json.RawMessage
	err    error
}

// task does one attempt of a Task: the invocation runs as a task of its own, so that a timeout or
// the end of the execution need not wait for it.
func (v *visit) task(data any) (any, *failure) {
	s, c := v.state, v.x.engine.clock
	timeout, _, f := v.wholeNumber("TimeoutSecondsPath", s.timeout, data)
	if f != nil {
		return nil, f
	}
	beats, _, f := v.wholeNumber("HeartbeatSecondsPath", s.heartbeat, data)
	if f != nil {
		return nil, f
	}
	if s.timeout.path != nil && timeout == 0 || s.heartbeat.path != nil && beats == 0 {
		return nil, v.runtime("TimeoutSeconds and HeartbeatSeconds must be positive.")
	}
	parameters, f := v.build(s.parameters, data)
	if f != nil {
		return nil, f
	}
	text, f := v.text(parameters)
	if f != nil {
		return nil, f
	}
	call := Call{Resource: s.resource, Parameters: text, Execution: v.x.arn, Name: v.x.name, State: s.name,
		Visit: v.id, Attempt: v.attempt, Timeout: time.Duration(timeout) * time.Second}
	beat := &heartbeat{clock: c}
	call.Heartbeat = beat.signal

	prefix, scheduled := "Task", Event{Resource: s.resource, Parameters: text, Region: v.x.engine.config.Region,
		Timeout: call.Timeout, Heartbeat: time.Duration(beats) * time.Second}
	if lambdaARN.MatchString(s.resource) {
		prefix, scheduled = "LambdaFunction", Event{Resource: s.resource, Input: text, Timeout: call.Timeout}
	}
	scheduled.Type = prefix + "Scheduled"
	v.event(scheduled)
	v.event(Event{Type: prefix + "Started", Resource: s.resource})

	done, got := c.NewEvent(), &answer{}
	c.Go(func() {
		result, err := v.x.engine.config.Invoker.Invoke(v.x.ctx, call)
		got.mu.Lock()
		got.result, got.err = result, err
		got.mu.Unlock()
		done.Fire()
	})
	if f := v.await(done, beat, timeout, beats); f != nil {
		if !f.aborted {
			v.event(Event{Type: prefix + "TimedOut", Resource: s.resource, Error: f.Name})
		}
		return nil, f
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	result, f := v.result(got.result, got.err)
	if f != nil {
		if !f.terminal {
			v.event(Event{Type: prefix + "Failed", Resource: s.resource, Error: f.Name, Cause: f.Cause})
		}
		return nil, f
	}
	v.event(Event{Type: prefix + "Succeeded", Resource: s.resource, Output: encode(result)})
	return result, nil
}

// result reads what the Invoker answered.
func (v *visit) result(data json.RawMessage, err error) (any, *failure) {
	if err != nil {
		e := errorOf(err)
		return nil, &failure{Error: *e, terminal: e.Name == ErrRuntime}
	}
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) > maxPayload {
		what, _ := resourceType(v.state.resource)
		if what == "" {
			what = v.state.resource
		}
		return nil, v.dataLimit(what)
	}
	out, err := decode(data)
	if err != nil {
		return nil, v.runtime("The task answered with something that is not JSON: %v", err)
	}
	return out, nil
}

// await waits for the answer, the timeout, a missed heartbeat or the end of the run. It returns
// nil when the answer is there. Times are in seconds, 0 for none.
func (v *visit) await(done clock.Event, beat *heartbeat, timeout, beats int64) *failure {
	c := v.x.engine.clock
	began := c.Now()
	last := began
	for {
		left, late := time.Duration(-1), ErrTimeout
		if timeout > 0 {
			left = max(0, time.Duration(timeout)*time.Second-c.Now().Sub(began))
		}
		if beats > 0 {
			next := max(0, time.Duration(beats)*time.Second-c.Now().Sub(last))
			if left < 0 || next < left {
				left, late = next, ErrHeartbeatTimeout
			}
		}
		switch c.Wait(left, done, v.scope.cancelled, beat.arm()) {
		case 0:
			return nil
		case 1:
			return &failure{aborted: true}
		case 2:
			last = c.Now()
		default:
			return fail(late, "")
		}
	}
}

// heartbeat carries the signs of life of one invocation to the task that waits for it.
type heartbeat struct {
	clock clock.Clock
	mu    sync.Mutex
	event clock.Event
}

func (h *heartbeat) signal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.event != nil {
		h.event.Fire()
	}
}

// arm is the event of the next sign of life.
func (h *heartbeat) arm() clock.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.event == nil || h.event.Fired() {
		h.event = h.clock.NewEvent()
	}
	return h.event
}
