package asl

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Limits that Step Functions documents for its functions.
const (
	maxRange      = 1000   // elements of States.ArrayRange
	maxCharacters = 10_000 // of the input of States.Hash and the Base64 functions
)

// intrinsicNamed finds a function; nil when there is none of that name.
func intrinsicNamed(name string) *intrinsic {
	f := &intrinsic{name: name}
	switch name {
	case "States.Format":
		f.min, f.max, f.eval = 1, -1, format
	case "States.StringToJson":
		f.min, f.max, f.eval = 1, 1, stringToJSON
	case "States.JsonToString":
		f.min, f.max, f.eval = 1, 1, func(_ *evaluation, a []any) (any, error) { return string(encode(a[0])), nil }
	case "States.JsonMerge":
		f.min, f.max, f.eval = 3, 3, jsonMerge
	case "States.Array":
		f.min, f.max, f.eval = 0, -1, func(_ *evaluation, a []any) (any, error) { return a, nil }
	case "States.ArrayGetItem":
		f.min, f.max, f.eval = 2, 2, arrayGetItem
	case "States.ArrayLength":
		f.min, f.max, f.eval = 1, 1, arrayLength
	case "States.ArrayPartition":
		f.min, f.max, f.eval = 2, 2, arrayPartition
	case "States.ArrayContains":
		f.min, f.max, f.eval = 2, 2, arrayContains
	case "States.ArrayRange":
		f.min, f.max, f.eval = 3, 3, arrayRange
	case "States.ArrayUnique":
		f.min, f.max, f.eval = 1, 1, arrayUnique
	case "States.MathAdd":
		f.min, f.max, f.eval = 2, 2, mathAdd
	case "States.MathRandom":
		f.min, f.max, f.eval = 2, 3, mathRandom
	case "States.StringSplit":
		f.min, f.max, f.eval = 2, 2, stringSplit
	case "States.UUID":
		f.min, f.max, f.eval = 0, 0, func(e *evaluation, _ []any) (any, error) { return uuid(e.random), nil }
	case "States.Base64Encode":
		f.min, f.max, f.eval = 1, 1, base64Encode
	case "States.Base64Decode":
		f.min, f.max, f.eval = 1, 1, base64Decode
	case "States.Hash":
		f.min, f.max, f.eval = 2, 2, hash
	default:
		return nil
	}
	return f
}

func format(_ *evaluation, args []any) (any, error) {
	template, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("the template is %s", kind(args[0]))
	}
	var b strings.Builder
	next := 1
	for i := 0; i < len(template); i++ {
		if b.Len() > maxPayload {
			return nil, fmt.Errorf("the text is longer than %d bytes", maxPayload)
		}
		switch c := template[i]; {
		case c == '\\':
			if i++; i == len(template) || strings.IndexByte(`'{}\`, template[i]) < 0 {
				return nil, errors.New(`the escapes in a template are \' \{ \} and \\`)
			}
			b.WriteByte(template[i])
		case strings.HasPrefix(template[i:], "{}"):
			if next == len(args) {
				return nil, fmt.Errorf("more {} in the template than the %d values", len(args)-1)
			}
			switch v := args[next].(type) {
			case string:
				b.WriteString(v)
			case []any, map[string]any:
				return nil, fmt.Errorf("value %d is %s (use States.JsonToString)", next, kind(v))
			default:
				b.Write(encode(v))
			}
			next++
			i++
		case c == '{' || c == '}':
			return nil, fmt.Errorf(`an unmatched %c in the template (write \%c)`, c, c)
		default:
			b.WriteByte(c)
		}
	}
	if next != len(args) {
		return nil, fmt.Errorf("%d values for %d {} in the template", len(args)-1, next-1)
	}
	return b.String(), nil
}

func stringToJSON(_ *evaluation, args []any) (any, error) {
	text, err := stringArg(args, 0)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	v, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the string is not JSON: %w", err)
	}
	return v, nil
}

func jsonMerge(_ *evaluation, args []any) (any, error) {
	a, okA := args[0].(map[string]any)
	b, okB := args[1].(map[string]any)
	if !okA || !okB {
		return nil, fmt.Errorf("objects are merged, not %s and %s", kind(args[0]), kind(args[1]))
	}
	if args[2] != false {
		return nil, errors.New("the third argument is false: Step Functions merges shallowly only")
	}
	out := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out, nil
}

func arrayGetItem(_ *evaluation, args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	i, err := roundedArg(args, 1)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= int64(len(a)) {
		return nil, fmt.Errorf("no element %d in an array of %d", i, len(a))
	}
	return a[i], nil
}

