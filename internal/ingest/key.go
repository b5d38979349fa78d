package ingest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"penstock/internal/jsonwalk"
	"penstock/internal/stream"
)

func validKey(key string) bool {
	return key != "" && utf8.ValidString(key) && utf8.RuneCountInString(key) <= stream.MaxKeyBytes
}

// inOrder sorts failures by index.
func inOrder(failures []Failure) []Failure {
	slices.SortStableFunc(failures, func(a, b Failure) int { return cmp.Compare(a.Index, b.Index) })
	return failures
}

// KeyOf returns the partition key of a JSON event: the text or number of a member of its top level. It is "", which
// spreads events, when there is no such member or it is something else; a key too long for Kinesis gives its hash.
func KeyOf(event []byte, field string) string {
	if field == "" {
		return ""
	}
	var key string
	w := jsonwalk.New(event)
	err := w.Object(func(name []byte) error {
		if string(name) != field {
			return w.Value()
		}
		switch c := w.Peek(); {
		case c == '"':
			raw, escaped, err := w.Text()
			if err != nil {
				return err
			}
			text, err := jsonwalk.Plain(raw, escaped)
			key = string(text)
			return err
		case c == '-' || c >= '0' && c <= '9':
			number, err := w.Number()
			key = string(number)
			return err
		}
		key = ""
		return w.Value()
	})
	if err != nil {
		return ""
	}
	if key != "" && !validKey(key) {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:16])
	}
	return key
}
