package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"penstock/internal/hour"
	"penstock/internal/ledger"
)

type statusCmd struct {
	place
	asJSON
	Range span `arg:"" optional:"" predictor:"hour" placeholder:"RANGE" help:"Hour, day, month or FROM..TO; all hours unless given."`
}

// Help implements kong.HelpProvider.
func (statusCmd) Help() string {
	return `Counts are those of the published revision or, before there is one, of what is archived.
For a single hour the runs are shown, too, and the exit code is that of its state: 0 published, 3 nothing known, 4 waiting or running, 5 failed.

Examples:

  penstock status
  penstock status 2026-11-23
  penstock status 2026-11-23T07
  penstock status 2026-11-23..2026-12 --json
`
}

func (cmd statusCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	var r *hour.Range
	if cmd.Range.Given {
		r = &cmd.Range.Range
	}
	rows, err := survey(ctx, d, r)
	if err != nil {
		return err
	}
	single := r != nil && r.Len() == 1
	switch {
	case len(rows) == 0 && single:
		return cmd.nothing(r.From)
	case len(rows) == 0 && r != nil:
		return failf(exitNoData, "no hour of %s has data in %s: %s lists the hours that have", r, cmd.where(), cmd.command("status"))
	case len(rows) == 0:
		return failf(exitNoData, "%s holds no hour yet: %s fills it", cmd.where(), cmd.command("run"))
	}
	report := statusReport{Hours: rows, Totals: totalsOf(rows)}
	if single {
		l := d.Ledger()
		if s, err := l.Read(ctx, r.From); err == nil { // a damaged one is in the row
			report.Runs = runsOf(s)
		}
	}
	if cmd.JSON {
		err = c.printJSON(report)
	} else {
		err = c.printStatus(report, single)
	}
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.State == stateCorrupt {
			return failf(exitCorrupt, "hour %s: %s", r.Hour, r.Detail)
		}
	}
	if code := rows[0].exit(); single && code != exitOK {
		return &failure{code: code}
	}
	return nil
}

// statusReport is what status prints.
type statusReport struct {
	Hours  []hourRow `json:"hours"`
	Totals totals    `json:"totals"`
	Runs   []runRow  `json:"runs,omitempty"`
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

func (c *console) printStatus(report statusReport, single bool) error {
	if err := c.printHours(report.Hours); err != nil || !single {
		return err
	}
	row := report.Hours[0]
	if row.Detail != "" {
		if _, err := fmt.Fprintf(c.Out, "\n%s: %s\n", row.State, row.Detail); err != nil {
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
	if r.State == stateCorrupt {
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
	for _, s := range []string{statePublished, stateLate, stateRunning, stateWaiting, stateFailed, stateCorrupt} {
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
	switch state {
	case statePublished:
		return green
	case stateRunning:
		return blue
	case stateLate, stateWaiting:
		return yellow
	}
	return red
}
