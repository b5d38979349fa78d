package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"

	"penstock/internal/datadir"
	"penstock/internal/generate"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/rollup"
	"penstock/internal/supervise"
	"penstock/playbooks"
)

type runCmd struct {
	folder
	durability
	asJSON
	Input    string        `arg:"" optional:"" help:"File of events, one a line; - reads standard input; none: a generated day."`
	Clock    string        `placeholder:"FIELD" help:"Field whose time (RFC 3339, Unix seconds or milliseconds) is the arrival; without it, events arrive now."`
	Format   string        `enum:"json,text" default:"json" help:"json: one document an event; text: one line."`
	Name     string        `default:"player_events" help:"Name of the data set, a part of every key."`
	Playbook string        `placeholder:"FILE" type:"existingfile" help:"The hour's job; kept as playbook.json in the data directory."`
	Seed     uint64        `default:"1" help:"Of the generated events and of all ids."`
	Events   int           `default:"240000" help:"How many events to generate."`
	Day      string        `default:"2026-11-02" help:"The day to generate."`
	Shards   int           `default:"1" help:"Shards of a new stream; one takes 1000 events or 1 MB a second."`
	Window   time.Duration `default:"5m" help:"How long a batch is gathered before it is archived."`
	Engine   string        `enum:"process,hadoop,yarn" default:"process" help:"What runs the steps: processes, a Hadoop (HADOOP_HOME, or make engines), or YARN in one JVM."`
	Engines  string        `default:".engines" placeholder:"DIR" env:"PENSTOCK_ENGINES" help:"The folder that make engines fills."`
}

// Help implements kong.HelpProvider.
func (runCmd) Help() string {
	return `The input passes the edge, the stream, the archive and, hour by hour, the state machines that are deployed, on a virtual clock: a day takes seconds.

Running the same input again resumes it or does nothing; another input goes on where the stream stands. Running deletes nothing.

Examples:

  penstock run
  penstock run events.ndjson --clock time --data mine
  cat access.log | penstock run - --format text --data logs
  penstock run --events 10000 --engine hadoop --data onhadoop
`
}

func (cmd runCmd) Run(ctx context.Context, c *console) error {
	job, err := cmd.job(c)
	if err != nil {
		return err
	}
	if err := cmd.init(); err != nil {
		return err
	}
	book, err := cmd.book(job.peek)
	if err != nil {
		return err
	}
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock run", Wall: c.Now, NoSync: cmd.NoSync})
	if err != nil {
		return err
	}
	defer s.Close()
	runner, stop, err := hadoop.OpenEngine(ctx, cmd.Engine, hadoop.EngineOptions{Home: os.Getenv("HADOOP_HOME"), Fetched: cmd.Engines,
		Supervisor: []string{self(), supervise.Argument}})
	if err != nil {
		return err
	}
	defer stop()
	progress, finish := c.progress(job.events, "events")
	begun := time.Now()
	report, err := s.Run(ctx, local.Job{Name: job.name, Digest: job.digest, Clock: cmd.Clock, Seed: cmd.Seed, Playbook: book,
		Exec: programs(), Runner: runner, Shards: cmd.Shards, Window: cmd.Window, Open: job.open, Progress: progress, Wall: c.Now})
	finish()
	if err != nil {
		return err
	}
	return cmd.show(ctx, c, report, job.bytes, time.Since(begun))
}

// input is what is to be run.
type input struct {
	name   string
	digest string
	events int
	bytes  int64
	peek   []byte // the first event
	open   func(start time.Time) (local.Source, error)
}

func (cmd runCmd) job(c *console) (*input, error) {
	if cmd.Clock != "" && cmd.Format == "text" {
		return nil, failf(exitUsage, "lines of text have no field for --clock: leave it out, or use --format json")
	}
	if cmd.Input == "" {
		return cmd.generated()
	}
	name := cmd.Input
	if name == "-" {
		f, err := os.CreateTemp("", "penstock-input-*")
		if err != nil {
			return nil, fmt.Errorf("keep standard input: %w", err)
		}
		// The name goes at once; the bytes go with the process.
		defer os.Remove(f.Name())
		_, err = io.Copy(f, c.In)
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("keep standard input: %w", err), f.Close())
		}
		return cmd.lines("standard input", f)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the input %s: %w: name a file of events, or - for standard input", name, withoutPath(err))
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, failf(exitUsage, "the input %s is a directory: name a file of events, one a line", name)
	}
	return cmd.lines(name, f)
}

