package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// run is one sequence of states: an execution at the top, a branch, or an iteration of a Map.
type run struct {
	x      *execution
	scope  *scope
	prev   int64          // id of the event before the next one
	parent int64          // visit of the Map or Parallel around; 0 at the top
	index  int            // of the branch or iteration; -1 at the top
	item   map[string]any // the context object's Map.Item, within a Map
}

// event appends an event that the next one follows.
func (r *run) event(e Event) {
	if id := r.x.record(r.prev, e); id > 0 {
		r.prev = id
	}
}

// aside appends an event that leaves the chain of previous ids as it is.
func (r *run) aside(e Event) { r.x.record(r.prev, e) }

// block runs states from the start of b until one ends. text is input as JSON.
func (r *run) block(b *block, input any, text []byte) (any, []byte, *failure) {
	name := b.start
	for {
		if r.scope.cancelled.Fired() {
			return nil, nil, &failure{aborted: true}
		}
		v := &visit{run: r, state: b.states[name], input: input, entered: r.x.engine.clock.Now()}
		out, outText, next, f := v.live(text)
		if f != nil {
			return nil, nil, f
		}
		if next == "" {
			return out, outText, nil
		}
		name, input, text = next, out, outText
	}
}

// visit is one stay in one state.
type visit struct {
	*run
	state   *state
	id      int64 // of the Entered event
	input   any
	entered time.Time
	attempt int
	begun   bool     // a Map or Parallel has begun its branches
	caught  *failure // what a Catch took
}

// live enters the state, does what it does and leaves it.
func (v *visit) live(text []byte) (out any, outText []byte, next string, f *failure) {
	s := v.state
	v.event(Event{Type: s.kind + "StateEntered", State: s.name, Input: text})
	v.id = v.prev
	v.observe(Observation{Moment: StateEntered})
	out, next, f = v.do()
	if f == nil {
		if outText, f = v.text(out); f == nil {
			v.event(Event{Type: s.kind + "StateExited", State: s.name, Output: outText})
		}
	}
	o := Observation{Moment: StateExited, Next: next}
	switch {
	case f != nil && f.aborted:
		o.Error = "Aborted"
		switch s.kind {
		case "Task", "Wait", "Map", "Parallel":
			v.aside(Event{Type: s.kind + "StateAborted"})
		}
	case f != nil:
		o.Error, o.Cause, o.Next = f.Name, f.Cause, ""
	case v.caught != nil:
		o.Error, o.Cause, o.Caught = v.caught.Name, v.caught.Cause, true
	}
	v.observe(o)
	return out, outText, next, f
}

// text writes an output as JSON and checks its size.
func (v *visit) text(out any) ([]byte, *failure) {
	if !tooBig(out, maxPayload) {
		if text := encode(out); len(text) <= maxPayload {
			return text, nil
		}
	}
	return nil, v.dataLimit(v.state.name)
}

func (v *visit) dataLimit(what string) *failure {
	return fail(ErrDataLimitExceeded, "The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", what)
}

func (v *visit) observe(o Observation) {
	o.State, o.Type, o.Resource = v.state.name, v.state.kind, v.state.resource
	o.Visit, o.Parent, o.Iteration, o.Attempt = v.id, v.parent, v.index, v.attempt
	v.x.observe(o)
}

func (v *visit) do() (out any, next string, f *failure) {
	s := v.state
	switch s.kind {
	case "Task", "Map", "Parallel":
		return v.work()
	case "Pass":
		out, f = v.pass()
	case "Wait":
		out, f = v.wait()
	case "Choice":
		return v.choose()
	case "Fail":
		return nil, "", v.failState()
	case "Succeed":
		out, f = v.selected()
	}
	return out, s.next, f
}

// selected is what InputPath and then OutputPath let through.
func (v *visit) selected() (any, *failure) {
	data, f := v.effective()
	if f != nil {
		return nil, f
	}
	return v.choosePath(v.state.outputPath, data)
}

// effective is the input after InputPath.
func (v *visit) effective() (any, *failure) { return v.choosePath(v.state.inputPath, v.input) }

