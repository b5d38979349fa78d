package asl

import (
	"encoding/json"
	"errors"
	"testing"
)

// FuzzParse loads and then runs whatever loads: neither may panic or run for ever.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"StartAt":"P","States":{"P":{"Type":"Pass","Parameters":{"x.$":"States.Format('{}',$.a)"},"End":true}}}`), []byte(`{"a":1}`))
	f.Add([]byte(`{"StartAt":"T","TimeoutSeconds":9,"States":{"T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:emr:runJobFlow","Retry":[{"ErrorEquals":["States.ALL"]}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"F"}],"End":true},"F":{"Type":"Fail","CausePath":"$.Cause"}}}`), []byte(`{}`))
	f.Add([]byte(`{"StartAt":"M","States":{"M":{"Type":"Map","ItemProcessor":{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"And":[{"Variable":"$","IsNumeric":true},{"Not":{"Variable":"$","NumericLessThan":2}}],"Next":"W"}],"Default":"S"},"W":{"Type":"Wait","SecondsPath":"$","End":true},"S":{"Type":"Succeed"}}},"Next":"P"},"P":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","ResultPath":"$[0]","End":true}}}],"End":true}}}`), []byte(`[1,2,3,"x"]`))
	f.Fuzz(func(t *testing.T, definition, input []byte) {
		if len(definition) > 10_000 || len(input) > 10_000 {
			return
		}
		m, err := Parse(definition)
		if err != nil {
			var load *LoadError
			if !errors.As(err, &load) || len(load.Problems) == 0 || len(load.Problems) > maxProblems {
				t.Fatalf("err = %v", err)
			}
			return
		}
		if _, err := Parse(m.Definition()); err != nil {
			t.Fatalf("the definition does not load again: %v", err)
		}
		r, err := Simulate(Simulation{Definition: definition, Input: input, Seed: 1})
		if err == nil && (r.Status == Running || len(r.History) == 0 || len(r.History) > maxEvents) {
			t.Fatalf("status %s after %d events", r.Status, len(r.History))
		}
	})
}

// FuzzPath evaluates whatever parses as a path, and puts a value where it leads.
func FuzzPath(f *testing.F) {
	const document = `{"a":[1,{"b":"x","c":[null,true]},[2,3]],"b":{"a":{"a":1.5}},"é":"é"}`
	for _, seed := range []string{"$", "$$.Execution.Input", "$.a[1].b", "$..a", "$.a[*]", "$.a[-1:]", "$.a[0,2]", "$['a'][?(@.b=='x' && !(@.c))]", "$.a[?(@>1 || $.b.a)]..*", "$..[?(@.a)]..a"} {
		f.Add(seed, document)
	}
	f.Fuzz(func(t *testing.T, text, document string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		v, err := decode([]byte(document))
		if err != nil || len(document) > 10_000 {
			return
		}
		out, err := p.get(v)
		if err != nil {
			return
		}
		if _, isList := out.([]any); !p.definite() && !isList {
			t.Fatalf("%s gives %T, not a list", text, out)
		}
		if !p.reference() || p.context {
			return
		}
		changed, err := p.set(v, "new")
		if err != nil {
			t.Fatalf("%s leads to a value and cannot be set: %v", text, err)
		}
		if got, err := p.get(changed); err != nil || got != "new" {
			t.Fatalf("%s was set and gives %v, %v", text, got, err)
		}
		if again, err := p.get(v); err != nil || !equal(again, out) {
			t.Fatalf("setting %s changed the original", text)
		}
	})
}

// FuzzIntrinsic evaluates whatever parses as an expression; the result stays within the limits.
func FuzzIntrinsic(f *testing.F) {
	for _, seed := range []string{`States.Format('{}-\{\}', $.a)`, `States.Array(1, 'x', null, $.a, States.UUID())`, `States.ArrayGetItem(States.StringSplit('a,b', ','), States.MathAdd(-1, 2))`,
		`States.JsonMerge($.o, $.o, false)`, `States.ArrayPartition(States.ArrayRange(0, 100, 3), 7)`, `States.Base64Decode(States.Base64Encode('x'))`, `States.ArrayUnique($..*)`,
		`States.Hash(States.JsonToString($), 'MD5')`, `States.MathRandom(1, 9, 3)`, `States.StringToJson('[1]')`, `States.ArrayContains($.l, 2)`, `States.ArrayLength($.l)`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseExpression(text)
		if err != nil {
			return
		}
		data, err := decode([]byte(`{"a":"x","o":{"k":1},"l":[1,2.0,"3",[4]]}`))
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		ev := &evaluation{data: data, context: func() map[string]any { return map[string]any{} }, random: func() uint64 { n++; return n }}
		out, err := e.eval(ev)
		if err != nil {
			return
		}
		if text := encode(out); !json.Valid(text) || len(text) > 8*maxPayload {
			t.Fatalf("a result of %d bytes", len(text))
		}
	})
}
