package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/datadir"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/operate"
)

type cancelCmd struct {
	place
	asJSON
	polling
	Hour  hour.Hour     `arg:"" predictor:"hour" help:"The hour."`
	Limit time.Duration `default:"10m" help:"How long to look until execution and cluster are over."`
}

// Help implements kong.HelpProvider.
func (cancelCmd) Help() string {
	return `Stops the run of an hour and ends its cluster, and looks at both until they are over. The ledger then says that the run was aborted: the schedule starts no other, and readers keep what is published. Nothing to cancel is exit code 3; what is not over in time is named, with exit code 1. Cancelling again is safe, and ends what was left.

In a data directory a run lives in the process that began it (Ctrl-C ends it), which is named if it is there. What a process that died left open is closed, and its steps' processes are killed.

Examples:

  penstock cancel 2026-11-23T07
  penstock cancel 2026-11-23T07 --target aws:penstock
`
}

func (cmd cancelCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	var out *operate.Cancelled
	killed := 0
	if d.Stack != nil {
		out, err = cmd.onStack(ctx, c, d)
	} else {
		out, killed, err = cmd.here(ctx, c)
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = c.printJSON(out)
	} else if len(out.Runs)+len(out.Clusters)+killed > 0 {
		err = cmd.print(c, out, killed)
	}
	switch {
	case err != nil:
		return err
	case len(out.Open) > 0:
		return failf(exitError, "not over: %s: %s again", strings.Join(out.Open, "; "), cmd.command("cancel %s", cmd.Hour))
	case len(out.Runs)+len(out.Clusters)+killed == 0:
		return failf(exitNoData, "nothing runs for hour %s: see %s", cmd.Hour, cmd.command("status %s", cmd.Hour))
	}
	return nil
}

const cancelled = "cancelled by hand"

func (cmd cancelCmd) onStack(ctx context.Context, c *console, d *site) (*operate.Cancelled, error) {
	show, finish := c.doingLine()
	defer finish()
	return d.operator().Cancel(ctx, operate.Cancel{Hour: cmd.Hour, Stack: d.Stack.Name, Clusters: d.Stack.Clusters(), Cause: cancelled,
		Poll: cmd.Poll, Limit: cmd.Limit, Told: show})
}

func (cmd cancelCmd) here(ctx context.Context, c *console) (*operate.Cancelled, int, error) {
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock cancel", Wall: c.Now})
	var busy *datadir.Busy
	if errors.As(err, &busy) {
		return nil, 0, failf(exitRunning, "%s is in use by %s, and its runs end with it: stop it (Ctrl-C there, or kill), then %s", cmd.Data,
			busy.Holder, cmd.command("cancel %s", cmd.Hour))
	}
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	return s.Cancel(ctx, cmd.Hour, cancelled)
}

func (cmd cancelCmd) print(c *console, out *operate.Cancelled, killed int) error {
	var b strings.Builder
	for _, r := range out.Runs {
		fmt.Fprintf(&b, "run %d of hour %s: execution %s, %s\n", r.Run, cmd.Hour, r.Execution, r.Outcome)
	}
	for _, k := range out.Clusters {
		fmt.Fprintf(&b, "cluster %s (%s): %s\n", k.ID, k.Name, k.State)
	}
	if killed > 0 {
		fmt.Fprintf(&b, "%s of steps: killed\n", count(killed, "process", "processes"))
	}
	if len(out.Open) == 0 {
		what := "executions and clusters"
		if cmd.Target == "" {
			what = "executions and the processes of steps"
		}
		fmt.Fprintf(&b, "\nAll %s of the hour are over. Next: %s, %s\n", what, cmd.command("status %s", cmd.Hour), cmd.command("rerun %s", cmd.Hour))
	}
	_, err := fmt.Fprint(c.Out, b.String())
	return err
}
