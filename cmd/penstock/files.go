package main

import (
	"context"
	"fmt"
	"strconv"

	"penstock/internal/hour"
)

type filesCmd struct {
	place
	asJSON
	Hour  hour.Hour `arg:"" predictor:"hour" placeholder:"HOUR" help:"UTC hour of arrival, such as 2026-11-23T07."`
	Paths bool      `short:"p" help:"Print only the paths of the files, one a line: on this machine, or s3://."`
}

// Help implements kong.HelpProvider.
func (filesCmd) Help() string {
	return `These files, and no others, are the hour: reading a whole month's folder is exact only while each hour has one revision.

Examples:

  penstock files 2026-11-23T07
  penstock files 2026-11-23T07 --paths | xargs bzip2 -dc
`
}

type fileRow struct {
	Kind   string `json:"kind"` // "part" or "rejects"
	Key    string `json:"key"`
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Events int    `json:"events"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

func (cmd filesCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := cmd.find(ctx, d, cmd.Hour)
	if err != nil {
		return err
	}
	path := func(key string) string { return d.path("hours", key) }
	rows := []fileRow{}
	for _, p := range m.Parts {
		rows = append(rows, fileRow{"part", p.Key, path(p.Key), p.Size, p.Events, p.Bytes, p.SHA256})
	}
	if cmd.Paths {
		for _, r := range rows {
			if _, err := fmt.Fprintln(c.Out, r.Path); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	if r := m.Rejects; r != nil {
		rows = append(rows, fileRow{"rejects", r.Key, path(r.Key), r.Size, m.RejectN, 0, r.SHA256})
	}
	if cmd.JSON {
		return c.printJSON(rows)
	}
	l := listing{Columns: []column{{"file", false}, {"kind", false}, {"events", true}, {"raw", true}, {"size", true}}}
	for _, r := range rows {
		raw := size(r.Bytes)
		if r.Kind != "part" {
			raw = "-"
		}
		l.Rows = append(l.Rows, []string{r.Path, r.Kind, strconv.Itoa(r.Events), raw, size(r.Size)})
	}
	if len(l.Rows) == 0 {
		_, err := fmt.Fprintf(c.Out, "hour %s is published and has no events: no files\n", cmd.Hour)
		return err
	}
	return c.printTable(l)
}
