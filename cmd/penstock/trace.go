package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/trace"
)

type traceCmd struct {
	place
	asJSON
	Hour      *hour.Hour `arg:"" optional:"" predictor:"hour" placeholder:"HOUR" help:"UTC hour of arrival, such as 2026-11-23T07: its latest run."`
	Execution string     `xor:"which" placeholder:"NAME" help:"The execution of that name, such as 2026-11-23T07-1."`
	ID        string     `xor:"which" placeholder:"TRACE" help:"The trace of that id, as indexes and ledgers have it."`
	Object    string     `xor:"which" predictor:"file" placeholder:"KEY" help:"What made an object: an archive object, an index, rejects, a part, a seal, a result."`
	Sequence  string     `xor:"which" placeholder:"N" help:"What became of the record with that sequence number; with an HOUR, only there is searched."`
	Shard     string     `placeholder:"ID" help:"The shard of --sequence."`
	HTML      string     `name:"html" predictor:"file" placeholder:"FILE" help:"Write a page that needs nothing else, instead."`
}

// Help implements kong.HelpProvider.
func (traceCmd) Help() string {
	return `Each line is a piece of work: a state, an attempt, an invocation, a stage or a call, with its bar on the run's time axis. What failed is marked, with its error below it.

For an object or a sequence number it is told first where that comes from and which runs took it, then the invocation that archived it is drawn; where that was not traced (Lambda samples), its log lines are shown.

Examples:

  penstock trace 2026-11-23T07
  penstock trace --execution 2026-11-23T07-1
  penstock trace 2026-11-23T07 --html trace.html
  penstock trace --object 2026/11/_player_events.2026112307.0123456789ab.seal.json
  penstock trace 2026-11-23T07 --sequence 49590338271490256608559692538361571095921575989136588898
`
}

// Run implements the command.
func (cmd traceCmd) Run(ctx context.Context, c *console) error {
	searches := cmd.Object != "" || cmd.Sequence != ""
	switch {
	case cmd.Hour == nil && cmd.Execution == "" && cmd.ID == "" && !searches:
		return failf(exitUsage, "trace of what? Name an HOUR, an --execution, an --object, a --sequence or an --id: see `penstock trace --help`")
	case cmd.Hour != nil && (cmd.Execution != "" || cmd.ID != "" || cmd.Object != ""):
		return failf(exitUsage, "an HOUR and an --execution, --object or --id: name one of them")
	case cmd.Shard != "" && cmd.Sequence == "":
		return failf(exitUsage, "--shard is of a --sequence: see `penstock trace --help`")
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if searches {
		return cmd.search(ctx, c, d)
	}
	t, err := cmd.load(ctx, d)
	if err != nil {
		return cmd.untraced(err)
	}
	return cmd.show(c, t)
}

// untraced adds to an error what to type next.
func (cmd traceCmd) untraced(err error) error {
	if is[*trace.NotRecorded](err) {
		return fmt.Errorf("%w: %s lists the hours that have runs", err, cmd.command("status"))
	}
	return err
}

func (cmd traceCmd) show(c *console, t *trace.Trace) error {
	switch {
	case cmd.JSON:
		return trace.JSON(c.Out, t)
	case cmd.HTML != "":
		if err := writeWhole(cmd.HTML, func(w io.Writer) error { return trace.HTML(w, t) }); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.Out, "wrote %s: open it in a browser\n", cmd.HTML)
		return err
	}
	return trace.Waterfall(c.Out, t, c.Width, c.Color)
}

func (cmd traceCmd) load(ctx context.Context, d *site) (*trace.Trace, error) {
	if d.Stack != nil {
		return cmd.remote(ctx, d)
	}
	traces := trace.NewDir(d.Dir.Traces())
	switch {
	case cmd.ID != "":
		return traces.Load(cmd.ID)
	case cmd.Execution != "":
		return traces.LoadExecution(cmd.Execution)
	}
	names, err := traces.Executions(cmd.Hour.Start())
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, &trace.NotRecorded{What: "hour " + cmd.Hour.String(), Hint: "it has no run that was recorded"}
	}
	return traces.LoadExecution(names[len(names)-1])
}

