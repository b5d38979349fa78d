package asl_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"penstock/internal/asl"
)

// simulate runs a definition and fails the test when it is refused.
func simulate(t *testing.T, definition, input, mocks string) *asl.Report {
	t.Helper()
	r, err := asl.Simulate(asl.Simulation{Definition: []byte(definition), Input: []byte(input), Mocks: []byte(mocks), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pass is a machine of one Pass state with the given fields.
func pass(fields string) string {
	return `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true` + comma(fields) + `}}}`
}

// task is a machine of one Task with the given fields, and a Pass state Caught for Catch.
func task(fields string) string {
	states := `"T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:emr:describeCluster","End":true` + comma(fields) + `}`
	if strings.Contains(fields, "Caught") {
		states += `,"Caught":{"Type":"Pass","End":true}`
	}
	return `{"StartAt":"T","States":{` + states + `}}`
}

func comma(fields string) string {
	if fields == "" {
		return ""
	}
	return "," + fields
}

// outcome is status and output, or status, error and cause, in one line.
func outcome(r *asl.Report) string {
	if r.Status == asl.Succeeded {
		return string(r.Output)
	}
	return strings.TrimRight(string(r.Status)+" "+r.Error+": "+r.Cause, ": ")
}

func types(r *asl.Report) string {
	var out []string
	for _, e := range r.History {
		out = append(out, e.Type)
	}
	return strings.Join(out, " ")
}

func TestMocksAnswerOncePerInvocationAndTheLastRepeats(t *testing.T) {
	r := simulate(t, `{"StartAt":"A","States":{
		"A":{"Type":"Task","Resource":"${Seal}","ResultPath":"$.a","Next":"B","Retry":[{"ErrorEquals":["Busy"]}]},
		"B":{"Type":"Choice","Choices":[{"Variable":"$.a.done","BooleanEquals":true,"Next":"C"}],"Default":"A"},
		"C":{"Type":"Pass","Parameters":{"n.$":"$.a.n"},"End":true}}}`, `{}`,
		`{"A":[{"error":"Busy","cause":"x"},{"result":{"done":false}},{"result":{"done":true,"n":3}}]}`)
	if got := outcome(r); got != `{"n":3}` {
		t.Errorf("outcome %s", got)
	}
}

func TestATaskWithoutAMockIsNamed(t *testing.T) {
	_, err := asl.Simulate(asl.Simulation{Definition: []byte(task(`"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}]`))})
	var mock *asl.MockError
	if !errors.As(err, &mock) || !strings.Contains(err.Error(), "state T ") || !strings.Contains(err.Error(), `"T": [{"result": {}}]`) {
		t.Errorf("err = %v", err)
	}
}

func TestMocksThatCannotBeMeantAreRefused(t *testing.T) {
	for name, mocks := range map[string]string{
		"no such state":    `{"X":[{"result":1}]}`,
		"not a Task":       `{"Caught":[{"result":1}]}`,
		"empty list":       `{"T":[]}`,
		"neither":          `{"T":[{}]}`,
		"both":             `{"T":[{"result":1,"error":"E"}]}`,
		"cause of nothing": `{"T":[{"result":1,"cause":"c"}]}`,
		"unknown field":    `{"T":[{"reslt":1}]}`,
		"not JSON":         `{`,
	} {
		_, err := asl.Simulate(asl.Simulation{Definition: []byte(task(`"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}]`)), Mocks: []byte(mocks)})
		var mock *asl.MockError
		if !errors.As(err, &mock) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	if got := outcome(simulate(t, task(""), "", `{"T":[{"result":null}]}`)); got != "null" {
		t.Errorf("a null result gives %s", got)
	}
}

func TestTheSameSimulationGivesTheSameReport(t *testing.T) {
	definition := `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"MaxConcurrency":3,"ItemProcessor":{"StartAt":"T","States":{
		"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload":{"id.$":"States.UUID()"}},"End":true,
		"Retry":[{"ErrorEquals":["E"],"MaxAttempts":9,"JitterStrategy":"FULL"}]}}}}}}`
	mocks := `{"T":[{"error":"E"},{"result":1},{"error":"E","seconds":3},{"error":"E"},{"result":2}]}`
	var reports []string
	for range 3 {
		out, err := json.Marshal(simulate(t, definition, `[1,2,3,4,5,6,7]`, mocks))
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, string(out))
	}
	if reports[0] != reports[1] || reports[1] != reports[2] {
		t.Error("three reports differ")
	}
	if !strings.Contains(reports[0], `"status":"SUCCEEDED"`) {
		t.Errorf("report %s", reports[0])
	}
}

func TestPlaceholdersAreToleratedInASimulationOnly(t *testing.T) {
	definition := `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:${AWS::Partition}:states:::lambda:invoke",
		"Parameters":{"FunctionName":"${Seal}","Payload.$":"States.Format('${Stack}-{}', $)"},"End":true}}}`
	r := simulate(t, definition, `"x"`, `{"T":[{"result":{}}]}`)
	if got := string(r.History[2].Parameters); got != `{"FunctionName":"Seal","Payload":"Stack-x"}` {
		t.Errorf("parameters %s", got)
	}
	if _, err := asl.Parse([]byte(definition)); err == nil {
		t.Error("Parse accepts placeholders")
	}
}

func TestSubstituteRefusesWhatIsLeftOver(t *testing.T) {
	out, err := asl.Substitute([]byte(`{"a":"${A}-${B}"}`), map[string]string{"A": "x", "B": "y", "Unused": "z"})
	if err != nil || string(out) != `{"a":"x-y"}` {
		t.Errorf("Substitute = %s, %v", out, err)
	}
	for name, c := range map[string]struct {
		definition string
		values     map[string]string
	}{
		"unknown name":          {`{"a":"${A}${B}"}`, map[string]string{"A": "x"}},
		"malformed placeholder": {`{"a":"${A b}"}`, map[string]string{"A": "x"}},
		"not JSON":              {`{"a":${A}}`, map[string]string{"A": "1"}},
		"value with a quote":    {`{"a":"${A}"}`, map[string]string{"A": `","b":"`}},
		"value with one more":   {`{"a":"${A}"}`, map[string]string{"A": "${A}"}},
	} {
		if out, err := asl.Substitute([]byte(c.definition), c.values); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
	if got := asl.Placeholders([]byte(`{"a":"${B}${A}${B}"}`)); strings.Join(got, ",") != "A,B" {
		t.Errorf("placeholders %v", got)
	}
}
