package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"penstock/internal/due"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

type statusCmd struct {
	place
	asJSON
	Range span          `arg:"" optional:"" predictor:"hour" placeholder:"RANGE" help:"Hour, day, month or FROM..TO; all hours unless given."`
	Table bool          `help:"A line with the counts of each hour, instead of the grid; the default for up to six hours."`
	Watch bool          `short:"w" help:"Show it again and again; one hour until it is settled, else until interrupted."`
	Every time.Duration `default:"5s" placeholder:"TIME" help:"How often --watch looks (${default})."`
}

// Help implements kong.HelpProvider.
func (statusCmd) Help() string {
	return `Shows a row a day and a column an hour, with a symbol for the state of each: published, empty (published, without events), running, waiting (archived, no run yet), late data (published, and more has come), missing (nothing is known, but of hours before and after), failed, and damaged. Below stands what needs somebody.

For a single hour the counts, the runs and the reasons are shown: the stage, what the seal waits for by shard, the attempts, and what the schedule does next. The exit code is that of its state: 0 published, 3 nothing known, 4 waiting or running, 5 failed, 7 damaged.

Counts are those of the published revision or, before there is one, of what is archived.

Examples:

  penstock status
  penstock status 2026-11-23
  penstock status 2026-11-23T07
  penstock status 2026-11-23T07 --watch
  penstock status 2026-11 --target aws:penstock
  penstock status 2026-11-23..2026-12 --table
  penstock status 2026-11-23..2026-12 --json
`
}

// shortRange is up to how many hours are shown as a table.
const shortRange = 6

// Run implements the command.
func (cmd statusCmd) Run(ctx context.Context, c *console) error {
	if cmd.Watch && (cmd.JSON || cmd.Every < minEvery) {
		return failf(exitUsage, "--watch is for people, and looks every %s at the most often: see `penstock status --help`", minEvery)
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if cmd.Watch {
		return cmd.watch(ctx, c, d)
	}
	report, err := cmd.report(ctx, d)
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = c.printJSON(report)
	} else {
		err = cmd.print(c, report)
	}
	if err != nil {
		return err
	}
	return report.exit(cmd.single())
}

func (cmd statusCmd) single() bool { return cmd.Range.Given && cmd.Range.Len() == 1 }

// report finds out all that is to be shown.
func (cmd statusCmd) report(ctx context.Context, d *site) (*statusReport, error) {
	var r *hour.Range
	near := r
	if cmd.Range.Given {
		r = &cmd.Range.Range
		near = r
		if n := r.Len(); n > 1 && n <= 24 { // an hour at the edge is missing if there are others beyond it
			near = &hour.Range{From: r.From.Add(-24), To: r.To.Add(24)}
		}
	}
	rows, around, err := surveyNear(ctx, d, r, near)
	if err != nil {
		return nil, err
	}
	switch {
	case len(rows) == 0 && cmd.single():
		return nil, cmd.nothing(r.From)
	case len(rows) == 0 && r != nil:
		return nil, failf(exitNoData, "no hour of %s has data in %s: %s lists the hours that have", r, cmd.where(), cmd.command("status"))
	case len(rows) == 0 && d.Stack != nil:
		return nil, failf(exitNoData, "%s holds no hour yet: %s sends events", cmd.where(), cmd.command("send FILE"))
	case len(rows) == 0:
		return nil, failf(exitNoData, "%s holds no hour yet: %s fills it", cmd.where(), cmd.command("run"))
	}
	rows = viewed(rows, around, r)
	report := &statusReport{Hours: rows, Totals: totalsOf(rows)}
	if cmd.single() {
		s, err := d.Ledger().Read(ctx, r.From)
		switch {
		case is[*fault.Corrupt](err): // it is in the row
		case err != nil:
			return nil, err
		default:
			report.Runs = runsOf(s)
			if report.Outlook, err = cmd.look(ctx, d, rows[0], s); err != nil {
				return nil, err
			}
		}
	}
	return report, nil
}

