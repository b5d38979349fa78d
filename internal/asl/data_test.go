package asl_test

import (
	"strings"
	"testing"
)

// expression evaluates one path or intrinsic over an input, through a Pass state.
func expression(t *testing.T, source, input string) string {
	t.Helper()
	quoted := strings.ReplaceAll(strings.ReplaceAll(source, `\`, `\\`), `"`, `\"`)
	out := outcome(simulate(t, pass(`"Parameters":{"v.$":"`+quoted+`"}`), input, ""))
	if v, ok := strings.CutPrefix(out, `{"v":`); ok {
		return strings.TrimSuffix(v, "}")
	}
	return out
}

func TestPaths(t *testing.T) {
	const input = `{"a":{"b":[10,11,12,13],"c d":1,"é":2},"n":null,"s":"x","big":12345678901234567890.10,
		"Steps":[{"Name":"one","Status":{"State":"COMPLETED"}},{"Name":"two","Status":{"State":"FAILED"},"t":3},{"Name":"three"}]}`
	for source, want := range map[string]string{
		`$.a.b[1]`:                     `11`,
		`$.a.b[-1]`:                    `13`,
		`$['a']["b"][0]`:               `10`,
		`$.a['c d']`:                   `1`,
		`$.a.é`:                        `2`,
		`$.n`:                          `null`,
		`$.big`:                        `12345678901234567890.10`,
		`$.a.b[*]`:                     `[10,11,12,13]`,
		`$.a.b[1:3]`:                   `[11,12]`,
		`$.a.b[:2]`:                    `[10,11]`,
		`$.a.b[-2:]`:                   `[12,13]`,
		`$.a.b[3:1]`:                   `[]`,
		`$.a.b[0,2,9]`:                 `[10,12]`,
		`$.Steps[*].Status.State`:      `["COMPLETED","FAILED"]`,
		`$.Steps[0].Name`:              `"one"`,
		`$.Steps[0:1].Name`:            `["one"]`, // a list, although of one
		`$.Steps[?(@.t)].Name`:         `["two"]`,
		`$.Steps[?(@.t == 3.0)].Name`:  `["two"]`,
		`$.Steps[?(@.Name=='nobody')]`: `[]`,
		`$.Steps[?(@.Status.State!='COMPLETED')].Name`:                   `["two","three"]`,
		`$.Steps[?(@.Status.State=='COMPLETED' || @.Name > 'tw')].Name`:  `["one","two"]`,
		`$.Steps[?(!(@.t) && (@.Name=="one" || @.Name=='three'))].Name`:  `["one","three"]`,
		`$.Steps[?(@.t < 4 && @.t <= 3 && @.t >= 3 && @.t > -1e1)].Name`: `["two"]`,
		`$.Steps[?(@.Name == $.Steps[1].Name)].t`:                        `[3]`,
		`$..State`:                  `["COMPLETED","FAILED"]`,
		`$.Steps..Name`:             `["one","two","three"]`,
		`$.a..[0]`:                  `[10]`,
		`$.s[*]`:                    `[]`,
		`$.a.*`:                     `[[10,11,12,13],1,2]`, // members by sorted name
		`$$.State.Name`:             `"P"`,
		`$$.Execution.Input.a.b[0]`: `10`,
		`$$.Execution.Id`:           `"arn:aws:states:us-east-1:123456789012:execution:simulation:simulation"`,
		`$$.Execution.StartTime`:    `"2026-01-01T00:00:00.000Z"`,
		`$$.StateMachine`:           `{"Id":"arn:aws:states:us-east-1:123456789012:stateMachine:simulation","Name":"simulation"}`,
		`$.a.nowhere`:               `FAILED States.Runtime: An error occurred while executing the state 'P' (entered at the event id #2). The JSONPath '$.a.nowhere' specified for the field 'v.$' could not be found in the input `,
		`$.nowhere[*]`:              `FAILED States.Runtime`,
		`$.s[0:1]`:                  `FAILED States.Runtime`,
		`$.a.b[4]`:                  `FAILED States.Runtime`,
		`$$.Map.Item.Index`:         `FAILED States.Runtime`,
	} {
		if got := expression(t, source, input); got != want && !(strings.HasPrefix(want, "FAILED") && strings.HasPrefix(got, want)) {
			t.Errorf("%s gives %s, want %s", source, got, want)
		}
	}
}

// The expected values are what Step Functions was recorded to give, where it was.
func TestIntrinsicFunctions(t *testing.T) {
	const input = `{"s":"HelloWorld","n":null,"i":3,"f":1.1,"o":{"a":{"a1":1},"b":2},"p":{"a":{"a3":3},"c":1},"l":[1,2,3,4,5,6,7,8,9],"e":[],"t":true}`
	for source, want := range map[string]string{
		`States.Format('x {} y', $.s)`:                                      `"x HelloWorld y"`,
		`States.Format('{}{}{}{}', $.n, $.i, $.f, $.t)`:                     `"null31.1true"`,
		`States.Format('\{\}\'\\ {}', 'a\'b')`:                              `"{}'\\ a'b"`,
		`States.Format('')`:                                                 `""`,
		`States.Format('{}', $.o)`:                                          `FAILED States.IntrinsicFailure`,
		`States.Format('{} {}', $.s)`:                                       `FAILED States.IntrinsicFailure`,
		`States.Format('{}', $.s, $.s)`:                                     `FAILED States.IntrinsicFailure`,
		`States.Format('{x}', $.s)`:                                         `FAILED States.IntrinsicFailure`,
		`States.Format($.i, $.s)`:                                           `FAILED States.IntrinsicFailure`,
		`States.StringToJson('{"a": "b"}')`:                                 `{"a":"b"}`,
		`States.StringToJson(' ')`:                                          `null`,
		`States.StringToJson('{')`:                                          `FAILED States.IntrinsicFailure`,
		`States.JsonToString($.o)`:                                          `"{\"a\":{\"a1\":1},\"b\":2}"`,
		`States.JsonToString('<&>')`:                                        `"\"<&>\""`,
		`States.JsonMerge($.o, $.p, false)`:                                 `{"a":{"a3":3},"b":2,"c":1}`,
		`States.JsonMerge($.o, $.p, true)`:                                  `FAILED States.IntrinsicFailure`,
		`States.Array()`:                                                    `[]`,
		`States.Array($.s, 1, true, null, 'x', $.n)`:                        `["HelloWorld",1,true,null,"x",null]`,
		`States.ArrayGetItem($.l, 5)`:                                       `6`,
		`States.ArrayGetItem($.l, 9)`:                                       `FAILED States.IntrinsicFailure`,
		`States.ArrayLength($.l)`:                                           `9`,
		`States.ArrayLength($.s)`:                                           `FAILED States.IntrinsicFailure`,
		`States.ArrayPartition($.l, 4)`:                                     `[[1,2,3,4],[5,6,7,8],[9]]`,
		`States.ArrayPartition($.e, 4)`:                                     `[]`,
		`States.ArrayPartition($.l, 0)`:                                     `FAILED States.IntrinsicFailure`,
		`States.ArrayContains($.l, 5.0)`:                                    `true`,
		`States.ArrayContains($.l, '5')`:                                    `false`,
		`States.ArrayRange(0, 10, 3)`:                                       `[0,3,6,9]`,
		`States.ArrayRange(1, 9, 9)`:                                        `[1]`,
		`States.ArrayRange(3, 1, -1)`:                                       `[3,2,1]`,
		`States.ArrayRange(1, 2, 0)`:                                        `FAILED States.IntrinsicFailure`,
		`States.ArrayRange(1, 2000, 1)`:                                     `FAILED States.IntrinsicFailure`,
		`States.ArrayUnique(States.Array(1, 1.0, '1', 2, null, null, '1'))`: `[1,"1",2,null]`,
		`States.MathAdd(-9, 3)`:                                             `-6`,
		`States.MathAdd(1.49, 1.5)`:                                         `3`,
		`States.MathAdd(-1.49, -1.5)`:                                       `-2`,
		`States.MathAdd(-1.5, -1.51)`:                                       `-3`,
		`States.MathAdd(-0.5, 0.5)`:                                         `1`,
		`States.MathAdd(-2.5, 0)`:                                           `-2`,
		`States.MathAdd(99999999999, 0)`:                                    `FAILED States.IntrinsicFailure`,
		`States.MathRandom(7, 8)`:                                           `7`,
		`States.MathRandom(7, 7)`:                                           `FAILED States.IntrinsicFailure`,
		`States.StringSplit(', , ,', ',')`:                                  `[" "," "]`,
		`States.StringSplit('This.is+a,test=string', '.+,=')`:               `["This","is","a","test","string"]`,
		`States.StringSplit('', ',')`:                                       `[]`,
		`States.Base64Encode('Data to encode')`:                             `"RGF0YSB0byBlbmNvZGU="`,
		`States.Base64Decode('RGF0YSB0byBlbmNvZGU=')`:                       `"Data to encode"`,
		`States.Base64Decode('*')`:                                          `FAILED States.IntrinsicFailure`,
		`States.Hash('input data', 'MD5')`:                                  `"812f45842bc6d66ee14572ce20db8e86"`,
		`States.Hash('input data', 'SHA-1')`:                                `"aaff4a450a104cd177d28d18d74485e8cae074b7"`,
		`States.Hash('input data', 'SHA-256')`:                              `"b4a697a057313163aee33cd8d40c66e9f0f177e00cac2de32475ffff6169c3e3"`,
		`States.Hash('input data', 'SHA-384')`:                              `"d28a7d5cf25a74f11a50a18452b75e04bb3d70c9dd0510d6123aa008c756511b87525bdc835ebb27e1fb9e9374a15562"`,
		`States.Hash('input data', 'SHA-512')`:                              `"6ce4adb348546d4f449c4d25aad9a7c9cb711d9e91982d3f0b29ca2f3f47d4ce2deba23bf2954f0f1d593fc50283731a533d30d425402d4f91316d871303aac4"`,
		`States.Hash('input data', 'CRC')`:                                  `FAILED States.IntrinsicFailure`,
		`States.ArrayGetItem(States.StringSplit('a-b-c', '-'), States.MathAdd(States.ArrayLength(States.StringSplit('a-b-c', '-')), -1))`: `"c"`,
		`States.ArrayLength($.nowhere)`: `FAILED States.Runtime`,
	} {
		if got := expression(t, source, input); got != want && !(strings.HasPrefix(want, "FAILED") && strings.HasPrefix(got, want)) {
			t.Errorf("%s gives %s, want %s", source, got, want)
		}
	}
}

func TestAnEvaluationThatWouldBlowUpIsRefused(t *testing.T) {
	many := "[" + strings.TrimSuffix(strings.Repeat("0,", 120), ",") + "]"
	for name, source := range map[string]string{
		"unions of unions": "$" + strings.Repeat(many, 4),
		"shared arguments": "States.Array(" + strings.TrimSuffix(strings.Repeat("$,", 3000), ",") + ")",
		"long text":        "States.Format('" + strings.Repeat("{}", 2000) + "'" + strings.Repeat(",$[0][0][0]", 400) + ")",
	} {
		input := "[[[[1,[2,[3,[4,[5,[6,[7,[8]]]]]]]," + strings.TrimSuffix(strings.Repeat("[[[0]]],", 400), ",") + "]]]]"
		if got := expression(t, source, input); !strings.HasPrefix(got, "FAILED States.IntrinsicFailure") {
			t.Errorf("%s: %.200s", name, got)
		}
	}
}

func TestUUIDsComeFromTheSeed(t *testing.T) {
	a, b := expression(t, `States.UUID()`, `{}`), expression(t, `States.UUID()`, `{}`)
	if a != b || len(a) != 38 || a[15] != '4' || strings.IndexByte("89ab", a[20]) < 0 {
		t.Errorf("two runs with one seed give %s and %s", a, b)
	}
	if a, b := expression(t, `States.MathRandom(0, 1000, 7)`, `{}`), expression(t, `States.MathRandom(0, 1000, 7)`, `{}`); a != b {
		t.Errorf("two random numbers of one seed: %s and %s", a, b)
	}
}

func TestDataFlowsThroughTheFieldsInTheirOrder(t *testing.T) {
	const input = `{"in":{"x":1,"l":[1]},"keep":true}`
	const mock = `{"T":[{"result":{"r":{"v":7}}}]}`
	for name, c := range map[string]struct{ definition, input, want string }{
		"InputPath selects":                        {pass(`"InputPath":"$.in.x"`), input, `1`},
		"InputPath null gives an empty object":     {pass(`"InputPath":null`), input, `{}`},
		"InputPath may read the context":           {pass(`"InputPath":"$$.State.Name"`), input, `"P"`},
		"OutputPath selects last":                  {pass(`"Result":{"a":2},"ResultPath":"$.r","OutputPath":"$.r.a"`), input, `2`},
		"OutputPath null gives an empty object":    {pass(`"OutputPath":null`), input, `{}`},
		"Parameters see what InputPath selected":   {pass(`"InputPath":"$.in","Parameters":{"y.$":"$.x","z":[{"w.$":"$.x"},"$.x"]}`), input, `{"y":1,"z":[{"w":1},"$.x"]}`},
		"Result is taken as it is":                 {pass(`"Result":{"v.$":"$.x"}`), input, `{"v.$":"$.x"}`},
		"ResultPath goes into the raw input":       {pass(`"InputPath":"$.in","ResultPath":"$.new.deep"`), input, `{"in":{"l":[1],"x":1},"keep":true,"new":{"deep":{"l":[1],"x":1}}}`},
		"ResultPath replaces an element":           {pass(`"Result":9,"ResultPath":"$.in.l[0]"`), input, `{"in":{"l":[9],"x":1},"keep":true}`},
		"ResultPath null drops the result":         {pass(`"Result":9,"ResultPath":null`), `{"a":1}`, `{"a":1}`},
		"ResultPath into a scalar fails":           {pass(`"Result":9,"ResultPath":"$.keep.x"`), input, `FAILED States.ResultPathMatchFailure: Unable to apply step "$.keep.x" to the input: $.keep.x cannot be put into a boolean`},
		"ResultPath beyond an array fails":         {pass(`"Result":9,"ResultPath":"$.in.l[1]"`), input, `FAILED States.ResultPathMatchFailure: Unable to apply step "$.in.l[1]" to the input: $.in.l[1] names no element of an array`},
		"ResultSelector shapes a task's result":    {task(`"ResultSelector":{"v.$":"$.r.v","n":1},"ResultPath":"$.t","OutputPath":"$.t"`), input, `{"n":1,"v":7}`},
		"Task without ResultPath gives the result": {task(``), input, `{"r":{"v":7}}`},
		"InputPath that finds nothing":             {pass(`"InputPath":"$.no"`), input, `FAILED States.Runtime: An error occurred while executing the state 'P' (entered at the event id #2). Invalid path '$.no' : No results for path: $['no']`},
		"OutputPath that finds nothing":            {pass(`"OutputPath":"$.no"`), input, `FAILED States.Runtime: An error occurred while executing the state 'P' (entered at the event id #2). Invalid path '$.no' : No results for path: $['no']`},
		"Succeed selects too":                      {`{"StartAt":"S","States":{"S":{"Type":"Succeed","InputPath":"$.in","OutputPath":"$.x"}}}`, input, `1`},
		"numbers keep their digits":                {pass(``), `{"n":1.10,"m":123456789012345678901234567890}`, `{"m":123456789012345678901234567890,"n":1.10}`},
	} {
		mocks := ""
		if strings.Contains(c.definition, `"T":`) {
			mocks = mock
		}
		if got := outcome(simulate(t, c.definition, c.input, mocks)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
