// Package jsonwalk goes through JSON token by token without allocating. What it accepts is what encoding/json accepts,
// to a depth of MaxDepth.
package jsonwalk

import (
	"encoding/json"
	"errors"
)

// MaxDepth is how deeply a JSON document may be nested. encoding/json allows 10 000 levels, but many readers of the
// archive far fewer (Python 1 000, Jackson 1 000).
const MaxDepth = 512

// Errors of this package: there are no others.
var (
	ErrSyntax = errors.New("not valid JSON")
	ErrDepth  = errors.New("JSON nested too deeply")
)

// Walker goes through one document. It is not safe for concurrent use.
type Walker struct {
	b     []byte
	i     int
	depth int
}

// New returns a walker at the beginning of b, which it only reads.
func New(b []byte) *Walker { return &Walker{b: b} }

// Offset is how many bytes have been taken.
func (w *Walker) Offset() int { return w.i }

// Rest is what has not been taken.
func (w *Walker) Rest() []byte { return w.b[w.i:] }

// Skip takes n bytes, which the caller has seen in Rest to be a token.
func (w *Walker) Skip(n int) { w.i += n }

// Valid says what keeps b from being one JSON value, or nil.
func Valid(b []byte) error {
	w := Walker{b: b}
	if err := w.Value(); err != nil {
		return err
	}
	return w.End()
}

// End checks that nothing but blanks is left.
func (w *Walker) End() error {
	if w.Peek(); w.i < len(w.b) {
		return ErrSyntax
	}
	return nil
}

// Peek returns the next byte that is no blank, 0 at the end.
func (w *Walker) Peek() byte {
	for w.i < len(w.b) {
		c := w.b[w.i]
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		w.i++
	}
	return 0
}

// eat takes c if it comes next.
func (w *Walker) eat(c byte) bool {
	if w.Peek() != c || w.i == len(w.b) {
		return false
	}
	w.i++
	return true
}

// Value skips one value.
func (w *Walker) Value() error {
	switch c := w.Peek(); {
	case c == '"':
		_, _, err := w.Text()
		return err
	case c == '{':
		return w.Object(func([]byte) error { return w.Value() })
	case c == '[':
		return w.Array(w.Value)
	case c == 't':
		return w.word("true")
	case c == 'f':
		return w.word("false")
	case c == 'n':
		return w.word("null")
	default:
		_, err := w.Number()
		return err
	}
}

func (w *Walker) word(s string) error {
	if len(w.b)-w.i < len(s) || string(w.b[w.i:w.i+len(s)]) != s {
		return ErrSyntax
	}
	w.i += len(s)
	return nil
}

// Object calls fn at the value of each member; fn has to take it.
func (w *Walker) Object(fn func(name []byte) error) error {
	if !w.eat('{') {
		return ErrSyntax
	}
	if w.depth++; w.depth > MaxDepth {
		return ErrDepth
	}
	defer func() { w.depth-- }()
	if w.eat('}') {
		return nil
	}
	for {
		if w.Peek() != '"' {
			return ErrSyntax
		}
		raw, escaped, err := w.Text()
		if err != nil {
			return err
		}
		name, err := Plain(raw, escaped)
		if err != nil {
			return err
		}
		if !w.eat(':') {
			return ErrSyntax
		}
		if err := fn(name); err != nil {
			return err
		}
		if w.eat(',') {
			continue
		}
		if w.eat('}') {
			return nil
		}
		return ErrSyntax
	}
}

// Array calls fn at each element; fn has to take it.
func (w *Walker) Array(fn func() error) error {
	if !w.eat('[') {
		return ErrSyntax
	}
	if w.depth++; w.depth > MaxDepth {
		return ErrDepth
	}
	defer func() { w.depth-- }()
	if w.eat(']') {
		return nil
	}
	for {
		if err := fn(); err != nil {
			return err
		}
		if w.eat(',') {
			continue
		}
		if w.eat(']') {
			return nil
		}
		return ErrSyntax
	}
}

// Text takes a string and returns what stands between its quotes, and whether there are escapes in it.
func (w *Walker) Text() (raw []byte, escaped bool, err error) {
	if !w.eat('"') {
		return nil, false, ErrSyntax
	}
	b := w.b
	for i := w.i; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			raw = b[w.i:i]
			w.i = i + 1
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			n := escape(b[i+1:])
			if n == 0 {
				return nil, false, ErrSyntax
			}
			i += n
		case c < ' ':
			return nil, false, ErrSyntax
		}
	}
	return nil, false, ErrSyntax
}

// escape returns the length of the escape sequence that b begins with, after its backslash; 0 if it is none.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) < 5 {
			return 0
		}
		for _, c := range b[1:5] {
			if (c < '0' || c > '9') && (c|' ' < 'a' || c|' ' > 'f') {
				return 0
			}
		}
		return 5
	}
	return 0
}

// Plain returns what a string means. Escapes are rare where this is asked and take the slow path.
func Plain(raw []byte, escaped bool) ([]byte, error) {
	if !escaped {
		return raw, nil
	}
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, ErrSyntax
	}
	return []byte(s), nil
}

// Number takes a number.
func (w *Walker) Number() ([]byte, error) {
	w.Peek()
	b := w.b[w.i:]
	n := 0
	digits := func() bool {
		from := n
		for n < len(b) && b[n] >= '0' && b[n] <= '9' {
			n++
		}
		return n > from
	}
	if n < len(b) && b[n] == '-' {
		n++
	}
	if n < len(b) && b[n] == '0' {
		n++
	} else if !digits() {
		return nil, ErrSyntax
	}
	if n < len(b) && b[n] == '.' {
		if n++; !digits() {
			return nil, ErrSyntax
		}
	}
	if n < len(b) && b[n]|' ' == 'e' {
		if n++; n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		if !digits() {
			return nil, ErrSyntax
		}
	}
	w.i += n
	return b[:n], nil
}

// AppendCompact appends a valid JSON document without the blanks between its tokens.
func AppendCompact(dst, doc []byte) []byte {
	quoted := false
	for i := 0; i < len(doc); i++ {
		c := doc[i]
		switch {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
			c = doc[i]
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
