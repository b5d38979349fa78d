package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/stream"
)

func TestLinesAreCutAndCounted(t *testing.T) {
	long := strings.Repeat("x", stream.MaxRecordBytes+3)
	edge := strings.Repeat("y", stream.MaxRecordBytes)
	text := "a\r\n\n" + long + "\n" + edge + "\nlast"
	l := &lineReader{r: bufio.NewReaderSize(strings.NewReader(text), 16)}
	var got []string
	for {
		line, err := l.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line == nil:
			got = append(got, "long")
		case len(line) > 9:
			got = append(got, fmt.Sprintf("%d bytes", len(line)))
		default:
			got = append(got, string(line))
		}
	}
	if want := fmt.Sprintf("a||long|%d bytes|last", stream.MaxRecordBytes); strings.Join(got, "|") != want {
		t.Errorf("lines %q", got)
	}
	if l.offset != int64(len(text)) || l.line != 5 {
		t.Errorf("at byte %d of %d, line %d", l.offset, len(text), l.line)
	}
}

// sendFile sends a file to what deliver makes of its batches and returns what was told of it.
func sendFile(t *testing.T, cmd sendCmd, deliver delivery) (string, error) {
	t.Helper()
	var out strings.Builder
	cmd.Target = "aws:seen"
	err := cmd.send(t.Context(), &console{Out: &out, Err: io.Discard, Now: time.Now}, deliver)
	return out.String(), err
}

func TestAnInterruptedSendGoesOnWhereItStood(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	name := filepath.Join(t.TempDir(), "in.ndjson")
	var lines []string
	for i := range 2600 {
		lines = append(lines, fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, strings.Repeat("p", random.IntN(50))))
	}
	must(os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o666))
	got := map[string]int{}
	total := 0
	for tries := 0; ; tries++ {
		if tries > 200 {
			t.Fatal("it never comes to its end")
		}
		left := random.IntN(3) // batches until the connection breaks, some of whose answers are lost
		_, err := sendFile(t, sendCmd{Input: name}, func(_ context.Context, events [][]byte) ([]refusal, error) {
			if left--; left < 0 && random.IntN(2) == 0 {
				return nil, errors.New("connection reset")
			}
			for _, e := range events {
				got[string(e)]++
				total++
			}
			if left < 0 {
				return nil, errors.New("connection reset")
			}
			return nil, nil
		})
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "the same command goes on from there") {
			t.Fatal(err)
		}
	}
	for _, l := range lines {
		if got[l] == 0 {
			t.Fatalf("%s was never sent", l)
		}
	}
	if len(got) != len(lines) {
		t.Errorf("%d different events were sent, want %d", len(got), len(lines))
	}
	if out, err := sendFile(t, sendCmd{Input: name}, nil); err != nil || !strings.Contains(out, "(2600 events): nothing to send") {
		t.Errorf("%q, %v", out, err)
	}
	t.Logf("%d events were delivered for %d", total, len(lines))
}

func TestAFileThatGrewGoesOnAtALineOnly(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in.ndjson")
	var got []string
	take := func(_ context.Context, events [][]byte) ([]refusal, error) {
		for _, e := range events {
			got = append(got, string(e))
		}
		return nil, nil
	}
	for _, step := range []struct{ text, want, err string }{
		{"a\nb", "a b", ""}, {"a\nb\nc\n", "c", ""}, {"a\nb\nc\n", "", ""}, {"a\nb\nc\nd", "d", ""}, {"a\nb\nc\nde", "", "has grown within the line that was sent last"},
		{"a\n", "", "is not the file that"},
	} {
		got = nil
		must(os.WriteFile(name, []byte(step.text), 0o666))
		_, err := sendFile(t, sendCmd{Input: name}, take)
		if (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%q: %v, want %q", step.text, err, step.err)
		}
		if s := strings.Join(got, " "); s != step.want {
			t.Errorf("%q: sent %q, want %q", step.text, s, step.want)
		}
	}
}

func TestNothingIsSentWhereProgressCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "in.ndjson")
	must(os.WriteFile(name, []byte("a\n"), 0o666))
	for _, progress := range []string{filepath.Join(dir, "no", "such", "file"), dir} {
		_, err := sendFile(t, sendCmd{Input: name, Progress: progress}, func(context.Context, [][]byte) ([]refusal, error) {
			t.Error("something is sent")
			return nil, nil
		})
		if err == nil {
			t.Errorf("progress in %s", progress)
		}
	}
	damaged := filepath.Join(dir, "damaged")
	must(os.WriteFile(damaged, []byte("{"), 0o666))
	if _, err := sendFile(t, sendCmd{Input: name, Progress: damaged}, nil); err == nil || !strings.Contains(err.Error(), "is no progress of a send") {
		t.Error(err)
	}
}

func TestARateIsKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in.ndjson")
	must(os.WriteFile(name, []byte(strings.Repeat("{}\n", 60)), 0o666))
	begun := time.Now()
	if _, err := sendFile(t, sendCmd{Input: name, Rate: 100}, func(_ context.Context, events [][]byte) ([]refusal, error) {
		if len(events) > 25 {
			t.Errorf("%d events at once", len(events))
		}
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 450*time.Millisecond { // the last of three batches waits for 50 events
		t.Errorf("60 events at 100 a second took %s", took)
	}
}

// answers is an HTTP edge that gives the answers in turn, the last again and again.
func answers(t *testing.T, format string, list ...string) (delivery, *[]string) {
	t.Helper()
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Header.Get("Content-Type")+" "+strings.ReplaceAll(string(b), "\n", "|"))
		answer := list[min(len(bodies), len(list))-1]
		status := 0
		_, err := fmt.Sscanf(answer, "%d", &status)
		must(err)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer[3:])
	}))
	t.Cleanup(server.Close)
	e := &edge{url: server.URL, key: "k", contentType: "application/x-ndjson", json: format == "json", client: server.Client(),
		wait: func(context.Context, time.Duration) error { return nil }}
	return e.deliver, &bodies
}

func TestTheEdgeIsAskedAgainUntilAllIsTakenOrRefused(t *testing.T) {
	events := [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`), []byte(`{"c":3}`)}
	for _, test := range []struct {
		name    string
		answers []string
		refused string // places
		err     string
		posts   int
	}{
		{"taken at once", []string{`202{"accepted":3}`}, "", "", 1},
		{"busy, then taken", []string{`429{}`, `503{}`, `202{}`}, "", "", 3},
		{"one failed, then taken", []string{`207{"failed":[{"index":1,"reason":"InternalFailure"}]}`, `202{}`}, "", "", 2},
		{"one is too large for a record", []string{`207{"failed":[{"index":2,"reason":"RecordTooLarge"}]}`}, "2", "", 1},
		{"a line breaks the schema", []string{`400{"line":2,"message":"breaks the schema"}`, `202{}`}, "1", "", 2},
		{"every line breaks the schema", []string{`400{"line":1,"message":"no"}`}, "0 1 2", "", 3},
		{"a place that is none", []string{`207{"failed":[{"index":7,"reason":"x"},{"index":-1,"reason":"x"}]}`}, "", "", 1},
		{"too large at once", []string{`413{}`, `202{}`}, "", "", 3},
		{"too large one by one", []string{`413{}`}, "0 1 2", "", 5},
		{"busy for ever", []string{`503{"message":"later"}`}, "", "answers 503: later", 8},
		{"failing for ever", []string{`207{"failed":[{"index":0,"reason":"x"},{"index":1,"reason":"x"},{"index":2,"reason":"x"}]}`}, "", "takes 3 of a batch's events not", 8},
		{"without the key", []string{`403{"message":"Forbidden"}`}, "", "refuses the API key", 1},
		{"a body that is refused whole", []string{`400{"message":"not valid UTF-8"}`}, "", "answers 400: not valid UTF-8", 1},
		{"an answer that is none", []string{`418 <html>`}, "", "answers 418:  <html>", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			deliver, bodies := answers(t, "json", test.answers...)
			refused, err := deliver(t.Context(), events)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			var places []string
			for _, r := range refused {
				places = append(places, fmt.Sprint(r.index))
			}
			if s := strings.Join(places, " "); s != test.refused || len(*bodies) != test.posts {
				t.Errorf("refused %q after %d posts, want %q after %d: %q", s, len(*bodies), test.refused, test.posts, *bodies)
			}
		})
	}
}

func TestWhatIsNoObjectIsNotSentToTheEdge(t *testing.T) {
	deliver, bodies := answers(t, "json", "202{}")
	refused, err := deliver(t.Context(), [][]byte{[]byte("[1]"), []byte(` {"a":1}`), []byte("x")})
	if err != nil || len(refused) != 2 || refused[0].index != 0 || refused[1].index != 2 {
		t.Errorf("%v, %v", refused, err)
	}
	if len(*bodies) != 1 || (*bodies)[0] != `application/x-ndjson  {"a":1}|` {
		t.Errorf("posted %q", *bodies)
	}
}

func TestAnEdgeThatIsNotThereIsTriedAgain(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	waits := 0
	e := &edge{url: server.URL, client: server.Client(), wait: func(context.Context, time.Duration) error { waits++; return nil }}
	if _, err := e.deliver(t.Context(), [][]byte{[]byte("a")}); err == nil || waits != edgeAttempts-1 {
		t.Errorf("%v after %d waits", err, waits)
	}
}

func FuzzPasses(f *testing.F) {
	f.Add([]byte(`{"a":{"b":"c"}}`), "a.b=c")
	f.Add([]byte(`[]`), "=")
	f.Fuzz(func(t *testing.T, event []byte, condition string) {
		filters, err := parseFilters([]string{condition})
		if err == nil {
			passes(event, filters)
		}
	})
}

func TestAFilterReachesInside(t *testing.T) {
	event := []byte(`{"type":"view","n":7,"ok":true,"of":{"name":"x=y"},"null":null}`)
	for condition, want := range map[string]bool{"type=view": true, "type=play": false, "n=7": true, "ok=true": true, "of.name=x=y": true, "of=x": false,
		"of.name.x=1": false, "absent=": false, "null=": true} {
		filters, err := parseFilters([]string{condition})
		if err != nil || passes(event, filters) != want {
			t.Errorf("%s: %v, %v", condition, !want, err)
		}
	}
}
