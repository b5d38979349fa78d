package main

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// minEvery is how often --watch may look: each look lists and reads.
const minEvery = 100 * time.Millisecond

// watch shows the report again and again: on a terminal in place, elsewhere whenever it has changed. A single hour is
// watched until it is neither waiting nor running. To be interrupted is no error.
func (cmd statusCmd) watch(ctx context.Context, c *console, d *site) error {
	last := ""
	for {
		report, err := cmd.report(ctx, d)
		if err != nil {
			return watched(ctx, err)
		}
		var b bytes.Buffer
		shown := *c
		shown.Out = &b
		if err := cmd.print(&shown, report); err != nil {
			return err
		}
		text := b.String()
		if terminal(c.Out) { // from the top left corner, and nothing below
			text = "\x1b[H\x1b[2J" + text + fmt.Sprintf("\nevery %s; Ctrl-C ends it\n", cmd.Every)
		} else if text == last {
			text = ""
		} else if last != "" {
			text = "\n" + text
		}
		last = b.String()
		if _, err := fmt.Fprint(c.Out, text); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		if cmd.single() && report.Hours[0].exit() != exitNotComplete {
			return report.exit(true)
		}
		timer := time.NewTimer(cmd.Every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// watched is what an error of a watch means: to be interrupted is no error.
func watched(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
