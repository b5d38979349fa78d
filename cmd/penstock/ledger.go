package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/hour"
)

type ledgerCmd struct {
	place
	asJSON
	Hour hour.Hour `arg:"" predictor:"hour" placeholder:"HOUR" help:"UTC hour of arrival, such as 2026-11-23T07."`
}

// Help implements kong.HelpProvider.
func (ledgerCmd) Help() string {
	return `Entries are never changed; what is true of the hour is what they add up to. An entry marked (ignored) broke a rule, such as a publication by a run that did not hold the hour, and changed nothing.

Examples:

  penstock ledger 2026-11-23T07
  penstock ledger 2026-11-23T07 --json | jq '.[] | select(.type == "Failed")'
`
}

func (cmd ledgerCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	l := d.Ledger()
	s, err := l.Read(ctx, cmd.Hour)
	if err != nil {
		return err
	}
	if len(s.Entries) == 0 {
		rows, err := survey(ctx, d, &hour.Range{From: cmd.Hour, To: cmd.Hour})
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			return cmd.nothing(cmd.Hour)
		}
		return failf(exitNotComplete, "hour %s is archived and has no run yet: see %s", cmd.Hour, cmd.command("rerun %s", cmd.Hour))
	}
	if cmd.JSON {
		return c.printJSON(s.Entries)
	}
	ignored := map[int]bool{}
	for _, n := range s.Ignored {
		ignored[n] = true
	}
	t := listing{Columns: []column{{"#", true}, {"at", false}, {"run", true}, {"entry", false}, {"what", false}}}
	for _, e := range s.Entries {
		name := c.paint(entryInk(e.Type), e.Type)
		if ignored[e.Number] {
			name = c.paint(dim, e.Type+" (ignored)")
		}
		t.Rows = append(t.Rows, []string{strconv.Itoa(e.Number), instant(e.At), strconv.Itoa(e.Run), name, clean(entryText(&e))})
	}
	return c.printTable(t)
}

func entryInk(kind string) string {
	switch kind {
	case hour.EntryPublished:
		return green
	case hour.EntryFailed, hour.EntryEnded:
		return red
	}
	return ""
}

// entryText says what an entry says, in words.
func entryText(e *hour.Entry) string {
	switch {
	case e.Type == hour.EntryStarted:
		return join(": ", "by "+e.By, e.Reason)
	case e.Type == hour.EntryClaimed:
		return e.Execution
	case e.Type == hour.EntrySealed:
		return "revision " + e.Revision
	case e.Part != nil:
		return fmt.Sprintf("part %d: %s, %s raw, %s", e.Part.Number, count(e.Part.Events, "event", "events"), size(e.Part.Bytes), size(e.Part.Size))
	case e.Cluster != nil && e.Type == hour.EntryClusterRequested:
		return fmt.Sprintf("cluster %d: %s", e.Cluster.Number, e.Cluster.Name)
	case e.Cluster != nil:
		return join(": ", fmt.Sprintf("cluster %d %s, %.1f min", e.Cluster.Number, e.Cluster.Verdict, e.Cluster.Minutes), e.Cluster.Reason)
	case e.Publish != nil:
		p := e.Publish
		return fmt.Sprintf("revision %s: %s, %s, %s, %s", e.Revision, count(p.Events, "event", "events"), count(p.RejectN, "reject", "rejects"),
			count(len(p.Parts), "part", "parts"), count(len(p.Results), "result file", "result files"))
	}
	return join(": ", e.Error, e.Status, e.Cause)
}

// join joins the texts that are not empty.
func join(separator string, texts ...string) string {
	var all []string
	for _, t := range texts {
		if t != "" {
			all = append(all, t)
		}
	}
	return strings.Join(all, separator)
}
