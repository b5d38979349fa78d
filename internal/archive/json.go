package archive

import (
	"encoding/json"
	"errors"
)

// maxDepth is how deeply a JSON document may be nested. encoding/json allows 10 000 levels, but many readers of the
// archive far fewer (Python 1 000, Jackson 1 000).
const maxDepth = 512

var (
	errSyntax = errors.New("not valid JSON")
	errDepth  = errors.New("nested too deeply")
)

// walker goes through JSON token by token without allocating. What it accepts is what encoding/json accepts, to a depth
// of maxDepth.
type walker struct {
	b     []byte
	i     int
	depth int
}

// validJSON says what keeps b from being one JSON value, or nil.
func validJSON(b []byte) error {
	w := walker{b: b}
	if err := w.value(); err != nil {
		return err
	}
	return w.end()
}

// end checks that nothing but blanks is left.
func (w *walker) end() error {
	if w.peek(); w.i < len(w.b) {
		return errSyntax
	}
	return nil
}

// peek returns the next byte that is no blank, 0 at the end.
func (w *walker) peek() byte {
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
func (w *walker) eat(c byte) bool {
	if w.peek() != c || w.i == len(w.b) {
		return false
	}
	w.i++
	return true
}

// value skips one value.
func (w *walker) value() error {
	switch c := w.peek(); {
	case c == '"':
		_, _, err := w.str()
		return err
	case c == '{':
		return w.object(func([]byte) error { return w.value() })
	case c == '[':
		return w.array(w.value)
	case c == 't':
		return w.word("true")
	case c == 'f':
		return w.word("false")
	case c == 'n':
		return w.word("null")
	default:
		_, err := w.number()
		return err
	}
}

func (w *walker) word(s string) error {
	if len(w.b)-w.i < len(s) || string(w.b[w.i:w.i+len(s)]) != s {
		return errSyntax
	}
	w.i += len(s)
	return nil
}

// object calls fn at the value of each member; fn has to take it.
func (w *walker) object(fn func(name []byte) error) error {
	if !w.eat('{') {
		return errSyntax
	}
	if w.depth++; w.depth > maxDepth {
		return errDepth
	}
	defer func() { w.depth-- }()
	if w.eat('}') {
		return nil
	}
	for {
		if w.peek() != '"' {
			return errSyntax
		}
		raw, escaped, err := w.str()
		if err != nil {
			return err
		}
		name, err := plain(raw, escaped)
		if err != nil {
			return err
		}
		if !w.eat(':') {
			return errSyntax
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
		return errSyntax
	}
}

// array calls fn at each element; fn has to take it.
func (w *walker) array(fn func() error) error {
	if !w.eat('[') {
		return errSyntax
	}
	if w.depth++; w.depth > maxDepth {
		return errDepth
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
		return errSyntax
	}
}

// str takes a string and returns what stands between its quotes, and whether there are escapes in it.
func (w *walker) str() (raw []byte, escaped bool, err error) {
	if !w.eat('"') {
		return nil, false, errSyntax
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
				return nil, false, errSyntax
			}
			i += n
		case c < ' ':
			return nil, false, errSyntax
		}
	}
	return nil, false, errSyntax
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

// plain returns what a string means. Escapes are rare where this is asked and take the slow path.
func plain(raw []byte, escaped bool) ([]byte, error) {
	if !escaped {
		return raw, nil
	}
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, errSyntax
	}
	return []byte(s), nil
}

// number takes a number.
func (w *walker) number() ([]byte, error) {
	w.peek()
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
		return nil, errSyntax
	}
	if n < len(b) && b[n] == '.' {
		if n++; !digits() {
			return nil, errSyntax
		}
	}
	if n < len(b) && b[n]|' ' == 'e' {
		if n++; n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		if !digits() {
			return nil, errSyntax
		}
	}
	w.i += n
	return b[:n], nil
}

// appendCompact appends a valid JSON document without the blanks between its tokens.
func appendCompact(dst, doc []byte) []byte {
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
