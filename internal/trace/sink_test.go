package trace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

// runHour records an execution as a one-machine run would: a stage that is tried twice, a wait, a call.
func runHour(t *testing.T, sink *Sink, clock *manual) string {
	t.Helper()
	const name = "2026-11-23T07-1"
	id := TraceIDFor(42, name, clock.now())
	run := sink.Start(Start{Name: name, Machine: "hour", TraceID: id, At: clock.now()})
	state := run.Begin(KindState, "Compact", clock.now())
	state.Metadata("type", "Task")
	for n := 1; n <= 2; n++ {
		attempt := state.Begin(KindAttempt, "lambda:compact", clock.now())
		attempt.Metadata("number", n)
		ctx, end := sink.Invoke(t.Context(), Invocation{Function: "compact", RequestID: fmt.Sprint("req-", n), Header: attempt.Header()})
		err := Do(ctx, "compact", func(ctx context.Context) error {
			_, span := Begin(ctx, "join")
			span.Annotate(Events, int64(100*n))
			span.Annotate("bad key!", 1.5)
			clock.advance(2 * time.Second)
			span.End(nil)
			if n == 1 {
				return &Unavailable{"s3"}
			}
			return nil
		})
		clock.advance(time.Second)
		end(err)
		if err != nil {
			attempt.End(clock.now(), Failure{Error: "Unavailable", Cause: err.Error()})
			from := clock.now()
			state.Wait("before attempt 2", from, clock.advance(10*time.Second))
			continue
		}
		attempt.End(clock.now(), Failure{})
	}
	state.End(clock.now(), Failure{})
	run.End(clock.now(), Failure{})
	if err := sink.Err(); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSinkWritesOneTreeByTheVirtualClock(t *testing.T) {
	sink, out, clock := newTestSink(t)
	began := clock.now()
	id := runHour(t, sink, clock)
	docs := out.documents(t, "2026/11/23/07/2026-11-23T07-1.ndjson")
	if len(out.files) != 1 {
		t.Errorf("more than one file:\n%s", out)
	}
	seen := map[string]Document{}
	for _, d := range docs {
		if d.TraceID != id {
			t.Errorf("%s has trace id %s, want %s", d.Name, d.TraceID, id)
		}
		if was, ok := seen[d.ID]; ok && !was.InProgress {
			t.Errorf("%s and %s share the id %s", d.Name, was.Name, d.ID)
		}
		seen[d.ID] = d
	}
	chain := func(d Document) string {
		var names []string
		for d.ID != "" {
			names = append(names, d.Name)
			d = seen[d.ParentID]
		}
		return strings.Join(names, " < ")
	}
	join := find(t, docs, "join")
	if got, want := chain(join), "join < compact < compact < lambda:compact < Compact < hour"; got != want {
		t.Errorf("ancestors %s, want %s", got, want)
	}
	if s, e := join.StartTime.Time(), join.EndTime.Time(); !s.Equal(began) || !e.Equal(began.Add(2*time.Second)) {
		t.Errorf("join lasted from %v to %v", s, e)
	}
	if join.Annotations[Events] != 100.0 || join.Annotations["bad_key_"] != 1.5 {
		t.Errorf("annotations %v", join.Annotations)
	}
	root := find(t, docs, "hour")
	if got := root.EndTime.Time().Sub(root.StartTime.Time()); got != 16*time.Second {
		t.Errorf("the run lasted %v", got)
	}
	if !docs[0].InProgress || docs[0].ID != root.ID {
		t.Errorf("the first document is not the running execution: %+v", docs[0])
	}
	if root.Annotations[Execution] != "2026-11-23T07-1" || root.Annotations[Hour] != "2026-11-23T07" {
		t.Errorf("annotations of the run %v", root.Annotations)
	}
	var causes []string
	for _, d := range docs {
		if d.Fault {
			causes = append(causes, fmt.Sprintf("%s/%s:%s", kindOf(&d), d.Name, d.Cause.Exceptions[0].Type))
		}
	}
	if got, want := strings.Join(causes, " "), "stage/compact:Unavailable function/compact:Unavailable attempt/lambda:compact:Unavailable"; got != want {
		t.Errorf("failed: %s, want %s", got, want)
	}
}

func TestSameRunWritesTheSameBytes(t *testing.T) {
	var want string
	for i := range 3 {
		sink, out, clock := newTestSink(t)
		runHour(t, sink, clock)
		if i == 0 {
			want = out.String()
		} else if got := out.String(); got != want {
			t.Fatalf("run %d wrote\n%s\nthe first\n%s", i, got, want)
		}
		if strings.Contains(want, "/") && (strings.Contains(want, ".go") || strings.Contains(want, "working_directory")) {
			t.Errorf("paths of this machine in\n%s", want)
		}
	}
}

func TestConcurrentInvocationsKeepTheirOwnTraces(t *testing.T) {
	sink, out, clock := newTestSink(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			req := fmt.Sprint("req-", i)
			id := TraceIDFor(5, req, clock.now())
			ctx, end := sink.Invoke(t.Context(), Invocation{Function: "archive", RequestID: req, Header: Header(id, "")})
			ctx, span := Begin(ctx, "archive")
			span.Annotate(Shard, req)
			var inner sync.WaitGroup
			for range 4 {
				inner.Go(func() {
					_ = Do(ctx, "put", func(context.Context) error { return nil })
				})
			}
			inner.Wait()
			span.End(nil)
			if ID(ctx) != id {
				t.Errorf("id %s, want %s", ID(ctx), id)
			}
			end(nil)
		})
	}
	wg.Wait()
	docs := out.documents(t, "2026/11/23/08/archive.ndjson")
	if len(docs) != 16*6 {
		t.Errorf("%d documents, want %d", len(docs), 16*6)
	}
	of := map[string]string{}
	for _, d := range docs {
		of[d.ID] = d.TraceID
	}
	for _, d := range docs {
		if d.ParentID != "" && of[d.ParentID] != d.TraceID {
			t.Errorf("%s %s is under a parent of another trace", d.Name, d.ID)
		}
	}
	if len(of) != len(docs) {
		t.Errorf("%d ids for %d documents", len(of), len(docs))
	}
}

