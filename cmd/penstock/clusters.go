package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/cluster"
	"penstock/internal/cost"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/publish"
	"penstock/internal/reap"
)

type clustersCmd struct {
	place
	asJSON
	Range span `arg:"" optional:"" predictor:"hour" placeholder:"RANGE" help:"Show those that the ledgers of these hours name instead: what they were for and what they cost."`
}

// Help implements kong.HelpProvider.
func (clustersCmd) Help() string {
	return `Shows the clusters of the stack that exist now: since when, which run owns each and why, or that nobody does and the reaper will end it, and what it cost so far by the list prices and the nodes of the playbook. With a RANGE, and on one machine, where clusters live no longer than a run, those that the ledgers name.

Examples:

  penstock clusters --target aws:penstock
  penstock clusters 2026-11-23 --target aws:penstock
  penstock clusters --json
`
}

// clusterRow is what is shown of a cluster.
type clusterRow struct {
	ID        string    `json:"id,omitempty"`
	Name      string    `json:"name"`
	Hour      hour.Hour `json:"hour"`
	Run       int       `json:"run"`
	State     string    `json:"state"` // EMR's, or the verdict
	CreatedAt time.Time `json:"createdAt,omitzero"`
	Minutes   float64   `json:"minutes"`
	Dollars   float64   `json:"dollars"` // estimated
	Owned     bool      `json:"owned"`   // by a run that is at work with it
	Why       string    `json:"why,omitempty"`
}

// Run implements the command.
func (cmd clustersCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	prices, err := cost.List()
	if err != nil {
		return err
	}
	nodes := cost.Default()
	if book, _, err := d.Playbook(ctx); err == nil { // without one, the default's nodes are a guess that is better than none
		nodes = publish.Hardware(&book.Cluster)
	}
	live := d.Stack != nil && !cmd.Range.Given
	var rows []clusterRow
	if live {
		rows, err = d.liveClusters(ctx)
	} else {
		var r *hour.Range
		if cmd.Range.Given {
			r = &cmd.Range.Range
		}
		rows, err = d.usedClusters(ctx, r)
	}
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].Dollars = nodes.Dollars(prices, rows[i].Minutes)
	}
	if cmd.JSON {
		return c.printJSON(append([]clusterRow{}, rows...))
	}
	return cmd.print(c, d, rows, live, prices.Date)
}

func (cmd clustersCmd) print(c *console, d *site, rows []clusterRow, live bool, date string) error {
	if len(rows) == 0 {
		text := "no cluster of " + d.Name + " exists"
		if !live {
			text = "no ledger names a cluster"
		}
		_, err := fmt.Fprintln(c.Out, text)
		return err
	}
	l := listing{Columns: []column{{"cluster", false}, {"id", false}, {"hour", false}, {"run", true}, {"state", false}, {"minutes", true}, {"dollars", true}, {"owner", false}}}
	var minutes, dollars float64
	nobody := 0
	for _, r := range rows {
		minutes, dollars = minutes+r.Minutes, dollars+r.Dollars
		why := r.Why
		if live && !r.Owned {
			nobody++
			why = c.paint(red, "nobody: ") + why
		}
		l.Rows = append(l.Rows, []string{r.Name, r.ID, r.Hour.String(), strconv.Itoa(r.Run), r.State, fmt.Sprintf("%.1f", r.Minutes), fmt.Sprintf("%.2f", r.Dollars), clean(why)})
	}
	if len(rows) > 1 {
		l.Footer = []string{count(len(rows), "cluster", "clusters"), "", "", "", "", fmt.Sprintf("%.1f", minutes), fmt.Sprintf("%.2f", dollars), ""}
	}
	if err := c.printTable(l); err != nil {
		return err
	}
	text := fmt.Sprintf("\nDollars are estimated: list prices of %s, the playbook's nodes.\n", date)
	switch {
	case d.Dir != nil:
		text += "None is left: on one machine a cluster ends with the process that ran it.\n"
	case nobody > 0:
		text += fmt.Sprintf("\nNext: %s ends those that nobody owns; the timer does it all the same.\n", cmd.command("invoke reap"))
	}
	_, err := fmt.Fprint(c.Out, text)
	return err
}

// remembering remembers what a lister gave.
type remembering struct {
	cluster.Lister
	seen map[string]cluster.Summary // by id
}

func (r remembering) Clusters(ctx context.Context, since time.Time, live bool) iter.Seq2[cluster.Summary, error] {
	return func(yield func(cluster.Summary, error) bool) {
		for s, err := range r.Lister.Clusters(ctx, since, live) {
			if err == nil {
				r.seen[s.ID] = s
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// liveClusters asks as the reaper does, without ending any.
func (s *site) liveClusters(ctx context.Context) ([]clusterRow, error) {
	list := remembering{s.Stack.Clusters(), map[string]cluster.Summary{}}
	out, err := (&reap.Handler{Stack: s.Stack.Name, Clusters: list, Executions: s.Stack.Executions(s.Stack.HourMachine), Ledger: s.Ledger(), Now: s.now}).
		Handle(ctx, reap.In{DryRun: true})
	if err != nil {
		return nil, err
	}
	var rows []clusterRow
	add := func(all []reap.Reaped, owned bool) {
		for _, r := range all {
			of, n, _, _ := hour.ParseClusterName(s.Stack.Name, r.Name)
			summary := list.seen[r.ID]
			rows = append(rows, clusterRow{ID: r.ID, Name: r.Name, Hour: of, Run: n, State: summary.State, CreatedAt: summary.CreatedAt,
				Minutes: s.now().Sub(summary.CreatedAt).Minutes(), Owned: owned, Why: r.Why})
		}
	}
	add(out.Kept, true)
	add(out.Ended, false)
	return rows, nil
}

// usedClusters reads the clusters of the ledgers of a range, all if r is nil, in the order of their hours.
func (s *site) usedClusters(ctx context.Context, r *hour.Range) ([]clusterRow, error) {
	_, hours, err := s.known(ctx, r)
	if err != nil {
		return nil, err
	}
	perHour := make([][]clusterRow, len(hours))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, h := range hours {
		g.Go(func() error {
			state, err := s.Ledger().Read(ctx, h)
			if err != nil {
				return err
			}
			perHour[i] = clustersOf(state)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var rows []clusterRow
	for _, some := range perHour {
		rows = append(rows, some...)
	}
	return rows, nil
}

func clustersOf(state *ledger.State) []clusterRow {
	var rows []clusterRow
	for _, run := range state.Runs {
		for _, c := range run.Clusters {
			row := clusterRow{ID: c.ID, Name: c.Name, Hour: state.Hour, Run: run.N, State: c.Verdict, CreatedAt: c.RequestedAt.Time, Minutes: c.Minutes,
				Owned: !run.Over() && !c.Ended, Why: fmt.Sprintf("run %d is over", run.N)}
			switch {
			case row.Owned:
				row.State, row.Why = "asked for", fmt.Sprintf("run %d works with it, as far as the ledger knows", run.N)
			case !c.Ended:
				row.State = "never judged"
			}
			rows = append(rows, row)
		}
	}
	return rows
}
