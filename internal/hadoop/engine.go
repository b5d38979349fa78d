package hadoop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"penstock/internal/emr"
	"penstock/internal/supervise"
)

// Engine is a real Hadoop on this machine: Java and Hadoop's jars.
type Engine struct {
	// Java is the program that runs Hadoop; "" is java, found by PATH.
	Java string
	// ClassPath is Hadoop's, see ClassPath.
	ClassPath string
	// Supervisor are the words that start a supervise.Main, so that no process
	// is left when this one ends.
	Supervisor []string
	// Programs are the job's files that stand on this machine already, by
	// their names in the job, such as rollup. Those that the Config's Exec, if
	// it is Processes, replaces are replaced here, too; others are fetched.
	Programs map[string]string
	// S3 makes Hadoop itself read and write the buckets, as s3a; without it
	// input is copied to this machine's disk and output from there.
	S3 *S3
	// Cluster is where jobs run. Without one they run in the JVM that submits
	// them (Hadoop's local job runner), which tries each task only once.
	Cluster *Cluster
	// Limit is how long a job may take; 0 is an hour.
	Limit time.Duration
	// HeapMiB is the heap of the JVM that submits jobs; 0 is 512.
	HeapMiB int
}

// S3 is an S3 service as Hadoop reaches it.
type S3 struct {
	Endpoint  string // URL
	Region    string
	AccessKey string
	SecretKey string
}

// EngineRunner hands the steps of clusters that are hadoop-streaming to an
// Engine and runs the others as a Runner does. It is safe for concurrent use.
//
// Input, output and log are those of a Runner, with Hadoop's own words in the
// log, and all of Hadoop's counters. The shuffle sorts values of one key in no
// order, and a bare CR ends a line of input: both are Hadoop's.
type EngineRunner struct {
	commands *Runner
	jobs     *Runner
	engine   Engine
}

var _ emr.Runner = (*EngineRunner)(nil)

// NewEngine returns an EngineRunner. Input of jobs is read in Open, whether
// Preload says so or not, and kept on disk; Exec serves other steps alone.
func NewEngine(c Config, e Engine) *EngineRunner {
	if e.Java == "" {
		e.Java = "java"
	}
	if e.Limit == 0 {
		e.Limit = time.Hour
	}
	if e.HeapMiB == 0 {
		e.HeapMiB = 512
	}
	jobs := c
	jobs.Preload = false // to disk, not to memory
	return &EngineRunner{commands: New(c), jobs: New(jobs), engine: e}
}

// engineWork is a step that runs on an Engine.
type engineWork struct {
	*work
	engine *Engine
	dir    string
	native *driverLog
}

