package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"penstock/internal/clock"
	"penstock/internal/datadir"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/internal/trace"
)

// Job is one input to be run into a data directory.
type Job struct {
	Name     string // as it was given
	Digest   string // hex; tells inputs apart
	Clock    string // field of the arrival times, "" for none
	Seed     uint64
	Playbook *playbook.Playbook
	Exec     hadoop.Exec
	Runner   func(hadoop.Config) emr.Runner // of the steps; nil: Exec's programs
	Shards   int                            // of a new stream; 0 means 2
	Window   time.Duration                  // batching window; 0 means the default
	// Open opens the input from its begin. start is where the arrival clock of an input without one begins.
	Open func(start time.Time) (Source, error)
	// Progress is told how many events have been sent.
	Progress func(sent int)
	// Wall is the real clock.
	Wall func() time.Time
}

// Report says what a job did.
type Report struct {
	Input   Input
	Already bool // the input had been run before: nothing was done
	Resumed int  // events that an earlier process had sent
}

// Unfinished says that another input has to be finished first.
type Unfinished struct{ Name string }

func (e *Unfinished) Error() string {
	return fmt.Sprintf("the input %s was not finished: run it again first, or choose another directory (--data DIR, make run DATA=DIR)", e.Name)
}

// Older says that an input begins before the stream's last record: a stream's clock does not go back.
type Older struct{ Begins, Stream time.Time }

func (e *Older) Error() string {
	return fmt.Sprintf("the input begins at %s, before the stream's last record of %s: choose another directory (--data DIR, make run DATA=DIR)",
		e.Begins.Format(time.RFC3339), e.Stream.Format(time.RFC3339))
}

// idDigits is how much of an input's digest names it.
const idDigits = 12

// keep is how many bytes of records that are archived stay in memory.
const keep = 16 << 20

// Session is a data directory that one process works on.
type Session struct {
	dir          *datadir.Dir
	runs, states *store.Dir
	clock        *clock.Virtual
	saved        *Saved
	wall         func() time.Time
	release      func() error
}

// SessionOptions say how a session works on its directory.
type SessionOptions struct {
	Holder string           // names the command for others that are kept out
	Wall   func() time.Time // the real clock, until the session has one of its own
	// NoSync does not wait until bytes are on the disk; see store.DirOptions. A process that is killed loses nothing by it.
	NoSync bool
}

