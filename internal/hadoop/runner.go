package hadoop

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"penstock/internal/bzip2"
	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// Config is what a Runner is made of.
type Config struct {
	Clock   clock.Clock
	Buckets Buckets
	Exec    Exec
	// Preload reads the input in Open instead of while the programs run, so
	// that every access to the store is in the order of the clock. It takes
	// the memory of the compressed parts.
	Preload bool
	// TempDir is where files of jobs and what does not fit into memory go; ""
	// is the system's.
	TempDir string
	// Memory is how many bytes of lines a job sorts in memory; 0 is 64 MiB.
	Memory int
	// Procs is how many blocks of a part are decoded at the same time; 0 is 1. The lines are the same whatever it is.
	Procs int
}

// Runner runs the steps of clusters. It is safe for concurrent use.
type Runner struct {
	config  Config
	readers sync.Pool // of *bzip2.Reader
	zippers sync.Pool // of *gzip.Writer
}

var _ emr.Runner = (*Runner)(nil)

// New returns a Runner.
func New(c Config) *Runner {
	if c.Memory == 0 {
		c.Memory = 64 << 20
	}
	return &Runner{config: c}
}

// work is a step that runs.
type work struct {
	runner  *Runner
	step    emr.StepRun
	job     *Job     // of hadoop-streaming
	command []string // otherwise
	inputs  []input
	bytes   int64

	outputs []*spool
	stderr  *stderr
	failure error
}

// Open implements emr.Runner. It lists the input and refuses a job whose output
// exists.
func (r *Runner) Open(ctx context.Context, s emr.StepRun) (emr.Work, error) {
	if s.Jar != "command-runner.jar" || len(s.Args) == 0 {
		return nil, fmt.Errorf("run step %s: only command-runner.jar with arguments runs here", s.Name)
	}
	w := &work{runner: r, step: s, stderr: newStderr()}
	if s.Args[0] != "hadoop-streaming" {
		w.command = s.Args
		return w, nil
	}
	var err error
	if w.job, err = ParseStreaming(s.Args[1:]); err != nil {
		return nil, err
	}
	if err := r.again(ctx, func() error { return r.config.Buckets.absent(ctx, w.job.Output) }); err != nil {
		return nil, err
	}
	for _, uri := range w.job.Inputs {
		var found []input
		if err := r.again(ctx, func() (err error) { found, err = r.config.Buckets.glob(ctx, uri); return err }); err != nil {
			return nil, err
		}
		w.inputs = append(w.inputs, found...)
	}
	for i := range w.inputs {
		w.bytes += w.inputs[i].Size
		if !r.config.Preload {
			continue
		}
		if err := r.again(ctx, func() error { return w.inputs[i].preload(ctx) }); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (in *input) preload(ctx context.Context) error {
	r, err := in.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return fmt.Errorf("read %s: %w", in.Key, err)
	}
	in.preloaded = append([]byte{}, b.Bytes()...)
	return nil
}

// absent refuses an output that exists, as Hadoop does.
func (b Buckets) absent(ctx context.Context, uri string) error {
	s, key, err := b.resolve(uri)
	if err != nil {
		return err
	}
	for o, err := range s.List(ctx, key) {
		if err != nil {
			return fmt.Errorf("list %s: %w", uri, err)
		}
		if o.Key == key || len(o.Key) > len(key) && o.Key[len(key)] == '/' {
			return fmt.Errorf("output directory %s already exists", uri)
		}
	}
	return nil
}

// attempts of an access to the store that answers Unavailable.
const storeAttempts = 5

// again tries f until it does something else than Unavailable.
func (r *Runner) again(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		var unavailable *fault.Unavailable
		if err == nil || n == storeAttempts || !errors.As(err, &unavailable) || ctx.Err() != nil {
			return err
		}
		clock.Sleep(r.config.Clock, time.Duration(n)*time.Second)
	}
}

// InputBytes implements emr.Work.
func (w *work) InputBytes() int64 { return w.bytes }