// Open implements emr.Runner.
func (r *EngineRunner) Open(ctx context.Context, s emr.StepRun) (emr.Work, error) {
	if len(s.Args) == 0 || s.Args[0] != "hadoop-streaming" {
		return r.commands.Open(ctx, s)
	}
	opened, err := r.jobs.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	w := &engineWork{work: opened.(*work), engine: &r.engine}
	w.native = &driverLog{stderr: w.stderr}
	if err := w.stage(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// stage makes the step's folder: configuration, files, and the input unless
// Hadoop reads it from S3.
func (w *engineWork) stage(ctx context.Context) (err error) {
	if w.dir, err = os.MkdirTemp(w.runner.config.TempDir, "penstock-hadoop-*"); err != nil {
		return fmt.Errorf("create folder of step %s: %w", w.step.Name, err)
	}
	// Hadoop takes lists and patterns of paths, and has no way to quote them.
	if strings.ContainsAny(w.dir, ",*?[]{}\\#% ") {
		return fmt.Errorf("create folder of step %s: Hadoop cannot name the temporary folder %s: choose one without blanks and punctuation", w.step.Name, w.dir)
	}
	for _, name := range []string{"conf", "files", "in", "run"} {
		if err := os.Mkdir(filepath.Join(w.dir, name), 0o755); err != nil {
			return fmt.Errorf("create folder of step %s: %w", w.step.Name, err)
		}
	}
	if err := w.engine.configure(filepath.Join(w.dir, "conf"), filepath.Join(w.dir, "tmp")); err != nil {
		return err
	}
	for _, uri := range w.job.Files {
		uri, name := fileName(uri)
		if w.engine.Programs[name] != "" {
			continue
		}
		file := filepath.Join(w.dir, "files", name)
		if words := words(w.runner.config.Exec, name); words != nil && filepath.IsLocal(name) {
			if err := os.WriteFile(file, script(words), 0o755); err != nil {
				return fmt.Errorf("create program %s: %w", name, err)
			}
			continue
		}
		if err := w.fetch(ctx, uri, file, name); err != nil {
			return err
		}
	}
	if w.engine.S3 != nil {
		return nil
	}
	for i := range w.inputs {
		if err := w.copyInput(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// words are those that Exec runs for a program without a file of the job; nil where it does not, or not as a process.
func words(e Exec, name string) []string {
	if m, ok := e.(marked); ok {
		e = m.Exec
	}
	processes, _ := e.(Processes)
	return processes[name]
}

// script is a program of the words given, with further arguments behind them.
func script(words []string) []byte {
	b := []byte("#!/bin/sh\nexec")
	for _, word := range words {
		b = append(b, " '"+strings.ReplaceAll(word, "'", `'\''`)+"'"...)
	}
	return append(b, " \"$@\"\n"...)
}

func fileName(uri string) (plain, name string) {
	plain, name, found := strings.Cut(uri, "#")
	if !found {
		name = path.Base(plain)
	}
	return plain, name
}

// copyInput copies an input to the step's folder. Its number keeps names apart
// and its end says how it is compressed.
func (w *engineWork) copyInput(ctx context.Context, i int) error {
	file := filepath.Join(w.dir, "in", fmt.Sprintf("%06d%s", i, path.Ext(w.inputs[i].Key)))
	return w.runner.again(ctx, func() error {
		in, err := w.inputs[i].open(ctx)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(file)
		if err != nil {
			return fmt.Errorf("copy %s: %w", w.inputs[i].Key, err)
		}
		_, err = io.Copy(out, in)
		if err := errors.Join(err, out.Close()); err != nil {
			return fmt.Errorf("copy %s: %w", w.inputs[i].Key, err)
		}
		return nil
	})
}

// Compute implements emr.Work: Hadoop runs the job.
func (w *engineWork) Compute(ctx context.Context) {
	if w.step.Fail != "" && w.engine.S3 != nil {
		return // without a result, which Hadoop itself would write
	}
	limited, cancel := context.WithTimeout(ctx, w.engine.Limit)
	defer cancel()
	err := supervise.Run(limited, supervise.Command{
		Supervisor: w.engine.Supervisor, Argv: w.arguments(), Dir: filepath.Join(w.dir, "run"), Stdout: w.native, Stderr: w.native,
	})
	w.native.end()
	var exit *supervise.ExitError
	switch {
	case err == nil:
		w.failure = w.collect()
	case ctx.Err() != nil:
		w.failure = ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		w.failure = fmt.Errorf("job took longer than %v", w.engine.Limit)
	case errors.As(err, &exit):
		w.failure = &ExitError{exit.Code}
		if w.native.reason != "" {
			w.failure = fmt.Errorf("%w: %s", w.failure, w.native.reason)
		}
	default:
		w.failure = fmt.Errorf("run Hadoop: %w", err)
	}
	if w.failure != nil && w.engine.Cluster != nil {
		w.engine.Cluster.taskLogs(w.native.application, w.stderr)
	}
}

const streamingClass = "org.apache.hadoop.streaming.HadoopStreaming"

// arguments are the JVM's.
func (w *engineWork) arguments() []string {
	argv := []string{
		w.engine.Java, fmt.Sprintf("-Xmx%dm", w.engine.HeapMiB), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", filepath.Join(w.dir, "conf") + ":" + w.engine.ClassPath, streamingClass,
	}
	var files []string
	for _, uri := range w.job.Files {
		_, name := fileName(uri)
		file := w.engine.Programs[name]
		if file == "" {
			file = filepath.Join(w.dir, "files", name)
		}
		files = append(files, "file://"+file+"#"+name)
	}
	if len(files) > 0 {
		argv = append(argv, "-files", strings.Join(files, ","))
	}
	properties := make(map[string]string, len(w.job.Properties)+1)
	for key, value := range w.job.Properties {
		properties[key] = value
	}
	properties[reducesProperty] = fmt.Sprint(w.job.Reducers)
	for _, key := range sortedKeys(properties) {
		argv = append(argv, "-D", key+"="+properties[key])
	}
	argv = append(argv, "-mapper", strings.Join(w.job.Mapper, " "))
	if len(w.job.Combiner) > 0 {
		argv = append(argv, "-combiner", strings.Join(w.job.Combiner, " "))
	}
	if len(w.job.Reducer) > 0 {
		argv = append(argv, "-reducer", strings.Join(w.job.Reducer, " "))
	}
	if w.engine.S3 == nil {
		return append(argv, "-input", "file://"+filepath.Join(w.dir, "in"), "-output", "file://"+w.output())
	}
	for _, uri := range w.job.Inputs {
		argv = append(argv, "-input", uri)
	}
	return append(argv, "-output", w.job.Output)
}

func (w *engineWork) output() string { return filepath.Join(w.dir, "out") }

// collect takes the parts that Hadoop wrote to this machine.
func (w *engineWork) collect() error {
	if w.engine.S3 != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(w.output(), "_SUCCESS")); err != nil {
		return fmt.Errorf("find _SUCCESS in the output: %w", err)
	}
	for i := 0; ; i++ {
		file, err := os.Open(filepath.Join(w.output(), fmt.Sprintf("part-%05d", i)))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read output: %w", err)
		}
		info, err := file.Stat()
		if err != nil {
			file.Close()
			return fmt.Errorf("read output: %w", err)
		}
		w.outputs = append(w.outputs, &spool{file: file, size: info.Size()})
	}
}

// Commit implements emr.Work.
func (w *engineWork) Commit(ctx context.Context) emr.StepResult {
	if w.engine.S3 != nil {
		w.job = nil // Hadoop has written the result
	}
	return w.work.Commit(ctx)
}

// Close implements emr.Work.
func (w *engineWork) Close() {
	w.work.Close()
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}
