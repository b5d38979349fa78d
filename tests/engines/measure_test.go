package engines

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"penstock/internal/store"
	"penstock/internal/supervise"
)

// measuring skips what is measured only when asked for: PENSTOCK_MEASURE holds
// the name.
func measuring(t *testing.T, name string) {
	t.Helper()
	folder(t, "hadoop")
	if !strings.Contains(os.Getenv("PENSTOCK_MEASURE"), name) {
		t.Skipf("a measurement, minutes long: run it with PENSTOCK_MEASURE=%s", name)
	}
}

// usage is what something took.
type usage struct {
	wall, cpu time.Duration
	peakMiB   int64 // of the largest process
}

func (u usage) String() string {
	return fmt.Sprintf("wall %.1f s, CPU %.1f s, peak %d MiB", u.wall.Seconds(), u.cpu.Seconds(), u.peakMiB)
}

// measureCommand is the command of the test's own program that runs a program
// and writes to the file named first what it and everything it waited for took:
// a process of its own, because the system keeps only the peak of all children.
const measureCommand = "measure-command"

func beMeasure(args []string) int {
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[1], err)
		return 1
	}
	wall := time.Since(begin)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r); err != nil {
		return 1
	}
	text := fmt.Sprintf("%d %d %d", wall, r.Utime.Nano()+r.Stime.Nano(), r.Maxrss>>10)
	if err := os.WriteFile(args[0], []byte(text), 0o644); err != nil {
		return 1
	}
	return 0
}

// measured runs a program under measureCommand.
func measured(t *testing.T, argv ...string) (u usage) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "usage")
	var out bytes.Buffer
	err := supervise.Run(t.Context(), supervise.Command{
		Supervisor: supervisor(), Argv: append([]string{os.Args[0], measureCommand, file}, argv...), Dir: dir, Stdout: &out, Stderr: &out,
	})
	if err != nil {
		t.Fatalf("%s: %v\n%s", argv[0], err, out.Bytes()[max(0, out.Len()-3000):])
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &u.wall, &u.cpu, &u.peakMiB); err != nil {
		t.Fatal(err)
	}
	return u
}

// streamingJob are the words of a JVM that rolls up video events. Its heap is
// that of all map tasks of the job: the local job runner keeps what they leave.
func streamingJob(t *testing.T, heapMiB int, input, output string, properties ...string) []string {
	argv := []string{"java", fmt.Sprintf("-Xmx%dm", heapMiB), "-XX:+UseSerialGC", "-cp", classPath(t, "hadoop"), "org.apache.hadoop.streaming.HadoopStreaming",
		"-D", "mapreduce.framework.name=local", "-D", "hadoop.tmp.dir=" + t.TempDir(), "-D", "mapreduce.local.map.tasks.maximum=2", "-D", "mapreduce.task.io.sort.mb=64"}
	for _, p := range properties {
		argv = append(argv, "-D", p)
	}
	program := rollupProgram(t)
	return append(argv, "-mapper", strings.Replace(mapVideo, "rollup", program, 1), "-combiner", program+" combine", "-reducer", program+" reduce",
		"-input", input, "-output", output)
}

// TestMeasureSmallFiles compares an hour as archive objects with the same hour
// as one joined part, both as the functions write them, by Hadoop from disk and
// over S3A. PENSTOCK_OBJECTS is how many objects of 100 events there are, by
// default 3 000.
func TestMeasureSmallFiles(t *testing.T) {
	measuring(t, "small")
	const each = 100
	n := 3000
	if text := os.Getenv("PENSTOCK_OBJECTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	archived := makeHour(t, dir, n*each, each)
	if archived.Objects != n {
		t.Fatalf("%d objects", archived.Objects)
	}
	objects, part := filepath.Join(dir, "archive", "2026", "11"), filepath.Join(dir, "hours", "2026", "11")
	t.Logf("%d objects; made: %v", n, archived)
	compare := func(name string, one, many usage, requests string) {
		t.Logf("%s: %d objects %v; one part %v; ratio wall %.1f, CPU %.1f%s", name, n, many, one, many.wall.Seconds()/one.wall.Seconds(), many.cpu.Seconds()/one.cpu.Seconds(), requests)
	}
	job := func(in, out string, properties ...string) []string {
		return streamingJob(t, 3072, "file://"+in+"/*.bz2", "file://"+filepath.Join(dir, out), properties...)
	}
	one := measured(t, job(part, "one")...)
	combined := measured(t, append(job(objects, "combined", "stream.map.input.ignoreKey=true"),
		"-inputformat", "org.apache.hadoop.mapred.lib.CombineTextInputFormat")...)
	compare("Hadoop Streaming, CombineTextInputFormat", one, combined, "")
	many := measured(t, job(objects, "many")...)
	compare("Hadoop Streaming", one, many, "")
	for _, name := range []string{"combined", "many"} {
		a, err1 := os.ReadFile(filepath.Join(dir, name, "part-00000"))
		b, err2 := os.ReadFile(filepath.Join(dir, "one", "part-00000"))
		if err1 != nil || err2 != nil || len(a) == 0 || sorted(string(a)) != sorted(string(b)) {
			t.Errorf("%s: other result than of one part: %v, %v", name, err1, err2)
		}
	}
	one, of := overS3A(t, part)
	many, requests := overS3A(t, objects)
	compare("Hadoop Streaming over S3A", one, many, fmt.Sprintf("; requests %d to %d, ratio %.1f", requests, of, float64(requests)/float64(of)))
}

// overS3A runs the job on the bzip2 files of a folder, put on an S3 server, and
// counts the requests.
func overS3A(t *testing.T, folder string) (usage, int64) {
	t.Helper()
	var requests atomic.Int64
	handler := gofakes3.New(s3mem.New()).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	client := s3Client(server.URL)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("hours")}); err != nil {
		t.Fatal(err)
	}
	s := store.NewS3(client, "hours", store.S3Options{Jitter: func() float64 { return 0.5 }})
	files, err := filepath.Glob(filepath.Join(folder, "*.bz2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "2026/11/"+filepath.Base(file), data)
	}
	requests.Store(0)
	properties := []string{"fs.s3a.endpoint=" + server.URL, "fs.s3a.endpoint.region=us-east-1", "fs.s3a.path.style.access=true", "fs.s3a.connection.ssl.enabled=false",
		"fs.s3a.access.key=test", "fs.s3a.secret.key=test", "fs.s3a.aws.credentials.provider=org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"}
	u := measured(t, streamingJob(t, 3072, "s3a://hours/2026/11/*.bz2", "s3a://hours/out", properties...)...)
	return u, requests.Load()
}
