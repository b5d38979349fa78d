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

	"penstock/internal/cost"
)

// emitted are the metrics that the stages write, by name: the literals of emf.Metric in internal/ and functions/.
func emitted(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pattern := range []string{"../../internal/*/*.go", "../../functions/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../../internal/emf/") {
				continue
			}
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(source), "emf.Metric{") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range metricNames(file) {
				names[name] = true
			}
		}
	}
	return names
}

// metricNames are the values of Name in literals of emf.Metric and of []emf.Metric.
func metricNames(file *ast.File) (names []string) {
	is := func(e ast.Expr) bool {
		s, ok := e.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Metric"
	}
	name := func(c *ast.CompositeLit) {
		for _, e := range c.Elts {
			field, ok := e.(*ast.KeyValueExpr)
			if !ok || field.Key.(*ast.Ident).Name != "Name" {
				continue
			}
			if text, ok := field.Value.(*ast.BasicLit); ok {
				if s, err := strconv.Unquote(text.Value); err == nil {
					names = append(names, s)
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		c, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if list, ok := c.Type.(*ast.ArrayType); ok && is(list.Elt) {
			for _, e := range c.Elts {
				if inner, ok := e.(*ast.CompositeLit); ok {
					name(inner)
				}
			}
		} else if is(c.Type) {
			name(c)
		}
		return true
	})
	return names
}

// dashboard is the body of the dashboard, with every ${...} replaced by x.
func dashboard(t *testing.T, all template) string {
	t.Helper()
	_, body, ok := strings.Cut(all["Resources"]["Dashboard"], "DashboardBody: !Sub |\n")
	if !ok {
		t.Fatal("the template has no dashboard")
	}
	return regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(body, "x")
}

// named are the metrics of the namespace Penstock that the template names: alarms', and the dashboard's.
func named(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	all := readTemplate(t)
	for name, entry := range all["Resources"] {
		if !strings.Contains(entry, "Type: AWS::CloudWatch::Alarm") {
			continue
		}
		for _, m := range regexp.MustCompile(`Namespace: Penstock,? *(?:\n *)?MetricName: (\w+)`).FindAllStringSubmatch(entry, -1) {
			names[m[1]] = true
		}
		if want := strings.Count(entry, "Namespace: Penstock"); strings.Count(entry, "Dimensions: [{ Name: Stack, Value: !Ref ") != want {
			t.Errorf("%s looks at figures of all stacks", name)
		}
	}
	var body struct {
		Widgets []struct {
			Type                string
			X, Y, Width, Height int
			Properties          struct {
				Title   string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(dashboard(t, all)), &body); err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	searched := regexp.MustCompile(`^SEARCH\('\{Penstock,Stack,Type\} Stack="x" MetricName="(\w+)"','(?:Sum|Average|Maximum)',60\)$`)
	for _, w := range body.Widgets {
		var before []any
		for _, m := range w.Properties.Metrics {
			if options, ok := m[0].(map[string]any); ok {
				found := searched.FindStringSubmatch(options["expression"].(string))
				if found == nil {
					t.Errorf("%s: what does %s look for?", w.Properties.Title, options["expression"])
					continue
				}
				names[found[1]] = true
				continue
			}
			row := slices.Clone(m) // "." is what stands above
			for i := range row {
				if row[i] == "." {
					row[i] = before[i]
				}
			}
			before = row
			if row[0] == "Penstock" {
				names[row[1].(string)] = true
				if row[2] != "Stack" || row[3] != "x" {
					t.Errorf("%s: %v is not of this stack", w.Properties.Title, row)
				}
			}
		}
	}
	for i, a := range body.Widgets {
		for _, b := range body.Widgets[:i] {
			if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
				t.Errorf("widgets %q and %q overlap", a.Properties.Title, b.Properties.Title)
			}
		}
	}
	return names
}

func TestTheCostPageCountsTheAlarmsAndFigures(t *testing.T) {
	watched := 0
	for _, entry := range readTemplate(t)["Resources"] {
		if strings.Contains(entry, "Type: AWS::CloudWatch::Alarm") {
			watched += strings.Count(entry, "MetricName: ")
		}
	}
	figures := map[bool]int{}
	for name := range emitted(t) {
		figures[strings.HasPrefix(name, "Type") || strings.HasPrefix(name, "SecondsAfter")]++
	}
	if watched != cost.AlarmMetrics || figures[false] != cost.StackFigures || figures[true] != cost.TypeFigures {
		t.Errorf("alarms look at %d metrics, stages write %d and %d for each type", watched, figures[false], figures[true])
	}
}

func TestTheTemplateShowsEveryFigureAndNoOther(t *testing.T) {
	have, want := emitted(t), named(t)
	for name := range want {
		if !have[name] {
			t.Errorf("the template names %s, which no stage writes", name)
		}
	}
	for name := range have {
		if !want[name] {
			t.Errorf("%s is written, but neither an alarm nor the dashboard looks at it", name)
		}
	}
	if len(have) < 20 {
		t.Errorf("only %d metrics were found", len(have))
	}
}
