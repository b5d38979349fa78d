package asl

import (
	"encoding/json"
	"fmt"
	"math/big"
	"unicode/utf8"
)

// Arguments of intrinsic functions, checked.

func stringArg(args []any, i int) (string, error) {
	s, ok := args[i].(string)
	if !ok {
		return "", fmt.Errorf("argument %d is %s, a string is expected", i+1, kind(args[i]))
	}
	return s, nil
}

func shortArg(args []any, i int) (string, error) {
	s, err := stringArg(args, i)
	if err == nil && utf8.RuneCountInString(s) > maxCharacters {
		err = fmt.Errorf("argument %d is longer than %d characters", i+1, maxCharacters)
	}
	return s, err
}

func arrayArg(args []any, i int) ([]any, error) {
	a, ok := args[i].([]any)
	if !ok {
		return nil, fmt.Errorf("argument %d is %s, an array is expected", i+1, kind(args[i]))
	}
	return a, nil
}

// roundedArg rounds a number to the nearest whole one, halves upwards as Java does, and refuses
// what does not fit into 32 bits, the documented range.
func roundedArg(args []any, i int) (int64, error) {
	n, ok := args[i].(json.Number)
	if !ok {
		return 0, fmt.Errorf("argument %d is %s, a number is expected", i+1, kind(args[i]))
	}
	f, ok := float(n)
	if ok && !f.IsInf() {
		f.Add(f, big.NewFloat(0.5))
		whole, _ := f.Int64() // truncates towards zero; saturates
		if f.Sign() < 0 && !f.IsInt() {
			whole--
		}
		if whole >= -1<<31 && whole < 1<<31 {
			return whole, nil
		}
	}
	return 0, fmt.Errorf("argument %d is outside -2147483648 to 2147483647", i+1)
}