// remote reads the trace from X-Ray, or from the log group of spans where Transaction Search is on. The ledger knows the
// trace of a run that did anything; what it does not know is searched by annotation.
func (cmd traceCmd) remote(ctx context.Context, d *site) (*trace.Trace, error) {
	if cmd.ID != "" {
		return d.remoteTrace(ctx, cmd.ID)
	}
	key, value, from := "execution", cmd.Execution, d.now().Add(-trace.TraceAge)
	if cmd.Hour != nil {
		key, value = "hour", cmd.Hour.String()
		if cmd.Hour.Start().After(from) {
			from = cmd.Hour.Start()
		}
	}
	run, err := cmd.run(ctx, d)
	if err != nil {
		return nil, err
	}
	if run != nil && run.Trace != "" {
		if t, err := d.remoteTrace(ctx, run.Trace); !is[*trace.NotRecorded](err) {
			return t, err
		}
	}
	if run != nil { // the stages annotate with the ARN
		key, value = "execution", d.Stack.Executions(d.Stack.HourMachine).ARN(run.Execution)
	}
	ids, err := d.Stack.Traces().Find(ctx, key, value, from, d.now())
	var none *trace.NotRecorded
	switch {
	case is[*trace.SpansInLogs](err):
		t, err := d.spansBy(ctx, key, value, from)
		if errors.As(err, &none) {
			none.What = cmd.what()
		}
		return t, err
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, &trace.NotRecorded{What: cmd.what(), Hint: "X-Ray has nothing (yet): it shows a trace some seconds after its work, for 30 days"}
	}
	return d.remoteTrace(ctx, ids[len(ids)-1])
}

// what names what is looked for, for people.
func (cmd traceCmd) what() string {
	if cmd.Hour != nil {
		return "hour " + cmd.Hour.String()
	}
	return "execution " + cmd.Execution
}

// run finds the run that is meant in its hour's ledger: the latest of an hour, or that of an execution's name. nil if
// there is none.
func (cmd traceCmd) run(ctx context.Context, d *site) (*use, error) {
	of, named := cmd.Hour, cmd.Hour == nil
	if named {
		name, _, _ := strings.Cut(strings.TrimSpace(cmd.Execution), "T")
		if len(cmd.Execution) < len(name)+3 {
			return nil, nil
		}
		h, err := hour.Parse(cmd.Execution[:len(name)+3])
		if err != nil {
			return nil, nil // named by hand, in the console
		}
		of = &h
	}
	state, err := d.Ledger().Read(ctx, *of)
	if is[*fault.Corrupt](err) {
		return nil, nil // verify says so
	}
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(state.Runs) {
		if !named || executionName(state, r) == cmd.Execution {
			u := useOf(state, r, -1)
			return &u, nil
		}
	}
	return nil, nil
}

