package asl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sort"
	"strings"
)

// Limits of Step Functions, in bytes, and of this package.
const (
	maxPayload    = 262_144   // a state's input, output or result, as UTF-8 JSON
	maxDefinition = 1_048_576 // a machine's definition
	maxDepth      = 200       // nesting of arrays and objects in any document
	maxNumber     = 1000      // length of a number, as of the JSON parser that Step Functions uses
)

// decode reads one JSON document. Numbers keep their text.
func decode(data []byte) (any, error) {
	if err := checkLimits(data); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("empty document")
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON document")
	}
	return v, nil
}

// checkLimits bounds the nesting before anything recurses over the document, and the length of
// numbers, whose comparison takes more than linear time.
func checkLimits(data []byte) error {
	depth, digits, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		c := data[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		if c >= '0' && c <= '9' {
			if digits++; digits > maxNumber {
				return fmt.Errorf("a number has more than %d digits", maxNumber)
			}
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("document is nested more than %d deep", maxDepth)
			}
		case '}', ']':
			depth--
		case '.', '-', '+', 'e', 'E':
			continue // within a number
		}
		digits = 0
	}
	return nil
}

// duplicateKey finds the first member name that an object of the document repeats. encoding/json
// would silently keep the last one: a lost state.
func duplicateKey(data []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		seen map[string]bool // nil for an array
		key  bool            // the next string is a member name
	}
	var stack []level
	for {
		tok, err := d.Token()
		if err != nil {
			return "", false
		}
		top := len(stack) - 1
		if s, ok := tok.(string); ok && top >= 0 && stack[top].key {
			if stack[top].seen[s] {
				return s, true
			}
			stack[top].seen[s] = true
			stack[top].key = false
			continue
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, level{seen: map[string]bool{}, key: true})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
			top--
		}
		if top >= 0 && stack[top].seen != nil {
			stack[top].key = true
		}
	}
}

// encode writes v compactly, member names sorted, without escaping HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Values come from decode, and a decoded number is a valid one.
		panic(fmt.Sprintf("asl: encode a value: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func number(n int64) json.Number { return json.Number(fmt.Sprint(n)) }

// float parses a number well enough for comparing and rounding any JSON number: 512 bits.
func float(n json.Number) (*big.Float, bool) {
	f, _, err := big.ParseFloat(string(n), 10, 512, big.ToNearestEven)
	return f, err == nil
}

// compareNumbers orders two numbers. Equal values compare equal however they are written.
func compareNumbers(a, b json.Number) int {
	if a == b {
		return 0
	}
	x, okX := float(a)
	y, okY := float(b)
	if !okX || !okY {
		return strings.Compare(string(a), string(b))
	}
	return x.Cmp(y)
}

// integer is the value of a number that is a whole one in the range of int64, such as 3 or 3.0.
func integer(n json.Number) (int64, bool) {
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, ok := float(n)
	if !ok || !f.IsInt() {
		return 0, false
	}
	i, acc := f.Int64()
	return i, acc == big.Exact
}

// equal compares two values deeply; numbers by value.
func equal(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && compareNumbers(x, y) == 0
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// kind names the JSON type of v for messages.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

// tooBig tells whether v takes more than limit bytes as JSON, without writing it and without
// looking at more of it than needed. Escapes are not counted: it may only answer false too often.
func tooBig(v any, limit int) bool { return sizeLeft(v, limit) < 0 }

func sizeLeft(v any, left int) int {
	if left < 0 {
		return left
	}
	switch x := v.(type) {
	case json.Number:
		return left - len(x)
	case string:
		return left - len(x) - 2
	case []any:
		left -= 2
		for i := 0; i < len(x) && left >= 0; i++ {
			left = sizeLeft(x[i], left-1)
		}
		return left
	case map[string]any:
		left -= 2
		for k, e := range x {
			if left = sizeLeft(e, left-len(k)-4); left < 0 {
				break
			}
		}
		return left
	}
	return left - 4
}
