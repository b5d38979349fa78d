package hadoop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Compute implements emr.Work: it runs all tasks of the job, one after the
// other.
func (w *work) Compute(ctx context.Context) {
	w.failure = w.compute(ctx)
}

func (w *work) compute(ctx context.Context) error {
	dir, remove, err := w.files(ctx)
	if err != nil {
		return err
	}
	defer remove()
	exec := w.runner.config.Exec
	if w.job == nil {
		err := exec.Run(ctx, Program{Argv: w.command, Dir: dir, Stdin: strings.NewReader(""), Stdout: w.stderr, Stderr: w.stderr})
		if err != nil {
			return fmt.Errorf("run %s: %w", w.command[0], err)
		}
		return nil
	}
	t := &tasks{work: w, exec: exec, dir: dir}
	defer t.close()
	if w.job.Reducers == 0 {
		return t.mapOnly(ctx)
	}
	for range w.job.Reducers {
		t.shuffle = append(t.shuffle, t.sorter())
	}
	for i := range w.inputs {
		err := t.attempts(ctx, fmt.Sprintf("map task %d", i), mapAttemptsProperty, func(log *stderr) error { return t.mapPart(ctx, &w.inputs[i], log) })
		if err != nil {
			return err
		}
	}
	for i, lines := range t.shuffle {
		err := t.attempts(ctx, fmt.Sprintf("reduce task %d", i), reduceAttemptsProperty, func(log *stderr) error {
			out := &spool{dir: w.runner.config.TempDir}
			if err := t.run(ctx, w.job.Reducer, lines.open(), withTab(out), log); err != nil {
				out.close()
				return err
			}
			w.outputs = append(w.outputs, out)
			return nil
		})
		if err != nil {
			return err
		}
		lines.close()
	}
	return nil
}

// files makes the folder in which programs run, with the job's files, unless
// all of them run without.
func (w *work) files(ctx context.Context) (dir string, remove func(), err error) {
	if w.needsNoFolder() {
		return "", func() {}, nil
	}
	if dir, err = os.MkdirTemp(w.runner.config.TempDir, "penstock-step-*"); err != nil {
		return "", nil, fmt.Errorf("create folder of step %s: %w", w.step.Name, err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	if w.job == nil {
		return dir, remove, nil
	}
	for _, uri := range w.job.Files {
		uri, name, found := strings.Cut(uri, "#")
		if !found {
			name = path.Base(uri)
		}
		if w.runner.config.Exec.Has(name) {
			continue
		}
		if err := w.fetch(ctx, uri, filepath.Join(dir, name), name); err != nil {
			remove()
			return "", nil, err
		}
	}
	return dir, remove, nil
}

func (w *work) needsNoFolder() bool {
	if w.job == nil {
		return false
	}
	for _, argv := range [][]string{w.job.Mapper, w.job.Combiner, w.job.Reducer} {
		if len(argv) > 0 && !w.runner.config.Exec.Has(argv[0]) {
			return false
		}
	}
	return true
}

func (w *work) fetch(ctx context.Context, uri, file, name string) error {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("fetch %s: %q is no file name", uri, name)
	}
	s, key, err := w.runner.config.Buckets.resolve(uri)
	if err != nil {
		return err
	}
	in, err := s.GetRange(ctx, key, "", 0, -1)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", uri, err)
	}
	defer in.Close()
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", uri, err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("fetch %s: %w", uri, err)
	}
	return nil
}

// tasks are the tasks of one job.
type tasks struct {
	*work
	exec    Exec
	dir     string
	shuffle []*sorter // by reducer
}

func (t *tasks) close() {
	for _, s := range t.shuffle {
		s.close()
	}
}

func (t *tasks) sorter() *sorter {
	return &sorter{dir: t.runner.config.TempDir, limit: max(1<<16, t.runner.config.Memory/(2*max(1, t.job.Reducers)))}
}

// shuffleError says that part of a task's output has reached the shuffle, so
// that the task cannot be tried again.
type shuffleError struct{ err error }

func (e *shuffleError) Error() string { return "sort: " + e.err.Error() }
func (e *shuffleError) Unwrap() error { return e.err }

