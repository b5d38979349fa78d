package hour

import (
	"fmt"
	"strings"
)

// Sequence is a Kinesis sequence number: decimal, without leading zeros, at most 129 digits. Order has a meaning within
// a shard only. Source: Kinesis API reference, PutRecord and SequenceNumberRange.
type Sequence string

// MaxSequenceDigits is the longest sequence number that Kinesis documents.
const MaxSequenceDigits = 129

const sequenceWidth = 56 // digits in keys; longer numbers stand as they are

// ParseSequence checks and normalizes a sequence number.
func ParseSequence(s string) (Sequence, error) {
	if s == "" || len(s) > MaxSequenceDigits {
		return "", fmt.Errorf("sequence number of %d characters", len(s))
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", fmt.Errorf("sequence number with a character that is no digit")
		}
	}
	s = strings.TrimLeft(s, "0")
	if s == "" {
		s = "0"
	}
	return Sequence(s), nil
}

// UnmarshalText implements encoding.TextUnmarshaler: documents hold sequence numbers as ParseSequence returns them.
func (s *Sequence) UnmarshalText(b []byte) error {
	v, err := ParseSequence(string(b))
	if err != nil {
		return err
	}
	if string(v) != string(b) {
		return fmt.Errorf("sequence number with leading zeros")
	}
	*s = v
	return nil
}

// Compare orders sequence numbers of one shard: -1, 0 or 1.
func (s Sequence) Compare(t Sequence) int {
	if len(s) != len(t) {
		if len(s) < len(t) {
			return -1
		}
		return 1
	}
	return strings.Compare(string(s), string(t))
}

// padded returns the number as it stands in keys.
func (s Sequence) padded() string {
	if n := sequenceWidth - len(s); n > 0 {
		return strings.Repeat("0", n) + string(s)
	}
	return string(s)
}