// exit is the failure that says the state, nil for none.
func (r *statusReport) exit(single bool) error {
	for _, row := range r.Hours {
		if row.State == stateCorrupt {
			return failf(exitCorrupt, "hour %s: %s", row.Hour, row.Detail)
		}
	}
	if code := r.Hours[0].exit(); single && code != exitOK {
		return &failure{code: code}
	}
	return nil
}

// statusReport is what status prints.
type statusReport struct {
	Hours  []hourRow `json:"hours"`
	Totals totals    `json:"totals"`
	Runs   []runRow  `json:"runs,omitempty"`
	// Outlook is told of a single hour.
	Outlook *outlook `json:"outlook,omitempty"`
}

type totals struct {
	Hours      int            `json:"hours"`
	States     map[string]int `json:"states"`
	Objects    int            `json:"objects"`
	Events     int            `json:"events"`
	Rejects    int            `json:"rejects"`
	Duplicates int            `json:"duplicates"`
	Bytes      int64          `json:"bytes"`
	Compressed int64          `json:"compressed"`
	Minutes    float64        `json:"clusterMinutes"`
	Dollars    float64        `json:"dollars"` // estimate
}

func totalsOf(rows []hourRow) totals {
	t := totalOf(rows)
	all := totals{Hours: len(rows), States: map[string]int{}, Objects: t.Objects, Events: t.Events, Rejects: t.Rejects,
		Duplicates: t.Duplicates, Bytes: t.Bytes, Compressed: t.Compressed, Minutes: t.Minutes, Dollars: cents(t.Dollars)}
	for _, r := range rows {
		all.States[r.State]++
	}
	return all
}

