package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"penstock/internal/hour"
	"penstock/internal/store"
)

type logsCmd struct {
	place
	Of     string        `arg:"" name:"of" predictor:"hour" placeholder:"FUNCTION|HOUR" help:"A function, such as seal, whose log is printed; or an hour, whose steps' logs are."`
	Step   string        `placeholder:"ID" help:"Of an hour: only this step; all steps of the cluster unless given."`
	Number int           `name:"run" placeholder:"N" help:"Of an hour: the run; the last one that had a cluster unless given."`
	Since  time.Duration `default:"1h" placeholder:"TIME" help:"Of a function: how far back (${default})."`
	Follow bool          `short:"f" help:"Of a function: go on with what comes, until interrupted."`
	Errors bool          `help:"Of a function: only lines that tell of errors."`
	JSON   bool          `name:"json" help:"Of a function: print the lines as they were written."`
}

// Help implements kong.HelpProvider.
func (logsCmd) Help() string {
	return `Of an hour it prints what the steps of a run wrote to their standard error, the failing task's words and the counters included. Of a function of a stack it prints its log group.

Functions on one machine write no log: what they did is in the traces.

Examples:

  penstock logs 2026-11-23T07
  penstock logs 2026-11-23T07 --run 2
  penstock logs 2026-11-23T07 --step s-6AFOJ53NJ3ZNH
  penstock logs seal --since 3h --errors --target aws:penstock
  penstock logs archive --follow --target aws:penstock
`
}

// maxLog is how much of one step's log is printed, in bytes.
const maxLog = 16 << 20

// Run implements the command.
func (cmd logsCmd) Run(ctx context.Context, c *console) error {
	h, bad := hour.Parse(cmd.Of)
	if bad != nil && !isFunction(cmd.Of) {
		return failf(exitUsage, "%.60q is neither an hour such as 2026-11-23T07 nor a function: those are %s", cmd.Of, strings.Join(functions, ", "))
	}
	if cmd.Since <= 0 {
		return failf(exitUsage, "--since %s: give how far back, such as 30m", cmd.Since)
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	switch {
	case bad == nil:
		return cmd.steps(ctx, c, d, h)
	case d.Stack == nil:
		return failf(exitUsage, "functions on one machine write no log: %s shows what they did in an hour", cmd.command("trace HOUR"))
	}
	return cmd.function(ctx, c, d)
}

// functions are those of template.yaml.
var functions = []string{"archive", "claim", "compact", "due", "findcluster", "ingest", "judge", "metrics", "prepare", "publish", "reap",
	"recordfailure", "seal"}

func isFunction(name string) bool { return slices.Contains(functions, name) }

// steps prints the logs of the steps of an hour.
func (cmd logsCmd) steps(ctx context.Context, c *console, d *site, of hour.Hour) error {
	s, err := d.Ledger().Read(ctx, of)
	if err != nil {
		return err
	}
	var id string
	for _, r := range s.Runs {
		if cmd.Number != 0 && r.N != cmd.Number {
			continue
		}
		for _, cl := range r.Clusters {
			if cl.ID != "" {
				id = cl.ID
			}
		}
	}
	if id == "" {
		return failf(exitNoData, "no run of hour %s had a cluster that was judged: see %s", of, cmd.command("ledger %s", of))
	}
	shown := 0
	for o, err := range d.Hours.List(ctx, "logs/"+id+"/steps/") {
		if err != nil {
			return err
		}
		step, file, _ := strings.Cut(strings.TrimPrefix(o.Key, "logs/"+id+"/steps/"), "/")
		if file != "stderr.gz" || cmd.Step != "" && step != cmd.Step {
			continue
		}
		shown++
		fmt.Fprintf(c.Out, "== cluster %s, step %s\n", id, step)
		if err := c.printLog(ctx, d.Hours, o); err != nil {
			return err
		}
	}
	if shown == 0 {
		return failf(exitNoData, "cluster %s left no log of such a step: see %s", id, cmd.command("trace %s", of))
	}
	return nil
}

func (c *console) printLog(ctx context.Context, from store.Store, o store.Object) error {
	body, err := from.GetRange(ctx, o.Key, o.ETag, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	z, err := gzip.NewReader(body)
	if err != nil {
		return failf(exitCorrupt, "%s is no log: %v", o.Key, err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxLog))
	if err != nil {
		return failf(exitCorrupt, "%s is cut: %v", o.Key, err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Fprintln(c.Out, clean(strings.TrimRight(line, "\r\n"))); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}
