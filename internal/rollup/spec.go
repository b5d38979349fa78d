// Package rollup counts and sums newline-delimited JSON events by group: the
// default job of an hour, as mapper, combiner and reducer of Hadoop Streaming.
//
// # Lines
//
// Map reads events and writes one line for each group that it met:
//
//	{"status":200,"method":"GET"}	{"requests":914,"bytes":81220393}
//
// two JSON objects with a TAB between, the key first. Reduce adds up the lines
// of each key and writes lines of the same form, so it is the combiner as well,
// and the result does not depend on how often or on which part of the input
// either ran. Neither object ever holds a TAB or a line end.
//
// # What is counted
//
// Every line that is JSON is counted in exactly one group. A field is named by
// its path, as in player.version. As a value of the key, an absent field, null,
// an object, an array and a number out of range are all null; strings longer
// than MaxText bytes are cut; numbers are written in one way (200, 200.0 and
// 2e2 are one group), while the string "200" stays a string. Of keys that occur
// twice the last one counts, as in encoding/json.
//
// Sums are exact decimals: no order of addition changes them. A number with
// more than 18 places after the point or of 10^36 or more adds nothing and is
// counted as outOfRange; a string, a boolean, an object or an array adds nothing and is
// counted as notANumber; null and an absent field add nothing.
//
// # Counters
//
// What could not be used is counted and reported in the form of Hadoop
// Streaming, "reporter:counter:penstock,malformed,3" on standard error. It is
// never fatal. See the Counters constants.
package rollup

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a Spec.
const (
	MaxFields   = 64  // groups, and measures, of one Spec
	MaxNameSize = 256 // bytes of a name, a path or a value in a Spec
)

// Spec says what Map counts.
type Spec struct {
	// Group holds the paths whose values are the key, in order; none makes one
	// group of everything.
	Group []string
	// Measures are the numbers of each group, in order.
	Measures []Measure
	// Text says that events are lines of text: nothing is parsed, every line
	// counts, and no field is known.
	Text bool
}

// Measure is one number of a group.
type Measure struct {
	// Name is the member's name in the output: letters, digits, '_' and '-'.
	Name string
	// Sum is the path of the numbers to add up; "" makes the measure a count.
	Sum string
	// Where and Is restrict a count to the events whose field Where has the
	// value Is: a string with that text, or a number or boolean written so.
	// Where "" counts every event.
	Where, Is string
}

// ParseCount reads a count as a flag gives it: NAME, or NAME:FIELD=VALUE.
func ParseCount(s string) (Measure, error) {
	name, condition, found := strings.Cut(s, ":")
	m := Measure{Name: name}
	if found {
		where, is, ok := strings.Cut(condition, "=")
		if !ok || where == "" {
			return Measure{}, fmt.Errorf("read count %q: want NAME or NAME:FIELD=VALUE", s)
		}
		m.Where, m.Is = where, is
	}
	return m, m.validate()
}

// ParseSum reads a sum as a flag gives it: NAME:FIELD, or NAME where the field
// has the same name.
func ParseSum(s string) (Measure, error) {
	name, field, found := strings.Cut(s, ":")
	if !found {
		field = name
	}
	if field == "" {
		return Measure{}, fmt.Errorf("read sum %q: want NAME:FIELD", s)
	}
	m := Measure{Name: name, Sum: field}
	return m, m.validate()
}

// Validate returns an error that names the first part of the Spec that cannot
// be used. Map refuses what Validate refuses.
func (s Spec) Validate() error {
	if len(s.Group) > MaxFields || len(s.Measures) > MaxFields {
		return fmt.Errorf("check rollup spec: %d groups and %d measures, limit %d each", len(s.Group), len(s.Measures), MaxFields)
	}
	if len(s.Measures) == 0 {
		return fmt.Errorf("check rollup spec: nothing to count or to sum")
	}
	seen := map[string]bool{}
	for _, path := range s.Group {
		if err := checkPath(path); err != nil {
			return err
		}
		if seen[path] {
			return fmt.Errorf("check rollup spec: field %q is grouped by twice", path)
		}
		seen[path] = true
	}
	clear(seen)
	for _, m := range s.Measures {
		if err := m.validate(); err != nil {
			return err
		}
		if seen[m.Name] {
			return fmt.Errorf("check rollup spec: two measures are named %q", m.Name)
		}
		seen[m.Name] = true
	}
	return nil
}

func (m Measure) validate() error {
	if !validName(m.Name) {
		return fmt.Errorf("check rollup spec: measure name %q: want 1 to %d letters, digits, '_' or '-'", m.Name, MaxNameSize)
	}
	if m.Sum != "" && m.Where != "" {
		return fmt.Errorf("check rollup spec: measure %q is a sum and has a condition", m.Name)
	}
	if m.Sum != "" {
		return checkPath(m.Sum)
	}
	if m.Where != "" {
		if err := checkPath(m.Where); err != nil {
			return err
		}
		if !plainText(m.Is) {
			return fmt.Errorf("check rollup spec: measure %q: value %q is not plain text", m.Name, m.Is)
		}
	}
	return nil
}

func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= MaxNameSize
}

func checkPath(path string) error {
	for _, name := range strings.Split(path, ".") {
		if name == "" || !plainText(path) {
			return fmt.Errorf("check rollup spec: field %.80q is not a path such as player.version", path)
		}
	}
	return nil
}

// plainText reports whether s can be compared to raw bytes of valid JSON.
func plainText(s string) bool {
	return len(s) <= MaxNameSize && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r == utf8.RuneError
	})
}
