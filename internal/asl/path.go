package asl

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPath bounds the length of one path, in bytes.
const maxPath = 1024

// path is a parsed JSONPath: "$" over a state's data or "$$" over the context object.
type path struct {
	text    string
	context bool
	steps   []step
}

// step is one segment of a path.
type step struct {
	kind    stepKind
	name    string  // of a member
	indexes []int64 // one for an index, several for a union
	from    *int64  // of a slice; nil where left out
	to      *int64
	filter  *filter
}

type stepKind int

const (
	stepName stepKind = iota
	stepIndex
	stepUnion   // [0,2]
	stepSlice   // [1:3]
	stepAll     // [*] or .*
	stepFilter  // [?(...)]
	stepDescend // .. : the following step applies to every value below
)

// definite tells whether the path names at most one value. Any other gives a list.
func (p *path) definite() bool {
	for _, s := range p.steps {
		if s.kind != stepName && s.kind != stepIndex {
			return false
		}
	}
	return true
}

// reference tells whether p is a Reference Path of the States Language: names and array indexes
// counted from the start.
func (p *path) reference() bool {
	for _, s := range p.steps {
		if s.kind != stepName && (s.kind != stepIndex || s.indexes[0] < 0) {
			return false
		}
	}
	return true
}

// parsePath reads a path. An error names what is not understood and where.
func parsePath(text string) (*path, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("path is longer than %d bytes", maxPath)
	}
	s := &scanner{text: text}
	p, err := s.path()
	if err != nil {
		return nil, err
	}
	if !s.done() {
		return nil, s.errorf("unexpected %q", s.rest())
	}
	return p, nil
}

// scanner is a cursor over a path or an intrinsic call.
type scanner struct {
	text  string
	pos   int
	depth int
}

func (s *scanner) done() bool   { return s.pos >= len(s.text) }
func (s *scanner) rest() string { return s.text[s.pos:] }

func (s *scanner) peek() byte {
	if s.done() {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) take(prefix string) bool {
	if strings.HasPrefix(s.rest(), prefix) {
		s.pos += len(prefix)
		return true
	}
	return false
}

func (s *scanner) spaces() {
	for !s.done() && strings.IndexByte(" \t\r\n", s.text[s.pos]) >= 0 {
		s.pos++
	}
}

func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("path %q: %s at offset %d", s.text, fmt.Sprintf(format, args...), s.pos)
}

// path reads "$" or "$$" and the steps that follow.
func (s *scanner) path() (*path, error) {
	start := s.pos
	p := &path{}
	switch {
	case s.take("$$"):
		p.context = true
	case !s.take("$"):
		return nil, s.errorf("a path begins with $")
	}
	steps, err := s.steps()
	if err != nil {
		return nil, err
	}
	p.steps, p.text = steps, s.text[start:s.pos]
	if p.context {
		return p, checkContextPath(p)
	}
	return p, nil
}

func (s *scanner) steps() (steps []step, err error) {
	for {
		var next step
		switch {
		case s.take(".."):
			if s.done() {
				return nil, s.errorf("nothing follows ..")
			}
			steps = append(steps, step{kind: stepDescend})
			if s.peek() == '[' {
				continue
			}
			next, err = s.member()
		case s.take("."):
			next, err = s.member()
		case s.take("["):
			next, err = s.bracket()
		default:
			if n := len(steps); n > 0 && steps[n-1].kind == stepDescend {
				return nil, s.errorf("nothing follows ..")
			}
			return steps, nil
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, next)
	}
}

// member reads what follows a dot: a name or *.
func (s *scanner) member() (step, error) {
	if s.take("*") {
		return step{kind: stepAll}, nil
	}
	start := s.pos
	for !s.done() {
		r, size := utf8.DecodeRuneInString(s.rest())
		if r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		s.pos += size
	}
	if s.pos == start {
		return step{}, s.errorf("a name is missing (write ['name'] for one with other characters than letters, digits, _ and -)")
	}
	name := s.text[start:s.pos]
	if s.peek() == '(' {
		return step{}, s.errorf("the path function %s() is not implemented", name)
	}
	return step{kind: stepName, name: name}, nil
}

