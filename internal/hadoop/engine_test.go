package hadoop_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/store"
	"penstock/internal/supervise"
)

// fakeJava is a Java that does what a job of cat and cat does, or as said by
// the mapper; tests/engines has the real one.
const fakeJava = `#!/bin/sh
mapper= input= output=
for word; do
	case $last in
	-mapper) mapper=$word ;;
	-input) input=${word#file://} ;;
	-output) output=${word#file://} ;;
	-cp) classes=$word ;;
	esac
	last=$word
done
grep -q '<final>true</final>' "${classes%%:*}/core-site.xml" || exit 9
echo "2026-11-23 23:13:15,451 INFO Job Running job: job_local159_0001" >&2
case $mapper in
fail*)
	echo "2026 WARN LocalJobRunner java.lang.Exception: PipeMapRed.waitOutputThreads(): subprocess failed with code 3" >&2
	echo "Error: something less telling" >&2
	exit 1 ;;
sleep*) echo ready >&2; sleep 300 ;;
esac
mkdir "$output"
cat "$input"/* >"$output/part-00000"
: >"$output/_SUCCESS"
printf '2026-11-23 23:13:15,451 INFO Job Counters: 3\n\tpenstock\n\t\tmalformed=3\n\tFile Input Format Counters \n\t\tBytes Read=7\n\t\tnot a counter\nlast words' >&2
`

func engineConfig(t *testing.T, s *store.Memory) (hadoop.Config, hadoop.Engine) {
	t.Helper()
	java := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(java, []byte(fakeJava), 0o755); err != nil {
		t.Fatal(err)
	}
	return hadoop.Config{Clock: clock.Real{}, Buckets: hadoop.Buckets{"hours": s}, Exec: processes(), TempDir: folderWithoutPunctuation(t)},
		hadoop.Engine{Java: java, ClassPath: "/lib/*", Supervisor: []string{os.Args[0], supervise.Argument}}
}

func folderWithoutPunctuation(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the temporary folder: %v, error %v", left, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func runEngine(t *testing.T, ctx context.Context, c hadoop.Config, e hadoop.Engine, fail string, args ...string) emr.StepResult {
	t.Helper()
	w, err := hadoop.NewEngine(c, e).Open(ctx, emr.StepRun{
		ClusterID: "j-1", StepID: "s-1", Name: "step", Jar: "command-runner.jar", Args: args, LogURI: "s3://hours/logs/", Fail: fail,
	})
	if err != nil {
		return emr.StepResult{Failure: err.Error()}
	}
	defer w.Close()
	w.Compute(ctx)
	return w.Commit(t.Context())
}

func job(mapper string) []string {
	return []string{"hadoop-streaming", "-mapper", mapper, "-reducer", "cat", "-input", "s3://hours/in/*", "-output", "s3://hours/out"}
}

func TestAnEngineGetsInputAndItsOutputIsTheSteps(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("1\n"))
	put(t, s, "in/b", []byte("2\n"))
	c, e := engineConfig(t, s)
	r := runEngine(t, t.Context(), c, e, "", job("cat")...)
	if r.Failure != "" {
		t.Fatalf("%s\n%s", r.Failure, logOf(t, s, r))
	}
	if got := contents(t, s, "out/part-00000"); got != "1\n2\n" {
		t.Errorf("part %q", got)
	}
	if got := fmt.Sprint(keys(t, s, "out/")); got != "[_SUCCESS part-00000]" {
		t.Errorf("files %s", got)
	}
	if got := fmt.Sprint(r.Counters); got != "map[File Input Format Counters:map[Bytes Read:7] penstock:map[malformed:3]]" {
		t.Errorf("counters %s", got)
	}
	if text := logOf(t, s, r); !strings.Contains(text, "Running job: job_local159_0001") || !strings.HasSuffix(text, "last words\n") {
		t.Errorf("log %q", text)
	}
	if r := runEngine(t, t.Context(), c, e, "", job("cat")...); !strings.Contains(r.Failure, "already exists") {
		t.Errorf("with an output that exists: %q", r.Failure)
	}
}

func TestAnEnginesFailureIsTheStepsWithoutAResult(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("1\n"))
	c, e := engineConfig(t, s)
	for _, test := range []struct{ name, mapper, fail, want string }{
		{"the job", "fail", "", "subprocess failed with code 1: PipeMapRed.waitOutputThreads(): subprocess failed with code 3"},
		{"an injected failure", "cat", "injected", "injected"},
	} {
		if r := runEngine(t, t.Context(), c, e, test.fail, job(test.mapper)...); r.Failure != test.want {
			t.Errorf("%s: failure %q, want %q", test.name, r.Failure, test.want)
		}
	}
	e.Limit = 300 * time.Millisecond
	if r := runEngine(t, t.Context(), c, e, "", job("sleep")...); r.Failure != "job took longer than 300ms" {
		t.Errorf("a job that hangs: %q", r.Failure)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	e.Limit = 0
	if r := runEngine(t, ctx, c, e, "", job("sleep")...); r.Failure != context.DeadlineExceeded.Error() {
		t.Errorf("a job whose cluster is terminated: %q", r.Failure)
	}
	e.Java = "/does/not/exist"
	if r := runEngine(t, t.Context(), c, e, "", job("cat")...); !strings.Contains(r.Failure, "code 127") {
		t.Errorf("without Java: %q", r.Failure)
	}
	if got := keys(t, s, "out/"); len(got) > 0 {
		t.Errorf("files %v", got)
	}
}

