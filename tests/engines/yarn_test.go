package engines

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/playbooks"
)

// clusterParent is the command of the test's own program that starts a YARN
// cluster, works on it, and waits to be killed.
const clusterParent = "cluster-parent"

// parentInput is what the parent is told.
type parentInput struct{ ClassPath, Rollup, Dir string }

// parentOutput is what it found.
type parentOutput struct {
	Manifest *hour.Manifest
	Results  map[string][]byte // by key
	Step     emr.StepResult
	Log      string
	Failed   emr.StepResult
	FailLog  string
}

// Mappers. A file tells attempts apart.
const (
	failsOnce = `#!/bin/sh
if [ ! -e DIR/failed ]; then
	touch DIR/failed
	head -c 1000 >/dev/null
	echo "the first attempt gives up" >&2
	exit 1
fi
exec ./rollup "$@"
`
	failsAlways = "#!/bin/sh\ncat >/dev/null\necho the mapper gives up >&2\nexit 1\n"
	sleeps      = "#!/bin/sh\ntouch DIR/asleep\nsleep 600\n"
)

func beClusterParent(args []string) int {
	if err := clusterWork(args[0]); err != nil {
		fmt.Fprintf(os.Stderr, "cluster parent: %v\n", err)
		return 1
	}
	return 0
}

// clusterWork runs an hour whose mapper fails once, a step that fails always,
// and a step that sleeps until this process is killed, all over S3A.
func clusterWork(text string) error {
	var in parentInput
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return err
	}
	ctx := context.Background()
	cluster, err := hadoop.StartCluster(ctx, hadoop.ClusterConfig{ClassPath: in.ClassPath, Supervisor: supervisor(), TempDir: in.Dir, MemoryMiB: 2048})
	if err != nil {
		return err
	}
	defer cluster.Close()
	server, s3, hours, err := s3Server(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	e := hadoop.Engine{ClassPath: in.ClassPath, Supervisor: supervisor(), Cluster: cluster, S3: s3, HeapMiB: 256, Limit: 4 * time.Minute,
		Programs: map[string]string{"rollup": in.Rollup}}
	now := clock.NewVirtual(hourBegin)
	for name, script := range map[string]string{"once": failsOnce, "always": failsAlways, "sleeps": sleeps} {
		if _, err := hours.CreateFrom(ctx, "code/"+name, strings.NewReader(strings.ReplaceAll(script, "DIR", in.Dir))); err != nil {
			return err
		}
	}
	book, err := playbook.Parse(playbooks.Video)
	if err != nil {
		return err
	}
	step := &book.Steps[0]
	step.Files = append(step.Files, "{{code}}/once")
	step.Mapper = strings.Replace(step.Mapper, "rollup", "once", 1)
	var out parentOutput
	results := &recorder{}
	out.Manifest, err = runHour(ctx, hours, now, func(c hadoop.Config) emr.Runner {
		c.TempDir = in.Dir
		return results.over(hadoop.NewEngine(c, e))
	}, book, 1000)
	if err != nil {
		return err
	}
	if len(results.all) > 0 {
		out.Step = results.all[0]
		out.Log = logText(ctx, hours, out.Step.LogFile)
	}
	if out.Manifest != nil {
		out.Results = map[string][]byte{}
		for _, f := range append(out.Manifest.Results, hour.File{Key: out.Manifest.Parts[0].Key}) {
			b, _, err := hours.Get(ctx, f.Key, 64<<20)
			if err != nil {
				return err
			}
			out.Results[f.Key] = b
		}
	}
	runner := hadoop.NewEngine(hadoop.Config{Clock: clock.Real{}, Buckets: hadoop.Buckets{"hours": hours}, TempDir: in.Dir}, e)
	run := func(mapper string) (emr.StepResult, error) {
		w, err := runner.Open(ctx, emr.StepRun{ClusterID: "j-2", StepID: mapper, Name: mapper, Jar: "command-runner.jar", LogURI: "s3://hours/logs/",
			Args: []string{"hadoop-streaming", "-files", "s3://hours/code/" + mapper, "-D", "mapreduce.map.maxattempts=2",
				"-mapper", mapper, "-reducer", "NONE", "-input", "s3://hours/2026/11/*.bz2", "-output", "s3://hours/out-" + mapper}})
		if err != nil {
			return emr.StepResult{}, err
		}
		defer w.Close()
		w.Compute(ctx)
		return w.Commit(ctx), nil
	}
	if out.Failed, err = run("always"); err != nil {
		return err
	}
	out.FailLog = logText(ctx, hours, out.Failed.LogFile)
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", data)
	_, err = run("sleeps")
	return errors.Join(errors.New("the sleeping step has ended"), err)
}

