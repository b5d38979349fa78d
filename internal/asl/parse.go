package asl

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"
)

// maxProblems bounds how many problems one LoadError names.
const maxProblems = 20

// Parse loads a definition. The error is a *LoadError that names every field, function, resource or
// form that is wrong or not implemented.
func Parse(definition []byte) (*Machine, error) {
	p := &parser{names: map[string]string{}, resources: map[string]bool{}}
	m := p.machine(definition)
	if len(p.problems) > 0 {
		return nil, &LoadError{Problems: p.problems}
	}
	m.names = sortedKeys(p.names)
	m.resources = sortedKeys(p.resources)
	return m, nil
}

// parser collects problems while it builds the machine.
type parser struct {
	problems  []Problem
	names     map[string]string // of states, to where they are
	resources map[string]bool
	blocks    int // nesting
}

func (p *parser) add(at string, unsupported bool, format string, args ...any) {
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, Problem{Path: at, Detail: fmt.Sprintf(format, args...), Unsupported: unsupported})
	}
}

func (p *parser) machine(definition []byte) *Machine {
	if len(definition) > maxDefinition {
		p.add("", false, "the definition is larger than %d bytes", maxDefinition)
		return nil
	}
	v, err := decode(definition)
	if err != nil {
		p.add("", false, "not a JSON document: %v", err)
		return nil
	}
	if name, found := duplicateKey(definition); found {
		p.add("", false, "the member %q stands twice in one object", clip(name))
		return nil
	}
	f := p.fields("", v)
	if f == nil {
		return nil
	}
	f.text("Comment")
	f.queryLanguage()
	if v, ok := f.text("Version"); ok && v != "1.0" {
		p.add("/Version", true, "version %q is not implemented, 1.0 is", v)
	}
	m := &Machine{definition: append([]byte(nil), definition...)}
	if n, ok := f.whole("TimeoutSeconds", 1, maxSeconds); ok {
		m.timeout = time.Duration(n) * time.Second
	}
	m.root = p.block(f)
	return m
}

const maxSeconds = 99_999_999

// block reads StartAt and States and checks how the states hang together.
func (p *parser) block(f *fields) *block {
	if p.blocks++; p.blocks > 20 {
		p.add(f.path, false, "states are nested more than 20 deep")
		return nil
	}
	defer func() { p.blocks-- }()
	b := &block{states: map[string]*state{}}
	b.start, _ = f.required("StartAt")
	states := f.object("States", true)
	f.finish()
	if states == nil {
		return b
	}
	for _, name := range sortedKeys(states.members) {
		at := states.at(name)
		switch other, taken := p.names[name]; {
		case name == "" || len([]rune(name)) > 80:
			p.add(at, false, "the name of a state has 1 to 80 characters")
		case taken:
			p.add(at, false, "the name is taken by %s: names are unique in the whole machine", other)
		}
		p.names[name] = at
		b.states[name] = p.state(name, p.fields(at, states.members[name]))
	}
	p.connect(f.path, b)
	return b
}

// connect checks that every target exists, every state can be reached and one of them ends.
func (p *parser) connect(at string, b *block) {
	if len(b.states) == 0 {
		p.add(at+"/States", false, "there are no states")
		return
	}
	if b.states[b.start] == nil && b.start != "" {
		p.add(at+"/StartAt", false, "there is no state %q here", clip(b.start))
	}
	reached := map[string]bool{}
	todo := []string{b.start}
	ends := false
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		s := b.states[name]
		if s == nil || reached[name] {
			continue
		}
		reached[name] = true
		targets := s.targets()
		if len(targets) == 0 || s.kind != "Choice" && s.next == "" {
			ends = true
		}
		todo = append(todo, targets...)
	}
	for _, name := range sortedKeys(b.states) {
		here := at + "/States/" + pointer(name)
		for _, target := range b.states[name].targets() {
			if b.states[target] == nil {
				p.add(here, false, "there is no state %q here to go to", clip(target))
			}
		}
		if !reached[name] {
			p.add(here, false, "no other state leads here")
		}
	}
	if !ends {
		p.add(at+"/States", false, "no state ends the run: none has End, and none is a Succeed or a Fail")
	}
}

func (s *state) targets() []string {
	var out []string
	for _, t := range []string{s.next, s.otherwise} {
		if t != "" {
			out = append(out, t)
		}
	}
	for _, r := range s.choices {
		out = append(out, r.next)
	}
	for _, c := range s.catch {
		out = append(out, c.next)
	}
	return out
}

// pointer escapes a name for a JSON pointer.
func pointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// fields is an object whose members are taken one by one; what is left in the end is refused.
type fields struct {
	p       *parser
	path    string
	members map[string]any
	taken   map[string]bool
}