// attempts tries a task as often as the job allows. Counters of attempts that
// failed do not count.
func (t *tasks) attempts(ctx context.Context, name, property string, f func(*stderr) error) error {
	limit := t.job.attempts(property)
	for n := 1; ; n++ {
		log := newStderr()
		err := f(log)
		_ = log.split.flush() // its emit never fails
		if len(log.log) > 0 || err != nil {
			fmt.Fprintf(t.stderr, "%s, attempt %d:\n%s", name, n, log.log)
		}
		if err == nil {
			for _, group := range sortedKeys(log.counters) {
				for _, counter := range sortedKeys(log.counters[group]) {
					fmt.Fprintf(t.stderr, "reporter:counter:%s,%s,%d\n", group, counter, log.counters[group][counter])
				}
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(t.stderr, "%v\n", err)
		var broken *shuffleError
		if n == limit || errors.As(err, &broken) {
			return fmt.Errorf("%s failed %d times: %w", name, n, err)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// run runs a program over lines.
func (t *tasks) run(ctx context.Context, argv []string, in io.Reader, out *splitter, log *stderr) error {
	err := t.exec.Run(ctx, Program{Argv: argv, Dir: t.dir, Env: t.job.environment(), Stdin: in, Stdout: out, Stderr: log})
	if err != nil {
		return err
	}
	return out.flush()
}

// part opens a part, decompressed.
func (t *tasks) part(ctx context.Context, in *input) (io.Reader, func(), error) {
	raw, err := in.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	lines, done, err := t.runner.decoder(in.Object, raw)
	if err != nil {
		raw.Close()
		return nil, nil, err
	}
	return lines, func() { done(); raw.Close() }, nil
}

// mapPart maps a part and combines what comes out, into the shuffle.
func (t *tasks) mapPart(ctx context.Context, in *input, log *stderr) error {
	lines, done, err := t.part(ctx, in)
	if err != nil {
		return err
	}
	defer done()
	mapped := make([]*sorter, t.job.Reducers)
	for i := range mapped {
		mapped[i] = t.sorter()
		defer mapped[i].close()
	}
	out := &splitter{emit: func(line []byte) error {
		key := line
		if i := slices.Index(line, '\t'); i >= 0 {
			key = line[:i]
		}
		return mapped[partition(key, len(mapped))].add(line)
	}}
	if err := t.run(ctx, t.job.Mapper, lines, out, log); err != nil {
		return err
	}
	// Combine everything before anything reaches the shuffle, where it cannot
	// be taken back.
	if len(t.job.Combiner) > 0 {
		for i, before := range mapped {
			after := t.sorter()
			err := t.run(ctx, t.job.Combiner, before.open(), &splitter{emit: after.add}, log)
			before.close()
			mapped[i] = after
			defer after.close()
			if err != nil {
				return err
			}
		}
	}
	for i, s := range mapped {
		to := &splitter{emit: t.shuffle[i].add}
		if _, err := io.Copy(to, s.open()); err != nil {
			return &shuffleError{err}
		}
	}
	return nil
}

// mapOnly makes one output of each part.
func (t *tasks) mapOnly(ctx context.Context) error {
	for i := range t.inputs {
		err := t.attempts(ctx, fmt.Sprintf("map task %d", i), mapAttemptsProperty, func(log *stderr) error {
			lines, done, err := t.part(ctx, &t.inputs[i])
			if err != nil {
				return err
			}
			defer done()
			out := &spool{dir: t.runner.config.TempDir}
			if err := t.run(ctx, t.job.Mapper, lines, withTab(out), log); err != nil {
				out.close()
				return err
			}
			t.outputs = append(t.outputs, out)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withTab writes lines as Hadoop's text output does: a line without a value
// ends with a TAB.
func withTab(w io.Writer) *splitter {
	var line []byte
	return &splitter{emit: func(l []byte) error {
		line = append(line[:0], l...)
		if slices.Index(l, '\t') < 0 {
			line = append(line, '\t')
		}
		_, err := w.Write(append(line, '\n'))
		return err
	}}
}
