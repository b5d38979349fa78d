package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/operate"
)

// filled is what a backfill prints as JSON.
type filled struct {
	From     hour.Hour        `json:"from"`
	To       hour.Hour        `json:"to"`
	Hours    []filledRow      `json:"hours"`    // that were run, waited for, or left; in their order
	NotBegun []operate.Choice `json:"notBegun"` // that would have been run
	Skipped  int              `json:"skipped"`  // hours that need nothing
}

type filledRow struct {
	Hour     hour.Hour `json:"hour"`
	Why      string    `json:"why"` // it was chosen
	Run      int       `json:"run,omitempty"`
	Outcome  string    `json:"outcome"` // published, unchanged, failed, running, left, error
	Detail   string    `json:"detail,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"` // that the run took
	Revision string    `json:"revision,omitempty"`
}

// Outcomes of an hour.
const (
	filledPublished = "published"
	filledUnchanged = "unchanged"
	filledFailed    = "failed"
	filledRunning   = "running"
	filledLeft      = "left"
	filledError     = "error"
)

// conclude is the error that says what is not done, nil if all is.
func (cmd backfillCmd) conclude(ctx context.Context, out filled, err error, failures int, tooMany bool) error {
	going := 0
	for _, r := range out.Hours {
		if r.Outcome == filledRunning {
			going++
		}
	}
	rest := fmt.Sprintf("%s not begun", count(len(out.NotBegun), "hour was", "hours were"))
	switch {
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("%w: %s: %s goes on", err, rest, cmd.again())
	case ctx.Err() != nil && going > 0:
		return failf(exitError, "interrupted: %s, %s: %s goes on with both", count(going, "hour is running and goes on", "hours are running and go on"), rest, cmd.again())
	case ctx.Err() != nil && (len(out.NotBegun) > 0 || failures == 0):
		return failf(exitError, "interrupted: %s: %s goes on", rest, cmd.again())
	case failures > 0 && tooMany && len(out.NotBegun) > 0:
		return failf(exitFailed, "%s failed, %s: find out why (%s), then %s goes on", count(failures, "hour", "hours"), rest, cmd.firstFailure(out), cmd.again())
	case failures > 0:
		return failf(exitFailed, "%s failed: see %s", count(failures, "hour", "hours"), cmd.firstFailure(out))
	}
	return nil
}

func (cmd backfillCmd) firstFailure(out filled) string {
	for _, r := range out.Hours {
		if r.Outcome == filledFailed {
			return cmd.command("trace %s", r.Hour)
		}
	}
	return cmd.command("status")
}

// rowOf says how an hour ended.
func rowOf(ctx context.Context, o operate.Outcome) filledRow {
	row := filledRow{Hour: o.Hour, Why: o.Why, Run: o.Run, Outcome: filledError}
	r := o.Ran()
	switch {
	case is[*fault.AlreadyRunning](o.Err):
		row.Outcome, row.Detail = filledLeft, oneLine(o.Err)
	case o.Err != nil && o.Run > 0 && ctx.Err() != nil:
		row.Outcome = filledRunning
	case o.Err != nil && ctx.Err() != nil:
		row.Outcome, row.Detail = filledLeft, "interrupted before it was begun"
	case o.Err != nil:
		row.Detail = oneLine(o.Err)
	case r.Published > 0:
		row.Outcome, row.Revision = filledPublished, r.Revision
	case o.Failed():
		row.Outcome, row.Detail = filledFailed, why(r)
	default:
		row.Outcome = filledUnchanged
	}
	if r != nil && r.Over() {
		row.Seconds = max(0, r.OverAt.Sub(r.StartedAt.Time).Seconds()) // by two clocks, perhaps
	}
	return row
}

func (cmd backfillCmd) print(c *console, out filled) error {
	if len(out.Hours) > 0 {
		l := listing{Columns: []column{{"hour", false}, {"run", true}, {"took", true}, {"outcome", false}, {"detail", false}}}
		for _, r := range out.Hours {
			run, took := "", ""
			if r.Run > 0 {
				run = strconv.Itoa(r.Run)
			}
			if r.Seconds > 0 {
				took = (time.Duration(r.Seconds * float64(time.Second))).Round(time.Second).String()
			}
			ink := map[string]string{filledPublished: green, filledFailed: red, filledError: red, filledLeft: yellow, filledRunning: blue}[r.Outcome]
			l.Rows = append(l.Rows, []string{r.Hour.String(), run, took, c.paint(ink, r.Outcome), r.Detail})
		}
		if err := c.printTable(l); err != nil {
			return err
		}
	}
	counts := map[string]int{}
	for _, r := range out.Hours {
		counts[r.Outcome]++
	}
	var words []string
	for _, k := range []string{filledPublished, filledUnchanged, filledFailed, filledError, filledRunning, filledLeft} {
		if counts[k] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[k], k))
		}
	}
	if len(out.NotBegun) > 0 {
		words = append(words, fmt.Sprintf("%d not begun", len(out.NotBegun)))
	}
	words = append(words, fmt.Sprintf("%d need nothing", out.Skipped))
	_, err := fmt.Fprintf(c.Out, "%s to %s: %s.\n", out.From, out.To, strings.Join(words, ", "))
	return err
}

// printPlan prints what would be done.
func (cmd backfillCmd) printPlan(c *console, choices []operate.Choice) error {
	shown := slices.DeleteFunc(slices.Clone(choices), func(x operate.Choice) bool { return x.Do == operate.Skip })
	if cmd.JSON {
		return c.printJSON(struct {
			Hours   []operate.Choice `json:"hours"`
			Skipped int              `json:"skipped"`
		}{append([]operate.Choice{}, shown...), len(choices) - len(shown)})
	}
	counts := map[string]int{}
	l := listing{Columns: []column{{"hour", false}, {"do", false}, {"why", false}}}
	for _, x := range shown {
		counts[x.Do]++
		l.Rows = append(l.Rows, []string{x.Hour.String(), x.Do, clean(x.Why)})
	}
	if len(shown) > 0 {
		if err := c.printTable(l); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(c.Out, "%s to %s: %d to run, %d to wait for, %d left to others, %d need nothing. Nothing was written.\n", cmd.hours().From, cmd.hours().To,
		counts[operate.Run], counts[operate.Join], counts[operate.Leave], len(choices)-len(shown))
	return err
}
