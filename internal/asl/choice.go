package asl

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
)

// comparison is what the name of a comparison says: the type that is compared and how.
type comparison struct {
	operand string // String, Numeric, Timestamp, Boolean or Is
	test    string // Equals, LessThan, ..., Matches; after Is: Null, Present, ...
	path    bool   // the other side is a path
}

func parseComparison(name string) (comparison, bool) {
	c := comparison{}
	rest := name
	for _, operand := range []string{"String", "Numeric", "Timestamp", "Boolean", "Is"} {
		if strings.HasPrefix(name, operand) {
			c.operand, rest = operand, name[len(operand):]
			break
		}
	}
	if c.operand == "Is" {
		c.test = rest
		switch rest {
		case "Null", "Present", "Numeric", "String", "Boolean", "Timestamp":
			return c, true
		}
		return c, false
	}
	c.test, c.path = strings.CutSuffix(rest, "Path")
	switch c.test {
	case "Equals":
		return c, c.operand != ""
	case "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals":
		return c, c.operand != "" && c.operand != "Boolean"
	case "Matches":
		return c, c.operand == "String" && !c.path
	}
	return c, false
}

func (p *parser) choice(s *state, f *fields) {
	if f.has("Default") {
		s.otherwise, _ = f.required("Default")
	}
	if !f.has("Choices") {
		p.add(f.path, false, "the field Choices is missing")
	}
	for _, r := range f.list("Choices") {
		rule := p.rule(r, 0)
		rule.next, _ = r.required("Next")
		r.finish()
		s.choices = append(s.choices, rule)
	}
}

// rule reads one condition, without Next.
func (p *parser) rule(f *fields, depth int) rule {
	f.text("Comment")
	var names []string
	for _, name := range sortedKeys(f.members) {
		if _, ok := parseComparison(name); ok || name == "And" || name == "Or" || name == "Not" {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		p.add(f.path, false, "exactly one comparison, And, Or or Not is expected, there are %d", len(names))
		for _, name := range names {
			f.take(name)
		}
		f.take("Variable")
		return rule{}
	}
	r := rule{op: names[0]}
	var parts []*fields
	switch r.op {
	case "And", "Or":
		parts = f.list(r.op)
	case "Not":
		if part := f.object(r.op, true); part != nil {
			parts = []*fields{part}
		}
	default:
		p.comparison(&r, f)
		return r
	}
	if depth >= maxNesting {
		p.add(f.path, false, "conditions are nested more than %d deep", maxNesting)
		return r
	}
	for _, part := range parts {
		r.parts = append(r.parts, p.rule(part, depth+1))
		part.finish()
	}
	return r
}

func (p *parser) comparison(r *rule, f *fields) {
	c, _ := parseComparison(r.op)
	if !f.has("Variable") {
		p.add(f.path, false, "the field Variable is missing")
	}
	r.variable = f.jsonPath("Variable", true)
	if c.path {
		r.path = f.jsonPath(r.op, true)
		return
	}
	v, _ := f.take(r.op)
	r.value = v
	ok := false
	switch c.operand {
	case "String":
		_, ok = v.(string)
	case "Numeric":
		_, ok = v.(json.Number)
	case "Boolean", "Is":
		_, ok = v.(bool)
	case "Timestamp":
		text, _ := v.(string)
		r.at, ok = parseTimestamp(text)
	}
	if text, isText := v.(string); ok && isText && c.test == "Matches" {
		if _, err := wildcard(text); err != nil {
			p.add(f.at(r.op), false, "%v", err)
		}
	}
	if !ok {
		p.add(f.at(r.op), false, "%s cannot be compared with %s", r.op, kind(v))
	}
}

var timestampForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$`)

// parseTimestamp reads the RFC 3339 profile of the States Language: T and Z in upper case.
func parseTimestamp(text string) (time.Time, bool) {
	if !timestampForm.MatchString(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err == nil
}

// wildcard splits a pattern of StringMatches at its *; \* and \\ stand for * and \.
func wildcard(pattern string) ([]string, error) {
	parts := []string{}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*':
			parts = append(parts, b.String())
			b.Reset()
		case '\\':
			if i++; i == len(pattern) || pattern[i] != '*' && pattern[i] != '\\' {
				return nil, errors.New(`a pattern has the escapes \* and \\ only`)
			}
			b.WriteByte(pattern[i])
		default:
			b.WriteByte(pattern[i])
		}
	}
	return append(parts, b.String()), nil
}

// matches tests text against the parts of a pattern.
func matches(text string, parts []string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// invalidPath says that a condition asks for a value that is not there.
type invalidPath struct{ path string }

func (e *invalidPath) Error() string {
	return "Invalid path '" + e.path + "': The choice state's condition path references an invalid value."
}

// holds evaluates the condition. And and Or stop at the first part that decides.
func (r *rule) holds(ev *evaluation) (bool, error) {
	switch r.op {
	case "And", "Or":
		for i := range r.parts {
			ok, err := r.parts[i].holds(ev)
			if err != nil || ok == (r.op == "Or") {
				return ok, err
			}
		}
		return r.op == "And", nil
	case "Not":
		ok, err := r.parts[0].holds(ev)
		return !ok, err
	}
	v, err := ev.get(r.variable)
	if r.op == "IsPresent" {
		return (err == nil) == r.value.(bool), nil
	}
	if err != nil {
		return false, &invalidPath{r.variable.text}
	}
	c, _ := parseComparison(r.op)
	if c.operand == "Is" {
		return isOf(c.test, v) == r.value.(bool), nil
	}
	other, at := r.value, r.at
	if c.path {
		if other, err = ev.get(r.path); err != nil {
			return false, &invalidPath{r.path.text}
		}
		text, _ := other.(string)
		at, _ = parseTimestamp(text)
	}
	return c.holds(v, other, at), nil
}

// holds compares two values; values of another type than the comparison's never compare.
func (c comparison) holds(v, other any, at time.Time) bool {
	var order int
	switch c.operand {
	case "String":
		x, okX := v.(string)
		y, okY := other.(string)
		if !okX || !okY {
			return false
		}
		if c.test == "Matches" {
			parts, err := wildcard(y)
			return err == nil && matches(x, parts)
		}
		order = strings.Compare(x, y)
	case "Numeric":
		x, okX := v.(json.Number)
		y, okY := other.(json.Number)
		if !okX || !okY {
			return false
		}
		order = compareNumbers(x, y)
	case "Boolean":
		x, okX := v.(bool)
		y, okY := other.(bool)
		return okX && okY && x == y
	case "Timestamp":
		text, _ := v.(string)
		x, ok := parseTimestamp(text)
		if !ok || at.IsZero() {
			return false
		}
		order = x.Compare(at)
	}
	switch c.test {
	case "Equals":
		return order == 0
	case "LessThan":
		return order < 0
	case "LessThanEquals":
		return order <= 0
	case "GreaterThan":
		return order > 0
	}
	return order >= 0
}

func isOf(test string, v any) bool {
	switch x := v.(type) {
	case nil:
		return test == "Null"
	case json.Number:
		return test == "Numeric"
	case bool:
		return test == "Boolean"
	case string:
		if test == "Timestamp" {
			_, ok := parseTimestamp(x)
			return ok
		}
		return test == "String"
	}
	return false
}
