package trace

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

// update rewrites golden files instead of comparing: go test ./internal/trace -update.
var update = flag.Bool("update", false, "rewrite golden files")

// keep keeps the page of a test, to look at it in a browser.
var keep = flag.String("page", "", "write the page of TestHTMLStandsAlone to this file")

// wholeHour records an hour as it goes when little goes right: a seal that waits, a compaction that is tried twice, a
// cluster that fails to boot, a loop that watches, a step that fails.
func wholeHour(t *testing.T, sink *Sink, clock *manual, fail bool) string {
	t.Helper()
	const name = "2026-11-23T07-1"
	id := TraceIDFor(42, name, clock.now())
	run := sink.Start(Start{Name: name, Machine: "hour", TraceID: id, At: clock.now(), Annotations: map[string]any{Events: 10213, Revision: "5be1c0a4d2f7"}})
	lambda := func(parent *Node, function string, took time.Duration, err error) {
		attempt := parent.Begin(KindAttempt, "lambda:"+function, clock.now())
		ctx, end := sink.Invoke(t.Context(), Invocation{Function: function, RequestID: attempt.ID(), Header: attempt.Header()})
		_, span := Begin(ctx, function)
		if function == "compact" && err == nil {
			span.Annotate(Events, 10213)
		}
		clock.advance(took)
		span.End(err)
		end(err)
		f := Failure{}
		if err != nil {
			f = Failure{Error: errorName(err), Cause: fmt.Sprintf(`{"errorMessage":%q,"errorType":%q}`, err.Error(), errorName(err))}
		}
		attempt.End(clock.now(), f)
	}
	state := func(kind, name string, body func(*Node)) {
		s := run.Begin(KindState, name, clock.now())
		s.Metadata("type", kind)
		body(s)
		s.End(clock.now(), Failure{})
	}
	wait := func(name string, d time.Duration) {
		state("Wait", name, func(*Node) { clock.advance(d) })
	}
	call := func(name string) func(*Node) {
		return func(s *Node) {
			a := s.Begin(KindAttempt, "emr:"+name, clock.now())
			clock.advance(time.Second)
			a.End(clock.now(), Failure{})
		}
	}
	state("Task", "Claim", func(s *Node) { lambda(s, "claim", time.Second, nil) })
	state("Task", "Seal", func(s *Node) { lambda(s, "seal", 2*time.Second, nil) })
	wait("WaitForArchive", time.Minute)
	state("Task", "Seal", func(s *Node) { lambda(s, "seal", 2*time.Second, nil) })
	state("Map", "Compact", func(s *Node) {
		b := s.Begin(KindBranch, "part 1", clock.now())
		lambda(b, "compact", 20*time.Second, &Unavailable{"read 2026/11/player_events.2026112307.shardId-000000000000: s3"})
		from := clock.now()
		b.Wait("before attempt 2", from, clock.advance(15*time.Second))
		lambda(b, "compact", 45*time.Second, nil)
		b.End(clock.now(), Failure{})
	})
	state("Task", "Prepare", func(s *Node) { lambda(s, "prepare", time.Second, nil) })
	state("Task", "StartCluster", call("runJobFlow"))
	cluster := run.Begin(KindCluster, "cluster 2026-11-23T07-1-1", clock.now())
	boot := cluster.Begin(KindCluster, "BOOTSTRAPPING", clock.now())
	for i := range 25 {
		state("Task", "Watch", call("describeCluster"))
		if i == 6 {
			boot.End(clock.now(), Failure{})
		}
		wait("WaitForCluster", time.Minute)
	}
	step := cluster.Begin(KindStep, "rollup", clock.now().Add(-18*time.Minute))
	f := Failure{}
	if fail {
		f = Failure{Error: "StepFailed", Cause: "step rollup of cluster j-1: exit 1: unknown field \"viewz\"; fix the playbook, then: penstock rerun 2026-11-23T07 --from StartCluster"}
	}
	step.End(clock.now(), f)
	cluster.End(clock.now(), Failure{})
	state("Choice", "Judge", func(*Node) {})
	if fail {
		s := run.Begin(KindState, "StepFailed", clock.now())
		s.End(clock.now(), f)
	} else {
		state("Task", "Publish", func(s *Node) { lambda(s, "publish", 3*time.Second, nil) })
	}
	run.End(clock.now(), f)
	if err := sink.Err(); err != nil {
		t.Fatal(err)
	}
	return id
}

func loadHour(t *testing.T, fail bool) *Trace {
	t.Helper()
	clock := newManual()
	dir := NewDir(t.TempDir())
	sink, err := NewSink(dir, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	id := wholeHour(t, sink, clock, fail)
	tr, err := dir.LoadExecution("2026-11-23T07-1")
	if err != nil {
		t.Fatal(err)
	}
	if tr.ID != id || tr.Damaged != 0 || tr.Truncated || tr.Running {
		t.Fatalf("trace %+v", tr)
	}
	return tr
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; it is now:\n%s", file, got)
	}
}