func (v *visit) choosePath(s selection, data any) (any, *failure) {
	switch {
	case s.null:
		return map[string]any{}, nil
	case s.whole():
		return data, nil
	}
	out, err := v.evaluation(data).get(s.path)
	if err != nil {
		return nil, v.runtime("Invalid path '%s' : No results for path: %s", s.path.text, canonical(s.path.steps))
	}
	return out, nil
}

// runtime is a States.Runtime failure of this state.
func (v *visit) runtime(format string, args ...any) *failure {
	return fail(ErrRuntime, "An error occurred while executing the state '%s' (entered at the event id #%d). %s",
		v.state.name, v.id, fmt.Sprintf(format, args...))
}

func (v *visit) evaluation(data any) *evaluation {
	return &evaluation{data: data, context: v.context, random: v.x.random}
}

// context makes the context object.
func (v *visit) context() map[string]any {
	x := v.x
	out := map[string]any{
		"Execution": map[string]any{"Id": x.arn, "Input": x.input, "Name": x.name, "RoleArn": x.engine.config.Role,
			"StartTime": stamp(x.started), "RedriveCount": json.Number("0")},
		"State":        map[string]any{"EnteredTime": stamp(v.entered), "Name": v.state.name, "RetryCount": number(int64(v.attempt))},
		"StateMachine": map[string]any{"Id": x.deployed.arn, "Name": x.deployed.name},
	}
	if v.item != nil {
		out["Map"] = map[string]any{"Item": v.item}
	}
	return out
}

// build evaluates a payload template over data; a nil template gives data itself.
func (v *visit) build(t *template, data any) (any, *failure) {
	if t == nil {
		return data, nil
	}
	return v.fill(t, v.evaluation(data))
}

func (v *visit) fill(t *template, ev *evaluation) (any, *failure) {
	switch {
	case t.expression != nil:
		out, err := t.expression.eval(ev)
		switch {
		case err == nil:
			return out, nil
		case errors.Is(err, errNoMatch):
			return nil, v.runtime("The JSONPath '%s' specified for the field '%s' could not be found in the input '%s'",
				t.source, t.field, clip(string(encode(ev.data))))
		}
		return nil, fail(ErrIntrinsicFailure, "The function '%s' had the following error: %v", clip(t.source), err)
	case t.constant:
		return t.value, nil
	case t.object != nil:
		out := make(map[string]any, len(t.names))
		for _, name := range t.names {
			x, f := v.fill(t.object[name], ev)
			if f != nil {
				return nil, f
			}
			out[name] = x
		}
		return out, nil
	}
	out := make([]any, len(t.array))
	for i, part := range t.array {
		x, f := v.fill(part, ev)
		if f != nil {
			return nil, f
		}
		out[i] = x
	}
	return out, nil
}

// put places a result into the state's input as a ResultPath says.
func (v *visit) put(s selection, result any) (any, *failure) {
	switch {
	case s.null:
		return v.input, nil
	case s.whole():
		return result, nil
	}
	out, err := s.path.set(v.input, result)
	if err != nil {
		return nil, fail(ErrResultPathMatchFailure, "Unable to apply step \"%s\" to the input: %v", s.path.text, err)
	}
	return out, nil
}

// wholeNumber resolves a field that may be a path. ok is false when the field is absent.
func (v *visit) wholeNumber(name string, field fieldOrPath, data any) (n int64, ok bool, f *failure) {
	if !field.set || field.path == nil {
		return field.n, field.set, nil
	}
	value, err := v.evaluation(data).get(field.path)
	if err != nil {
		return 0, false, v.runtime("Invalid path '%s' : No results for path: %s", field.path.text, canonical(field.path.steps))
	}
	if x, isNumber := value.(json.Number); isNumber {
		if n, ok := integer(x); ok && n >= 0 && n <= maxSeconds {
			return n, true, nil
		}
	}
	return 0, false, v.runtime("The %s parameter does not reference a valid whole number: %s == %s", name, field.path.text, clip(string(encode(value))))
}

// sleep waits and tells whether the run may go on.
func (v *visit) sleep(d time.Duration) bool {
	return v.x.engine.clock.Wait(d, v.scope.cancelled) == -1
}
