package main

import (
	"context"
	"fmt"
	"io"

	"penstock/internal/hour"
	"penstock/internal/trace"
)

type traceCmd struct {
	place
	asJSON
	Hour      *hour.Hour `arg:"" optional:"" predictor:"hour" placeholder:"HOUR" help:"UTC hour of arrival, such as 2026-11-23T07: its latest run."`
	Execution string     `xor:"which" placeholder:"NAME" help:"The execution of that name, such as 2026-11-23T07-1."`
	ID        string     `xor:"which" placeholder:"TRACE" help:"The trace of that id, as indexes and ledgers have it."`
	HTML      string     `name:"html" predictor:"file" placeholder:"FILE" help:"Write a page that needs nothing else, instead."`
}

// Help implements kong.HelpProvider.
func (traceCmd) Help() string {
	return `Each line is a piece of work: a state, an attempt, an invocation, a stage or a call, with its bar on the run's time axis. What failed is marked, with its error below it.

Examples:

  penstock trace 2026-11-23T07
  penstock trace --execution 2026-11-23T07-1
  penstock trace 2026-11-23T07 --html trace.html
`
}

func (cmd traceCmd) Run(ctx context.Context, c *console) error {
	if cmd.Hour == nil && cmd.Execution == "" && cmd.ID == "" {
		return failf(exitUsage, "trace of what? Name an HOUR, an --execution or an --id: see `penstock trace --help`")
	}
	if cmd.Hour != nil && (cmd.Execution != "" || cmd.ID != "") {
		return failf(exitUsage, "an HOUR and an --execution or --id: name one of them")
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	t, err := cmd.load(ctx, d)
	switch {
	case is[*trace.NotRecorded](err):
		return fmt.Errorf("%w: %s lists the hours that have runs", err, cmd.command("status"))
	case err != nil:
		return err
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

// remote reads the trace from X-Ray.
func (cmd traceCmd) remote(ctx context.Context, d *site) (*trace.Trace, error) {
	traces := d.Stack.Traces()
	ids := []string{cmd.ID}
	if cmd.ID == "" {
		key, value, from := "execution", cmd.Execution, d.now().Add(-trace.TraceAge)
		if cmd.Hour != nil {
			key, value = "hour", cmd.Hour.String()
			if cmd.Hour.Start().After(from) {
				from = cmd.Hour.Start()
			}
		}
		var err error
		if ids, err = traces.Find(ctx, key, value, from, d.now()); err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, &trace.NotRecorded{What: key + " " + value, Hint: "X-Ray has nothing (yet): it shows a trace some seconds after its work, for 30 days"}
		}
	}
	all, err := traces.Load(ctx, ids[len(ids)-1:])
	if err != nil {
		return nil, err
	}
	return all[0], nil
}
