package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const testID = "1-65637c00-00000000000000000000000a"

// outline is a tree in words.
func outline(segs []*Segment) string {
	var parts []string
	for _, s := range segs {
		p := string(s.Kind) + ":" + s.Name
		if s.Orphan {
			p += "?"
		}
		if len(s.Children) > 0 {
			p += "(" + outline(s.Children) + ")"
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, " ")
}

// line is a segment document of testID.
func line(id, parent, name string, start, end float64) string {
	s := fmt.Sprintf(`{"trace_id":%q,"id":%q,"parent_id":%q,"name":%q,"start_time":%v`, testID, id, parent, name, start)
	if end > 0 {
		return s + fmt.Sprintf(`,"end_time":%v}`, end)
	}
	return s + `,"in_progress":true}`
}

func TestReadBuildsTheTree(t *testing.T) {
	for name, c := range map[string]struct {
		lines   []string
		want    string
		damaged int
	}{
		"children before parents": {
			[]string{line("c", "b", "c", 3, 4), line("b", "a", "b", 2, 5), line("a", "", "a", 1, 6)}, "other:a(other:b(other:c))", 0},
		"an orphan stays": {[]string{line("c", "gone", "c", 3, 4), line("a", "", "a", 1, 6)}, "other:a other:c?", 0},
		"its own parent":  {[]string{line("a", "a", "a", 1, 2)}, "other:a?", 0},
		"a ring": {
			[]string{line("a", "c", "a", 1, 2), line("b", "a", "b", 1, 2), line("c", "b", "c", 1, 2)}, "other:a?(other:b(other:c))", 0},
		"the finished document counts": {
			[]string{line("a", "", "a", 1, 2), line("a", "", "running", 1, 0)}, "other:a", 0},
		"the later document counts": {
			[]string{line("a", "", "running", 1, 0), line("a", "", "first", 1, 2), line("a", "", "second", 1, 3)}, "other:second", 0},
		"siblings by start, then as written": {
			[]string{line("z", "a", "z", 2, 2), line("y", "a", "y", 2, 2), line("x", "a", "x", 1, 9), line("a", "", "a", 1, 9)},
			"other:a(other:x other:z other:y)", 0},
		"damage is counted": {
			[]string{"{", "[]", "null", `{"id":1}`, `{"trace_id":"` + testID + `","id":"a","name":"x","start_time":"now"}`, line("a", "", "a", 1, 2), line("b", "", "b", 1e300, 2)},
			"other:a", 6},
		"nested subsegments, as AWS sends them": {
			[]string{`{"trace_id":"` + testID + `","id":"a","name":"m","origin":"AWS::StepFunctions::StateMachine","start_time":1,"end_time":9,
				"subsegments":[{"id":"b","name":"Compact","start_time":1,"end_time":9,"subsegments":[{"id":"c","name":"Lambda","namespace":"aws","start_time":1,"end_time":9}]}]}`,
				`{"trace_id":"` + testID + `","id":"d","parent_id":"c","name":"compact","origin":"AWS::Lambda","start_time":2,"end_time":8}`,
				`{"trace_id":"` + testID + `","id":"e","parent_id":"d","name":"compact","origin":"AWS::Lambda::Function","start_time":2,"end_time":8}`},
			"execution:m(stage:Compact(call:Lambda(service:compact(function:compact))))", 0},
		"odd parts do not cost the rest": {
			[]string{`{"trace_id":"` + testID + `","id":"a","name":"a","start_time":1,"end_time":2,"cause":"53995c3f42cd8ad8","metadata":3,"annotations":[],"aws":"x","http":{"response":{"status":"x"}}}`},
			"other:a", 0},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.lines {
				var b bytes.Buffer
				if json.Compact(&b, []byte(c.lines[i])) == nil {
					c.lines[i] = b.String()
				}
			}
			traces, err := Read(strings.NewReader(strings.Join(c.lines, "\n")))
			if err != nil || len(traces) != 1 {
				t.Fatalf("%d traces, %v", len(traces), err)
			}
			if got := outline(traces[0].Roots); got != c.want || traces[0].Damaged != c.damaged {
				t.Errorf("%s with %d damaged, want %s with %d", got, traces[0].Damaged, c.want, c.damaged)
			}
		})
	}
}

func TestReadIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(strings.Repeat("x", 3*maxLine) + "\n")
	for i := range MaxSegments + 10 {
		b.WriteString(line(fmt.Sprint(i), fmt.Sprint(i-1), "deep", 1, 2) + "\n")
	}
	traces, err := Read(strings.NewReader(b.String()))
	if err != nil || len(traces) != 1 {
		t.Fatalf("%d traces, %v", len(traces), err)
	}
	n, depth := 0, 0
	var measure func([]*Segment, int)
	measure = func(segs []*Segment, d int) {
		depth = max(depth, d)
		for _, s := range segs {
			n++
			measure(s.Children, d+1)
		}
	}
	measure(traces[0].Roots, 0)
	if n != MaxSegments || depth > maxDepth+1 || traces[0].Damaged != 1 {
		t.Errorf("%d segments, %d deep, %d damaged", n, depth, traces[0].Damaged)
	}
	nested := strings.Repeat(`{"id":"a","name":"n","start_time":1,"subsegments":[`, 200) + strings.Repeat(`]}`, 200)
	traces, err = Read(strings.NewReader(`{"trace_id":"` + testID + `",` + nested[1:]))
	if err != nil || len(traces) != 1 || !traces[0].Truncated {
		t.Errorf("%v, %v", traces, err)
	}
	if _, err := Read(io.MultiReader(strings.NewReader("{}\n"), broken{})); err == nil {
		t.Error("a read error is lost")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("bad sector") }

