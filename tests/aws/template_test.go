package aws

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"penstock/internal/asl"
)

// template is template.yaml, cut into its entries: section ("Resources") and name to text. It holds no anchors, and its
// top level is indented by two, which cfn-lint and `sam validate` make sure is YAML.
type template map[string]map[string]string

func readTemplate(t *testing.T) template {
	t.Helper()
	data, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := template{}
	section, name := "", ""
	for line := range strings.Lines(string(data)) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "#") || strings.TrimSpace(line) == "":
		case line[0] != ' ':
			section, name = strings.TrimSuffix(strings.Fields(line)[0], ":"), ""
			all[section] = map[string]string{}
		case line[2] != ' ' && strings.HasPrefix(line, "  "):
			name = strings.TrimSuffix(strings.Fields(line)[0], ":")
			all[section][name] = line
		default:
			all[section][name] += line
		}
	}
	return all
}

// one returns what the pattern's group matches in an entry, which must be once.
func one(t *testing.T, entry, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindAllStringSubmatch(entry, -1)
	if len(m) != 1 {
		t.Fatalf("%s: %d matches, want one, in\n%s", pattern, len(m), entry)
	}
	return m[0][1]
}

// functions are the names of the folders of functions/.
func functions(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob("../../functions/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no functions: %v", err)
	}
	var names []string
	for _, m := range mains {
		names = append(names, filepath.Base(filepath.Dir(m)))
	}
	return names
}

// resource is the logical name of a function's resource, without "Function": that whose package is the folder's.
func (all template) resource(t *testing.T, function string) string {
	t.Helper()
	var found []string
	for name, entry := range all["Resources"] {
		if strings.Contains(entry, "Type: AWS::Serverless::Function") && strings.Contains(entry, "CodeUri: dist/functions/"+function+".zip\n") {
			found = append(found, strings.TrimSuffix(name, "Function"))
		}
	}
	if len(found) != 1 {
		t.Fatalf("functions/%s is the package of %v, want one function", function, found)
	}
	return found[0]
}

func TestEachFolderIsOneFunctionWithARoleAndALogGroupOfItsOwn(t *testing.T) {
	all := readTemplate(t)
	count := 0
	for _, entry := range all["Resources"] {
		if strings.Contains(entry, "Type: AWS::Serverless::Function") {
			count++
		}
	}
	names := functions(t)
	if count != len(names) {
		t.Errorf("%d functions in the template, %d folders", count, len(names))
	}
	for _, name := range names {
		logical := all.resource(t, name)
		entry := all["Resources"][logical+"Function"]
		if got := one(t, entry, `FunctionName: !Sub '\$\{AWS::StackName\}-(\w+)'`); got != name {
			t.Errorf("functions/%s is named %s", name, got)
		}
		if got := one(t, entry, `Role: !GetAtt (\w+)\.Arn`); got != logical+"Role" {
			t.Errorf("%s runs as %s", name, got)
		}
		if got := one(t, entry, `LogGroup: !Ref (\w+) `); got != logical+"Logs" {
			t.Errorf("%s logs to %s", name, got)
		}
		if got := one(t, all["Resources"][logical+"Logs"], `LogGroupName: !Sub '/aws/lambda/\$\{AWS::StackName\}-(\w+)', RetentionInDays: !Ref LogDays`); got != name {
			t.Errorf("%s logs as %s", name, got)
		}
		if !strings.Contains(entry, "AutoPublishAliasAllProperties: true\n") {
			t.Errorf("%s: a changed setting makes no new version", name)
		}
	}
}

// reads are the variables that a main reads: those it needs, and those it takes if they are set.
func reads(t *testing.T, function string) (needs, takes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../functions/"+function+"/main.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		literal, isLiteral := call.Args[0].(*ast.BasicLit)
		if !ok || !isLiteral || literal.Kind != token.STRING {
			return true
		}
		name, _ := strconv.Unquote(literal.Value)
		switch f.Sel.Name {
		case "Need":
			needs = append(needs, name)
		case "Get", "Int":
			takes = append(takes, name)
		case "Main": // function.Main needs the stack's name, for the dimension of the figures
			needs = append(needs, "STACK")
		}
		return true
	})
	return needs, takes
}

func TestTheEnvironmentIsWhatTheFunctionReads(t *testing.T) {
	all := readTemplate(t)
	fallbacks := []string{"MAX_TYPES"} // whose default is meant for everybody
	variable := regexp.MustCompile(`(?m)^          ([A-Z_]+): `)
	for _, name := range functions(t) {
		needs, takes := reads(t, name)
		_, environment, _ := strings.Cut(all["Resources"][all.resource(t, name)+"Function"], "        Variables:\n")
		var set []string
		for _, m := range variable.FindAllStringSubmatch(environment, -1) {
			set = append(set, m[1])
			if !slices.Contains(needs, m[1]) && !slices.Contains(takes, m[1]) && m[1] != "STACK" {
				t.Errorf("%s is given %s, which it does not read", name, m[1])
			}
		}
		for _, v := range slices.Concat(needs, takes) {
			if !slices.Contains(set, v) && !slices.Contains(fallbacks, v) {
				t.Errorf("%s reads %s, which it is not given", name, v)
			}
		}
	}
}

