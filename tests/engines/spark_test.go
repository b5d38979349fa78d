package engines

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/hadoop"
	"penstock/internal/playbook"
	"penstock/internal/supervise"
)

// sparkSubmit runs the step of the playbook spark on this machine: the same
// script and arguments, with files in the place of s3:// and of the cluster.
func sparkSubmit(t *testing.T, input, output string) {
	t.Helper()
	spark := folder(t, "spark-3.5.6")
	data, err := os.ReadFile("../../playbooks/spark.json")
	if err != nil {
		t.Fatal(err)
	}
	book, err := playbook.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	request, err := book.Request(playbook.Env{
		Hour: "2026-11-23T07", Revision: "a1", Run: 1, Cluster: 1, ClusterName: "c", Input: "s3://hours/in", Output: "s3://hours/out",
		Code: "s3://hours/code", Logs: "s3://hours/logs", ServiceRole: "r", InstanceProfile: "p",
	})
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := filepath.Abs("../../playbooks/jobs")
	if err != nil {
		t.Fatal(err)
	}
	local := strings.NewReplacer("s3://hours/code/jobs", jobs, "s3://hours/in", input, "s3://hours/out", output)
	args := request.Steps[0].HadoopJarStep.Args
	argv := []string{filepath.Join(spark, "bin", args[0]), "--master", "local[2]", "--driver-memory", "512m", "--conf", "spark.ui.enabled=false",
		"--conf", "spark.hadoop.fs.local.block.size=65536", "--conf", "spark.sql.files.maxPartitionBytes=65536"}
	for i := 1; i < len(args); i++ {
		if args[i] == "--deploy-mode" { // a cluster's
			i++
			continue
		}
		argv = append(argv, local.Replace(args[i]))
	}
	var out strings.Builder
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SPARK_HOME=") })
	env = append(env, "SPARK_LOCAL_IP=127.0.0.1", "PATH="+filepath.Join(spark, "bin")+":"+os.Getenv("PATH"))
	err = supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: argv, Dir: t.TempDir(), Env: env, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatalf("spark-submit: %v\n%s", err, &out)
	}
}

// TestSparkMakesTheResultOfRollup also tells that Spark reads the joined part
// in splits without losing or repeating a line.
func TestSparkMakesTheResultOfRollup(t *testing.T) {
	t.Parallel()
	folder(t, "spark-3.5.6")
	lines := objects(webAccess(t), 40)
	dir := t.TempDir()
	s := memory()
	part := join(t, lines, odd)
	put(t, s, "2026/11/e.r1.0.bz2", part)
	file := filepath.Join(dir, "e.r1.0.bz2")
	if err := os.WriteFile(file, part, 0o644); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	sparkSubmit(t, filepath.Join(dir, "*.bz2"), filepath.Join(dir, "out"))
	t.Logf("spark-submit took %v", time.Since(begin).Round(time.Second))
	if _, err := os.Stat(filepath.Join(dir, "out", "_SUCCESS")); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "out", "part-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("output %v, error %v", files, err)
	}
	got, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if r := runStep(t, hadoop.New(config(t, s)), streaming(mapWeb, "s3://hours/2026/11/*.bz2", "s3://hours/own")...); r.Failure != "" {
		t.Fatal(r.Failure)
	}
	if want := get(t, s, "own/part-00000"); sorted(string(got)) != sorted(want) || want == "" {
		t.Errorf("Spark wrote\n%s\nwant\n%s", got, want)
	}
}

// TestSparkReadsEveryLineOfEveryPartOnce: the same parts as Hadoop's.
func TestSparkReadsEveryLineOfEveryPartOnce(t *testing.T) {
	t.Parallel()
	spark := folder(t, "spark-3.5.6")
	byFile := map[string]part{}
	script, err := filepath.Abs("python/parts.py")
	if err != nil {
		t.Fatal(err)
	}
	argv := []string{filepath.Join(spark, "bin", "python3"), script}
	want := 0
	for _, p := range corpus(t) {
		byFile[p.file] = p
		want += 2
		if p.size() > 1<<20 {
			want-- // not in partitions of 16 KiB: they would be hundreds
		}
		argv = append(argv, p.file)
	}
	var out, stderr strings.Builder
	err = supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: argv, Dir: t.TempDir(),
		Env: append(os.Environ(), "SPARK_LOCAL_IP=127.0.0.1"), Stdout: &out, Stderr: &stderr})
	if err != nil {
		t.Fatalf("parts.py: %v\n%s", err, &stderr)
	}
	checks, split := 0, 0
	for line := range strings.Lines(out.String()) {
		w := strings.Split(strings.TrimSpace(line), "\t")
		if len(w) != 5 {
			t.Fatalf("parts.py says %q", line)
		}
		p := byFile[w[0]]
		n, sum := 0, uint64(0)
		for line := range bytes.Lines(p.raw) {
			h := sha256.Sum256(bytes.TrimRight(line, "\r\n"))
			sum += binary.BigEndian.Uint64(h[:8]) >> 16
			n++
		}
		if want := fmt.Sprintf("%d %d", n, sum); want != w[3]+" "+w[4] {
			t.Errorf("%s in partitions of %s bytes (%s): lines and sum %s %s, want %s", p.name, w[1], w[2], w[3], w[4], want)
		}
		checks++
		if w[2] != "1" {
			split++
		}
	}
	if checks != want || split < 3 {
		t.Errorf("%d checks, want %d; %d with more than one partition", checks, want, split)
	}
	t.Logf("%d checks, %d of them with more than one partition: every line once", checks, split)
}