// lines reads a file once for its digest, and then from its begin.
func (cmd runCmd) lines(name string, f *os.File) (*input, error) {
	in := &input{name: filepath.Base(name)}
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		b := buf[:n]
		if in.bytes == 0 {
			in.peek, _, _ = bytes.Cut(bytes.Clone(b), []byte("\n"))
		}
		h.Write(b)
		in.bytes += int64(n)
		in.events += bytes.Count(b, []byte("\n"))
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the input %s: %w", name, withoutPath(err))
		}
	}
	if in.bytes == 0 {
		return nil, failf(exitNoData, "the input %s is empty: nothing to run", name)
	}
	in.digest = hex.EncodeToString(h.Sum(nil))
	in.open = func(start time.Time) (local.Source, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read the input %s: %w", name, withoutPath(err))
		}
		return local.NewLines(name, f, cmd.Clock, start, pace), nil
	}
	return in, nil
}

// pace is how far apart events without a clock arrive.
const pace = 10 * time.Microsecond

func (cmd runCmd) generated() (*input, error) {
	day, err := time.Parse(time.DateOnly, cmd.Day)
	if err != nil {
		return nil, failf(exitUsage, "%.40q is not a day such as 2026-11-02: see `penstock run --help`", cmd.Day)
	}
	config := generate.Config{Seed: cmd.Seed, Start: day, Duration: 24 * time.Hour, Events: cmd.Events}
	if err := config.Validate(); err != nil {
		return nil, &failure{exitUsage, err}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "generate 1 %d %s %d", cmd.Seed, cmd.Day, cmd.Events))
	return &input{name: fmt.Sprintf("generated %s, seed %d, %d events", cmd.Day, cmd.Seed, cmd.Events),
		digest: hex.EncodeToString(sum[:]), events: cmd.Events,
		open: func(time.Time) (local.Source, error) {
			g, err := generate.New(config)
			return local.Generated{Generator: g}, err
		}}, nil
}

// init makes the data directory where there is none, and holds what was given against one that is there.
func (cmd runCmd) init() error {
	err := datadir.Init(cmd.Data, datadir.Marker{Name: cmd.Name, Format: cmd.Format})
	var exists *datadir.Exists
	if !errors.As(err, &exists) {
		return err
	}
	d, err := datadir.Open(cmd.Data, datadir.Options{Now: time.Now})
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Marker.Format != cmd.Format || d.Marker.Name != cmd.Name {
		return failf(exitUsage, "%s holds %s events called %s, not %s events called %s: choose another directory (--data DIR), or give the same --format and --name",
			cmd.Data, d.Marker.Format, d.Marker.Name, cmd.Format, cmd.Name)
	}
	return nil
}

// playbookName is the file in a data directory that says what is done with each hour. It may be edited.
const playbookName = "playbook.json"

// book reads the data directory's playbook; the first run puts one there that fits the input.
func (cmd runCmd) book(first []byte) (*playbook.Playbook, error) {
	path := filepath.Join(cmd.Data, playbookName)
	data, err := os.ReadFile(path)
	if cmd.Playbook != "" || errors.Is(err, os.ErrNotExist) {
		if data, err = cmd.choose(first); err == nil {
			if _, err := playbook.Parse(data); err != nil {
				return nil, fmt.Errorf("read the playbook: %w", err)
			}
			err = writeWhole(path, func(w io.Writer) error { _, err := w.Write(data); return err })
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the playbook: %w", err)
	}
	return readBook(path, data)
}

func readBook(path string, data []byte) (*playbook.Playbook, error) {
	b, err := playbook.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read the playbook %s: %w: mend it, or give another with --playbook FILE", path, err)
	}
	return b, nil
}

