// Package emf writes metrics as log lines in CloudWatch's embedded metric format: on Lambda a line on standard output
// becomes metrics, and stays a log line with its context.
//
// The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
package emf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of the format. A line outside of them is dropped by CloudWatch without a word, so [Write] refuses it.
const (
	MaxMetrics    = 100 // metrics of a line
	MaxDimensions = 30  // dimensions of a line
	MaxValues     = 100 // values of a metric
	maxNamespace  = 255
	maxName       = 1024 // bytes of a metric's name, of a dimension's value, and of a property's name
	maxDimension  = 250  // bytes of a dimension's name
	maxLine       = 256 << 10
)

// Unit is a unit of CloudWatch.
type Unit string

// Units that Penstock uses.
const (
	Count        Unit = "Count"
	Bytes        Unit = "Bytes"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
	None         Unit = "None"
)

// Dimension is a name and a value that metrics are kept apart by. Each combination of values is a metric that is
// billed: what has many values (an hour, a request id) is a [Property].
type Dimension struct{ Name, Value string }

// Property is context that is in the log line and in no metric.
type Property struct {
	Name  string
	Value any // a string, a number or a boolean
}

// Metric is a named number, or several of one moment.
type Metric struct {
	Name   string
	Unit   Unit
	Value  float64
	Values []float64 // instead of Value, if not empty
}

// Record is what a line says.
type Record struct {
	Namespace  string
	Dimensions []Dimension
	// Sets are the combinations of dimensions, by name, under which each metric is kept; none is one set of them all.
	Sets       [][]string
	Metrics    []Metric
	Properties []Property
}

// Namespace is that of Penstock's metrics.
const Namespace = "Penstock"

// Figures is where a stage writes what it did. The zero Figures writes nothing.
type Figures struct {
	Out   io.Writer    // standard output on Lambda
	Stack string       // a dimension, unless empty
	Log   *slog.Logger // is told of lines that are lost; may be nil
}

// Dimensions are those of all figures, and the further ones.
func (f Figures) Dimensions(further ...Dimension) []Dimension {
	if f.Stack == "" {
		return further
	}
	return append([]Dimension{{Name: "Stack", Value: f.Stack}}, further...)
}

// Report writes metrics as one line at the time now. It cannot fail a stage, whose work is done by then.
func (f Figures) Report(ctx context.Context, now time.Time, metrics ...Metric) {
	err := Line(f.Out, Namespace, f.Dimensions(), metrics, now)
	if err != nil && f.Log != nil {
		f.Log.WarnContext(ctx, "metrics are lost", "error", err.Error())
	}
}

// Line writes metrics under one set of dimensions as one line at the time now. A nil w writes nothing.
func Line(w io.Writer, namespace string, dimensions []Dimension, metrics []Metric, now time.Time) error {
	return Write(w, Record{Namespace: namespace, Dimensions: dimensions, Metrics: metrics}, now)
}

// Write writes a record as one line, in one call of w.Write, so that lines of several goroutines do not mix where w's
// writes do not. The same record gives the same bytes: fields stand in the record's order. A record that CloudWatch
// would drop, or that is no metric, is an error and writes nothing; a nil w writes nothing and checks nothing.
func Write(w io.Writer, r Record, now time.Time) error {
	if w == nil {
		return nil
	}
	line, err := encode(r, now)
	if err != nil {
		return fmt.Errorf("write metrics of %s: %w", r.Namespace, err)
	}
	if _, err := w.Write(line); err != nil {
		return fmt.Errorf("write metrics of %s: %w", r.Namespace, err)
	}
	return nil
}

// directive is the part of a line that tells CloudWatch which of its fields are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct {
	Name string
	Unit Unit `json:",omitempty"`
}

type head struct {
	Timestamp         int64
	CloudWatchMetrics []directive
}

