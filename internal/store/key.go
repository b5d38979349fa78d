package store

import (
	"fmt"
	"strings"

	"penstock/internal/fault"
)

// MaxKeyBytes is the longest key, as S3 has it.
const MaxKeyBytes = 1024

// CheckKey returns a *fault.BadInput unless key is one that every store takes: slash-separated, relative, 1 to
// MaxKeyBytes bytes of [A-Za-z0-9._=-] and '/', without empty, "." or ".." elements.
func CheckKey(key string) error {
	if key == "" {
		return &fault.BadInput{Detail: "empty key"}
	}
	return check("key", key, true)
}

// CheckPrefix returns a *fault.BadInput unless some legal key can begin with prefix. The empty prefix is legal, and its
// last element may be cut anywhere.
func CheckPrefix(prefix string) error { return check("prefix", prefix, false) }

func check(what, s string, whole bool) error {
	if len(s) > MaxKeyBytes {
		return &fault.BadInput{Detail: fmt.Sprintf("%s of %d bytes, limit %d", what, len(s), MaxKeyBytes)}
	}
	for i := range len(s) {
		if c := s[i]; c != '/' && !keyByte(c) {
			return &fault.BadInput{Detail: fmt.Sprintf("%s %.80q: byte %#02x at %d is not allowed", what, s, c, i)}
		}
	}
	for rest, more := s, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, "/")
		if (more || whole) && (element == "" || element == "." || element == "..") {
			return &fault.BadInput{Detail: fmt.Sprintf("%s %.80q: element %q is not allowed", what, s, element)}
		}
	}
	return nil
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == '=' || c == '-'
}
