package trace

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRecorderDrawsAnExecution(t *testing.T) {
	clock := newManual()
	began := clock.now()
	dir := NewDir(t.TempDir())
	sink, err := NewSink(dir, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	rec := NewRecorder(sink, func(name string, at time.Time) string { return TraceIDFor(3, name, at) })
	const arn = "arn:aws:states:us-east-1:123456789012:execution:hour:2026-11-23T07-1"
	const lambda = "arn:aws:states:::lambda:invoke"
	tell := func(after time.Duration, m Moment) {
		m.At, m.Execution, m.Name, m.Machine = clock.advance(after), arn, "2026-11-23T07-1", "hour"
		rec.Record(m)
	}
	task := Moment{State: "Seal", Type: "Task", Resource: lambda, Visit: 2, Iteration: -1}
	with := func(m Moment, what Point, attempt int, failed string) Moment {
		m.What, m.Attempt, m.Error = what, attempt, failed
		return m
	}
	tell(0, Moment{What: ExecutionStarted, Iteration: -1})
	tell(0, with(task, StateEntered, 0, ""))
	for attempt := range 2 {
		tell(time.Duration(attempt)*10*time.Second, with(task, AttemptStarted, attempt, ""))
		node := rec.Attempt(arn, 2)
		node.Rename("lambda:seal")
		_, end := sink.Invoke(t.Context(), Invocation{Function: "seal", RequestID: fmt.Sprint(attempt), Header: node.Header()})
		end(nil)
		tell(time.Second, with(task, AttemptEnded, attempt, []string{"Unavailable", ""}[attempt]))
	}
	tell(0, with(task, StateExited, 1, ""))

	m := Moment{State: "Compact", Type: "Map", Visit: 20, Iteration: -1}
	tell(0, with(m, StateEntered, 0, ""))
	tell(0, with(m, AttemptStarted, 0, ""))
	for _, what := range []Point{StateEntered, AttemptStarted, AttemptEnded, StateExited} {
		for i := range 12 {
			failed := ""
			if i == 11 && what >= AttemptEnded {
				failed = "Corrupt"
			}
			tell(time.Second, with(Moment{State: "Part", Type: "Task", Resource: lambda, Visit: int64(30 + i), Parent: 20, Iteration: i}, what, 0, failed))
		}
	}
	tell(0, with(m, AttemptEnded, 0, "Corrupt"))
	tell(0, with(m, StateExited, 0, "Corrupt"))
	rec.Execution(arn).Begin(KindCluster, "cluster 1", clock.now()).End(clock.now(), Failure{})
	tell(0, Moment{What: ExecutionEnded, Status: "TIMED_OUT", Iteration: -1})
	tell(0, with(task, StateEntered, 0, "")) // nobody's
	if err := sink.Err(); err != nil {
		t.Fatal(err)
	}

	tr, err := dir.LoadExecution("2026-11-23T07-1")
	if err != nil {
		t.Fatal(err)
	}
	var iterations strings.Builder
	for i := range 12 {
		fmt.Fprintf(&iterations, " branch:iteration %d(state:Part(attempt:lambda:invoke))", i)
	}
	want := "execution:hour(state:Seal(attempt:lambda:seal(function:seal) wait:before attempt 2 attempt:lambda:seal(function:seal)) state:Compact(" +
		iterations.String()[1:] + ") cluster:cluster 1)"
	if got := outline(tr.Roots); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	walk(tr.Roots, func(s *Segment) {
		switch s.Name {
		case "before attempt 2":
			if s.Took(tr.End) != 10*time.Second || !s.Start.Equal(began.Add(time.Second)) {
				t.Errorf("the wait lasts from %v to %v", s.Start, s.End)
			}
		case "iteration 11":
			if !s.Failed || s.Errors[0].Error != "Corrupt" {
				t.Errorf("%+v", s)
			}
		case "iteration 0":
			if s.Failed || s.Took(tr.End) != 36*time.Second {
				t.Errorf("%+v took %v", s, s.Took(tr.End))
			}
		case "hour":
			if len(s.Errors) != 1 || s.Errors[0].Error != "TIMED_OUT" {
				t.Errorf("the execution failed with %v", s.Errors)
			}
		}
	})
	if n := len(rec.runs); n != 0 {
		t.Errorf("%d executions are kept after their end", n)
	}
	var b bytes.Buffer
	if err := Waterfall(&b, tr, 80, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "waterfall-map.txt", b.Bytes())
}

func TestLateFunctionsJoinTheirExecution(t *testing.T) {
	sink, out, clock := newTestSink(t)
	run := sink.Start(Start{Name: "2026-11-23T07-1", Machine: "hour", TraceID: TraceIDFor(1, "x", clock.now()), At: clock.now()})
	_, end := sink.Invoke(t.Context(), Invocation{Function: "compact", RequestID: "1", Header: run.Header()})
	run.End(clock.now(), Failure{Error: "States.Timeout"})
	end(nil)
	_, end = sink.Invoke(t.Context(), Invocation{Function: "reap", RequestID: "2", Header: run.Header()})
	end(nil)
	if docs := out.documents(t, "2026/11/23/07/2026-11-23T07-1.ndjson"); len(docs) != 4 {
		t.Errorf("files:\n%s", out)
	}
	for i := range 2 * maxEnded {
		id := TraceIDFor(uint64(i), "y", clock.now())
		sink.Start(Start{Name: fmt.Sprint("e", i), Machine: "hour", TraceID: id, At: clock.now()}).End(clock.now(), Failure{})
	}
	if len(sink.files) > maxEnded || len(sink.ended) > maxEnded {
		t.Errorf("%d traces are kept in memory", len(sink.files))
	}
}