// Commit implements emr.Work: parts, then _SUCCESS, then the log.
func (w *work) Commit(ctx context.Context) emr.StepResult {
	if w.step.Fail != "" {
		w.failure = errors.New(w.step.Fail)
	}
	if w.failure == nil && w.job != nil {
		w.failure = w.writeOutput(ctx)
	}
	result := emr.StepResult{Counters: w.stderr.counters}
	if w.failure != nil {
		result.Failure = w.failure.Error()
		fmt.Fprintf(w.stderr, "\n%s\n", result.Failure)
	}
	result.LogFile = w.writeLog(ctx)
	return result
}

func (w *work) writeOutput(ctx context.Context) error {
	s, prefix, err := w.runner.config.Buckets.resolve(w.job.Output)
	if err != nil {
		return err
	}
	for i, part := range w.outputs {
		if err := w.runner.create(ctx, s, fmt.Sprintf("%s/part-%05d", prefix, i), part.open); err != nil {
			return err
		}
	}
	return w.runner.create(ctx, s, prefix+"/_SUCCESS", func() io.Reader { return bytes.NewReader(nil) })
}

// create writes an object. That it exists is right if an attempt before has
// written it and its answer was lost.
func (r *Runner) create(ctx context.Context, s Store, key string, open func() io.Reader) error {
	tried := false
	return r.again(ctx, func() error {
		_, err := s.CreateFrom(ctx, key, open())
		var exists *fault.Exists
		if err != nil && tried && errors.As(err, &exists) {
			return equal(ctx, s, key, open())
		}
		tried = true
		if err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
		return nil
	})
}

func equal(ctx context.Context, s Store, key string, want io.Reader) error {
	got, err := s.GetRange(ctx, key, "", 0, -1)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	defer got.Close()
	a, b := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, errA := io.ReadFull(got, a)
		m, errB := io.ReadFull(want, b)
		if errA != nil && errA != io.EOF && errA != io.ErrUnexpectedEOF {
			return fmt.Errorf("read %s: %w", key, errA)
		}
		if !bytes.Equal(a[:n], b[:m]) {
			return &fault.Conflict{Key: key, Detail: "the output of a job was written by somebody else"}
		}
		if errA != nil || errB != nil {
			return nil
		}
	}
}

// writeLog writes what the programs wrote to standard error. A log that cannot
// be written fails no step.
func (w *work) writeLog(ctx context.Context) (uri string) {
	if w.step.LogURI == "" {
		return ""
	}
	base := w.step.LogURI
	if base[len(base)-1] != '/' {
		base += "/"
	}
	uri = base + w.step.ClusterID + "/steps/" + w.step.StepID + "/stderr.gz"
	s, key, err := w.runner.config.Buckets.resolve(uri)
	if err != nil {
		return ""
	}
	_ = w.stderr.split.flush() // its emit never fails
	var b bytes.Buffer
	z, ok := w.runner.zippers.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(nil)
	}
	defer w.runner.zippers.Put(z)
	z.Reset(&b)
	if w.stderr.cut {
		fmt.Fprintln(z, "... (cut)")
	}
	_, err = z.Write(w.stderr.log[max(0, len(w.stderr.log)-maxLog):])
	if errors.Join(err, z.Close()) != nil {
		return ""
	}
	var exists *fault.Exists
	err = w.runner.create(ctx, s, key, func() io.Reader { return bytes.NewReader(b.Bytes()) })
	if err != nil && !errors.As(err, &exists) {
		return ""
	}
	return uri
}

// Close implements emr.Work.
func (w *work) Close() {
	for _, s := range w.outputs {
		s.close()
	}
	w.outputs, w.inputs = nil, nil
}

// decoder returns a reader of the object's lines, decompressed by its name.
func (r *Runner) decoder(o store.Object, raw io.Reader) (io.Reader, func(), error) {
	switch {
	case strings.HasSuffix(o.Key, ".bz2"):
		z, ok := r.readers.Get().(*bzip2.Reader)
		if !ok {
			var err error
			if z, err = bzip2.NewReader(raw, bzip2.ReaderConfig{Procs: r.config.Procs}); err != nil {
				return nil, nil, err
			}
		} else {
			z.Reset(raw)
		}
		return z, func() { z.Reset(bytes.NewReader(nil)); r.readers.Put(z) }, nil
	case strings.HasSuffix(o.Key, ".gz"):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", o.Key, err)
		}
		return z, func() {}, nil
	}
	return raw, func() {}, nil
}
