package hadoop_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"penstock/internal/bzip2"
	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/fault"
	"penstock/internal/generate"
	"penstock/internal/hadoop"
	"penstock/internal/rollup"
	"penstock/internal/store"
	"penstock/internal/supervise"
)

// TestMain makes the test's own program the rollup that processes run, and the
// supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "rollup" {
		os.Exit(rollup.Main(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == supervise.Argument {
		os.Exit(supervise.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func processes() hadoop.Processes { return hadoop.Processes{"rollup": {os.Args[0], "rollup"}} }

var epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func memory() *store.Memory { return store.NewMemory(func() time.Time { return epoch }) }

func put(t testing.TB, s hadoop.Store, key string, data []byte) {
	t.Helper()
	if strings.HasSuffix(key, ".bz2") {
		var b bytes.Buffer
		w, err := bzip2.NewWriter(&b, bzip2.WriterConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		data = b.Bytes()
	}
	if _, err := s.CreateFrom(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, s hadoop.Store, key string) string {
	t.Helper()
	r, err := s.GetRange(t.Context(), key, "", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func keys(t testing.TB, s hadoop.Store, prefix string) (all []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimPrefix(o.Key, prefix))
	}
	return all
}

// run runs a step of the given arguments, each without spaces but for those
// behind the last flag of a command.
func run(t *testing.T, c hadoop.Config, args ...string) emr.StepResult {
	t.Helper()
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	c.TempDir = t.TempDir()
	defer func() {
		if left, err := os.ReadDir(c.TempDir); err != nil || len(left) > 0 {
			t.Errorf("left in the temporary folder: %v, error %v", left, err)
		}
	}()
	w, err := hadoop.New(c).Open(t.Context(), emr.StepRun{
		ClusterID: "j-1", StepID: "s-1", Name: "step", Jar: "command-runner.jar", Args: args, LogURI: "s3://hours/logs/",
	})
	if err != nil {
		return emr.StepResult{Failure: err.Error()}
	}
	defer w.Close()
	w.Compute(t.Context())
	return w.Commit(t.Context())
}

func logOf(t *testing.T, s hadoop.Store, r emr.StepResult) string {
	t.Helper()
	if r.LogFile != "s3://hours/logs/j-1/steps/s-1/stderr.gz" {
		t.Fatalf("log file %q", r.LogFile)
	}
	z, err := gzip.NewReader(strings.NewReader(contents(t, s, "logs/j-1/steps/s-1/stderr.gz")))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const mapVideo = "rollup map --group publisher,provider --count events --count views:type=view --sum watched"

// parts puts events into two parts and returns all of them.
func parts(t *testing.T, s hadoop.Store, n int) string {
	t.Helper()
	g, err := generate.New(generate.Config{Seed: 5, Start: epoch, Duration: time.Hour, Events: n, MangledEvery: 40})
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for part := range 2 {
		var b bytes.Buffer
		for range n / 2 {
			e, _ := g.Next()
			b.Write(append(e.Data, '\n'))
		}
		put(t, s, fmt.Sprintf("2026/11/e.2026112308.r1.%03d.bz2", part), b.Bytes())
		all += b.String()
	}
	put(t, s, "2026/11/_e.2026112308.r1.000.bz2", []byte("not input"))
	put(t, s, "2026/11/e.2026112308.r2.000.bz2", []byte("another revision"))
	return all
}

func TestRollupAsProcessAndInProcessAreOneResult(t *testing.T) {
	s := memory()
	input := parts(t, s, 600)
	command, err := rollup.ParseCommand(strings.Fields(mapVideo)[1:])
	if err != nil {
		t.Fatal(err)
	}
	var mapped, want bytes.Buffer
	counters := rollup.Counters{}
	if err := rollup.Map(strings.NewReader(input), &mapped, command.Spec, counters); err != nil {
		t.Fatal(err)
	}
	if err := rollup.Reduce(bytes.NewReader(rollup.Sort(mapped.Bytes())), &want); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]hadoop.Config{
		"in process":       {Exec: hadoop.InProcess{}, Preload: true},
		"processes":        {Exec: processes()},
		"very little room": {Exec: hadoop.InProcess{}, Memory: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.Buckets = hadoop.Buckets{"hours": s}
			output := strings.ReplaceAll("results/"+name, " ", "-")
			r := run(t, c, "hadoop-streaming", "-files", "s3://hours/code/rollup", "-D", "mapreduce.job.reduces=1",
				"-mapper", mapVideo, "-combiner", "rollup combine", "-reducer", "rollup reduce",
				"-input", "s3://hours/2026/11/e.2026112308.r1.*.bz2", "-output", "s3://hours/"+output)
			if r.Failure != "" {
				t.Fatal(r.Failure)
			}
			if got := contents(t, s, output+"/part-00000"); got != want.String() {
				t.Errorf("the result is\n%.500s, want\n%.500s", got, want.String())
			}
			if got := fmt.Sprint(keys(t, s, output+"/")); got != "[_SUCCESS part-00000]" {
				t.Errorf("files %s", got)
			}
			if n := r.Counters[rollup.CounterGroup][rollup.Malformed]; n != counters[rollup.Malformed] || n == 0 {
				t.Errorf("counters %v, want %v", r.Counters, counters)
			}
			if err := s.Delete(t.Context(), "logs/j-1/steps/s-1/stderr.gz"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSeveralReducersShareTheKeysAsHadoopDoes(t *testing.T) {
	s := memory()
	put(t, s, "in/a.txt", []byte("a\t1\nb\t1\nc\nab\n"))
	put(t, s, "in/b.txt", []byte("a\t0\n\xff\t9\nno end"))
	r := run(t, hadoop.Config{Buckets: hadoop.Buckets{"hours": s}, Exec: processes()}, "hadoop-streaming",
		"-mapper", "cat", "-reducer", "cat", "-numReduceTasks", "3", "-input", "s3://hours/in", "-output", "s3://hours/out")
	if r.Failure != "" {
		t.Fatal(r.Failure)
	}
	// Java: "a" 128, "b" 129, "c" 130, "ab" 4066, "\xff" 30, "no end" -154692291.
	want := map[string]string{
		"part-00000": "b\t1\n\xff\t9\n",
		"part-00001": "ab\t\nc\t\n",
		"part-00002": "a\t0\na\t1\nno end\t\n",
	}
	for name, content := range want {
		if got := contents(t, s, "out/"+name); got != content {
			t.Errorf("%s is %q, want %q", name, got, content)
		}
	}
}

func TestMapOnlyJobsHaveAFileForEachPart(t *testing.T) {
	s := memory()
	put(t, s, "in/a.bz2", []byte("x\ty\nz\n"))
	put(t, s, "in/b.bz2", nil)
	r := run(t, hadoop.Config{Buckets: hadoop.Buckets{"hours": s}, Exec: processes()}, "hadoop-streaming",
		"-mapper", "cat", "-reducer", "NONE", "-input", "s3a://hours/in/*.bz2", "-output", "s3a://hours/out")
	if r.Failure != "" || contents(t, s, "out/part-00000") != "x\ty\nz\t\n" || contents(t, s, "out/part-00001") != "" {
		t.Errorf("failure %q, files %v", r.Failure, keys(t, s, "out/"))
	}
}

func TestFilesOfTheJobRunAndTasksAreTriedAgain(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("one\ntwo\n"))
	// Fails until its third run; counts what it read each time.
	put(t, s, "code/flaky.sh", []byte("#!/bin/sh\nn=$(wc -l)\necho x >>runs\necho reporter:counter:g,lines,$n >&2\necho \"run of $mapreduce_job_name\" >&2\n[ $(wc -l <runs) = 3 ] || exit 7\necho lines $n\n"))
	args := func(attempts, out string) []string {
		return []string{"hadoop-streaming", "-files", "s3://hours/code/flaky.sh#flaky", "-D", "mapreduce.job.name=n1", "-D", "mapreduce.map.maxattempts=" + attempts,
			"-mapper", "flaky", "-reducer", "cat", "-input", "s3://hours/in/a", "-output", "s3://hours/" + out}
	}
	c := hadoop.Config{Buckets: hadoop.Buckets{"hours": s}, Exec: processes()}
	r := run(t, c, args("3", "out")...)
	if r.Failure != "" || contents(t, s, "out/part-00000") != "lines 2\t\n" || r.Counters["g"]["lines"] != 2 {
		t.Errorf("failure %q, counters %v, files %v", r.Failure, r.Counters, keys(t, s, "out/"))
	}
	if log := logOf(t, s, r); strings.Count(log, "run of n1") != 3 || !strings.Contains(log, "code 7") || strings.Contains(log, "reporter") {
		t.Errorf("log:\n%s", log)
	}
	if err := s.Delete(t.Context(), "logs/j-1/steps/s-1/stderr.gz"); err != nil {
		t.Fatal(err)
	}
	r = run(t, c, args("2", "out2")...)
	if r.Failure != "map task 0 failed 2 times: subprocess failed with code 7" || len(keys(t, s, "out2/")) > 0 {
		t.Errorf("failure %q, files %v", r.Failure, keys(t, s, "out2/"))
	}
	if !strings.Contains(logOf(t, s, r), r.Failure) {
		t.Errorf("the log does not name the failure:\n%s", logOf(t, s, r))
	}
}

func TestStepsThatCannotRun(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("1\n"))
	put(t, s, "in/broken.bz2", []byte("1\n"))
	put(t, s, "done/_SUCCESS", nil)
	cut := contents(t, s, "in/broken.bz2")
	if _, err := s.Create(t.Context(), "cut/a.bz2", []byte(cut[:len(cut)-5])); err != nil {
		t.Fatal(err)
	}
	count := []string{"-mapper", "rollup map --count n", "-reducer", "rollup reduce"}
	for text, args := range map[string][]string{
		"already exists":       append([]string{"-input", "s3://hours/in/a", "-output", "s3://hours/done"}, count...),
		"matches 0 files":      append([]string{"-input", "s3://hours/in/b*", "-output", "s3://hours/out", "-D", "a=b"}, "-mapper", "cat", "-input", "s3://hours/none/*"),
		"no such bucket":       append([]string{"-input", "s3://other/in/a", "-output", "s3://hours/out"}, count...),
		"want s3://":           append([]string{"-input", "/etc/passwd", "-output", "s3://hours/out"}, count...),
		"no -mapper":           {"-input", "s3://hours/in/a", "-output", "s3://hours/out"},
		"-cacheFile":           append([]string{"-cacheFile", "x"}, count...),
		"no value":             append(count, "-input"),
		"name=value":           append([]string{"-D", "x"}, count...),
		"reducers":             append([]string{"-numReduceTasks", "many", "-input", "s3://hours/in/a", "-output", "s3://hours/out"}, count...),
		"maxattempts":          append([]string{"-D", "mapreduce.map.maxattempts=0", "-input", "s3://hours/in/a", "-output", "s3://hours/out"}, count...),
		"code 2":               {"-mapper", "rollup shuffle", "-reducer", "rollup reduce", "-input", "s3://hours/in/a", "-output", "s3://hours/out"},
		"code 1":               {"-mapper", "cat", "-reducer", "rollup reduce", "-input", "s3://hours/in/a", "-output", "s3://hours/out"},
		"no-such-program":      {"-mapper", "no-such-program", "-reducer", "cat", "-input", "s3://hours/in/a", "-output", "s3://hours/out"},
		"fetch s3://hours/x":   {"-files", "s3://hours/x", "-mapper", "cat", "-input", "s3://hours/in/a", "-output", "s3://hours/out"},
		"not a bzip2":          {"-mapper", "cat", "-input", "s3://hours/cut/a.bz2", "-output", "s3://hours/out"},
		"is no file name":      {"-files", "s3://hours/in/a#../a", "-mapper", "cat", "-input", "s3://hours/in/a", "-output", "s3://hours/out"},
		"map task 0 failed 4 ": {"-mapper", "false", "-input", "s3://hours/in/a", "-output", "s3://hours/out"},
	} {
		r := run(t, hadoop.Config{Buckets: hadoop.Buckets{"hours": s}, Exec: processes()}, append([]string{"hadoop-streaming"}, args...)...)
		if text == "not a bzip2" {
			text = "bzip2"
		}
		if !strings.Contains(r.Failure, text) {
			t.Errorf("%s: failure %q", text, r.Failure)
		}
		if got := keys(t, s, "out"); len(got) > 0 {
			t.Fatalf("%s: output %v", text, got)
		}
		if err := s.Delete(t.Context(), "logs/j-1/steps/s-1/stderr.gz"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCommandsRunAsTheyStand(t *testing.T) {
	s := memory()
	c := hadoop.Config{Buckets: hadoop.Buckets{"hours": s}, Exec: processes()}
	r := run(t, c, "sh", "-c", "echo hello; echo there >&2")
	if log := logOf(t, s, r); r.Failure != "" || log != "hello\nthere\n" {
		t.Errorf("failure %q, log %q", r.Failure, log)
	}
	if r := run(t, c, "sh", "-c", "exit 9"); r.Failure != "run sh: subprocess failed with code 9" {
		t.Errorf("failure %q", r.Failure)
	}
	c.Exec = hadoop.InProcess{}
	if r := run(t, c, "sh", "-c", "exit 0"); !strings.Contains(r.Failure, "only rollup") {
		t.Errorf("in process: failure %q", r.Failure)
	}
}

func TestCancellingKillsTheProcess(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("1\n"))
	w, err := hadoop.New(hadoop.Config{Clock: clock.Real{}, Buckets: hadoop.Buckets{"hours": s}, Exec: processes(), TempDir: t.TempDir()}).Open(t.Context(),
		emr.StepRun{Jar: "command-runner.jar", Args: []string{"hadoop-streaming", "-mapper", "sleep 100", "-input", "s3://hours/in/a", "-output", "s3://hours/out"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	w.Compute(ctx)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it went on for %v", took)
	}
	if r := w.Commit(t.Context()); r.Failure != context.DeadlineExceeded.Error() {
		t.Errorf("failure %q", r.Failure)
	}
}

// flaky is a store each of whose calls fails once, writes after they were
// carried out.
type flaky struct {
	hadoop.Store
	failed map[string]bool
}

func (f *flaky) once(call string) error {
	if f.failed[call] {
		return nil
	}
	f.failed[call] = true
	return &fault.Unavailable{Service: "store", Action: call, Err: errors.New("injected")}
}

func (f *flaky) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	if err := f.once("get " + key); err != nil {
		return nil, err
	}
	return f.Store.GetRange(ctx, key, etag, off, n)
}

func (f *flaky) CreateFrom(ctx context.Context, key string, r io.Reader) (store.Object, error) {
	o, err := f.Store.CreateFrom(ctx, key, r)
	return o, errors.Join(err, f.once("create "+key))
}

func TestAStoreThatFailsNowAndThen(t *testing.T) {
	for _, preload := range []bool{true, false} {
		s := memory()
		put(t, s, "in/a", []byte("1\n2\n"))
		v := clock.NewVirtual(epoch)
		err := v.Run(func() {
			c := hadoop.Config{Clock: v, Buckets: hadoop.Buckets{"hours": &flaky{s, map[string]bool{}}}, Exec: hadoop.InProcess{}, Preload: preload}
			r := run(t, c, "hadoop-streaming", "-mapper", "rollup map --count n", "-reducer", "rollup reduce", "-input", "s3://hours/in/*", "-output", "s3://hours/out")
			if r.Failure != "" || contents(t, s, "out/part-00000") != "{}\t{\"n\":2}\n" || fmt.Sprint(keys(t, s, "out/")) != "[_SUCCESS part-00000]" || r.LogFile == "" {
				t.Errorf("failure %q, files %v", r.Failure, keys(t, s, ""))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