func TestDirFindsTraces(t *testing.T) {
	root := t.TempDir()
	dir, clock := NewDir(root), newManual()
	hour := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	if names, err := dir.Executions(hour); err != nil || len(names) != 0 {
		t.Errorf("an empty folder has %v, %v", names, err)
	}
	sink, err := NewSink(dir, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, n := range []int{1, 2, 10} {
		name := fmt.Sprintf("2026-11-23T07-%d", n)
		id := TraceIDFor(1, name, clock.now())
		ids = append(ids, id)
		sink.Start(Start{Name: name, Machine: "hour", TraceID: id, At: clock.now()}).End(clock.advance(time.Second), Failure{})
	}
	request := TraceIDFor(1, "req", clock.now())
	for _, id := range []string{TraceIDFor(2, "req", clock.now()), request} {
		ctx, end := sink.Invoke(t.Context(), Invocation{Function: "archive", RequestID: "req", Header: Header(id, "")})
		_, span := Begin(ctx, "archive")
		span.End(nil)
		end(nil)
	}
	sink.Start(Start{Name: "2026-11-23T07-11", Machine: "hour", TraceID: TraceIDFor(1, "11", clock.now()), At: clock.now()})
	if err := sink.Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "2026/11/23/07/.torn.ndjson.swp"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}

	names, err := dir.Executions(hour.Add(20 * time.Minute))
	if got, want := fmt.Sprint(names), "[2026-11-23T07-1 2026-11-23T07-2 2026-11-23T07-10 2026-11-23T07-11]"; got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	tr, err := dir.LoadExecution("2026-11-23T07-10")
	if err != nil || tr.ID != ids[2] || outline(tr.Roots) != "execution:hour" {
		t.Errorf("%+v, %v", tr, err)
	}
	if tr, err := dir.LoadExecution("2026-11-23T07-11"); err != nil || !tr.Running {
		t.Errorf("the running execution is %+v, %v", tr, err)
	}
	for _, id := range []string{ids[0], request} {
		if tr, err := dir.Load(id); err != nil || tr.ID != id {
			t.Errorf("%s: %+v, %v", id, tr, err)
		}
	}
	if tr, err := dir.Load(request); err != nil || outline(tr.Roots) != "function:archive(stage:archive)" {
		t.Errorf("%+v, %v", tr, err)
	}
	var missing *NotRecorded
	for _, name := range []string{"2026-11-23T07-3", "2026-11-23T07-1/../x", "x", ""} {
		if _, err := dir.LoadExecution(name); !errors.As(err, &missing) {
			t.Errorf("execution %q: %v", name, err)
		}
	}
	for _, id := range []string{TraceIDFor(9, "x", clock.now()), "../../x", ""} {
		if _, err := dir.Load(id); !errors.As(err, &missing) {
			t.Errorf("trace %q: %v", id, err)
		}
	}
}

func TestJSONIsTheTree(t *testing.T) {
	tr := loadHour(t, true)
	var b bytes.Buffer
	if err := JSON(&b, tr); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Trace
		Totals Totals `json:"totals"`
	}
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if outline(back.Roots) != outline(tr.Roots) || back.ID != tr.ID || !back.End.Equal(tr.End) {
		t.Error("the JSON is another tree")
	}
	if back.Totals.Attempts != 32 || back.Totals.Failed != 1 || back.Totals.States != 59 {
		t.Errorf("totals %+v", back.Totals)
	}
}

// FuzzRead holds that any file gives a tree that can be shown, with each segment in it once.
func FuzzRead(f *testing.F) {
	out, clock := &memory{}, newManual()
	sink, err := NewSink(out, clock.now)
	if err != nil {
		f.Fatal(err)
	}
	run := sink.Start(Start{Name: "2026-11-23T07-1", Machine: "hour", TraceID: TraceIDFor(1, "a", clock.now()), At: clock.now()})
	state := run.Begin(KindState, "Seal", clock.now())
	state.Wait("before attempt 2", clock.now(), clock.advance(time.Minute))
	state.End(clock.now(), Failure{Error: "Conflict", Cause: `{"errorMessage":"x"}`})
	run.End(clock.now(), Failure{})
	f.Add(out.files["2026/11/23/07/2026-11-23T07-1.ndjson"])
	f.Add([]byte(line("a", "b", "x\x1b[2J", 1, 0) + "\n" + line("b", "a", "", 1, 253402300799)))
	f.Add([]byte(`{"trace_id":"` + testID + `","id":"a","name":"x","start_time":0,"annotations":{"a":1e308,"hour":"\u202e"},"cause":{"exceptions":[{"message":"{"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		traces, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range traces {
			seen := map[*Segment]bool{}
			walk(tr.Roots, func(s *Segment) {
				if seen[s] {
					t.Fatalf("%s is in the tree twice", s.ID)
				}
				seen[s] = true
			})
			if err := errors.Join(Waterfall(io.Discard, tr, 80, true), HTML(io.Discard, tr), JSON(io.Discard, tr)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
