package asl_test

import (
	"fmt"
	"strings"
	"testing"
)

// decide runs a Choice with one rule: "yes" when it matches, "no" when not, else the error.
func decide(t *testing.T, rule, input string) string {
	t.Helper()
	r := simulate(t, `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{`+rule+`,"Next":"Y"}],"Default":"N"},
		"Y":{"Type":"Pass","Result":"yes","End":true},"N":{"Type":"Pass","Result":"no","End":true}}}`, input, "")
	return strings.Trim(outcome(r), `"`)
}

func TestComparisons(t *testing.T) {
	const input = `{"s":"b","t":"2026-11-23T07:00:00Z","u":"2026-11-23T08:00:00.000+01:00","n":2,"m":2.0,"b":true,"z":null,"o":{},"l":[1,"x"]}`
	for _, c := range []struct{ variable, test, want string }{
		{"$.s", `"StringEquals":"b"`, "yes"},
		{"$.n", `"StringEquals":"2"`, "no"},
		{"$.s", `"StringLessThan":"c"`, "yes"},
		{"$.s", `"StringLessThanEquals":"b"`, "yes"},
		{"$.s", `"StringGreaterThan":"b"`, "no"},
		{"$.s", `"StringGreaterThanEquals":"B"`, "yes"},
		{"$.s", `"StringEqualsPath":"$.s"`, "yes"},
		{"$.s", `"StringGreaterThanPath":"$.n"`, "no"},
		{"$.s", `"StringLessThanPath":"$.t"`, "no"},
		{"$.n", `"NumericEquals":2.00`, "yes"},
		{"$.s", `"NumericEquals":2`, "no"},
		{"$.n", `"NumericLessThan":2.0000000000000000000000001`, "yes"},
		{"$.n", `"NumericLessThanEquals":2`, "yes"},
		{"$.n", `"NumericGreaterThan":-1e300`, "yes"},
		{"$.n", `"NumericGreaterThanEquals":3`, "no"},
		{"$.n", `"NumericEqualsPath":"$.m"`, "yes"},
		{"$.n", `"NumericGreaterThanEqualsPath":"$.l[0]"`, "yes"},
		{"$.b", `"BooleanEquals":true`, "yes"},
		{"$.z", `"BooleanEquals":false`, "no"},
		{"$.b", `"BooleanEqualsPath":"$.b"`, "yes"},
		{"$.t", `"TimestampEquals":"2026-11-23T07:00:00.0Z"`, "yes"},
		{"$.t", `"TimestampEqualsPath":"$.u"`, "yes"},
		{"$.s", `"TimestampEquals":"2026-11-23T07:00:00Z"`, "no"},
		{"$.t", `"TimestampLessThan":"2026-11-23T07:00:00.001Z"`, "yes"},
		{"$.t", `"TimestampGreaterThanEqualsPath":"$.s"`, "no"},
		{"$.t", `"StringMatches":"2026-*T07:*Z"`, "yes"},
		{"$.s", `"StringMatches":"*"`, "yes"},
		{"$.s", `"StringMatches":"bb"`, "no"},
		{"$.s", `"StringMatches":"b*b"`, "no"},
		{"$.s", `"StringMatches":"\\*"`, "no"},
		{"$.z", `"IsNull":true`, "yes"},
		{"$.o", `"IsNull":false`, "yes"},
		{"$.z", `"IsPresent":true`, "yes"},
		{"$.no", `"IsPresent":false`, "yes"},
		{"$.no.deeper[3]", `"IsPresent":true`, "no"},
		{"$.l[1]", `"IsPresent":true`, "yes"},
		{"$.n", `"IsNumeric":true`, "yes"},
		{"$.s", `"IsString":true`, "yes"},
		{"$.b", `"IsBoolean":true`, "yes"},
		{"$.o", `"IsString":false`, "yes"},
		{"$.t", `"IsTimestamp":true`, "yes"},
		{"$.s", `"IsTimestamp":true`, "no"},
		{"$.t", `"IsString":true`, "yes"},
		{"$$.State.Name", `"StringEquals":"C"`, "yes"},
	} {
		if got := decide(t, fmt.Sprintf(`"Variable":"%s",%s`, c.variable, c.test), input); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.variable, c.test, got, c.want)
		}
	}
}

func TestStringMatchesTakesEscapesLiterally(t *testing.T) {
	for input, want := range map[string]string{`"a*b\\c"`: "yes", `"axb\\c"`: "no"} {
		if got := decide(t, `"Variable":"$","StringMatches":"a\\*b\\\\c"`, input); got != want {
			t.Errorf("%s: %s, want %s", input, got, want)
		}
	}
}

func TestConditionsCombineAndStopAtWhatDecides(t *testing.T) {
	const yes, no, missing = `{"Variable":"$.n","IsNumeric":true}`, `{"Variable":"$.n","IsString":true}`, `{"Variable":"$.no","IsString":true}`
	for rule, want := range map[string]string{
		`"And":[` + yes + `,` + yes + `]`:                "yes",
		`"And":[` + yes + `,` + no + `]`:                 "no",
		`"And":[` + no + `,` + missing + `]`:             "no",
		`"Or":[` + no + `,` + yes + `]`:                  "yes",
		`"Or":[` + yes + `,` + missing + `]`:             "yes",
		`"Or":[` + no + `]`:                              "no",
		`"Not":` + no:                                    "yes",
		`"Not":{"And":[` + yes + `,{"Not":` + no + `}]}`: "no",
	} {
		if got := decide(t, rule, `{"n":1}`); got != want {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
}

func TestAMissingVariableEndsTheExecutionAlsoWithADefault(t *testing.T) {
	for _, rule := range []string{`"Variable":"$.no","StringEquals":"x"`, `"Variable":"$.n","NumericEqualsPath":"$.no"`, `"Not":{"Variable":"$.no","IsNull":true}`} {
		got := decide(t, rule, `{"n":1}`)
		if want := "FAILED States.Runtime: An error occurred while executing the state 'C' (entered at the event id #2). Invalid path '$.no': The choice state's condition path references an invalid value."; got != want {
			t.Errorf("%s: %s", rule, got)
		}
	}
}

func TestNoChoiceMatchedIsCaughtByTheParallelAround(t *testing.T) {
	choice := `"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$","IsString":true,"Next":"Y"}]},"Y":{"Type":"Succeed"}}`
	if got := outcome(simulate(t, "{"+choice+"}", `{}`, "")); !strings.HasPrefix(got, "FAILED States.NoChoiceMatched") {
		t.Errorf("alone: %s", got)
	}
	r := simulate(t, `{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{`+choice+`}],"End":true,
		"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.e","Next":"Caught"}]},"Caught":{"Type":"Pass","OutputPath":"$.e.Error","End":true}}}`, `{}`, "")
	if got := outcome(r); got != `"States.NoChoiceMatched"` {
		t.Errorf("in a Parallel: %s", got)
	}
}

func TestTheFirstRuleThatMatchesWins(t *testing.T) {
	r := simulate(t, `{"StartAt":"C","States":{"C":{"Type":"Choice","InputPath":"$.in","OutputPath":"$.x","Choices":[
		{"Variable":"$.x","NumericEquals":1,"Next":"A"},{"Variable":"$.x","NumericEquals":2,"Next":"B"},{"Variable":"$.x","NumericEquals":2,"Next":"A"}]},
		"A":{"Type":"Fail"},"B":{"Type":"Succeed"}}}`, `{"in":{"x":2}}`, "")
	if got := outcome(r); got != "2" {
		t.Errorf("outcome %s", got)
	}
}