func TestWaterfall(t *testing.T) {
	for name, fail := range map[string]bool{"failed": true, "published": false} {
		tr := loadHour(t, fail)
		var b bytes.Buffer
		if err := Waterfall(&b, tr, 80, false); err != nil {
			t.Fatal(err)
		}
		golden(t, "waterfall-"+name+".txt", b.Bytes())
	}
}

func TestWaterfallKeepsToItsWidth(t *testing.T) {
	tr := loadHour(t, true)
	tr.Roots[0].Children[0].Name = "very wide 漢字 \x1b[31mred\x1b[0m \u202eback " + strings.Repeat("x", 300)
	for _, width := range []int{0, 1, 40, 79, 80, 132, 200} {
		var b bytes.Buffer
		if err := Waterfall(&b, tr, width, false); err != nil {
			t.Fatal(err)
		}
		limit := max(width, minWidth)
		if width == 0 {
			limit = 80
		}
		for line := range strings.Lines(b.String()) {
			if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > limit {
				t.Errorf("width %d: %d cells in %q", width, n, line)
			}
		}
		if strings.ContainsAny(b.String(), "\x1b\u202e") {
			t.Error("a name reaches the terminal as a control sequence")
		}
	}
}

func TestWaterfallColourAddsNothingButColour(t *testing.T) {
	tr := loadHour(t, true)
	var plain, coloured bytes.Buffer
	if err := errors.Join(Waterfall(&plain, tr, 100, false), Waterfall(&coloured, tr, 100, true)); err != nil {
		t.Fatal(err)
	}
	text := coloured.String()
	for _, ink := range []string{plainInk, dimInk, boldInk, redInk, greenInk, blueInk, pinkInk} {
		if !strings.Contains(text, ink) && ink != greenInk {
			t.Errorf("colour %q is not used", ink)
		}
		text = strings.ReplaceAll(text, ink, "")
	}
	trim := func(s string) string {
		var b strings.Builder
		for line := range strings.Lines(s) {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
		return b.String()
	}
	if trim(text) != plain.String() {
		t.Errorf("without colours it reads\n%s", text)
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 400 * time.Microsecond: "0 s", 250 * time.Millisecond: "250 ms", time.Second: "1 s",
		12*time.Second + 590*time.Millisecond: "12.5 s", 59*time.Second + 990*time.Millisecond: "59.9 s",
		4*time.Minute + 5*time.Second: "4m05s", 64 * time.Minute: "1h04m", 291 * time.Hour: "12d03h",
	} {
		if got := briefly(d); got != want || len(got) > tookCells {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := offset(-time.Second) + " " + offset(65*time.Second) + " " + offset(3725*time.Second); got != "0:00 1:05 1:02:05" {
		t.Error(got)
	}
}

func TestHTMLStandsAlone(t *testing.T) {
	tr := loadHour(t, true)
	if *keep != "" {
		var b bytes.Buffer
		if err := HTML(&b, tr); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(*keep, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	evil := `<script>alert(1)</script>"' onload=x`
	c := tr.Roots[0].Children[0]
	c.Name, c.Annotations, c.Details = evil, map[string]any{evil: evil}, map[string]string{"url": "javascript:alert(1)" + evil}
	c.Errors = []Failure{{Error: evil, Cause: evil}}
	var b bytes.Buffer
	if err := HTML(&b, tr); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", `onload=x"`, "http://", "https://", "src=", "href=", "url(", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"2026-11-23T07-1", "failed after 27m52s", "StepFailed", "fix the playbook", "23 more rounds", "attempt 2", "&lt;script&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, "<details>"); n < 65 {
		t.Errorf("%d lines to open; the rounds left out should be there too", n)
	}
}

func TestAFailedClusterKeepsItsLookAboveTheStepThatFailed(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	step := &Segment{ID: "2", Name: "step rollup", Kind: KindStep, Start: at, End: at.Add(time.Minute), Failed: true, Errors: []Failure{{Error: "FAILED"}}}
	cluster := &Segment{ID: "1", Name: "cluster c", Kind: KindCluster, Start: at, End: at.Add(time.Hour), Failed: true, Children: []*Segment{step}}
	rows := (&Trace{Start: at, End: at.Add(time.Hour), Roots: []*Segment{cluster}}).rows()
	if rows[0].look != lookCluster || !rows[0].failed || rows[0].children[0].look != lookFailed {
		t.Errorf("the cluster looks like %v, its step like %v", rows[0].look, rows[0].children[0].look)
	}
}