func TestAnEngineLeavesOtherCommandsToProcesses(t *testing.T) {
	s := memory()
	c, e := engineConfig(t, s)
	if r := runEngine(t, t.Context(), c, e, "", "false"); r.Failure != "run false: subprocess failed with code 1" {
		t.Errorf("failure %q", r.Failure)
	}
}

func TestAnEngineRunsTheProgramsThatProcessesReplace(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("1\n"))
	c, e := engineConfig(t, s)
	// The fake Java runs no mapper; this one runs the job's file.
	text := strings.Replace(fakeJava, "case $mapper in", `case $files in file://*#rollup) file=${files#file://}; "${file%#rollup}" help >&2 ;; esac
case $mapper in`, 1)
	text = strings.Replace(text, "-mapper) mapper", "-files) files=$word ;;\n\t-mapper) mapper", 1)
	if err := os.WriteFile(e.Java, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	r := runEngine(t, t.Context(), c, e, "", append([]string{"hadoop-streaming", "-files", "s3://hours/code/rollup"}, job("cat")[1:]...)...)
	if r.Failure != "" || !strings.Contains(logOf(t, s, r), "rollup counts and sums") {
		t.Errorf("failure %q, log %s", r.Failure, logOf(t, s, r))
	}
}

func TestEnginesAreOpenedByName(t *testing.T) {
	o := hadoop.EngineOptions{Fetched: t.TempDir(), Supervisor: []string{os.Args[0], supervise.Argument}}
	runner, stop, err := hadoop.OpenEngine(t.Context(), hadoop.EngineProcess, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := runner(hadoop.Config{}).(*hadoop.Runner); !ok || stop() != nil {
		t.Errorf("process is a %T", runner(hadoop.Config{}))
	}
	for name, want := range map[string]string{"hadoop": "make engines", "yarn": "make engines", "spork": "want process"} {
		if _, _, err := hadoop.OpenEngine(t.Context(), name, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	touch(t, o.Fetched, "hadoop/lib/hadoop-streaming-3.4.2.jar")
	o.Java = program(t, `case "$*" in *"/hadoop/lib/* org.apache.hadoop.streaming.HadoopStreaming -info") echo Usage ;; *) exit 9 ;; esac`)
	runner, stop, err = hadoop.OpenEngine(t.Context(), hadoop.EngineHadoop, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := runner(hadoop.Config{}).(*hadoop.EngineRunner); !ok || stop() != nil {
		t.Errorf("hadoop is a %T", runner(hadoop.Config{}))
	}
}

// touch makes empty files in a folder.
func touch(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// program makes a shell script.
func program(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAnEngineThatIsBrokenIsOneLineThatSaysWhatToDo(t *testing.T) {
	empty, whole := t.TempDir(), t.TempDir()
	touch(t, empty, "share/hadoop/common/hadoop-common-3.4.2.jar")
	touch(t, whole, "share/hadoop/common/hadoop-common-3.4.2.jar", "share/hadoop/tools/lib/hadoop-streaming-3.4.2.jar")
	const trace = `log4j:WARN No appenders could be found for logger.
Exception in thread "main" java.lang.NoClassDefFoundError: org/apache/hadoop/util/Tool
	at java.base/java.lang.ClassLoader.defineClass1(Native Method)
Caused by: java.lang.ClassNotFoundException: org.apache.hadoop.util.Tool
	... 12 more`
	for _, c := range []struct{ name, home, java, want string }{
		{"no such folder", "/does/not/exist", "exit 0", "open engine hadoop: find Hadoop in /does/not/exist: there is no such folder: set HADOOP_HOME to an unpacked Hadoop 3, or unset it and run make engines"},
		{"a distribution without Streaming", empty, "exit 0", "open engine hadoop: find Hadoop in " + empty + ": no hadoop-streaming jar in share/hadoop/tools/lib: set HADOOP_HOME to an unpacked Hadoop 3, or unset it and run make engines"},
		{"jars that do not load", whole, "cat >&2 <<'E'\n" + trace + "\nE\nexit 1", "open engine hadoop: start Hadoop in " + whole + `: exit code 1: Exception in thread "main" java.lang.NoClassDefFoundError: org/apache/hadoop/util/Tool; Caused by: java.lang.ClassNotFoundException: org.apache.hadoop.util.Tool: set HADOOP_HOME to an unpacked Hadoop 3, or unset it and run make engines`},
		{"a Java that is none", whole, "echo hello; echo this is not Java >&2; exit 3", "open engine hadoop: start Hadoop in " + whole + ": exit code 3: this is not Java: set HADOOP_HOME to an unpacked Hadoop 3, or unset it and run make engines"},
		{"no Java", whole, "", "open engine hadoop: there is no program no-such-java: install Java 17"},
	} {
		o := hadoop.EngineOptions{Home: c.home, Fetched: "unused", Java: "no-such-java"}
		if c.java != "" {
			o.Java = program(t, c.java)
		}
		if _, _, err := hadoop.OpenEngine(t.Context(), hadoop.EngineHadoop, o); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v\nwant %s", c.name, err, c.want)
		}
	}
	colon := filepath.Join(t.TempDir(), "a:b")
	touch(t, colon, "lib/hadoop-streaming-3.4.2.jar")
	if _, err := hadoop.ClassPath(colon); err == nil || !strings.Contains(err.Error(), "colon") {
		t.Errorf("a folder with a colon: %v", err)
	}
}

func TestAnEngineRefusesAFolderThatHadoopCannotName(t *testing.T) {
	s := memory()
	put(t, s, "in/a", []byte("1\n"))
	c, e := engineConfig(t, s)
	c.TempDir = filepath.Join(c.TempDir, "a,b")
	if err := os.Mkdir(c.TempDir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(c.TempDir)
	if r := runEngine(t, t.Context(), c, e, "", job("cat")...); !strings.Contains(r.Failure, "cannot name the temporary folder") {
		t.Errorf("failure %q", r.Failure)
	}
}

func TestTheClassPathIsThatOfADistributionOrOfFetchedJars(t *testing.T) {
	dir := t.TempDir()
	if _, err := hadoop.ClassPath(dir); err == nil {
		t.Error("an empty folder has a class path")
	}
	touch(t, dir, "lib/hadoop-client-api-3.4.2.jar")
	if _, err := hadoop.ClassPath(dir); err == nil {
		t.Error("jars without hadoop-streaming have a class path")
	}
	touch(t, dir, "lib/hadoop-streaming-3.4.2.jar")
	if got, err := hadoop.ClassPath(dir); err != nil || got != dir+"/lib/*" {
		t.Errorf("fetched jars: %q, %v", got, err)
	}
	touch(t, dir, "share/hadoop/common/hadoop-common-3.4.2.jar", "share/hadoop/tools/lib/hadoop-streaming-3.4.2.jar")
	if got, err := hadoop.ClassPath(dir); err != nil || got != dir+"/share/hadoop/common/*:"+dir+"/share/hadoop/tools/lib/*" {
		t.Errorf("a distribution: %q, %v", got, err)
	}
}

func TestAClusterThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	c, e := engineConfig(t, memory())
	java := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(java, []byte("#!/bin/sh\necho no such class >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := hadoop.StartCluster(t.Context(), hadoop.ClusterConfig{Java: java, ClassPath: "/lib/*", Supervisor: e.Supervisor, TempDir: c.TempDir})
	if err == nil || !strings.Contains(err.Error(), "exit code 1; it said last: no such class") {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(java, []byte("#!/bin/sh\nsleep 300\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = hadoop.StartCluster(t.Context(), hadoop.ClusterConfig{Java: java, ClassPath: "/lib/*", Supervisor: e.Supervisor, TempDir: c.TempDir, Limit: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "not up after 300ms") {
		t.Errorf("error %v", err)
	}
}

func TestAClusterWhosePortIsTakenIsStartedAnew(t *testing.T) {
	c, e := engineConfig(t, memory())
	begun := filepath.Join(t.TempDir(), "begun")
	// The JVM stays when its main thread fails; it writes its details when it is up.
	const fails = `echo . >>BEGUN
if [ $(wc -l <BEGUN) -le LIMIT ]; then
	echo 'Exception in thread "main" WebAppException: Error starting http server' >&2
	echo 'Caused by: java.net.BindException: Port in use: localhost:40001' >&2
	sleep 300
fi
for word; do last=$word; done
echo '{}' >"$last"
sleep 300`
	start := func(limit string) (*hadoop.Cluster, error) {
		java := program(t, strings.NewReplacer("BEGUN", begun, "LIMIT", limit).Replace(fails))
		return hadoop.StartCluster(t.Context(), hadoop.ClusterConfig{Java: java, ClassPath: "/lib/*", Supervisor: e.Supervisor, TempDir: c.TempDir})
	}
	cluster, err := start("2")
	if err != nil {
		t.Fatalf("a port was taken twice: %v", err)
	}
	if err := cluster.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(begun); err != nil {
		t.Fatal(err)
	}
	if _, err := start("9"); err == nil || !strings.Contains(err.Error(), "Port in use: localhost:40001") {
		t.Errorf("every port is taken: %v", err)
	}
	if text, err := os.ReadFile(begun); err != nil || len(text) != 3*len(".\n") {
		t.Errorf("it was started %d times, error %v", len(text)/2, err)
	}
}
