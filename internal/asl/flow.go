package asl

import (
	"errors"
	"time"
)

// pass does a Pass state.
func (v *visit) pass() (any, *failure) {
	data, f := v.effective()
	if f != nil {
		return nil, f
	}
	result, f := v.build(v.state.parameters, data)
	if f != nil {
		return nil, f
	}
	if v.state.result != nil {
		result = v.state.result.value
	}
	out, f := v.put(v.state.resultPath, result)
	if f != nil {
		return nil, f
	}
	return v.choosePath(v.state.outputPath, out)
}

// maxWait is the longest a Wait state may take.
const maxWait = maxSeconds * time.Second

// wait does a Wait state. A time that has passed waits not at all.
func (v *visit) wait() (any, *failure) {
	data, f := v.effective()
	if f != nil {
		return nil, f
	}
	var d time.Duration
	if v.state.until.set {
		at := v.state.until.at
		if p := v.state.until.path; p != nil {
			value, err := v.evaluation(data).get(p)
			if err != nil {
				return nil, v.runtime("The TimestampPath parameter does not reference an input value: %s", p.text)
			}
			text, _ := value.(string)
			var ok bool
			if at, ok = parseTimestamp(text); !ok {
				return nil, v.runtime("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: %s == %s",
					p.text, clip(string(encode(value))))
			}
		}
		if d = at.Sub(v.x.engine.clock.Now()); d > maxWait {
			return nil, v.runtime("Wait state delay is too long.")
		}
	} else {
		n, _, f := v.wholeNumber("SecondsPath", v.state.seconds, data)
		if f != nil {
			return nil, f
		}
		d = time.Duration(n) * time.Second
	}
	if d > 0 && !v.sleep(d) {
		return nil, &failure{aborted: true}
	}
	return v.choosePath(v.state.outputPath, data)
}

// choose does a Choice state.
func (v *visit) choose() (any, string, *failure) {
	data, f := v.effective()
	if f != nil {
		return nil, "", f
	}
	next := v.state.otherwise
	ev := v.evaluation(data)
	for i := range v.state.choices {
		ok, err := v.state.choices[i].holds(ev)
		if err != nil {
			return nil, "", v.runtime("%s", err)
		}
		if ok {
			next = v.state.choices[i].next
			break
		}
	}
	if next == "" {
		return nil, "", fail(ErrNoChoiceMatched, "No choice of the state '%s' matches, and there is no Default.", v.state.name)
	}
	out, f := v.choosePath(v.state.outputPath, data)
	return out, next, f
}

// failState is the failure that a Fail state asks for.
func (v *visit) failState() *failure {
	name, f := v.failText("ErrorPath", v.state.errorName)
	if f != nil {
		return f
	}
	cause, f := v.failText("CausePath", v.state.cause)
	if f != nil {
		return f
	}
	return &failure{Error: Error{Name: name, Cause: cause}, anonymous: !v.state.errorName.set}
}

func (v *visit) failText(field string, t textField) (string, *failure) {
	if t.expression == nil {
		return t.text, nil
	}
	out, err := t.expression.eval(v.evaluation(v.input))
	switch {
	case errors.Is(err, errNoMatch):
		return "", v.runtime("The JSONPath '%s' specified for the field '%s' could not be found in the input '%s'",
			t.source, field, clip(string(encode(v.input))))
	case err != nil:
		return "", v.runtime("The function '%s' had the following error: %v", clip(t.source), err)
	}
	text, ok := out.(string)
	if !ok {
		return "", v.runtime("The field '%s' references %s, a string is expected", field, kind(out))
	}
	return text, nil
}