// remoteTrace reads a trace by its id.
func (s *site) remoteTrace(ctx context.Context, id string) (*trace.Trace, error) {
	all, err := s.Stack.Traces().Load(ctx, []string{id})
	if is[*trace.SpansInLogs](err) {
		return s.spans(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// spans reads a trace from the log group of spans.
func (s *site) spans(ctx context.Context, id string) (*trace.Trace, error) {
	began, ok := trace.TraceTime(id)
	if !ok {
		return nil, &trace.NotRecorded{What: fmt.Sprintf("%.80q", id), Hint: "a trace id looks like 1-65637c00-0123456789abcdef01234567"}
	}
	var all trace.Spans
	// An execution lives for twelve hours at the most; a span is written when it ends.
	for e, err := range s.Stack.Logs().Events(ctx, awsapi.LogQuery{Group: trace.SpansLogGroup, Pattern: `"` + trace.SpanTraceID(id) + `"`,
		From: began.Add(-time.Hour), To: began.Add(13 * time.Hour)}) {
		if is[*fault.NotFound](err) { // of an account that has sent none yet
			break
		}
		if err != nil {
			return nil, err
		}
		if !all.Add([]byte(e.Text)) {
			break
		}
	}
	for _, t := range all.Traces() {
		if t.ID == id {
			return t, nil
		}
	}
	return nil, &trace.NotRecorded{What: id, Hint: "the log group " + trace.SpansLogGroup + " has nothing of it (yet): spans come a minute or two after their work, if they were sampled"}
}

// spansBy finds the latest trace that has an annotation of that value.
func (s *site) spansBy(ctx context.Context, key, value string, from time.Time) (*trace.Trace, error) {
	if _, err := trace.FilterAnnotation(key, value); err != nil {
		return nil, err
	}
	var all trace.Spans
	for e, err := range s.Stack.Logs().Events(ctx, awsapi.LogQuery{Group: trace.SpansLogGroup, Pattern: `"` + value + `"`, From: from, To: s.now()}) {
		if is[*fault.NotFound](err) { // of an account that has sent none yet
			break
		}
		if err != nil {
			return nil, err
		}
		if !all.Add([]byte(e.Text)) {
			break
		}
	}
	latest := ""
	for _, t := range all.Traces() {
		if t.Annotated(key, value) && t.ID > latest { // an id begins with its time
			latest = t.ID
		}
	}
	if latest == "" {
		return nil, &trace.NotRecorded{What: key + " " + value, Hint: "the log group " + trace.SpansLogGroup + " has nothing of it (yet): spans come a minute or two after their work, if they were sampled"}
	}
	return s.spans(ctx, latest)
}

// found is what trace prints as JSON of an object or a sequence number.
type found struct {
	*origin
	Invocation *trace.Trace `json:"invocation,omitempty"` // that archived it; absent if it was not traced
	Log        []string     `json:"log,omitempty"`        // what it wrote, if it was not traced
}

// search finds an object or a record and shows what made it.
func (cmd traceCmd) search(ctx context.Context, c *console, d *site) error {
	var o *origin
	var err error
	if cmd.Object != "" {
		o, err = d.findObject(ctx, cmd.Object)
	} else {
		n, bad := hour.ParseSequence(cmd.Sequence)
		if bad != nil {
			return &failure{exitUsage, fmt.Errorf("--sequence %.60q: %w", cmd.Sequence, bad)}
		}
		o, err = d.findSequence(ctx, n, cmd.Hour, cmd.Shard)
	}
	if err != nil {
		return err
	}
	f := found{origin: o}
	what := cmd // whose trace is drawn: the invocation's that archived it, or the latest run's
	what.Hour = nil
	if o.Batch != nil {
		what.ID = o.Batch.Trace
	} else if n := len(o.Uses); n > 0 {
		what.Execution = o.Uses[n-1].Execution
	}
	why := error(&trace.NotRecorded{What: "its invocation", Hint: "the index names none"})
	if what.ID != "" || what.Execution != "" {
		f.Invocation, why = what.load(ctx, d)
	}
	if why != nil && !is[*trace.NotRecorded](why) {
		return why
	}
	if f.Invocation == nil && o.Batch != nil && d.Stack != nil && o.Batch.Request != "" {
		at := o.Batch.ArchivedAt.Time
		f.Log, err = d.logLines(ctx, awsapi.LogQuery{Group: d.Stack.LogGroup("archive"), Pattern: `"` + o.Batch.Request + `"`, From: at.Add(-15 * time.Minute), To: at.Add(15 * time.Minute)}, maxLogLines)
		if err != nil {
			return err
		}
	}
	if cmd.JSON {
		return c.printJSON(f)
	}
	if cmd.HTML != "" {
		if f.Invocation == nil {
			return cmd.untraced(why)
		}
		return cmd.show(c, f.Invocation)
	}
	if err := c.printOrigin(cmd.place, o); err != nil {
		return err
	}
	switch {
	case f.Invocation != nil:
		fmt.Fprintln(c.Out)
		return trace.Waterfall(c.Out, f.Invocation, c.Width, c.Color)
	case len(f.Log) > 0:
		fmt.Fprintf(c.Out, "\nIts invocation was not traced; it wrote:\n")
		for _, line := range f.Log {
			if _, err := fmt.Fprintln(c.Out, line); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	_, err = fmt.Fprintf(c.Out, "\n%s\n", clean(why.Error()))
	return err
}

// maxLogLines bounds what is shown of one invocation's log.
const maxLogLines = 200
