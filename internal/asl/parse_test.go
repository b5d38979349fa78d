package asl_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/asl"
)

// refused gives the problems that a definition is refused for, one a line.
func refused(t *testing.T, definition string) string {
	t.Helper()
	_, err := asl.Parse([]byte(definition))
	var load *asl.LoadError
	if err != nil && !errors.As(err, &load) {
		t.Fatalf("err = %v", err)
	}
	if load == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "state machine refused: ")
}

func TestStructureIsChecked(t *testing.T) {
	const end = `"End":true`
	for name, c := range map[string]struct{ definition, want string }{
		"not JSON":                   {`{`, `/: not a JSON document`},
		"two documents":              {`{} {}`, `more than one JSON document`},
		"not an object":              {`[]`, `/: an object is expected here, not an array`},
		"nothing":                    {`{}`, `/: the field StartAt is missing; /: the field States is missing`},
		"a state twice":              {`{"StartAt":"A","States":{"A":{"Type":"Succeed"},"A":{"Type":"Succeed"}}}`, `the member "A" stands twice`},
		"no states":                  {`{"StartAt":"A","States":{}}`, `there are no states`},
		"StartAt leads nowhere":      {`{"StartAt":"B","States":{"A":{"Type":"Succeed"}}}`, `/StartAt: there is no state "B" here; /States/A: no other state leads here`},
		"Next leads nowhere":         {`{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"X"}}}`, `/States/A: there is no state "X" here to go to`},
		"Default leads nowhere":      {`{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Variable":"$","IsNull":true,"Next":"B"}],"Default":"X"},"B":{"Type":"Succeed"}}}`, `there is no state "X"`},
		"Catch leads nowhere":        {task(`"Catch":[{"ErrorEquals":["E"],"Next":"X"}]`), `there is no state "X"`},
		"a target in another branch": {mapOf("", `"S":{"Type":"Pass","Next":"M"}`), `/States/M/ItemProcessor/States/S: there is no state "M" here to go to`},
		"a state nobody reaches":     {`{"StartAt":"A","States":{"A":{"Type":"Succeed"},"B~/":{"Type":"Succeed"}}}`, `/States/B~0~1: no other state leads here`},
		"no end":                     {`{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}`, `no state ends the run`},
		"a name taken within":        {mapOf("", `"M":{"Type":"Pass","End":true},"S":{"Type":"Pass","Next":"M"}`), `the name is taken by /States/M`},
		"a name of 81 characters":    {`{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"` + strings.Repeat("x", 81) + `"},"` + strings.Repeat("x", 81) + `":{"Type":"Succeed"}}}`, `1 to 80 characters`},
		"neither Next nor End":       {`{"StartAt":"A","States":{"A":{"Type":"Pass"}}}`, `either Next or End is expected`},
		"both Next and End":          {`{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B","End":true},"B":{"Type":"Succeed"}}}`, `either Next or End is expected`},
		"End false":                  {`{"StartAt":"A","States":{"A":{"Type":"Pass","End":false}}}`, `End is true or absent`},
		"Succeed with End":           {`{"StartAt":"A","States":{"A":{"Type":"Succeed",` + end + `}}}`, `the field End is not implemented here`},
		"Fail with OutputPath":       {`{"StartAt":"A","States":{"A":{"Type":"Fail","OutputPath":"$"}}}`, `the field OutputPath is not implemented here`},
		"no Type":                    {`{"StartAt":"A","States":{"A":{}}}`, `the field Type is missing`},
		"nested too deep":            {strings.Repeat(`[`, 300), `nested more than 200 deep`},
	} {
		if got := refused(t, c.definition); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatIsNotImplementedIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct{ definition, want string }{
		"a state type":                {`{"StartAt":"A","States":{"A":{"Type":"Loop"}}}`, `/States/A/Type: the state type "Loop" is not implemented`},
		"a field":                     {pass(`"Foo":1`), `/States/P/Foo: the field Foo is not implemented`},
		"a field of the machine":      {`{"Foo":1,` + pass("")[1:], `/Foo: the field Foo is not implemented`},
		"JSONata":                     {`{"QueryLanguage":"JSONata",` + pass("")[1:], `/QueryLanguage: the query language JSONata`},
		"JSONata in one state":        {pass(`"QueryLanguage":"JSONata"`), `the query language JSONata`},
		"variables":                   {pass(`"Assign":{}`), `the field Assign is not implemented here: it belongs to JSONata or to variables`},
		"version 2":                   {`{"Version":"2.0",` + pass("")[1:], `version "2.0"`},
		"Iterator":                    {`{"StartAt":"M","States":{"M":{"Type":"Map","Iterator":{},"End":true}}}`, `the field Iterator is not implemented here; write ItemProcessor`},
		"Parameters of a Map":         {mapOf(`"Parameters":{}`, `"S":{"Type":"Succeed"}`), `the field Parameters is not implemented here; a Map has ItemSelector`},
		"Distributed Map":             {strings.Replace(mapOf("", `"S":{"Type":"Succeed"}`), "INLINE", "DISTRIBUTED", 1), `the mode DISTRIBUTED is not implemented`},
		"ItemReader":                  {mapOf(`"ItemReader":{}`, `"S":{"Type":"Succeed"}`), `it belongs to Distributed Map`},
		"Credentials":                 {task(`"Credentials":{}`), `the field Credentials`},
		"Retry of a Pass":             {pass(`"Retry":[]`), `only Task, Map and Parallel have it`},
		".sync":                       {strings.Replace(task(""), "aws-sdk:emr:describeCluster", "elasticmapreduce:addStep.sync", 1), `the resource "arn:aws:states:::elasticmapreduce:addStep.sync" is not implemented`},
		".waitForTaskToken":           {strings.Replace(task(""), "aws-sdk:emr:describeCluster", "lambda:invoke.waitForTaskToken", 1), `the resource`},
		"an sdk call that waits":      {strings.Replace(task(""), "describeCluster", "describeCluster.waitForTaskToken", 1), `the resource`},
		"an activity":                 {strings.Replace(task(""), "states:::aws-sdk:emr:describeCluster", "states:us-east-1:123456789012:activity:x", 1), `the resource`},
		"another partition":           {strings.Replace(task(""), "arn:aws:", "arn:aws-iso:", 1), `the resource`},
		"a placeholder left over":     {strings.Replace(task(""), "arn:aws:states:::aws-sdk:emr:describeCluster", "${Seal}", 1), `the resource "${Seal}"`},
		"an intrinsic function":       {pass(`"Parameters":{"x.$":"States.Frob($)"}`), `/States/P/Parameters/x.$: intrinsic "States.Frob($)": the function States.Frob is not implemented`},
		"a path function":             {pass(`"InputPath":"$.a.length()"`), `/States/P/InputPath: path "$.a.length()": the path function length() is not implemented`},
		"a regular expression":        {pass(`"InputPath":"$.a[?(@.b =~ /x/)]"`), `regular expressions in a filter are not implemented`},
		"a filter operator":           {pass(`"InputPath":"$.a[?(@.b in ['x'])]"`), `this filter operator is not implemented`},
		"a union of names":            {pass(`"InputPath":"$['a','b']"`), `a union of names is not implemented`},
		"a script":                    {pass(`"InputPath":"$[(@.length-1)]"`), `a script expression is not implemented`},
		"the step of a slice":         {pass(`"InputPath":"$[0:9:2]"`), `the step of a slice is not implemented`},
		"a task token":                {task(`"Parameters":{"t.$":"$$.Task.Token"}`), `the context object has no such part`},
		"a field of the context":      {pass(`"InputPath":"$$.Execution.Foo"`), `$$.Execution has Id, Input, Name, RoleArn, StartTime, RedriveCount`},
		"an error name of States":     {task(`"Catch":[{"ErrorEquals":["States.Typo"],"Next":"Caught"}]`), `there is no error States.Typo`},
		"a field of a retrier":        {task(`"Retry":[{"ErrorEquals":["E"],"Jitter":"FULL"}]`), `/States/T/Retry/0/Jitter: the field Jitter`},
		"a field of a catcher":        {task(`"Catch":[{"ErrorEquals":["E"],"Next":"Caught","Assign":{}}]`), `/States/T/Catch/0/Assign: the field Assign`},
		"a comparison":                {`{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$","StringContains":"x","Next":"D"}]},"D":{"Type":"Succeed"}}}`, `/States/C/Choices/0/StringContains: the field StringContains`},
		"a parameter of lambda":       {strings.Replace(task(`"Parameters":{"FunctionName":"f","Body":1}`), "aws-sdk:emr:describeCluster", "lambda:invoke", 1), `lambda:invoke has no parameter Body`},
		"lambda without FunctionName": {strings.Replace(task(``), "aws-sdk:emr:describeCluster", "lambda:invoke", 1), `lambda:invoke needs a FunctionName`},
	} {
		if got := refused(t, c.definition); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestFieldsThatAreWrongAreRefused(t *testing.T) {
	choice := func(rule string) string {
		return `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[` + rule + `]},"D":{"Type":"Succeed"}}}`
	}
	wait := func(fields string) string {
		return `{"StartAt":"W","States":{"W":{"Type":"Wait","End":true` + comma(fields) + `}}}`
	}
	for name, c := range map[string]struct{ definition, want string }{
		"TimeoutSeconds 0":               {task(`"TimeoutSeconds":0`), `a whole number from 1 to 99999999`},
		"TimeoutSeconds a text":          {task(`"TimeoutSeconds":"9"`), `a whole number from 1 to 99999999`},
		"TimeoutSeconds and its path":    {task(`"TimeoutSeconds":9,"TimeoutSecondsPath":"$.t"`), `TimeoutSeconds and TimeoutSecondsPath exclude each other`},
		"a heartbeat beyond the timeout": {task(`"TimeoutSeconds":9,"HeartbeatSeconds":9`), `HeartbeatSeconds is smaller than TimeoutSeconds`},
		"States.ALL not alone":           {task(`"Retry":[{"ErrorEquals":["States.ALL","E"]}]`), `States.ALL stands alone and last`},
		"States.ALL not last":            {task(`"Retry":[{"ErrorEquals":["States.ALL"]},{"ErrorEquals":["E"]}]`), `States.ALL stands alone and last`},
		"an error handled twice":         {task(`"Catch":[{"ErrorEquals":["E"],"Next":"Caught"},{"ErrorEquals":["F","E"],"Next":"Caught"}]`), `/States/T/Catch/1/ErrorEquals: E is handled already`},
		"no ErrorEquals":                 {task(`"Retry":[{}]`), `ErrorEquals is an array with at least one error name`},
		"Retry empty":                    {task(`"Retry":[]`), `an array with at least one element`},
		"BackoffRate below 1":            {task(`"Retry":[{"ErrorEquals":["E"],"BackoffRate":0.5}]`), `a number of 1.0 or more`},
		"MaxAttempts negative":           {task(`"Retry":[{"ErrorEquals":["E"],"MaxAttempts":-1}]`), `a whole number from 0`},
		"MaxDelaySeconds a year":         {task(`"Retry":[{"ErrorEquals":["E"],"MaxDelaySeconds":31622401}]`), `a whole number from 1 to 31622400`},
		"JitterStrategy HALF":            {task(`"Retry":[{"ErrorEquals":["E"],"JitterStrategy":"HALF"}]`), `FULL or NONE`},
		"Catch without Next":             {task(`"Catch":[{"ErrorEquals":["E"]}]`), `the field Next is missing`},
		"ResultPath with a wildcard":     {pass(`"ResultPath":"$.a[*]"`), `a Reference Path is expected`},
		"ResultPath in the context":      {pass(`"ResultPath":"$$.State"`), `a result cannot be put into the context object`},
		"InputPath no path":              {pass(`"InputPath":"a"`), `a path begins with $`},
		"Parameters no object":           {pass(`"Parameters":[]`), `an object is expected, not an array`},
		"x and x.$":                      {pass(`"Parameters":{"x":1,"x.$":"$"}`), `x and x.$ exclude each other`},
		"x.$ no text":                    {pass(`"Parameters":{"x.$":1}`), `holds a path or an intrinsic function, not a number`},
		"x.$ neither path nor function":  {pass(`"Parameters":{"x.$":"y"}`), `"y" is neither a path ($...) nor an intrinsic function`},
		"an escape that is none":         {pass(`"Parameters":{"x.$":"States.StringToJson('\\\"')"}`), `the escapes in a string`},
		"too few arguments":              {pass(`"Parameters":{"x.$":"States.MathAdd(1)"}`), `States.MathAdd does not take 1 arguments`},
		"functions 11 deep":              {pass(`"Parameters":{"x.$":"` + strings.Repeat("States.Array(", 11) + strings.Repeat(")", 11) + `"}`), `nested more than 10 deep`},
		"no Choices":                     {`{"StartAt":"C","States":{"C":{"Type":"Choice","Default":"D"},"D":{"Type":"Succeed"}}}`, `the field Choices is missing`},
		"Choices empty":                  {choice(``), `an array with at least one element`},
		"a rule without Next":            {choice(`{"Variable":"$","IsNull":true}`), `the field Next is missing`},
		"a rule without Variable":        {choice(`{"IsNull":true,"Next":"D"}`), `the field Variable is missing`},
		"a rule with two comparisons":    {choice(`{"Variable":"$","IsNull":true,"IsString":true,"Next":"D"}`), `exactly one comparison, And, Or or Not is expected, there are 2`},
		"Next within And":                {choice(`{"And":[{"Variable":"$","IsNull":true,"Next":"D"}],"Next":"D"}`), `/States/C/Choices/0/And/0/Next: the field Next`},
		"a wildcard in Variable":         {choice(`{"Variable":"$[*]","IsNull":true,"Next":"D"}`), `a Reference Path is expected`},
		"IsNull of a text":               {choice(`{"Variable":"$","IsNull":"true","Next":"D"}`), `IsNull cannot be compared with a string`},
		"NumericEquals of a text":        {choice(`{"Variable":"$","NumericEquals":"1","Next":"D"}`), `NumericEquals cannot be compared with a string`},
		"TimestampEquals of a day":       {choice(`{"Variable":"$","TimestampEquals":"2026-11-23","Next":"D"}`), `TimestampEquals cannot be compared with a string`},
		"a bad pattern":                  {choice(`{"Variable":"$","StringMatches":"\\x","Next":"D"}`), `a pattern has the escapes`},
		"Wait for nothing":               {wait(``), `exactly one of Seconds, SecondsPath, Timestamp and TimestampPath`},
		"Wait for two things":            {wait(`"Seconds":1,"SecondsPath":"$.s"`), `exactly one of Seconds`},
		"a timestamp without T":          {wait(`"Timestamp":"2026-11-23 07:00:00Z"`), `a time such as 2026-11-23T07:00:00Z is expected`},
		"a timestamp that is none":       {wait(`"Timestamp":"2026-13-23T07:00:00Z"`), `a time such as`},
		"Error and ErrorPath":            {`{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E","ErrorPath":"$.e"}}}`, `Error and ErrorPath exclude each other`},
		"no Branches":                    {`{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true}}}`, `the field Branches is missing`},
		"no ItemProcessor":               {`{"StartAt":"P","States":{"P":{"Type":"Map","End":true}}}`, `the field ItemProcessor is missing`},
		"no Resource":                    {`{"StartAt":"P","States":{"P":{"Type":"Task","End":true}}}`, `the field Resource is missing`},
	} {
		if got := refused(t, c.definition); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestALoadedMachineNamesItsStatesAndResources(t *testing.T) {
	m := parse(t, mapOf(catchAll, `"S":{"Type":"Task","Resource":"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:seal:live","Comment":"c","End":true}`))
	if got := strings.Join(m.States(), " "); got != "Caught M S" {
		t.Errorf("states %s", got)
	}
	if got := strings.Join(m.Resources(), " "); got != "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:seal:live" {
		t.Errorf("resources %s", got)
	}
	if _, err := asl.Parse(m.Definition()); err != nil {
		t.Error(err)
	}
}

func TestCommentsMayStandWhereAWSTakesThem(t *testing.T) {
	parse(t, `{"Comment":"","Version":"1.0","QueryLanguage":"JSONPath","StartAt":"P","States":{"P":{"Type":"Parallel","Comment":"","Branches":[{"Comment":"","StartAt":"C","States":{
		"C":{"Type":"Choice","Choices":[{"Comment":"","Not":{"Comment":"","Variable":"$","IsNull":true},"Next":"M"}]},
		"M":{"Type":"Map","QueryLanguage":"JSONPath","ItemProcessor":{"Comment":"","StartAt":"S","States":{"S":{"Type":"Succeed"}}},"End":true}}}],
		"Retry":[{"Comment":"","ErrorEquals":["E"]}],"Catch":[{"Comment":"","ErrorEquals":["E"],"Next":"F"}],"End":true},"F":{"Type":"Fail"}}}`)
}

// The project's own machines, when they are there, load.
func TestTheDeployedMachinesLoad(t *testing.T) {
	files, err := filepath.Glob("../../statemachines/*.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = asl.Simulate(asl.Simulation{Definition: data})
		var load *asl.LoadError
		if errors.As(err, &load) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestLambdaCallsHaveTheShapeOfTheirResource(t *testing.T) {
	arn := asl.Call{Resource: "arn:aws:lambda:us-east-1:123456789012:function:seal", Parameters: []byte(`{"a":1}`)}
	invoke := asl.Call{Resource: "arn:aws:states:::lambda:invoke", Parameters: []byte(`{"FunctionName":"seal","Payload":{"a":1}}`)}
	bare := asl.Call{Resource: "arn:aws:states:::lambda:invoke", Parameters: []byte(`{"FunctionName":"seal"}`)}
	sdk := asl.Call{Resource: "arn:aws:states:::aws-sdk:emr:runJobFlow"}
	for _, c := range []struct {
		call                      asl.Call
		function, payload, answer string
		ok                        bool
	}{
		{arn, arn.Resource, `{"a":1}`, `7`, true},
		{invoke, "seal", `{"a":1}`, `{"ExecutedVersion":"$LATEST","Payload":7,"StatusCode":200}`, true},
		{bare, "seal", `{}`, `{"ExecutedVersion":"$LATEST","Payload":7,"StatusCode":200}`, true},
		{sdk, "", "", `7`, false},
	} {
		function, payload, ok, err := c.call.LambdaCall()
		if err != nil || ok != c.ok || function != c.function || string(payload) != c.payload {
			t.Errorf("%s: %s %s %v %v", c.call.Resource, function, payload, ok, err)
		}
		if got := string(c.call.LambdaResult([]byte("7"))); got != c.answer {
			t.Errorf("%s: %s", c.call.Resource, got)
		}
	}
	if service, action, ok := sdk.SDKCall(); service != "emr" || action != "runJobFlow" || !ok {
		t.Errorf("%s %s %v", service, action, ok)
	}
	if _, _, ok := arn.SDKCall(); ok {
		t.Error("a function is an SDK call")
	}
}