func TestForeignAndLateSubsegmentsAreKept(t *testing.T) {
	sink, out, clock := newTestSink(t)
	id := TraceIDFor(1, "r", clock.now())
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "reap", RequestID: "r", Header: Header(id, "")})
	_, foreign := xray.BeginSubsegment(ctx, "EMR")
	foreign.Close(nil)
	_, late := Begin(ctx, "late")
	end(nil)
	end(errors.New("twice"))
	clock.advance(time.Minute)
	late.End(nil)
	docs := out.documents(t, "2026/11/23/08/reap.ndjson")
	if len(docs) != 3 {
		t.Fatalf("%d documents", len(docs))
	}
	if d := find(t, docs, "EMR"); d.StartTime != SecondsOf(newManual().t) || d.ParentID != find(t, docs, "reap").ID {
		t.Errorf("the foreign subsegment is %+v", d)
	}
	if d := find(t, docs, "late"); d.EndTime-d.StartTime != 60 {
		t.Errorf("the late span lasted %v s", d.EndTime-d.StartTime)
	}
}

func TestDocumentsStayWithinTheLimits(t *testing.T) {
	sink, out, clock := newTestSink(t)
	id := TraceIDFor(1, "r", clock.now())
	run := sink.Start(Start{Name: "by hand?", Machine: strings.Repeat("<é>", 300), TraceID: id, At: clock.now()})
	for i := range 80 {
		run.Annotate(fmt.Sprint("key ", i), strings.Repeat("é", 1000))
		run.Metadata(fmt.Sprint("m", i), strings.Repeat("x", 3000))
	}
	run.Metadata("big", strings.Repeat("x", 5000))
	run.Metadata("bad", math.NaN())
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "../../etc/passwd", RequestID: "r", Header: run.Header()})
	_, span := Begin(ctx, strings.Repeat("name\x00", 100))
	for i := range 80 {
		span.Metadata(fmt.Sprint("m", i), strings.Repeat("x", 4000))
	}
	span.Metadata("func", func() {})
	span.Annotate("", struct{ A int }{1})
	span.End(errors.New(strings.Repeat("very long\xff ", 100_000)))
	end(errors.New(strings.Repeat("very long\xff ", 100_000)))
	run.End(clock.now().Add(-time.Hour), Failure{Error: strings.Repeat("E", 1000), Cause: strings.Repeat("c", 300_000)})
	if err := sink.Err(); err != nil {
		t.Fatal(err)
	}
	docs := out.documents(t, "2026/11/23/08/by_hand_.ndjson")
	if len(docs) != 4 {
		t.Fatalf("%d documents", len(docs))
	}
	for _, d := range docs[1:] {
		if !d.Fault || d.Cause == nil {
			t.Errorf("%s lost its cause", d.Name)
		}
	}
	if len(out.files) != 1 {
		t.Errorf("files: %s", out)
	}
}

func TestAppendMendsATornLine(t *testing.T) {
	dir := t.TempDir()
	d := NewDir(dir)
	const name = "2026/11/23/07/x.ndjson"
	for _, lines := range []string{"one\n", "two\n"} {
		if err := d.Append(name, []byte(lines)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte("one\ntwo\nthr"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Append(name, []byte("four\n")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "one\ntwo\nthr\nfour\n" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"../x", "/etc/x", "a/../../x", ""} {
		if err := d.Append(bad, []byte("x\n")); err == nil {
			t.Errorf("appended to %q", bad)
		}
	}
	if err := os.Truncate(file, MaxFile-2); err != nil {
		t.Fatal(err)
	}
	if err := d.Append(name, []byte("five\n")); err == nil {
		t.Error("a full file grew")
	}
}

func TestSinkGoesOnWhenNothingCanBeWritten(t *testing.T) {
	sink, out, clock := newTestSink(t)
	out.err = errors.New("disk full")
	run := sink.Start(Start{Name: "2026-11-23T07-1", Machine: "hour", TraceID: TraceIDFor(1, "x", clock.now()), At: clock.now()})
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "seal", RequestID: "r", Header: run.Header()})
	if err := Do(ctx, "seal", func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	end(nil)
	run.End(clock.now(), Failure{})
	if err := sink.Err(); err == nil || !strings.Contains(err.Error(), "3 appends dropped: disk full") {
		t.Errorf("error %v", err)
	}
}
