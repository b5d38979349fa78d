package asl

import (
	"errors"
	"fmt"
	"strings"
)

// maxVisited bounds the values that one evaluation of a path may touch, so that a path such as
// $..a..b cannot blow up.
const maxVisited = 500_000

// errNoMatch says that a definite part of a path leads nowhere.
var errNoMatch = errors.New("no match")

// get evaluates p over root. A definite path gives its value, any other a list, even of one or of
// none. The error wraps errNoMatch when there is nothing where a definite part of the path leads.
func (p *path) get(root any) (any, error) {
	at := []any{root}
	definite := true
	budget := maxVisited
	for i := 0; i < len(p.steps); i++ {
		s := p.steps[i]
		if definite && (s.kind == stepName || s.kind == stepIndex) {
			next, ok := s.one(at[0])
			if !ok {
				return nil, fmt.Errorf("path %s: no results for %s: %w", p.text, canonical(p.steps[:i+1]), errNoMatch)
			}
			at = []any{next}
			continue
		}
		if definite && !s.applies(at[0]) {
			return nil, fmt.Errorf("path %s: %s is %s: %w", p.text, canonical(p.steps[:i]), kind(at[0]), errNoMatch)
		}
		definite = false
		var out []any
		for _, v := range at {
			out = s.many(out, v, root, &budget)
			if budget < 0 {
				return nil, fmt.Errorf("path %s touches more than %d values", p.text, maxVisited)
			}
		}
		at = out
	}
	if definite {
		return at[0], nil
	}
	if at == nil {
		at = []any{}
	}
	return at, nil
}

// one follows a name or an index.
func (s step) one(v any) (any, bool) {
	switch s.kind {
	case stepName:
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		out, ok := m[s.name]
		return out, ok
	case stepIndex:
		a, ok := v.([]any)
		if !ok {
			return nil, false
		}
		return at(a, s.indexes[0])
	}
	return nil, false
}

func at(a []any, i int64) (any, bool) {
	if i < 0 {
		i += int64(len(a))
	}
	if i < 0 || i >= int64(len(a)) {
		return nil, false
	}
	return a[i], true
}

// applies tells whether a step that gives a list can be asked of v at all.
func (s step) applies(v any) bool {
	_, isArray := v.([]any)
	_, isObject := v.(map[string]any)
	switch s.kind {
	case stepSlice, stepUnion:
		return isArray
	case stepFilter:
		return isArray || isObject
	}
	return true
}

// many appends to out every value that the step finds in v.
func (s step) many(out []any, v, root any, budget *int) []any {
	array, _ := v.([]any)
	object, _ := v.(map[string]any)
	*budget -= 1 + len(array) + len(object) + len(s.indexes)
	if s.kind == stepFilter {
		*budget -= (1 + len(array)) * s.filter.size
	}
	if *budget < 0 {
		return out
	}
	switch s.kind {
	case stepName, stepIndex:
		if x, ok := s.one(v); ok {
			out = append(out, x)
		}
	case stepUnion:
		for _, i := range s.indexes {
			if x, ok := at(array, i); ok {
				out = append(out, x)
			}
		}
	case stepSlice:
		from, to := s.bounds(int64(len(array)))
		out = append(out, array[from:to]...)
	case stepAll:
		out = append(out, array...)
		for _, k := range sortedKeys(object) {
			out = append(out, object[k])
		}
	case stepFilter:
		for _, x := range array {
			if s.filter.accepts(x, root) {
				out = append(out, x)
			}
		}
		if object != nil && s.filter.accepts(v, root) {
			out = append(out, v)
		}
	case stepDescend:
		out = append(out, v)
		for _, x := range array {
			out = s.many(out, x, root, budget)
		}
		for _, k := range sortedKeys(object) {
			out = s.many(out, object[k], root, budget)
		}
	}
	return out
}

// bounds resolves a slice over n values.
func (s step) bounds(n int64) (from, to int64) {
	to = n
	if s.from != nil {
		from = *s.from
	}
	if s.to != nil {
		to = *s.to
	}
	clip := func(i int64) int64 {
		if i < 0 {
			i += n
		}
		return min(max(i, 0), n)
	}
	from, to = clip(from), clip(to)
	return from, max(from, to)
}

// set gives a copy of root in which the reference path p holds value. Objects are made where they
// are missing; an array element must be there already.
func (p *path) set(root, value any) (any, error) { return setSteps(p, p.steps, root, value) }

func setSteps(p *path, steps []step, v, value any) (any, error) {
	if len(steps) == 0 {
		return value, nil
	}
	switch s := steps[0]; s.kind {
	case stepName:
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s cannot be put into %s", p.text, kind(v))
		}
		child, ok := m[s.name]
		if !ok && len(steps) > 1 {
			child = map[string]any{}
		}
		child, err := setSteps(p, steps[1:], child, value)
		if err != nil {
			return nil, err
		}
		out := make(map[string]any, len(m)+1)
		for k, x := range m {
			out[k] = x
		}
		out[s.name] = child
		return out, nil
	default:
		a, ok := v.([]any)
		if !ok || s.indexes[0] >= int64(len(a)) {
			return nil, fmt.Errorf("%s names no element of %s", p.text, kind(v))
		}
		child, err := setSteps(p, steps[1:], a[s.indexes[0]], value)
		if err != nil {
			return nil, err
		}
		out := append([]any(nil), a...)
		out[s.indexes[0]] = child
		return out, nil
	}
}

// canonical writes definite steps as Step Functions does in its messages: $['a'][0].
func canonical(steps []step) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range steps {
		switch s.kind {
		case stepName:
			fmt.Fprintf(&b, "['%s']", s.name)
		case stepIndex:
			fmt.Fprintf(&b, "[%d]", s.indexes[0])
		}
	}
	return b.String()
}
