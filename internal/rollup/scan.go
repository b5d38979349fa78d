package rollup

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// maxDepth is how deep JSON may nest, the limit of encoding/json.
const maxDepth = 10_000

// kind is what a token is.
type kind byte

const (
	absent kind = iota // also null, and what never appeared
	text               // with its quotes
	number
	boolean
	container // an object or an array; its bytes are not kept
)

// token is the value of a field as it stands in the line.
type token struct {
	kind    kind
	escaped bool // a string with a backslash
	raw     []byte
}

// field is a node of the tree of the paths that a Spec names.
type field struct {
	name     string
	slot     int // where its value goes; -1 if only its members are wanted
	children []*field
}

// scanner checks that a line is JSON and takes the values of some fields out of
// it, in one pass and without allocation. It accepts exactly what json.Valid
// accepts.
type scanner struct {
	b      []byte
	i      int
	root   field
	tokens []token // by slot
}

// slot returns the number under which the value of path will be found.
func (s *scanner) slot(path string) int {
	at := &s.root
names:
	for name := range strings.SplitSeq(path, ".") {
		for _, c := range at.children {
			if c.name == name {
				at = c
				continue names
			}
		}
		c := &field{name: name, slot: -1}
		at.children = append(at.children, c)
		at = c
	}
	if at.slot < 0 {
		at.slot = len(s.tokens)
		s.tokens = append(s.tokens, token{})
	}
	return at.slot
}

// forget makes the values of f and of its members absent.
func (s *scanner) forget(f *field) {
	if f.slot >= 0 {
		s.tokens[f.slot] = token{}
	}
	for _, c := range f.children {
		s.forget(c)
	}
}

// scan reports whether line is one JSON value, and fills the tokens, which
// point into line.
func (s *scanner) scan(line []byte) bool {
	clear(s.tokens)
	s.b, s.i = line, 0
	if !s.value(&s.root, 0) {
		return false
	}
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// value reads one value, which belongs to f unless f is nil.
func (s *scanner) value(f *field, depth int) bool {
	s.space()
	if s.i == len(s.b) {
		return false
	}
	begin := s.i
	t := token{}
	switch c := s.b[s.i]; {
	case c == '"':
		t.kind = text
		end, escaped := s.text()
		if end < 0 {
			return false
		}
		t.escaped = escaped
	case c == '{':
		t.kind = container
		if !s.object(f, depth+1) {
			return false
		}
	case c == '[':
		t.kind = container
		if !s.array(depth + 1) {
			return false
		}
	case c == '-' || c >= '0' && c <= '9':
		t.kind = number
		if !s.number() {
			return false
		}
	case c == 't':
		t.kind = boolean
		if !s.word("true") {
			return false
		}
	case c == 'f':
		t.kind = boolean
		if !s.word("false") {
			return false
		}
	default:
		if !s.word("null") {
			return false
		}
	}
	if f != nil && f.slot >= 0 {
		if t.kind != container && t.kind != absent {
			t.raw = s.b[begin:s.i]
		}
		s.tokens[f.slot] = t
	}
	return true
}

func (s *scanner) object(f *field, depth int) bool {
	if depth > maxDepth {
		return false
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
		return true
	}
	for {
		if s.space(); s.i == len(s.b) || s.b[s.i] != '"' {
			return false
		}
		begin := s.i + 1
		end, escaped := s.text()
		if end < 0 {
			return false
		}
		var member *field
		if f != nil && len(f.children) > 0 {
			member = f.member(s.b[begin:end], escaped)
			if member != nil {
				s.forget(member)
			}
		}
		if s.space(); s.i == len(s.b) || s.b[s.i] != ':' {
			return false
		}
		s.i++
		if !s.value(member, depth) {
			return false
		}
		if more, ok := s.more('}'); !more {
			return ok
		}
	}
}

func (s *scanner) array(depth int) bool {
	if depth > maxDepth {
		return false
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ']' {
		s.i++
		return true
	}
	for {
		if !s.value(nil, depth) {
			return false
		}
		if more, ok := s.more(']'); !more {
			return ok
		}
	}
}

// more reads what follows a member: a comma, or the end.
func (s *scanner) more(end byte) (more, ok bool) {
	s.space()
	if s.i == len(s.b) {
		return false, false
	}
	c := s.b[s.i]
	s.i++
	return c == ',', c == end
}

func (f *field) member(name []byte, escaped bool) *field {
	if escaped {
		name = []byte(unquote(name))
	}
	for _, c := range f.children {
		if c.name == string(name) {
			return c
		}
	}
	return nil
}

// text reads a string from its opening quote and returns where its closing
// quote stands, or -1.
func (s *scanner) text() (end int, escaped bool) {
	const ones = 0x0101010101010101
	const tops = 0x8080808080808080
	b, i := s.b, s.i+1
	for {
		// Eight bytes at a time up to a quote, a backslash or a control byte.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			hit := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x) & tops
			if hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i == len(b) || b[i] < 0x20 {
			return -1, false
		}
		if b[i] == '"' {
			s.i = i + 1
			return i, escaped
		}
		escaped = true
		n := escapeSize(b[i:])
		if n == 0 {
			return -1, false
		}
		i += n
	}
}

// escapeSize returns the length of the escape that b begins with, 0 if it is
// none.
func escapeSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *scanner) number() bool {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if s.digits() == 0 {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if s.digits() == 0 {
			return false
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if s.digits() == 0 {
			return false
		}
	}
	return true
}

func (s *scanner) digits() int {
	begin := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i - begin
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}
