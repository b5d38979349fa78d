package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	cleaner "penstock/internal/clean"
	"penstock/internal/hour"
)

type cleanCmd struct {
	place
	asJSON
	Range       span          `arg:"" optional:"" predictor:"hour" placeholder:"RANGE" help:"Hour, day, month or FROM..TO; all hours, and logs, unless given."`
	Yes         bool          `xor:"do" help:"Delete what is shown without it."`
	DryRun      bool          `xor:"do" help:"Only show what would go, as it is without --yes."`
	Grace       time.Duration `default:"168h" placeholder:"TIME" help:"How long an hour must have been quiet before what its publication does not name goes (${default})."`
	ArchiveKeep time.Duration `placeholder:"TIME" help:"How long after its end a published hour's archive is kept (840h; a stack's goes by its bucket's lifecycle unless this is given)."`
	LogKeep     time.Duration `default:"720h" placeholder:"TIME" help:"How long logs of clusters are kept (${default}; a stack's go by its bucket's lifecycle)."`
	Failures    bool          `help:"Also batches of the failure destination whose every record is archived by now."`
}

// defaultArchiveKeep is how long the archive of a published hour is kept, as template.yaml's ArchiveDays.
const defaultArchiveKeep = 35 * 24 * time.Hour

// Validate implements kong's hook.
func (cmd cleanCmd) Validate() error {
	if cmd.Grace < 0 || cmd.ArchiveKeep < 0 || cmd.LogKeep < 0 {
		return errors.New("times cannot be negative")
	}
	return nil
}

// Help implements kong.HelpProvider.
func (cleanCmd) Help() string {
	return `Shows what nobody gets any more, and deletes it with --yes: parts, rejects and results of revisions that were superseded or never published, results of clusters that did not count, archives and logs past their keep time.

Nothing goes that the manifest names, or the newest seal, or a run that is not over. An hour whose manifest or ledger is damaged, or that contradict each other, keeps everything: that is said. An hour of which something was archived after it was sealed keeps its archive, and so does one that was never published.

On one machine time is that of the data: it stands where the last run left it. A stack's reaper does the same by itself with parts, seals and results; its buckets keep deleted objects for some days, until then an earlier version can be brought back.

Examples:

  penstock clean
  penstock clean 2026-11 --yes
  penstock clean --failures --dry-run
  penstock clean --target aws:penstock --json | jq '.bytes'
`
}

// cleaned is what clean prints as JSON.
type cleaned struct {
	Deleted  bool           `json:"deleted"` // items are gone; else they would go
	Objects  int            `json:"objects"`
	Bytes    int64          `json:"bytes"`
	Items    []cleaner.Item `json:"items"`
	Later    []cleaner.Item `json:"later"`              // not yet
	Kept     []cleaner.Kept `json:"kept"`               // hours that keep everything, or their archive
	Failures []cleaner.Item `json:"failures,omitempty"` // that stay, and why
}

func (cmd cleanCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if cmd.Yes && d.Dir != nil {
		release, err := d.Dir.Lock("penstock clean")
		if err != nil {
			return err
		}
		defer release()
	}
	now, err := d.Clock(ctx)
	if err != nil {
		return err
	}
	k := cmd.worker(ctx, d, now)
	ranges, err := cmd.ranges(ctx, d)
	if err != nil {
		return err
	}
	plan, err := k.Plan(ctx, ranges...)
	if err != nil {
		return err
	}
	loose, kept, err := cmd.loose(ctx, k, d)
	if err != nil {
		return err
	}
	all := &cleaned{Items: slices.Concat([]cleaner.Item{}, plan.Items, loose), Later: slices.Concat([]cleaner.Item{}, plan.Later),
		Kept: slices.Concat([]cleaner.Kept{}, plan.Kept), Failures: kept}
	all.Objects, all.Bytes = len(all.Items), cleaner.Size(all.Items)
	if cmd.Yes {
		if err := cmd.act(ctx, c, k, d, plan, loose, all); err != nil {
			return err
		}
	}
	return cmd.show(c, all)
}

// worker makes what plans and deletes.
func (cmd cleanCmd) worker(ctx context.Context, d *site, now time.Time) *cleaner.Cleaner {
	rules := cleaner.Rules{Grace: cmd.Grace, ArchiveKeep: cmd.ArchiveKeep, Archive: cmd.ArchiveKeep > 0 || d.Dir != nil}
	if rules.ArchiveKeep == 0 {
		rules.ArchiveKeep = defaultArchiveKeep
	}
	k := &cleaner.Cleaner{Archive: d.Archive, Hours: d.Hours, Ledger: d.Ledger(), Keys: d.Keys, Rules: rules, Now: func() time.Time { return now }, Procs: atOnce}
	if book, _, err := d.Playbook(ctx); err == nil { // ledgers name other jobs
		k.Jobs = []string{book.Name}
	}
	return k
}

