package asl

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxIntrinsic bounds the length of one intrinsic expression, in bytes.
const maxIntrinsic = 10_000

// expression is what a field whose name ends in ".$" holds: a path, a literal (only as an
// argument) or a call of an intrinsic function.
type expression struct {
	path    *path
	call    *intrinsic
	args    []*expression
	literal any
	raw     string // of a string literal: as written, escapes and all, for States.Format
}

// intrinsic is one function of the States Language.
type intrinsic struct {
	name     string
	min, max int // arguments; max < 0 is no bound
	eval     func(e *evaluation, args []any) (any, error)
}

// evaluation is what an expression is evaluated with: the data of the state, the context object
// (made when first asked for) and the source of what is random.
type evaluation struct {
	data    any
	context func() map[string]any
	random  func() uint64
}

// parseExpression reads the value of a ".$" field.
func parseExpression(text string) (*expression, error) {
	if strings.HasPrefix(text, "$") {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		return &expression{path: p}, nil
	}
	if !strings.HasPrefix(text, "States.") {
		return nil, fmt.Errorf("%q is neither a path ($...) nor an intrinsic function (States....)", clip(text))
	}
	if len(text) > maxIntrinsic {
		return nil, fmt.Errorf("intrinsic expression is longer than %d bytes", maxIntrinsic)
	}
	s := &scanner{text: text}
	e, err := s.call()
	if err != nil {
		return nil, err
	}
	if s.spaces(); !s.done() {
		return nil, s.callError("unexpected %q", clip(s.rest()))
	}
	return e, nil
}

// clip shortens text for a message.
func clip(text string) string {
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:60], "") + "..."
	}
	return text
}

func (s *scanner) callError(format string, args ...any) error {
	return fmt.Errorf("intrinsic %q: %s at offset %d", clip(s.text), fmt.Sprintf(format, args...), s.pos)
}

// call reads States.Name(argument, ...).
func (s *scanner) call() (*expression, error) {
	if s.depth++; s.depth > maxNesting {
		return nil, s.callError("intrinsic functions are nested more than %d deep", maxNesting)
	}
	defer func() { s.depth-- }()
	start := s.pos
	for c := s.peek(); c == '.' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'; c = s.peek() {
		s.pos++
	}
	name := s.text[start:s.pos]
	fn := intrinsicNamed(name)
	if fn == nil {
		s.pos = start
		return nil, s.callError("the function %s is not implemented", name)
	}
	if !s.take("(") {
		return nil, s.callError("( is missing")
	}
	e := &expression{call: fn}
	for s.spaces(); s.peek() != ')'; s.spaces() {
		if len(e.args) > 0 {
			if !s.take(",") {
				return nil, s.callError(", or ) is expected")
			}
			s.spaces()
		}
		arg, err := s.argument()
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, arg)
	}
	s.pos++
	if n := len(e.args); n < fn.min || fn.max >= 0 && n > fn.max {
		return nil, s.callError("%s does not take %d arguments", name, n)
	}
	return e, nil
}

func (s *scanner) argument() (*expression, error) {
	switch c := s.peek(); {
	case c == '$':
		p, err := s.path()
		if err != nil {
			return nil, err
		}
		return &expression{path: p}, nil
	case c == '\'':
		return s.stringLiteral()
	case c == '-' || c >= '0' && c <= '9':
		end := 1
		for rest := s.rest(); end < len(rest) && strings.IndexByte("0123456789.eE+-", rest[end]) >= 0; {
			end++
		}
		n := s.rest()[:end]
		if !json.Valid([]byte(n)) {
			return nil, s.callError("malformed number %q", n)
		}
		s.pos += end
		return &expression{literal: json.Number(n)}, nil
	case s.take("true"):
		return &expression{literal: true}, nil
	case s.take("false"):
		return &expression{literal: false}, nil
	case s.take("null"):
		return &expression{literal: nil}, nil
	case strings.HasPrefix(s.rest(), "States."):
		return s.call()
	}
	return nil, s.callError("an argument is a path, a 'string', a number, true, false, null or a call")
}

// stringLiteral reads '...' with the escapes \' \{ \} \\ and no others.
func (s *scanner) stringLiteral() (*expression, error) {
	s.pos++
	start := s.pos
	var b strings.Builder
	for !s.done() {
		switch c := s.text[s.pos]; c {
		case '\'':
			raw := s.text[start:s.pos]
			s.pos++
			return &expression{literal: b.String(), raw: raw}, nil
		case '\\':
			if s.pos+1 >= len(s.text) || strings.IndexByte(`'{}\`, s.text[s.pos+1]) < 0 {
				return nil, s.callError(`the escapes in a string are \' \{ \} and \\`)
			}
			b.WriteByte(s.text[s.pos+1])
			s.pos += 2
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	return nil, s.callError("the closing ' is missing")
}

// eval computes the expression. An error that wraps errNoMatch is a path that leads nowhere, any
// other is a States.IntrinsicFailure.
func (e *expression) eval(ev *evaluation) (any, error) {
	switch {
	case e.path != nil:
		v, err := ev.get(e.path)
		if err == nil && !e.path.definite() && tooBig(v, maxPayload) {
			return nil, fmt.Errorf("path %s gives more than %d bytes", e.path.text, maxPayload)
		}
		return v, err
	case e.call == nil:
		return e.literal, nil
	}
	args := make([]any, len(e.args))
	for i, a := range e.args {
		v, err := a.eval(ev)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	if e.call.name == "States.Format" && e.args[0].raw != "" {
		args[0] = e.args[0].raw
	}
	v, err := e.call.eval(ev, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.call.name, err)
	}
	if tooBig(v, maxPayload) {
		return nil, fmt.Errorf("%s gives more than %d bytes", e.call.name, maxPayload)
	}
	return v, nil
}

// get evaluates a path over the data or the context object.
func (ev *evaluation) get(p *path) (any, error) {
	if p.context {
		return p.get(map[string]any(ev.context()))
	}
	return p.get(ev.data)
}