func TestEveryPlaceholderOfAMachineIsAPublishedVersion(t *testing.T) {
	all := readTemplate(t)
	for machine, file := range map[string]string{"HourMachine": "hour", "ScheduleMachine": "schedule"} {
		definition, err := os.ReadFile("../../statemachines/" + file + ".asl.json")
		if err != nil {
			t.Fatal(err)
		}
		entry := all["Resources"][machine]
		if !strings.Contains(entry, "DefinitionUri: statemachines/"+file+".asl.json\n") {
			t.Errorf("%s is not %s", machine, file)
		}
		given := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^        (\w+): !Ref (\S+)$`).FindAllStringSubmatch(entry, -1) {
			given[m[1]] = m[2]
		}
		wanted := asl.Placeholders(definition)
		for _, p := range wanted {
			want := map[string]string{"Partition": "AWS::Partition", "HourMachine": "HourMachine"}[p]
			if want == "" {
				want = p + ".Version"
			}
			if given[p] != want {
				t.Errorf("%s: ${%s} stands for %q, want %s", machine, p, given[p], want)
			}
			delete(given, p)
		}
		if len(given) > 0 {
			t.Errorf("%s gives %v, which the definition does not have", machine, given)
		}
	}
}

// state is what is asked of a state here.
type state struct {
	Type           string
	Resource       string
	TimeoutSeconds int
	Parameters     struct{ FunctionName string }
	Retry          []struct {
		ErrorEquals []string
		MaxAttempts *int
	}
	Catch         []struct{ ErrorEquals []string }
	ItemProcessor *struct{ States map[string]state }
}

func TestEveryTaskHasATimeoutThatItsFunctionKeeps(t *testing.T) {
	all := readTemplate(t)
	var walk func(states map[string]state)
	walk = func(states map[string]state) {
		for name, s := range states {
			if s.ItemProcessor != nil {
				walk(s.ItemProcessor.States)
			}
			if s.Type != "Task" {
				continue
			}
			if s.TimeoutSeconds == 0 {
				t.Errorf("%s has no timeout", name)
			}
			if name == "StartCluster" && len(s.Retry) > 0 {
				t.Errorf("%s is tried again: RunJobFlow has no client token", name)
			} else if name != "StartCluster" && len(s.Retry) == 0 {
				t.Errorf("%s is not tried again", name)
			}
			if s.Parameters.FunctionName == "" {
				continue
			}
			entry := all["Resources"][strings.Trim(s.Parameters.FunctionName, "${}")]
			timeout, err := strconv.Atoi(one(t, entry, `(?m)^      Timeout: (\d+)$`))
			if err != nil || timeout > s.TimeoutSeconds {
				t.Errorf("%s waits %d s for a function that may take %d s", name, s.TimeoutSeconds, timeout)
			}
		}
	}
	for _, file := range []string{"hour", "schedule"} {
		data, err := os.ReadFile("../../statemachines/" + file + ".asl.json")
		if err != nil {
			t.Fatal(err)
		}
		var machine struct{ States map[string]state }
		if err := json.Unmarshal(data, &machine); err != nil {
			t.Fatal(err)
		}
		walk(machine.States)
	}
}

func TestOnlyTheSubnetHasNoDefault(t *testing.T) {
	for name, entry := range readTemplate(t)["Parameters"] {
		if has := strings.Contains(entry, "\n    Default: "); has == (name == "SubnetId") {
			t.Errorf("parameter %s: default %v", name, has)
		}
		if !strings.Contains(entry, "\n    Description: ") {
			t.Errorf("parameter %s is not described", name)
		}
	}
}

func TestOutputsAreThoseThatTheToolsRead(t *testing.T) {
	var got []string
	for name := range readTemplate(t)["Outputs"] {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"AlarmTopicArn", "ApiKeyId", "ApiUrl", "ArchiveBucket", "FailureBucket", "HourMachineArn", "HoursBucket", "ScheduleMachineArn", "StreamName"}
	if !slices.Equal(got, want) {
		t.Errorf("outputs %v, want %v", got, want)
	}
}

func TestTheMappingKeepsWhatTheProofOfAnHourRestsOn(t *testing.T) {
	entry := readTemplate(t)["Resources"]["ArchiveMapping"]
	for _, line := range []string{"StartingPosition: TRIM_HORIZON", "BatchSize: 10000", "ParallelizationFactor: 1", "MaximumRetryAttempts: -1",
		"MaximumRecordAgeInSeconds: 518400", "BisectBatchOnFunctionError: false", "DestinationConfig: { OnFailure: { Destination: !GetAtt FailureBucket.Arn } }"} {
		if !strings.Contains(entry, "      "+line+"\n") {
			t.Errorf("the mapping lacks %s", line)
		}
	}
	for _, word := range []string{"FilterCriteria", "FunctionResponseTypes"} {
		if strings.Contains(entry, word) {
			t.Errorf("the mapping has %s: ranges would have holes", word)
		}
	}
}

func TestARunbookEntryStandsForEveryAlarm(t *testing.T) {
	runbook, err := os.ReadFile("../../RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for name, entry := range readTemplate(t)["Resources"] {
		if !strings.Contains(entry, "Type: AWS::CloudWatch::Alarm") {
			continue
		}
		count++
		anchor := one(t, entry, `\(RUNBOOK, (\w+)\)`)
		if !strings.Contains(string(runbook), "\n## "+anchor+"\n") {
			t.Errorf("RUNBOOK.md has no section %q for %s", anchor, name)
		}
		if !strings.Contains(entry, "AlarmActions: [!Ref AlarmTopic]") || !strings.Contains(entry, "TreatMissingData: ") {
			t.Errorf("%s pages nobody, or does not say what missing data mean", name)
		}
	}
	if count < 9 {
		t.Errorf("%d alarms", count)
	}
}