func (p *parser) fields(at string, v any) *fields {
	m, ok := v.(map[string]any)
	if !ok {
		p.add(at, false, "an object is expected here, not %s", kind(v))
		return nil
	}
	return &fields{p: p, path: at, members: m, taken: map[string]bool{}}
}

func (f *fields) at(name string) string { return f.path + "/" + pointer(name) }

func (f *fields) has(name string) bool { _, ok := f.members[name]; return ok }

func (f *fields) take(name string) (any, bool) {
	v, ok := f.members[name]
	f.taken[name] = true
	return v, ok
}

// finish refuses every member that was not taken.
func (f *fields) finish() {
	var left []string
	for name := range f.members {
		if !f.taken[name] {
			left = append(left, name)
		}
	}
	sort.Strings(left)
	for _, name := range left {
		f.p.add(f.at(name), true, "the field %s is not implemented here%s", clip(name), hint(name))
	}
}

func hint(name string) string {
	switch name {
	case "Iterator":
		return "; write ItemProcessor"
	case "Parameters":
		return "; a Map has ItemSelector, a Choice, Wait, Succeed or Fail has none"
	case "Arguments", "Output", "Assign", "Items", "Condition":
		return ": it belongs to JSONata or to variables"
	case "ItemReader", "ItemBatcher", "ResultWriter", "Label", "ToleratedFailureCount",
		"ToleratedFailurePercentage", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath":
		return ": it belongs to Distributed Map"
	case "Retry", "Catch":
		return ": only Task, Map and Parallel have it"
	}
	return ""
}

func (f *fields) text(name string) (string, bool) {
	v, ok := f.take(name)
	if !ok {
		return "", false
	}
	s, ok := v.(string)
	if !ok {
		f.p.add(f.at(name), false, "a string is expected, not %s", kind(v))
	}
	return s, ok
}

// required is text that must be there and not be empty.
func (f *fields) required(name string) (string, bool) {
	if !f.has(name) {
		f.p.add(f.path, false, "the field %s is missing", name)
		f.taken[name] = true
		return "", false
	}
	s, ok := f.text(name)
	if ok && s == "" {
		f.p.add(f.at(name), false, "an empty name")
		return "", false
	}
	return s, ok
}

// whole is a whole number from low to high.
func (f *fields) whole(name string, low, high int64) (int64, bool) {
	v, ok := f.take(name)
	if !ok {
		return 0, false
	}
	if n, ok := v.(json.Number); ok {
		if i, ok := integer(n); ok && i >= low && i <= high {
			return i, true
		}
	}
	f.p.add(f.at(name), false, "a whole number from %d to %d is expected", low, high)
	return 0, false
}

func (f *fields) object(name string, required bool) *fields {
	v, ok := f.take(name)
	if !ok {
		if required {
			f.p.add(f.path, false, "the field %s is missing", name)
		}
		return nil
	}
	return f.p.fields(f.at(name), v)
}

// list is an array of objects with at least one element.
func (f *fields) list(name string) []*fields {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	a, ok := v.([]any)
	if !ok || len(a) == 0 {
		f.p.add(f.at(name), false, "an array with at least one element is expected")
		return nil
	}
	var out []*fields
	for i, e := range a {
		if x := f.p.fields(fmt.Sprintf("%s/%d", f.at(name), i), e); x != nil {
			out = append(out, x)
		}
	}
	return out
}

func (f *fields) queryLanguage() {
	if v, ok := f.text("QueryLanguage"); ok && v != "JSONPath" {
		f.p.add(f.at("QueryLanguage"), true, "the query language %s is not implemented, JSONPath is", clip(v))
	}
}

// jsonPath is a path; with reference, a Reference Path.
func (f *fields) jsonPath(name string, reference bool) *path {
	text, ok := f.text(name)
	if !ok {
		return nil
	}
	p, err := parsePath(text)
	if err != nil {
		f.p.add(f.at(name), true, "%v", err)
		return nil
	}
	if reference && !p.reference() {
		f.p.add(f.at(name), false, "a Reference Path is expected: names and array indexes only")
		return nil
	}
	return p
}

// selection is InputPath, OutputPath or ResultPath.
func (f *fields) selection(name string, reference bool) selection {
	if v, ok := f.members[name]; ok && v == nil {
		f.taken[name] = true
		return selection{null: true}
	}
	p := f.jsonPath(name, reference)
	if p != nil && reference && p.context {
		f.p.add(f.at(name), false, "a result cannot be put into the context object")
	}
	return selection{path: p}
}

// numberOrPath is a field X or its XPath, not both.
func (f *fields) numberOrPath(name string, low, high int64) fieldOrPath {
	out := fieldOrPath{path: f.jsonPath(name+"Path", true)}
	n, ok := f.whole(name, low, high)
	out.n, out.set = n, ok || out.path != nil
	if f.has(name) && f.has(name+"Path") {
		f.p.add(f.path, false, "%s and %sPath exclude each other", name, name)
	}
	return out
}