func arrayLength(_ *evaluation, args []any) (any, error) {
	a, err := arrayArg(args, 0)
	return number(int64(len(a))), err
}

func arrayPartition(_ *evaluation, args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	size, err := roundedArg(args, 1)
	if err != nil {
		return nil, err
	}
	if size <= 0 {
		return nil, fmt.Errorf("chunks of %d elements", size)
	}
	out := []any{}
	for len(a) > 0 {
		n := min(size, int64(len(a)))
		out = append(out, a[:n:n])
		a = a[n:]
	}
	return out, nil
}

func arrayContains(_ *evaluation, args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	for _, v := range a {
		if equal(v, args[1]) {
			return true, nil
		}
	}
	return false, nil
}

func arrayRange(_ *evaluation, args []any) (any, error) {
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = roundedArg(args, i); err != nil {
			return nil, err
		}
	}
	first, last, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, errors.New("a step of 0")
	}
	out := []any{}
	for v := first; step > 0 && v <= last || step < 0 && v >= last; v += step {
		if len(out) == maxRange {
			return nil, fmt.Errorf("more than %d elements", maxRange)
		}
		out = append(out, number(v))
	}
	return out, nil
}

func arrayUnique(_ *evaluation, args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	out := []any{}
	seen := make(map[string]bool, len(a))
	for _, v := range a {
		key := string(encode(normal(v)))
		if !seen[key] {
			seen[key] = true
			out = append(out, v)
		}
	}
	return out, nil
}

// normal gives equal numbers the same text, so that equal values encode to the same bytes.
func normal(v any) any {
	switch x := v.(type) {
	case json.Number:
		if f, ok := float(x); ok {
			return f.Text('g', -1)
		}
	case string:
		return "s" + x // a number has become a string without this mark
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = normal(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = normal(x[k])
		}
		return out
	}
	return v
}

func mathAdd(_ *evaluation, args []any) (any, error) {
	a, err := roundedArg(args, 0)
	if err != nil {
		return nil, err
	}
	b, err := roundedArg(args, 1)
	if err != nil {
		return nil, err
	}
	return number(a + b), nil
}

func mathRandom(e *evaluation, args []any) (any, error) {
	from, err := roundedArg(args, 0)
	if err != nil {
		return nil, err
	}
	to, err := roundedArg(args, 1)
	if err != nil {
		return nil, err
	}
	if from >= to {
		return nil, fmt.Errorf("no number from %d up to and not including %d", from, to)
	}
	source := e.random
	if len(args) == 3 {
		seed, err := roundedArg(args, 2)
		if err != nil {
			return nil, err
		}
		source = rand.NewPCG(uint64(seed), 0).Uint64
	}
	return number(from + int64(source()%uint64(to-from))), nil
}

// stringSplit splits at every character of the second argument and drops empty pieces, as Step
// Functions does.
func stringSplit(_ *evaluation, args []any) (any, error) {
	text, err := stringArg(args, 0)
	if err != nil {
		return nil, err
	}
	delimiters, err := stringArg(args, 1)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(delimiters, r) }) {
		out = append(out, piece)
	}
	return out, nil
}

// uuid makes a version 4 UUID from a random source.
func uuid(random func() uint64) string {
	a, b := random(), random()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

func base64Encode(_ *evaluation, args []any) (any, error) {
	text, err := shortArg(args, 0)
	return base64.StdEncoding.EncodeToString([]byte(text)), err
}

func base64Decode(_ *evaluation, args []any) (any, error) {
	text, err := shortArg(args, 0)
	if err != nil {
		return nil, err
	}
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the string is not Base64")
	}
	return strings.ToValidUTF8(string(out), "\ufffd"), nil
}

func hash(_ *evaluation, args []any) (any, error) {
	text, err := shortArg(args, 0)
	if err != nil {
		return nil, err
	}
	data := []byte(text)
	switch args[1] {
	case "MD5":
		sum := md5.Sum(data)
		return hex.EncodeToString(sum[:]), nil
	case "SHA-1":
		sum := sha1.Sum(data)
		return hex.EncodeToString(sum[:]), nil
	case "SHA-256":
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:]), nil
	case "SHA-384":
		sum := sha512.Sum384(data)
		return hex.EncodeToString(sum[:]), nil
	case "SHA-512":
		sum := sha512.Sum512(data)
		return hex.EncodeToString(sum[:]), nil
	}
	return nil, errors.New("the algorithm is MD5, SHA-1, SHA-256, SHA-384 or SHA-512")
}
