package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock/internal/clock"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/operate"
)

// operator acts on a stack; a data directory's runs are a local.Session's.
func (s *site) operator() *operate.Operator {
	return &operate.Operator{Ledger: s.Ledger(), Executions: s.Stack.Executions(s.Stack.HourMachine), Pause: clock.Pause}
}

// polling is the flag of commands that look at a stack every now and then.
type polling struct {
	Poll time.Duration `default:"5s" help:"How often to look at what runs on a stack."`
}

// Validate implements kong's hook.
func (p polling) Validate() error {
	if p.Poll < 100*time.Millisecond || p.Poll > time.Hour {
		return fmt.Errorf("--poll %s: want 100ms to 1h", p.Poll)
	}
	return nil
}

// doingLine returns a function that shows what is being done in one line that it writes anew, and one that takes the line
// away. On what is no terminal nothing is shown.
func (c *console) doingLine() (show func(string), finish func()) {
	if !terminal(c.Err) {
		return func(string) {}, func() {}
	}
	width := c.Width
	if width == 0 {
		width = 80
	}
	begun := c.Now()
	return func(text string) {
			line := []rune(fmt.Sprintf("%s (%s)", clean(text), c.Now().Sub(begun).Round(time.Second)))
			if len(line) >= width {
				line = line[:width-1]
			}
			fmt.Fprintf(c.Err, "\r%s\r%s", strings.Repeat(" ", width-1), string(line))
		}, func() {
			fmt.Fprintf(c.Err, "\r%s\r", strings.Repeat(" ", width-1))
		}
}

// toTheEnd tells whoever interrupts a command that brings its hours to their end. The function it returns ends that.
func (c *console) toTheEnd(ctx context.Context) (stop func()) {
	off := context.AfterFunc(ctx, func() {
		if terminal(c.Err) {
			fmt.Fprintln(c.Err, "\npenstock: what runs is brought to its end; Ctrl-C again ends it at once")
		}
	})
	return func() { off() }
}

// isKnown says whether anything is known of an hour: it has a ledger, or is archived.
func (s *site) isKnown(ctx context.Context, state *ledger.State) (bool, error) {
	if state.Last > 0 {
		return true, nil
	}
	for o, err := range s.Archive.List(ctx, s.Keys.HourPrefix(state.Hour)) {
		if err != nil {
			return false, err
		}
		if _, ok := s.Keys.ParseIndexKey(o.Key); ok {
			return true, nil
		}
	}
	return false, nil
}

// failed is the error of a run that is over and has not published.
func (p place) failed(h hour.Hour, r *ledger.Run) error {
	code := exitFailed
	switch r.Error {
	case "HourNotComplete", "Unproven":
		code = exitNotComplete
	case "AlreadyRunning":
		code = exitRunning
	case "HourChanged":
		code = exitError
	case "Corrupt":
		code = exitCorrupt
	}
	if r.Status == fault.StatusAborted {
		code = exitError
	}
	next := p.command("status %s", h)
	if r.Error == "StepFailed" {
		next = p.command("logs %s", h)
	}
	return failf(code, "run %d of hour %s ended as %s: see %s and %s", r.N, h, why(r), next, p.command("trace %s", h))
}