type runRow struct {
	Run       int        `json:"run"`
	By        string     `json:"by,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	StartedAt hour.Time  `json:"startedAt"`
	OverAt    *hour.Time `json:"overAt,omitempty"`
	Execution string     `json:"execution,omitempty"`
	Clusters  int        `json:"clusters"`
	Outcome   string     `json:"outcome"`
}

func runsOf(s *ledger.State) []runRow {
	var rows []runRow
	for _, r := range s.Runs {
		row := runRow{Run: r.N, By: r.By, Reason: r.Reason, StartedAt: r.StartedAt, Execution: r.Execution, Clusters: len(r.Clusters)}
		switch {
		case r.Published > 0:
			row.Outcome = "published revision " + r.Revision
		case r.Over():
			row.Outcome = why(r)
		default:
			row.Outcome = doing(r)
		}
		if r.Over() {
			row.OverAt = &r.OverAt
		}
		rows = append(rows, row)
	}
	return rows
}

// print shows the report to people.
func (cmd statusCmd) print(c *console, report *statusReport) error {
	switch {
	case cmd.single():
		return c.printHour(report)
	case cmd.Table || len(report.Hours) <= shortRange:
		return c.printHours(report.Hours)
	}
	for _, line := range drawGrid(report.Hours, c.Width, c.paint) {
		if _, err := fmt.Fprintln(c.Out, line); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	list, more := troubles(report.Hours, maxTroubles)
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(c.Out)
	if more > 0 {
		fmt.Fprintf(c.Out, "%d more before these:\n", more)
	}
	for _, t := range list {
		words := t.state
		if t.detail != "" {
			words += ": " + t.detail
		}
		if c.Width > 0 {
			words = runewidth.Truncate(words, max(c.Width-len(t.hours())-2, 10), "…")
		}
		name, rest, _ := strings.Cut(words, ":")
		if rest != "" {
			rest = ":" + rest
		}
		fmt.Fprintf(c.Out, "%s  %s%s\n", t.hours(), c.paint(stateInk(t.state), name), rest)
	}
	_, err := fmt.Fprintf(c.Out, "\nNext: %s\n", cmd.command("status %s", list[len(list)-1].to))
	return err
}

// maxTroubles is how many lines below a grid say what needs somebody.
const maxTroubles = 10

// printHour shows one hour: its counts, why it is as it is, and its runs.
func (c *console) printHour(report *statusReport) error {
	if err := c.printHours(report.Hours); err != nil {
		return err
	}
	row := report.Hours[0]
	var words []string
	if row.Detail != "" {
		words = append(words, row.State+": "+row.Detail)
	}
	if o := report.Outlook; o != nil {
		if o.Attempts > 0 {
			words = append(words, fmt.Sprintf("attempts: %d of the %d that the schedule makes", o.Attempts, due.DefaultRules().MaxRuns))
		}
		for _, w := range []struct{ name, text string }{{"stage", o.Stage}, {"execution", o.Execution}, {"waits for", o.Waiting}, {"schedule", o.Next}, {"next", o.Commands}} {
			if w.text != "" {
				words = append(words, w.name+": "+w.text)
			}
		}
	}
	if len(words) > 0 {
		if _, err := fmt.Fprintf(c.Out, "\n%s\n", strings.Join(words, "\n")); err != nil {
			return err
		}
	}
	if row.Prices != "" {
		if _, err := fmt.Fprintf(c.Out, "\ncost: $%.4f on AWS, estimated from list prices of %s\n", row.Dollars, clean(row.Prices)); err != nil {
			return err
		}
	}
	if len(report.Runs) == 0 {
		return nil
	}
	l := listing{Columns: []column{{"run", true}, {"by", false}, {"started", false}, {"took", true}, {"clusters", true}, {"outcome", false}}}
	for _, r := range report.Runs {
		took := ""
		if r.OverAt != nil {
			took = r.OverAt.Sub(r.StartedAt.Time).Round(time.Second).String()
		}
		l.Rows = append(l.Rows, []string{strconv.Itoa(r.Run), r.By, instant(r.StartedAt), took, strconv.Itoa(r.Clusters), r.Outcome})
	}
	fmt.Fprintln(c.Out)
	return c.printTable(l)
}

// cents rounds to hundredths of a cent, as manifests have it.
func cents(dollars float64) float64 { return math.Round(dollars*1e4) / 1e4 }

// instant is a time for people.
func instant(t hour.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// printHours prints the table of hours, with totals if there is more than one.
func (c *console) printHours(rows []hourRow) error {
	l := listing{Columns: []column{{"hour", false}, {"objects", true}, {"events", true}, {"rejects", true}, {"duplicates", true},
		{"raw", true}, {"compressed", true}, {"cluster min", true}, {"state", false}}}
	for _, r := range rows {
		l.Rows = append(l.Rows, append(hourCells(r.Hour.String(), r), c.paint(stateInk(r.State), r.State)))
	}
	if len(rows) > 1 {
		l.Footer = append(hourCells(fmt.Sprintf("%d hours", len(rows)), totalOf(rows)), statesText(rows))
	}
	return c.printTable(l)
}

func hourCells(name string, r hourRow) []string {
	if r.State == stateCorrupt || r.State == stateMissing {
		return []string{name, "-", "-", "-", "-", "-", "-", "-"}
	}
	raw := "-"
	if r.Bytes > 0 || r.Events == 0 {
		raw = size(r.Bytes)
	}
	return []string{name, strconv.Itoa(r.Objects), strconv.Itoa(r.Events), strconv.Itoa(r.Rejects), strconv.Itoa(r.Duplicates),
		raw, size(r.Compressed), strconv.FormatFloat(r.Minutes, 'f', 1, 64)}
}

// statesText says how many hours are in each state.
func statesText(rows []hourRow) string {
	text := ""
	for _, s := range []string{statePublished, stateEmpty, stateLate, stateRunning, stateWaiting, stateMissing, stateFailed, stateCorrupt} {
		n := 0
		for _, r := range rows {
			if r.State == s {
				n++
			}
		}
		if n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", n, s)
		}
	}
	return text
}

func stateInk(state string) string {
	return signOf(state).ink
}
