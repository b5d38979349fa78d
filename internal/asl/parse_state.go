package asl

import (
	"fmt"
	"regexp"
)

// state reads one state. It returns a state in any case, so that the others can be checked.
func (p *parser) state(name string, f *fields) *state {
	s := &state{name: name}
	if f == nil {
		return s
	}
	s.kind, _ = f.required("Type")
	f.text("Comment")
	f.queryLanguage()
	if s.kind != "Fail" {
		s.inputPath = f.selection("InputPath", false)
		s.outputPath = f.selection("OutputPath", false)
	}
	switch s.kind {
	case "Task":
		p.task(s, f)
	case "Pass":
		if v, ok := f.take("Result"); ok {
			s.result = &literal{value: v}
		}
		s.parameters = f.template("Parameters")
		s.resultPath = f.selection("ResultPath", true)
		f.nextOrEnd(s)
	case "Wait":
		p.wait(s, f)
	case "Choice":
		p.choice(s, f)
	case "Succeed":
	case "Fail":
		s.errorName, s.cause = f.textOrPath("Error"), f.textOrPath("Cause")
	case "Parallel":
		s.parameters = f.template("Parameters")
		f.resultAndErrors(s)
		for _, b := range f.list("Branches") {
			b.text("Comment")
			s.branches = append(s.branches, p.block(b))
		}
		if !f.has("Branches") {
			p.add(f.path, false, "the field Branches is missing")
		}
	case "Map":
		p.mapState(s, f)
	case "":
		return s // the missing Type has been reported
	default:
		p.add(f.at("Type"), true, "the state type %q is not implemented", clip(s.kind))
		return s
	}
	f.finish()
	return s
}

func (f *fields) nextOrEnd(s *state) {
	s.next, _ = f.text("Next")
	end, hasEnd := f.take("End")
	switch {
	case hasEnd && end != true:
		f.p.add(f.at("End"), false, "End is true or absent")
	case hasEnd == f.has("Next"):
		f.p.add(f.path, false, "either Next or End is expected")
	case !hasEnd && s.next == "":
		f.p.add(f.at("Next"), false, "an empty name")
	}
}

// resultAndErrors reads what Task, Map and Parallel have in common.
func (f *fields) resultAndErrors(s *state) {
	s.resultSelector = f.template("ResultSelector")
	s.resultPath = f.selection("ResultPath", true)
	s.retry = f.p.retriers(f)
	s.catch = f.p.catchers(f)
	f.nextOrEnd(s)
}

