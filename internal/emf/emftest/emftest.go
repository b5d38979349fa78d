// Package emftest reads metrics back from lines in the embedded metric format, as CloudWatch would.
package emftest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// Figure is one value of a metric.
type Figure struct {
	Namespace  string
	Name, Unit string
	Dimensions string // names and values, sorted: "Stack=prod Type=play"
	Value      float64
}

// Read returns the figures of all lines that are in the format; other lines are left out. A line that CloudWatch would
// not take whole fails the test.
func Read(t testing.TB, text string) []Figure {
	t.Helper()
	var all []Figure
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, `{"_aws":`) {
			continue
		}
		var head struct {
			AWS struct {
				Timestamp         int64
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		var fields map[string]any
		if json.Unmarshal([]byte(line), &head) != nil || json.Unmarshal([]byte(line), &fields) != nil || head.AWS.Timestamp == 0 {
			t.Fatalf("not a line of metrics: %s", line)
		}
		for _, d := range head.AWS.CloudWatchMetrics {
			for _, set := range d.Dimensions {
				var dimensions []string
				for _, name := range set {
					value, ok := fields[name].(string)
					if !ok {
						t.Fatalf("dimension %s has no value: %s", name, line)
					}
					dimensions = append(dimensions, name+"="+value)
				}
				slices.Sort(dimensions)
				for _, m := range d.Metrics {
					value, ok := fields[m.Name].(float64)
					if !ok {
						t.Fatalf("metric %s has no value: %s", m.Name, line)
					}
					all = append(all, Figure{d.Namespace, m.Name, m.Unit, strings.Join(dimensions, " "), value})
				}
			}
		}
	}
	return all
}

// Only returns the values of a metric of the stack, which must be the only metric there is.
func Only(t testing.TB, text, stack, name string) []float64 {
	t.Helper()
	var values []float64
	for _, f := range Read(t, text) {
		if f.Name != name || f.Dimensions != "Stack="+stack {
			t.Errorf("figure %+v, want %s of the stack %s only", f, name, stack)
		}
		values = append(values, f.Value)
	}
	return values
}
