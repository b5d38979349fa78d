package rollup_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"penstock/internal/rollup"
)

func ExampleMain() {
	input := `{"status":200,"bytes":10}
{"status":404,"bytes":0.5}
{"status":200,"bytes":7}
`
	var out, errors bytes.Buffer
	args := []string{"map", "--group", "status", "--count", "requests", "--sum", "bytes"}
	code := rollup.Main(args, strings.NewReader(input), &out, &errors)
	fmt.Print(code, "\n", strings.ReplaceAll(out.String(), "\t", " TAB "))
	// Output:
	// 0
	// {"status":200} TAB {"requests":2,"bytes":17}
	// {"status":404} TAB {"requests":1,"bytes":0.5}
}

func TestFlagsMakeASpec(t *testing.T) {
	c, err := rollup.ParseCommand(strings.Fields("map --group a,b.c --count n,hits:type=x --sum s:d.e --count m --sum bytes"))
	want := rollup.Spec{Group: []string{"a", "b.c"}, Measures: []rollup.Measure{
		{Name: "n"}, {Name: "hits", Where: "type", Is: "x"}, {Name: "s", Sum: "d.e"}, {Name: "m"}, {Name: "bytes", Sum: "bytes"},
	}}
	if err != nil || !reflect.DeepEqual(c.Spec, want) {
		t.Errorf("got %+v, error %v", c.Spec, err)
	}
}

func TestWrongArgumentsAreOneLineThatNamesThem(t *testing.T) {
	for args, names := range map[string]string{
		"":                              "map, combine or reduce",
		"shuffle":                       "shuffle",
		"map":                           "nothing to count",
		"map --count a b":               `"b"`,
		"map --count":                   "count",
		"map --count a:b":               "a:b",
		"map --count a,a":               `"a"`,
		"map --count a:=c":              "a:=c",
		"map --sum a:":                  "a:",
		"map --sum x.y":                 "x.y",
		"map --group a..b --count n":    "a..b",
		"map --group a,a --count n":     `"a"`,
		"map --group , --count n":       `""`,
		"map --count n --where x":       "where",
		"reduce --group a":              "group",
		"combine x":                     `"x"`,
		"map --count n:f=\x01":          "plain text",
		"map --count n --group a\ufffd": "path",
	} {
		var out, errors bytes.Buffer
		code := rollup.Main(strings.Fields(args), strings.NewReader(""), &out, &errors)
		text := errors.String()
		if code != 2 || strings.Count(text, "\n") != 1 || !strings.Contains(text, names) || out.Len() > 0 {
			t.Errorf("%q: exit code %d, %q", args, code, text)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range []string{"help", "--help", "map -h"} {
		var out, errors bytes.Buffer
		if code := rollup.Main(strings.Fields(args), nil, &out, &errors); code != 0 || !strings.Contains(out.String(), "--group") || errors.Len() > 0 {
			t.Errorf("%s: exit code %d, %q, %q", args, code, out.String(), errors.String())
		}
	}
}

func TestCountersAreReportedAsHadoopReadsThem(t *testing.T) {
	var out, errors bytes.Buffer
	code := rollup.Main(strings.Fields("map --count n --sum s"), strings.NewReader("{\n}\n{\"s\":\"\"}\n"), &out, &errors)
	const want = "reporter:counter:penstock,malformed,2\nreporter:counter:penstock,notANumber,1\n"
	if code != 0 || errors.String() != want || out.String() != "{}\t{\"n\":1,\"s\":0}\n" {
		t.Errorf("exit code %d, %q, %q", code, out.String(), errors.String())
	}
}

func TestABrokenReducerInputIsExitCode1(t *testing.T) {
	var out, errors bytes.Buffer
	if code := rollup.Main([]string{"reduce"}, strings.NewReader("x\n"), &out, &errors); code != 1 || strings.Count(errors.String(), "\n") != 1 {
		t.Errorf("exit code %d, %q", code, errors.String())
	}
}