// ranges are the days that have documents, within the range that was given.
func (cmd cleanCmd) ranges(ctx context.Context, d *site) ([]hour.Range, error) {
	if cmd.Range.Given {
		return []hour.Range{cmd.Range.Range}, nil
	}
	hours, err := list(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	var all []hour.Range
	for _, h := range slices.SortedFunc(maps.Keys(hours), func(a, b hour.Hour) int { return a.Sub(b) }) {
		if n := len(all); n > 0 && all[n-1].To.Add(1) == h {
			all[n-1].To = h
		} else if n > 0 && d.Keys.DayPrefix(all[n-1].To) == d.Keys.DayPrefix(h) {
			all[n-1].To = h
		} else {
			all = append(all, hour.Range{From: h, To: h})
		}
	}
	return all, nil
}

// loose finds what is of no hour.
func (cmd cleanCmd) loose(ctx context.Context, k *cleaner.Cleaner, d *site) (items, kept []cleaner.Item, err error) {
	if d.Dir != nil && !cmd.Range.Given {
		if items, err = k.Logs(ctx, cmd.LogKeep); err != nil {
			return nil, nil, err
		}
	}
	if cmd.Failures {
		gone, stay, err := k.Failures(ctx, d.Failed, d.Archive)
		if err != nil {
			return nil, nil, err
		}
		items, kept = append(items, gone...), stay
	}
	return items, kept, nil
}

// act deletes, and makes all say what was.
func (cmd cleanCmd) act(ctx context.Context, c *console, k *cleaner.Cleaner, d *site, plan *cleaner.Plan, loose []cleaner.Item, all *cleaned) error {
	set, finish := c.progress(len(all.Items), "objects")
	if set != nil {
		var n atomic.Int64
		k.Progress = func() { set(int(n.Add(1))) }
	}
	done, err := k.Act(ctx, plan)
	var more cleaner.Done
	if err == nil {
		more, err = k.Loose(ctx, loose, map[cleaner.Bucket]cleaner.Store{cleaner.Hours: d.Hours, cleaner.Failed: d.Failed})
	}
	finish()
	all.Deleted, all.Objects, all.Bytes = true, done.Objects+more.Objects, done.Bytes+more.Bytes
	all.Kept = append(all.Kept, done.Kept...)
	if err != nil {
		return fmt.Errorf("%s of %s are deleted: %w: %s goes on", count(all.Objects, "object", "objects"), size(all.Bytes), err, cmd.again())
	}
	return nil
}

// again is the command that deletes what this one shows.
func (cmd cleanCmd) again() string {
	args := "clean"
	if cmd.Range.Given {
		args += " " + cmd.Range.String()
	}
	if cmd.Failures {
		args += " --failures"
	}
	if cmd.Grace != cleaner.DefaultRules().Grace {
		args += " --grace " + cmd.Grace.String()
	}
	if cmd.ArchiveKeep != 0 {
		args += " --archive-keep " + cmd.ArchiveKeep.String()
	}
	return cmd.command("%s --yes", args)
}

func (cmd cleanCmd) show(c *console, all *cleaned) error {
	if cmd.JSON {
		return c.printJSON(all)
	}
	if rows := cleanRows(all.Items); len(rows) > 0 {
		l := listing{Columns: []column{{"hour", false}, {"bucket", false}, {"objects", true}, {"size", true}, {"why", false}}, Rows: rows}
		if err := c.printTable(l); err != nil {
			return err
		}
		fmt.Fprintln(c.Out)
	}
	for _, k := range all.Kept {
		fmt.Fprintf(c.Out, "%s %s stays as it is: %s\n", c.paint(yellow, "kept"), k.Hour, clean(k.Why))
	}
	for _, f := range all.Failures {
		fmt.Fprintf(c.Out, "%s failure/%s stays: %s\n", c.paint(yellow, "kept"), f.Key, clean(f.Why))
	}
	text := fmt.Sprintf("%s, %s", count(all.Objects, "object", "objects"), size(all.Bytes))
	switch {
	case all.Deleted:
		text += " deleted"
	case all.Objects == 0:
		text = "there is nothing to clean"
	default:
		text += " would go: " + cmd.again() + " deletes them"
	}
	if len(all.Later) > 0 {
		at := slices.MinFunc(all.Later, func(a, b cleaner.Item) int { return a.At.Compare(b.At.Time) }).At
		text += fmt.Sprintf("\n%s, %s may go later, the first at %s", count(len(all.Later), "object", "objects"), size(cleaner.Size(all.Later)), instant(at))
	}
	if _, err := fmt.Fprintln(c.Out, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// cleanRows sums the items of an hour that go for the same reason.
func cleanRows(items []cleaner.Item) [][]string {
	type group struct {
		hour, bucket, why string
		n                 int
		bytes             int64
	}
	var groups []*group
	at := map[string]*group{}
	for _, i := range items {
		name := "-"
		if i.Hour != nil {
			name = i.Hour.String()
		}
		key := name + string(i.Bucket) + i.Why
		if at[key] == nil {
			at[key] = &group{hour: name, bucket: string(i.Bucket), why: i.Why}
			groups = append(groups, at[key])
		}
		at[key].n++
		at[key].bytes += i.Size
	}
	var rows [][]string
	for _, g := range groups {
		rows = append(rows, []string{g.hour, g.bucket, strconv.Itoa(g.n), size(g.bytes), g.why})
	}
	return rows
}