// OpenSession opens a data directory and keeps other writers out until Close.
func OpenSession(ctx context.Context, path string, options SessionOptions) (s *Session, err error) {
	s = &Session{wall: options.Wall}
	now := func() time.Time {
		if s.clock != nil {
			return s.clock.Now()
		}
		return options.Wall()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	if s.dir, err = datadir.Open(path, datadir.Options{Now: now, NoSync: options.NoSync}); err != nil {
		return s, err
	}
	since := options.Wall().UTC().Format(time.DateTime)
	if s.release, err = s.dir.Lock(fmt.Sprintf("%s since %s UTC", options.Holder, since)); err != nil {
		return s, err
	}
	if s.runs, err = store.OpenDir(s.dir.Runs(), store.DirOptions{Now: now, NoSync: options.NoSync}); err != nil {
		return s, err
	}
	if s.states, err = store.OpenDir(s.dir.Stream(), store.DirOptions{Now: now, NoSync: options.NoSync}); err != nil {
		return s, err
	}
	s.saved, err = Load(ctx, s.states)
	return s, err
}

// Close lets go of the directory.
func (s *Session) Close() error {
	var errs []error
	if s.runs != nil {
		errs = append(errs, s.runs.Close())
	}
	if s.states != nil {
		errs = append(errs, s.states.Close())
	}
	if s.release != nil {
		errs = append(errs, s.release())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	return errors.Join(errs...)
}

// pipeline makes a pipeline whose clock shows begin; the stream goes on where it was saved.
func (s *Session) pipeline(begin time.Time, j Job) (*Pipeline, error) {
	s.clock = clock.NewVirtual(begin)
	if j.Exec != nil {
		j.Exec = hadoop.Marked(j.Exec, Mark(s.dir.Path))
	}
	options := stream.Options{Now: s.clock.Now, Shards: j.Shards, Seed: j.Seed}
	if options.Shards == 0 {
		options.Shards = 2
	}
	var model *stream.Model
	var err error
	if s.saved != nil {
		model, err = stream.Restore(options, s.saved.Stream)
	} else {
		model, err = stream.NewMemory(options)
	}
	if err != nil {
		return nil, err
	}
	sink, err := trace.NewSink(trace.NewDir(s.dir.Traces()), s.clock.Now)
	if err != nil {
		return nil, err
	}
	return New(Config{Clock: s.clock, Archive: s.dir.Archive, Hours: s.dir.Hours, Failure: s.dir.Failed, Stream: model,
		Keys: s.dir.Keys, Seed: j.Seed, Traces: sink, Exec: j.Exec, Runner: j.Runner, Playbook: j.Playbook, Window: j.Window,
		Format: s.dir.Marker.Format, Split: s.dir.Marker.Split, Procs: runtime.GOMAXPROCS(0)})
}

// Run runs an input, resumes it, or finds that it was run.
func (s *Session) Run(ctx context.Context, j Job) (*Report, error) {
	inputs, err := Inputs(ctx, s.runs)
	if err != nil {
		return nil, err
	}
	id := j.Digest[:idDigits]
	in := Input{ID: id, Name: j.Name, Digest: j.Digest, Clock: j.Clock, Format: s.dir.Marker.Format, Seed: j.Seed,
		Start: hour.At(j.Wall())}
	if s.saved != nil && in.Start.Before(s.saved.Begin()) {
		in.Start = hour.At(s.saved.Begin().Add(time.Millisecond))
	}
	for _, old := range inputs {
		switch {
		case old.ID == id && old.Done:
			return &Report{Input: old, Already: true}, nil
		case old.ID == id:
			in.Start, in.Clock, in.Seed = old.Start, old.Clock, old.Seed
		case !old.Done:
			return nil, &Unfinished{old.Name}
		}
	}
	source, err := j.Open(in.Start.Time)
	if err != nil {
		return nil, err
	}
	report := &Report{Input: in}
	feed := &Feed{Source: source, Progress: j.Progress}
	var begin time.Time
	if s.saved != nil && s.saved.Input == id {
		report.Input.Hours, report.Resumed = s.saved.Hours, s.saved.Events
		feed.Skip, begin = s.saved.Events, s.saved.Clock.Time
	} else if begin, err = s.begin(feed); err != nil {
		return nil, err
	}
	p, err := s.pipeline(begin, j)
	if err != nil {
		return nil, err
	}
	defer p.EMR.Close()
	if err := SaveInput(ctx, s.runs, report.Input); err != nil {
		return nil, err
	}
	if err := s.drive(ctx, p, feed, report); err != nil {
		return nil, err
	}
	return report, nil
}

// begin finds when an input that is not resumed begins.
func (s *Session) begin(f *Feed) (time.Time, error) {
	e, err := f.Source.Next()
	if errors.Is(err, io.EOF) {
		err = &Empty{}
	}
	if err != nil {
		return time.Time{}, err
	}
	f.next = &e
	if s.saved == nil {
		return e.Time, nil
	}
	if latest := s.saved.Begin(); e.Time.Before(latest) {
		return time.Time{}, &Older{e.Time, latest}
	}
	return e.Time, nil
}

// Empty says that an input holds no events.
type Empty struct{}

func (*Empty) Error() string { return "the input holds no events" }

// drive lets the clock run until the input is sent and its hours are settled.
func (s *Session) drive(ctx context.Context, p *Pipeline, feed *Feed, report *Report) error {
	in := &report.Input
	feed.Hours = func(h hour.Hour) {
		if n := len(in.Hours); n == 0 || in.Hours[n-1] != h {
			in.Hours = append(in.Hours, h)
		}
	}
	save := func(ctx context.Context, done bool) error {
		in.Events, in.Refused, in.Done = feed.Sent(), feed.Refused, done
		if err := p.Save(ctx, s.states, Saved{Input: in.ID, Events: in.Events, Hours: slices.Clone(in.Hours), Done: done}); err != nil {
			return err
		}
		return SaveInput(ctx, s.runs, *in)
	}
	feed.Kept = func(ctx context.Context, sent int) error {
		if m, ok := p.Stream.(*stream.Model); ok {
			checkpoints, err := m.Checkpoints(ctx)
			if err != nil {
				return err
			}
			if _, err := m.TrimConsumed(ctx, checkpoints, keep); err != nil {
				return err
			}
		}
		return save(ctx, false)
	}
	var failed error
	err := s.clock.Run(func() {
		failed = func() error {
			if err := p.Start(ctx); err != nil {
				return err
			}
			if err := feed.Run(ctx, p); err != nil {
				return err
			}
			if err := p.Close(ctx, in.Hours); err != nil {
				return err
			}
			return save(ctx, true)
		}()
	})
	return errors.Join(failed, err)
}