// choose returns the playbook that was given, or the one that comes with Penstock and fits the input.
func (cmd runCmd) choose(first []byte) ([]byte, error) {
	if cmd.Playbook != "" {
		return os.ReadFile(cmd.Playbook)
	}
	if cmd.Format == "text" {
		return playbooks.Text, nil
	}
	var web struct{ Status, Method json.RawMessage }
	if json.Unmarshal(first, &web) == nil && web.Status != nil && web.Method != nil {
		return playbooks.Web, nil
	}
	return playbooks.Video, nil
}

// programs are the programs that steps may call without naming a file: rollup, as a process of its own.
func programs() hadoop.Exec {
	beside := filepath.Join(filepath.Dir(self()), "rollup")
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return hadoop.Processes{"rollup": {beside}}
	}
	return hadoop.Processes{"rollup": {self(), "rollup"}}
}

// self is this program.
func self() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}

// rollupCmd is cmd/rollup, so that the one binary is enough.
type rollupCmd struct {
	Args []string `arg:"" optional:"" passthrough:"" help:"As of the command rollup."`
}

// Run implements the command.
func (cmd rollupCmd) Run(c *console) error {
	if code := rollup.Main(cmd.Args, c.In, c.Out, c.Err); code != 0 {
		return &failure{code: code}
	}
	return nil
}

// progress returns a function to be told of progress, and one for the end. It shows a bar on a terminal only.
func (c *console) progress(total int, what string) (set func(int), finish func()) {
	if !terminal(c.Err) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(c.Err), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionUseANSICodes(c.Color))
	return func(n int) { _ = bar.Set(n) }, func() { _ = bar.Clear() }
}

// ran is what a run prints as JSON.
type ran struct {
	Input   local.Input `json:"input"`
	Already bool        `json:"already"`
	Resumed int         `json:"resumed"`
	Seconds float64     `json:"seconds"`
	statusReport
}

func (cmd runCmd) show(ctx context.Context, c *console, r *local.Report, bytes int64, took time.Duration) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	in := r.Input
	if len(in.Hours) == 0 {
		return failf(exitNoData, "the input %s brought no events", in.Name)
	}
	span := hour.Range{From: in.Hours[0], To: in.Hours[len(in.Hours)-1]}
	rows, err := survey(ctx, d, &span)
	if err != nil {
		return err
	}
	totals := totalsOf(rows)
	if cmd.JSON {
		if err := c.printJSON(ran{in, r.Already, r.Resumed, took.Seconds(), statusReport{Hours: rows, Totals: totals}}); err != nil {
			return err
		}
		return cmd.failed(rows)
	}
	if err := c.printHours(rows); err != nil {
		return err
	}
	fmt.Fprintln(c.Out)
	switch {
	case r.Already:
		fmt.Fprintf(c.Out, "%s was run before: nothing was done.\n", in.Name)
	default:
		if r.Resumed > 0 {
			fmt.Fprintf(c.Out, "Resumed after %d events that an earlier process had sent.\n", r.Resumed)
		}
		raw := totals.Bytes
		n := in.Events - r.Resumed
		fmt.Fprintf(c.Out, "%s: %d events through the whole path in %.1f s, %.0f events and %.1f MB a second.\n", in.Name, n,
			took.Seconds(), float64(n)/took.Seconds(), float64(raw)/1e6/took.Seconds())
		if in.Refused > 0 {
			fmt.Fprintf(c.Out, "%d events were refused at the edge: larger than a record may be.\n", in.Refused)
		}
	}
	last := span.To
	fmt.Fprintf(c.Out, "\nNext: %s, %s, %s\n", cmd.command("status %s", last), cmd.command("result %s", last), cmd.command("trace %s", last))
	return cmd.failed(rows)
}

// failed is the error of a run some of whose hours failed.
func (cmd runCmd) failed(rows []hourRow) error {
	n, last := 0, hour.Hour{}
	for _, r := range rows {
		if r.State == stateFailed {
			n, last = n+1, r.Hour
		}
	}
	if n == 0 {
		return nil
	}
	return failf(exitFailed, "%d of %d hours failed, %s the last: see %s and %s", n, len(rows), last, cmd.command("logs %s", last), cmd.command("trace %s", last))
}
