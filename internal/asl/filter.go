package asl

import (
	"encoding/json"
	"strings"
)

// maxNesting bounds the parentheses in a filter and, as in Step Functions, nested intrinsic calls.
const maxNesting = 10

// filter is the condition of a step [?(...)].
type filter struct {
	op    string    // "||", "&&", "!", a comparison, or "exists"
	parts []*filter // of ||, && and !
	left  operand
	right operand
	size  int // comparisons and tests in it, for the budget of an evaluation
}

// operand is one side of a comparison: a path from the item (@) or from the root ($), or a literal.
type operand struct {
	steps   []step
	root    bool
	isPath  bool
	literal any
}

// filter reads "(" expression ")".
func (s *scanner) filter() (*filter, error) {
	s.spaces()
	if !s.take("(") {
		return nil, s.errorf("a filter is written [?(...)]")
	}
	f, err := s.or()
	if err != nil {
		return nil, err
	}
	s.spaces()
	if !s.take(")") {
		return nil, s.errorf("the ) of the filter is missing")
	}
	return f, nil
}

func (s *scanner) or() (*filter, error) { return s.chain("||", s.and) }

func (s *scanner) and() (*filter, error) { return s.chain("&&", s.unary) }

// chain reads one or more terms joined by op.
func (s *scanner) chain(op string, term func() (*filter, error)) (*filter, error) {
	first, err := term()
	if err != nil {
		return nil, err
	}
	out := first
	for {
		s.spaces()
		if !s.take(op) {
			return out, nil
		}
		next, err := term()
		if err != nil {
			return nil, err
		}
		if out == first {
			out = &filter{op: op, parts: []*filter{first}, size: first.size}
		}
		out.parts = append(out.parts, next)
		out.size += next.size
	}
}

func (s *scanner) unary() (*filter, error) {
	if s.depth++; s.depth > maxNesting {
		return nil, s.errorf("a filter is nested more than %d deep", maxNesting)
	}
	defer func() { s.depth-- }()
	s.spaces()
	switch {
	case s.peek() == '!':
		s.pos++
		f, err := s.unary()
		if err != nil {
			return nil, err
		}
		return &filter{op: "!", parts: []*filter{f}, size: f.size}, nil
	case s.peek() == '(':
		return s.filter()
	}
	left, err := s.operand()
	if err != nil {
		return nil, err
	}
	s.spaces()
	for _, op := range []string{"==", "!=", "<=", ">=", "=~", "<", ">"} {
		if !s.take(op) {
			continue
		}
		if op == "=~" {
			return nil, s.errorf("regular expressions in a filter are not implemented")
		}
		right, err := s.operand()
		if err != nil {
			return nil, err
		}
		return &filter{op: op, left: left, right: right, size: 1}, nil
	}
	if !left.isPath {
		return nil, s.errorf("a comparison is expected after a literal")
	}
	if c := s.peek(); c >= 'a' && c <= 'z' {
		return nil, s.errorf("this filter operator is not implemented")
	}
	return &filter{op: "exists", left: left, size: 1}, nil
}

func (s *scanner) operand() (operand, error) {
	s.spaces()
	switch c := s.peek(); {
	case c == '@' || c == '$':
		s.pos++
		if c == '$' && s.peek() == '$' {
			return operand{}, s.errorf("the context object in a filter is not implemented")
		}
		steps, err := s.steps()
		if err != nil {
			return operand{}, err
		}
		for _, st := range steps {
			if st.kind != stepName && st.kind != stepIndex {
				return operand{}, s.errorf("a path in a filter names one value")
			}
		}
		return operand{steps: steps, root: c == '$', isPath: true}, nil
	case c == '\'' || c == '"':
		text, err := s.quoted()
		return operand{literal: text}, err
	case c == '-' || c >= '0' && c <= '9':
		end := 1
		for rest := s.rest(); end < len(rest) && strings.IndexByte("0123456789.eE+-", rest[end]) >= 0; {
			end++
		}
		n := s.rest()[:end]
		if !json.Valid([]byte(n)) {
			return operand{}, s.errorf("malformed number %q", n)
		}
		s.pos += end
		return operand{literal: json.Number(n)}, nil
	case s.take("true"):
		return operand{literal: true}, nil
	case s.take("false"):
		return operand{literal: false}, nil
	case s.take("null"):
		return operand{literal: nil}, nil
	}
	return operand{}, s.errorf("a filter compares paths (@.name), strings, numbers, true, false and null")
}

// accepts evaluates the filter for one item.
func (f *filter) accepts(item, root any) bool {
	switch f.op {
	case "||":
		for _, p := range f.parts {
			if p.accepts(item, root) {
				return true
			}
		}
		return false
	case "&&":
		for _, p := range f.parts {
			if !p.accepts(item, root) {
				return false
			}
		}
		return true
	case "!":
		return !f.parts[0].accepts(item, root)
	case "exists":
		_, found := f.left.value(item, root)
		return found
	}
	left, okL := f.left.value(item, root)
	right, okR := f.right.value(item, root)
	switch f.op {
	case "==":
		return okL && okR && sameScalar(left, right)
	case "!=":
		return !okL || !okR || !sameScalar(left, right)
	}
	if !okL || !okR {
		return false
	}
	order, comparable := compare(left, right)
	if !comparable {
		return false
	}
	switch f.op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (o operand) value(item, root any) (any, bool) {
	if !o.isPath {
		return o.literal, true
	}
	at := item
	if o.root {
		at = root
	}
	for _, s := range o.steps {
		next, ok := s.one(at)
		if !ok {
			return nil, false
		}
		at = next
	}
	return at, true
}

// sameScalar compares what a filter compares: strings, numbers, booleans and null. Arrays and
// objects are never the same, so that a filter costs what its size says.
func sameScalar(a, b any) bool {
	switch a.(type) {
	case []any, map[string]any:
		return false
	}
	return equal(a, b)
}

// compare orders two numbers or two strings.
func compare(a, b any) (order int, comparable bool) {
	switch x := a.(type) {
	case json.Number:
		if y, ok := b.(json.Number); ok {
			return compareNumbers(x, y), true
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	}
	return 0, false
}