// bracket reads what follows [, up to and including ].
func (s *scanner) bracket() (step, error) {
	s.spaces()
	var out step
	switch c := s.peek(); {
	case c == '*':
		s.pos++
		out = step{kind: stepAll}
	case c == '\'' || c == '"':
		name, err := s.quoted()
		if err != nil {
			return step{}, err
		}
		out = step{kind: stepName, name: name}
		if s.spaces(); s.peek() == ',' {
			return step{}, s.errorf("a union of names is not implemented")
		}
	case c == '?':
		s.pos++
		f, err := s.filter()
		if err != nil {
			return step{}, err
		}
		out = step{kind: stepFilter, filter: f}
	case c == '(':
		return step{}, s.errorf("a script expression is not implemented")
	default:
		var err error
		if out, err = s.indexes(); err != nil {
			return step{}, err
		}
	}
	s.spaces()
	if !s.take("]") {
		return step{}, s.errorf("] is missing")
	}
	return out, nil
}

// indexes reads 1 or -1, 1,2 or a slice 1:3, :3, 1:.
func (s *scanner) indexes() (step, error) {
	var from *int64
	if s.peek() != ':' {
		n, err := s.integer()
		if err != nil {
			return step{}, err
		}
		from = &n
	}
	s.spaces()
	if !s.take(":") {
		list := []int64{*from}
		for s.take(",") {
			s.spaces()
			n, err := s.integer()
			if err != nil {
				return step{}, err
			}
			list = append(list, n)
			s.spaces()
		}
		if len(list) == 1 {
			return step{kind: stepIndex, indexes: list}, nil
		}
		return step{kind: stepUnion, indexes: list}, nil
	}
	out := step{kind: stepSlice, from: from}
	s.spaces()
	if c := s.peek(); c == '-' || c >= '0' && c <= '9' {
		n, err := s.integer()
		if err != nil {
			return step{}, err
		}
		out.to = &n
		s.spaces()
	}
	if s.peek() == ':' {
		return step{}, s.errorf("the step of a slice is not implemented")
	}
	if out.from == nil && out.to == nil {
		return step{}, s.errorf("a slice without bounds")
	}
	return out, nil
}

func (s *scanner) integer() (int64, error) {
	start := s.pos
	s.take("-")
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	n, err := strconv.ParseInt(s.text[start:s.pos], 10, 32)
	if err != nil {
		s.pos = start
		return 0, s.errorf("an index, a name in quotes, * or a filter is expected")
	}
	return n, nil
}

// quoted reads a string in single or double quotes. A backslash is refused: engines disagree
// about what it means in a path.
func (s *scanner) quoted() (string, error) {
	quote := s.peek()
	end := strings.IndexByte(s.text[s.pos+1:], quote)
	if end < 0 {
		return "", s.errorf("the closing %c is missing", quote)
	}
	inner := s.text[s.pos+1 : s.pos+1+end]
	if strings.IndexByte(inner, '\\') >= 0 {
		return "", s.errorf("a backslash in a quoted name is not implemented")
	}
	s.pos += end + 2
	return inner, nil
}

// checkContextPath refuses a path into the context object that can never be there.
func checkContextPath(p *path) error {
	known := map[string][]string{
		"Execution":    {"Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount"},
		"State":        {"EnteredTime", "Name", "RetryCount"},
		"StateMachine": {"Id", "Name"},
		"Map":          {"Item"},
	}
	if len(p.steps) == 0 {
		return nil
	}
	fields, ok := known[p.steps[0].name]
	if p.steps[0].kind != stepName || !ok {
		return fmt.Errorf("path %q: the context object has no such part here (there is Execution, State, StateMachine, Map)", p.text)
	}
	if len(p.steps) == 1 {
		return nil
	}
	for _, f := range fields {
		if p.steps[1].kind == stepName && p.steps[1].name == f {
			return nil
		}
	}
	return fmt.Errorf("path %q: $$.%s has %s", p.text, p.steps[0].name, strings.Join(fields, ", "))
}
