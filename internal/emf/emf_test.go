package emf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.UTC)

func ExampleLine() {
	err := Line(os.Stdout, "Penstock", []Dimension{{"Stack", "demo"}, {"Function", "archive"}},
		[]Metric{{Name: "Events", Unit: Count, Value: 10_213}, {Name: "Lag", Unit: Seconds, Values: []float64{0.5, 2}}}, noon)
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"_aws":{"Timestamp":1795435200123,"CloudWatchMetrics":[{"Namespace":"Penstock","Dimensions":[["Stack","Function"]],"Metrics":[{"Name":"Events","Unit":"Count"},{"Name":"Lag","Unit":"Seconds"}]}]},"Stack":"demo","Function":"archive","Events":10213,"Lag":[0.5,2]}
}

// full is a record at every limit.
func full() Record {
	r := Record{Namespace: strings.Repeat("n", maxNamespace), Properties: []Property{{"hour", "2026-11-23T07"}, {"try", 2}, {"late", false}}}
	for i := range MaxDimensions {
		r.Dimensions = append(r.Dimensions, Dimension{fmt.Sprint("d", i), strings.Repeat("v", 100)})
	}
	for i := range MaxMetrics {
		r.Metrics = append(r.Metrics, Metric{Name: fmt.Sprint("m", i), Unit: Bytes, Values: slices.Repeat([]float64{1.5}, MaxValues)})
	}
	return r
}

func TestLineIsWhatTheSpecificationAsksFor(t *testing.T) {
	r := full()
	r.Sets = [][]string{{}, {"d0"}, {"d0", "d1"}}
	var b bytes.Buffer
	if err := Write(&b, r, noon); err != nil {
		t.Fatal(err)
	}
	if strings.Count(b.String(), "\n") != 1 || !strings.HasSuffix(b.String(), "\n") {
		t.Error("not one line")
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var aws struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	dec := json.NewDecoder(bytes.NewReader(got["_aws"]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&aws); err != nil {
		t.Fatal(err)
	}
	if aws.Timestamp != noon.UnixMilli() || len(aws.CloudWatchMetrics) != 1 {
		t.Fatalf("%+v", aws)
	}
	d := aws.CloudWatchMetrics[0]
	if len(d.Metrics) != MaxMetrics || fmt.Sprint(d.Dimensions) != "[[] [d0] [d0 d1]]" {
		t.Errorf("%d metrics, sets %v", len(d.Metrics), d.Dimensions)
	}
	for _, m := range d.Metrics {
		var values []float64
		if err := json.Unmarshal(got[m.Name], &values); err != nil || len(values) != MaxValues || m.Unit != "Bytes" {
			t.Errorf("metric %s: %s, %v", m.Name, got[m.Name], err)
		}
	}
	for _, want := range []string{`"hour":"2026-11-23T07"`, `"try":2`, `"late":false`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	var again bytes.Buffer
	if err := Write(&again, r, noon); err != nil || again.String() != b.String() {
		t.Errorf("the same record wrote other bytes, %v", err)
	}
}

func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*Record){
		"no namespace":             func(r *Record) { r.Namespace = " " },
		"AWS's namespace":          func(r *Record) { r.Namespace = "AWS/Lambda" },
		"no metric":                func(r *Record) { r.Metrics = nil },
		"too many metrics":         func(r *Record) { r.Metrics = append(r.Metrics, Metric{Name: "x"}) },
		"too many dimensions":      func(r *Record) { r.Dimensions = append(r.Dimensions, Dimension{"x", "y"}) },
		"too many values":          func(r *Record) { r.Metrics[3].Values = make([]float64, MaxValues+1) },
		"an empty dimension":       func(r *Record) { r.Dimensions[2].Value = "" },
		"a dimension of a newline": func(r *Record) { r.Dimensions[2].Value = "a\nb" },
		"a colon before":           func(r *Record) { r.Dimensions[2].Name = ":x" },
		"not a number":             func(r *Record) { r.Metrics[0] = Metric{Name: "x", Value: math.NaN()} },
		"infinity":                 func(r *Record) { r.Metrics[0].Values[1] = math.Inf(-1) },
		"too great":                func(r *Record) { r.Metrics[0].Values[1] = 1e300 },
		"too small":                func(r *Record) { r.Metrics[0].Values[1] = 1e-300 },
		"one name twice":           func(r *Record) { r.Metrics[0].Name = "d0" },
		"a metric named _aws":      func(r *Record) { r.Metrics[0].Name = "_aws" },
		"an unknown set":           func(r *Record) { r.Sets = [][]string{{"x"}} },
		"a property of a map":      func(r *Record) { r.Properties[0].Value = map[string]any{} },
		"a property of infinity":   func(r *Record) { r.Properties[0].Value = math.Inf(1) },
		"invalid UTF-8":            func(r *Record) { r.Metrics[0].Name = "\xff" },
		"a line that is too long":  func(r *Record) { r.Properties[0].Value = strings.Repeat("x", maxLine) },
	} {
		r := full()
		change(&r)
		var b bytes.Buffer
		if err := Write(&b, r, noon); err == nil || b.Len() > 0 {
			t.Errorf("%s: %v and %d bytes", name, err, b.Len())
		}
		if err := Write(nil, r, noon); err != nil {
			t.Errorf("%s: switched off, yet %v", name, err)
		}
	}
}

func TestWriteErrorIsReturned(t *testing.T) {
	r, w := io.Pipe()
	if err := r.CloseWithError(errors.New("closed")); err != nil {
		t.Fatal(err)
	}
	err := Line(w, "Penstock", nil, []Metric{{Name: "Events", Unit: Count, Value: 1}}, noon)
	if err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v", err)
	}
}

func TestALineThatIsLostIsToldAndFailsNobody(t *testing.T) {
	var log bytes.Buffer
	f := Figures{Out: io.Discard, Stack: "prod", Log: slog.New(slog.NewTextHandler(&log, nil))}
	f.Report(t.Context(), noon, Metric{Name: "Events", Value: math.NaN()})
	if !strings.Contains(log.String(), "Events has the value NaN") {
		t.Errorf("the log is %q", &log)
	}
	Figures{}.Report(t.Context(), noon, Metric{Name: "Events", Value: math.NaN()}) // nowhere to write, nobody to tell
}