func encode(r Record, now time.Time) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	d := directive{Namespace: r.Namespace, Dimensions: r.Sets}
	if len(d.Dimensions) == 0 {
		all := make([]string, 0, len(r.Dimensions))
		for _, dim := range r.Dimensions {
			all = append(all, dim.Name)
		}
		d.Dimensions = [][]string{all}
	}
	for _, m := range r.Metrics {
		d.Metrics = append(d.Metrics, definition{Name: m.Name, Unit: m.Unit})
	}

	b := bytes.NewBufferString("{")
	fields := map[string]bool{}
	put := func(name string, value any) error {
		if fields[name] {
			return fmt.Errorf("%q is there twice", name)
		}
		fields[name] = true
		if len(fields) > 1 {
			b.WriteByte(',')
		}
		for i, v := range []any{name, value} {
			text, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("encode %q: %w", name, err)
			}
			if i == 1 {
				b.WriteByte(':')
			}
			b.Write(text)
		}
		return nil
	}
	errs := []error{put("_aws", head{Timestamp: now.UnixMilli(), CloudWatchMetrics: []directive{d}})}
	for _, dim := range r.Dimensions {
		errs = append(errs, put(dim.Name, dim.Value))
	}
	for _, m := range r.Metrics {
		if len(m.Values) > 0 {
			errs = append(errs, put(m.Name, m.Values))
		} else {
			errs = append(errs, put(m.Name, m.Value))
		}
	}
	for _, p := range r.Properties {
		errs = append(errs, put(p.Name, p.Value))
	}
	b.WriteString("}\n")
	if b.Len() > maxLine {
		errs = append(errs, fmt.Errorf("a line of %d bytes", b.Len()))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// check says what CloudWatch would not take.
func (r *Record) check() error {
	switch {
	case !named(r.Namespace, maxNamespace) || strings.HasPrefix(r.Namespace, "AWS/") || strings.Contains(r.Namespace, ":"):
		return fmt.Errorf("bad namespace %q", r.Namespace)
	case len(r.Metrics) == 0 || len(r.Metrics) > MaxMetrics:
		return fmt.Errorf("%d metrics, from 1 to %d are allowed", len(r.Metrics), MaxMetrics)
	case len(r.Dimensions) > MaxDimensions:
		return fmt.Errorf("%d dimensions, at most %d are allowed", len(r.Dimensions), MaxDimensions)
	}
	known := map[string]bool{}
	for _, d := range r.Dimensions {
		if !named(d.Name, maxDimension) || strings.HasPrefix(d.Name, ":") || !named(d.Value, maxName) {
			return fmt.Errorf("bad dimension %q with the value %q", d.Name, d.Value)
		}
		known[d.Name] = true
	}
	for _, set := range r.Sets {
		if len(set) > MaxDimensions {
			return fmt.Errorf("a set of %d dimensions", len(set))
		}
		for _, name := range set {
			if !known[name] {
				return fmt.Errorf("a set with %q, which is no dimension", name)
			}
		}
	}
	for _, m := range r.Metrics {
		if err := m.check(); err != nil {
			return err
		}
	}
	for _, p := range r.Properties {
		if !named(p.Name, maxName) {
			return fmt.Errorf("bad property %q", p.Name)
		}
		switch p.Value.(type) {
		case string, bool, int, int32, int64, uint, uint32, uint64, float32, float64:
		default:
			return fmt.Errorf("property %q of type %T", p.Name, p.Value)
		}
	}
	return nil
}

func (m *Metric) check() error {
	if !named(m.Name, maxName) {
		return fmt.Errorf("bad metric name %q", m.Name)
	}
	if len(m.Values) > MaxValues {
		return fmt.Errorf("metric %s has %d values, at most %d are allowed", m.Name, len(m.Values), MaxValues)
	}
	for _, v := range append([]float64{m.Value}, m.Values...) {
		// CloudWatch keeps numbers from 2^-360 to 2^360.
		if math.IsNaN(v) || math.Abs(v) > 0x1p360 || v != 0 && math.Abs(v) < 0x1p-360 {
			return fmt.Errorf("metric %s has the value %v", m.Name, v)
		}
	}
	return nil
}

// named says whether s is a name or value of 1 to limit bytes with something to see in it.
func named(s string, limit int) bool {
	return len(s) <= limit && strings.TrimSpace(s) != "" && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
