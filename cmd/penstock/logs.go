package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"

	"penstock/internal/hour"
	"penstock/internal/store"
)

type logsCmd struct {
	place
	Hour   hour.Hour `arg:"" help:"The hour."`
	Step   string    `placeholder:"ID" help:"Only this step; all steps of the cluster unless given."`
	Number int       `name:"run" placeholder:"N" help:"The run; the last one that had a cluster unless given."`
}

// Help implements kong.HelpProvider.
func (logsCmd) Help() string {
	return `Prints what the steps of a run wrote to their standard error, the failing task's words and the counters included.

Examples:

  penstock logs 2026-11-23T07
  penstock logs 2026-11-23T07 --run 2
  penstock logs 2026-11-23T07 --step s-6AFOJ53NJ3ZNH
`
}

// maxLog is how much of one step's log is printed, in bytes.
const maxLog = 16 << 20

func (cmd logsCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := d.Ledger().Read(ctx, cmd.Hour)
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
		return failf(exitNoData, "no run of hour %s had a cluster that was judged: see %s", cmd.Hour, cmd.command("ledger %s", cmd.Hour))
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
		return failf(exitNoData, "cluster %s left no log of such a step: see %s", id, cmd.command("trace %s", cmd.Hour))
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