var (
	lambdaARN    = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]+)?$`)
	lambdaInvoke = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):states:::lambda:invoke$`)
	sdkCall      = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):states:::aws-sdk:([a-z0-9]+):([a-z][A-Za-z0-9]*)$`)
)

func (p *parser) task(s *state, f *fields) {
	s.resource, _ = f.required("Resource")
	switch {
	case s.resource == "":
	case lambdaARN.MatchString(s.resource), lambdaInvoke.MatchString(s.resource), sdkCall.MatchString(s.resource):
		p.resources[s.resource] = true
	default:
		p.add(f.at("Resource"), true, "the resource %q is not implemented: a Lambda function's ARN, arn:aws:states:::lambda:invoke and "+
			"arn:aws:states:::aws-sdk:<service>:<action> are (no .sync, no .waitForTaskToken)", clip(s.resource))
	}
	s.parameters = f.template("Parameters")
	if lambdaInvoke.MatchString(s.resource) {
		f.lambdaParameters()
	}
	s.timeout = f.numberOrPath("TimeoutSeconds", 1, maxSeconds)
	s.heartbeat = f.numberOrPath("HeartbeatSeconds", 1, maxSeconds)
	if s.heartbeat.n > 0 && s.timeout.n > 0 && s.heartbeat.n >= s.timeout.n {
		p.add(f.at("HeartbeatSeconds"), false, "HeartbeatSeconds is smaller than TimeoutSeconds")
	}
	f.resultAndErrors(s)
}

// lambdaParameters checks the members that lambda:invoke takes.
func (f *fields) lambdaParameters() {
	m, _ := f.members["Parameters"].(map[string]any)
	_, plain := m["FunctionName"]
	_, dynamic := m["FunctionName.$"]
	if !plain && !dynamic {
		f.p.add(f.at("Parameters"), false, "lambda:invoke needs a FunctionName")
	}
	for _, name := range sortedKeys(m) {
		switch name {
		case "FunctionName", "Payload", "InvocationType", "Qualifier", "ClientContext", "LogType",
			"FunctionName.$", "Payload.$", "InvocationType.$", "Qualifier.$", "ClientContext.$", "LogType.$":
		default:
			f.p.add(f.at("Parameters")+"/"+pointer(name), false, "lambda:invoke has no parameter %s", clip(name))
		}
	}
}

func (p *parser) wait(s *state, f *fields) {
	s.seconds = f.numberOrPath("Seconds", 0, maxSeconds)
	s.until.path = f.jsonPath("TimestampPath", true)
	s.until.set = s.until.path != nil
	if text, ok := f.text("Timestamp"); ok {
		if s.until.at, ok = parseTimestamp(text); !ok {
			p.add(f.at("Timestamp"), false, "a time such as 2026-11-23T07:00:00Z is expected")
		}
		s.until.set = true
	}
	n := 0
	for _, name := range []string{"Seconds", "SecondsPath", "Timestamp", "TimestampPath"} {
		if f.has(name) {
			n++
		}
	}
	if n != 1 {
		p.add(f.path, false, "exactly one of Seconds, SecondsPath, Timestamp and TimestampPath is expected")
	}
	f.nextOrEnd(s)
}

func (p *parser) mapState(s *state, f *fields) {
	s.items = f.jsonPath("ItemsPath", true)
	s.parameters = f.template("ItemSelector")
	s.atOnce = f.numberOrPath("MaxConcurrency", 0, maxSeconds)
	f.resultAndErrors(s)
	processor := f.object("ItemProcessor", true)
	if processor == nil {
		return
	}
	if config := processor.object("ProcessorConfig", false); config != nil {
		if mode, ok := config.text("Mode"); ok && mode != "INLINE" {
			p.add(config.at("Mode"), true, "the mode %s is not implemented, INLINE is", clip(mode))
		}
		config.finish()
	}
	processor.text("Comment")
	s.processor = p.block(processor)
}

// textOrPath is Error or Cause of a Fail state, or its Path form.
func (f *fields) textOrPath(name string) textField {
	text, ok := f.text(name)
	out := textField{set: ok, text: text}
	source, ok := f.text(name + "Path")
	if !ok {
		return out
	}
	if out.set {
		f.p.add(f.path, false, "%s and %sPath exclude each other", name, name)
	}
	e, err := parseExpression(source)
	switch {
	case err != nil:
		f.p.add(f.at(name+"Path"), true, "%v", err)
	case e.path != nil && !e.path.reference():
		f.p.add(f.at(name+"Path"), false, "a Reference Path or an intrinsic function is expected")
	}
	return textField{set: true, source: source, expression: e}
}

// template reads a payload template, which is an object.
func (f *fields) template(name string) *template {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	if _, ok := v.(map[string]any); !ok {
		f.p.add(f.at(name), false, "an object is expected, not %s", kind(v))
		return nil
	}
	return f.p.template(f.at(name), v)
}

func (p *parser) template(at string, v any) *template {
	t := &template{value: v, constant: true}
	switch x := v.(type) {
	case []any:
		for i, e := range x {
			part := p.template(fmt.Sprintf("%s/%d", at, i), e)
			t.array = append(t.array, part)
			t.constant = t.constant && part.constant
		}
	case map[string]any:
		t.object = make(map[string]*template, len(x))
		for _, name := range sortedKeys(x) {
			here := at + "/" + pointer(name)
			plain := name
			var part *template
			if n := len(name) - 2; n >= 0 && name[n:] == ".$" {
				plain = name[:n]
				part = p.dynamic(here, name, x[name])
			} else {
				part = p.template(here, x[name])
			}
			if _, twice := t.object[plain]; twice {
				p.add(here, false, "%s and %s.$ exclude each other", clip(plain), clip(plain))
			}
			t.object[plain] = part
			t.constant = t.constant && part.constant
		}
		t.names = sortedKeys(t.object)
	}
	return t
}

// dynamic reads the value of a field whose name ends in .$.
func (p *parser) dynamic(at, field string, v any) *template {
	t := &template{field: field}
	source, ok := v.(string)
	if !ok {
		p.add(at, false, "a field whose name ends in .$ holds a path or an intrinsic function, not %s", kind(v))
		return t
	}
	e, err := parseExpression(source)
	if err != nil {
		p.add(at, true, "%v", err)
	}
	t.expression, t.source = e, source
	return t
}
