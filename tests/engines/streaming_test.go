package engines

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"penstock/internal/hadoop"
	"penstock/internal/rollup"
	"penstock/internal/store"
)

// TestHadoopStreamingMakesTheResultOfTheLocalEMR runs the same step on Hadoop
// and as a process, over joined parts in splits that are forced small.
func TestHadoopStreamingMakesTheResultOfTheLocalEMR(t *testing.T) {
	t.Parallel()
	e := engine(t)
	day := events(t, 11, 6000, 60)
	pieces := objects(day, 30)
	web := func(t *testing.T) [][]byte { return objects(webAccess(t), 24) }
	video := func(*testing.T) [][]byte { return pieces }
	for _, c := range []struct {
		name, mapper string
		lines        func(*testing.T) [][]byte
		again        func(int) bool
		block        int
		reducers     int
		splits       int64 // at least
	}{
		{"a generated day in 64 KiB splits", mapVideo, video, never, 64 << 10, 3, 6},
		{"a generated day in 256 KiB splits", mapVideo, video, odd, 256 << 10, 1, 2},
		{"web access in 64 KiB splits", mapWeb, web, never, 64 << 10, 1, 3},
		{"web access in 1 MiB splits", mapWeb, web, odd, 1 << 20, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines := c.lines(t)
			s := memory()
			half := len(lines) / 2
			if c.block == 256<<10 {
				half = 0 // a part of two splits, and one without events
			}
			put(t, s, "2026/11/e.r1.0.bz2", join(t, lines[:half], c.again))
			put(t, s, "2026/11/e.r1.1.bz2", join(t, lines[half:], c.again))
			put(t, s, "2026/11/_e.r1.rejects", []byte("not input"))
			properties := []string{fmt.Sprintf("fs.local.block.size=%d", c.block), fmt.Sprintf("mapreduce.job.reduces=%d", c.reducers)}
			real := runStep(t, hadoop.NewEngine(config(t, s), e), streaming(c.mapper, "s3://hours/2026/11/*.bz2", "s3://hours/real", properties...)...)
			own := runStep(t, hadoop.New(config(t, s)), streaming(c.mapper, "s3://hours/2026/11/*.bz2", "s3://hours/own", properties...)...)
			if real.Failure != "" || own.Failure != "" {
				t.Fatalf("Hadoop: %q, process: %q\n%s", real.Failure, own.Failure, log(t, s))
			}
			var got, want string
			for i := range c.reducers {
				a, b := get(t, s, fmt.Sprintf("real/part-%05d", i)), get(t, s, fmt.Sprintf("own/part-%05d", i))
				if sorted(a) != sorted(b) {
					t.Errorf("reducer %d: Hadoop wrote\n%swant\n%s", i, a, b)
				}
				got, want = got+a, want+b
			}
			if get(t, s, "real/_SUCCESS") != "" {
				t.Error("_SUCCESS is not empty")
			}
			valid := 0
			for _, line := range bytes.SplitAfter(bytes.Join(lines, nil), []byte{'\n'}) {
				if json.Valid(line) {
					valid++
				}
			}
			if n := total(t, got); n != valid || n == 0 {
				t.Errorf("%d events counted, want %d", n, valid)
			}
			malformed := own.Counters[rollup.CounterGroup][rollup.Malformed]
			if n := real.Counters[rollup.CounterGroup][rollup.Malformed]; n != malformed || strings.Contains(c.mapper, "publisher") && n == 0 {
				t.Errorf("Hadoop counted %d malformed lines, the process %d", n, malformed)
			}
			frame := real.Counters["Map-Reduce Framework"]
			if n := frame["Map input records"]; n != int64(bytes.Count(bytes.Join(lines, nil), []byte{'\n'})) {
				t.Errorf("Hadoop read %d lines", n)
			}
			// Each map task has its own sorted output, merged by each reducer.
			if n := frame["Shuffled Maps"] / int64(c.reducers); n < c.splits {
				t.Errorf("%d map tasks, want at least %d", n, c.splits)
			}
		})
	}
}

// total adds up the first measure of all lines.
func total(t *testing.T, result string) (n int) {
	t.Helper()
	for line := range strings.Lines(result) {
		_, value, _ := strings.Cut(line, "\t")
		var v struct{ Events, Requests int }
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		n += v.Events + v.Requests
	}
	return n
}

// log returns the log of the step that ran last.
func log(t *testing.T, s *store.Memory) string {
	t.Helper()
	var b bytes.Buffer
	if err := gunzip(&b, get(t, s, "logs/j-1/steps/s-1/stderr.gz")); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gunzip(to *bytes.Buffer, data string) error {
	z, err := gzip.NewReader(strings.NewReader(data))
	if err == nil {
		_, err = to.ReadFrom(z)
	}
	return err
}

func TestAMapperThatFailsEndsAsAFailedStepWithItsWordsInTheLog(t *testing.T) {
	t.Parallel()
	e := engine(t)
	s := memory()
	put(t, s, "2026/11/e.r1.0.bz2", compress(t, []byte("{}\n")))
	put(t, s, "code/fails.sh", []byte("#!/bin/sh\ncat >/dev/null\necho what went wrong >&2\nexit 3\n"))
	result := runStep(t, hadoop.NewEngine(config(t, s), e), "hadoop-streaming", "-files", "s3://hours/code/fails.sh",
		"-mapper", "fails.sh", "-reducer", "NONE", "-input", "s3://hours/2026/11/*.bz2", "-output", "s3://hours/out")
	if !strings.Contains(result.Failure, "failed with code") {
		t.Errorf("failure %q", result.Failure)
	}
	if text := log(t, s); !strings.Contains(text, "what went wrong") {
		t.Errorf("the log has none of the mapper's words:\n%s", text)
	}
	for o, err := range s.List(t.Context(), "out") {
		t.Errorf("%s is left, error %v", o.Key, err)
	}
}