// logText returns a step's log, or why it cannot be read.
func logText(ctx context.Context, s store.Store, uri string) string {
	data, _, err := s.Get(ctx, strings.TrimPrefix(uri, "s3://hours/"), 1<<20)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	if err := gunzip(&b, string(data)); err != nil {
		return err.Error()
	}
	return b.String()
}

// TestYARNRetriesAMapperAndLeavesNoProcessWhenItsParentIsKilled is one test
// because a cluster takes long to start.
func TestYARNRetriesAMapperAndLeavesNoProcessWhenItsParentIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	classes, err := hadoop.ClassPath(distribution(t))
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(parentInput{ClassPath: classes, Rollup: rollupProgram(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	parent := exec.CommandContext(ctx, os.Args[0], clusterParent, string(in))
	parent.Stderr = os.Stderr
	pipe, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReaderSize(pipe, 1<<20)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the cluster's parent ended: %v, %v", err, parent.Wait())
	}
	var out parentOutput
	if err := json.Unmarshal(line, &out); err != nil {
		t.Fatal(err)
	}
	checkRetried(t, out)
	if !strings.Contains(out.Failed.Failure, "subprocess failed with code 1") {
		t.Errorf("a mapper that always fails: failure %q", out.Failed.Failure)
	}
	if n := strings.Count(out.FailLog, "the mapper gives up"); n < 2 {
		t.Errorf("its log has the words of %d attempts, want 2 or more:\n%s", n, out.FailLog)
	}

	// Kill it while a mapper sleeps in a container.
	for _, err := os.Stat(filepath.Join(dir, "asleep")); err != nil; _, err = os.Stat(filepath.Join(dir, "asleep")) {
		if ctx.Err() != nil {
			t.Fatal("the sleeping mapper did not start")
		}
		time.Sleep(100 * time.Millisecond)
	}
	before := processes(t, dir)
	if len(before) < 5 {
		t.Errorf("only %d processes work for the cluster: %q", len(before), before)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	left := before
	for end := time.Now().Add(30 * time.Second); len(left) > 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		left = processes(t, dir)
	}
	if len(left) > 0 {
		t.Errorf("%d of %d processes are left: %q", len(left), len(before), left)
	}
	t.Logf("%d processes, none left", len(before))
}

// checkRetried checks the hour whose mapper failed once.
func checkRetried(t *testing.T, out parentOutput) {
	t.Helper()
	if out.Manifest == nil || out.Step.Failure != "" {
		t.Fatalf("the hour is not published: %+v\n%s", out.Step, out.Log)
	}
	if n := out.Step.Counters["Job Counters"]["Failed map tasks"]; n != 1 {
		t.Errorf("%d map tasks failed, want 1: %v", n, out.Step.Counters["Job Counters"])
	}
	readFromS3(t, out.Step)
	s := memory()
	put(t, s, out.Manifest.Parts[0].Key, out.Results[out.Manifest.Parts[0].Key])
	got := string(out.Results[out.Manifest.Results[len(out.Manifest.Results)-1].Key])
	if want := own(t, s); sorted(got) != sorted(want) || got == "" {
		t.Errorf("Hadoop wrote\n%s\nwant\n%s", got, want)
	}
}

// processes lists the processes that work in a folder or were told of it, the
// parent of the cluster excepted.
func processes(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		words := strings.ReplaceAll(string(data), "\x00", " ")
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(file), "cwd"))
		if err != nil || strings.Contains(words, clusterParent) || !strings.Contains(words, dir) && !strings.HasPrefix(cwd, dir) {
			continue
		}
		all = append(all, words[:min(len(words), 120)])
	}
	return all
}
