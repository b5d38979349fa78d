package rollup

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// MaxText is how many bytes of a string stand in a key; what is longer is cut
// at a character's edge, ends with cutMark and is counted as cut.
const MaxText = 256

const cutMark = "…"

// unquote returns the text of a JSON string without its quotes. What is no
// UTF-8 becomes U+FFFD, as in encoding/json.
func unquote(inner []byte) string {
	if s := string(inner); !needsEscape(s) {
		return s
	}
	var s string
	quoted := append(append(append(make([]byte, 0, len(inner)+2), '"'), inner...), '"')
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic(err) // the scanner accepts what encoding/json accepts
	}
	return s
}

// appendValue writes the value of a key's field in its one form.
func (found *spelling) appendValue(b []byte, t token) []byte {
	switch t.kind {
	case text:
		s := unquote(t.raw[1 : len(t.raw)-1])
		if len(s) > MaxText {
			found.cut++
			end := MaxText
			for !utf8.RuneStart(s[end]) {
				end--
			}
			s = s[:end] + cutMark
		}
		return appendText(b, s)
	case number:
		d, ok := parseDecimal(t.raw)
		if !ok {
			found.outOfRange++
			return append(b, "null"...)
		}
		return d.append(b)
	case boolean:
		return append(b, t.raw...)
	default:
		return append(b, "null"...)
	}
}

// appendText writes s, which is UTF-8, as a JSON string.
func appendText(b []byte, s string) []byte {
	if !needsEscape(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte{'\n'})...)
}

func needsEscape(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return true
		}
	}
	return false
}

// is reports whether t has the value that a condition names.
func (t token) is(want string) bool {
	switch t.kind {
	case text:
		inner := t.raw[1 : len(t.raw)-1]
		if t.escaped {
			return unquote(inner) == want
		}
		return string(inner) == want
	case number:
		if string(t.raw) == want {
			return true
		}
		d, ok := parseDecimal(t.raw)
		var room [64]byte
		return ok && string(d.append(room[:0])) == want
	case boolean:
		return string(t.raw) == want
	}
	return false
}
