package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/operate"
	"penstock/internal/replay"
)

type replayCmd struct {
	place
	durability
	asJSON
	Range  span `arg:"" optional:"" predictor:"hour" placeholder:"RANGE" help:"Hour, day, month or FROM..TO: read its rejects again, too. Without it, all that was given up is archived."`
	DryRun bool `help:"Say what would be done; write nothing."`
	NoRun  bool `help:"Leave the hours that got something to be run by the schedule, or by hand."`
}

// Help implements kong.HelpProvider.
func (replayCmd) Help() string {
	return `Brings back what the archive lacks although it is not lost.

Batches that the archive function failed for days lie in the failure destination with their payload: they are archived, each record once, whatever the archive has of them already. A batch that touches RANGE is archived whole, with its records of other hours.

Rejects of RANGE are read again with the format that the data directory (penstock.json: "format", "split") or the stack (parameters Format, Split) has now. A reject all of which is good events now becomes these events; nothing of it stays a reject. Each is repaired once.

Then the hours that have more than was published are run, each once; on a stack the schedule does that. Nothing is deleted: a failure object stays, and the next replay knows it without reading it. Batches that contradict the archive (conflicts/ in the failure bucket) are listed and never archived.

STREAM KEEPS says how long the stream still has the records: what has no payload is lost after that.

Examples:

  penstock replay --dry-run
  penstock replay 2026-11-23T07
  penstock replay 2026-11-23 --no-run --json
  penstock replay --target aws:penstock
`
}

// replayed is what replay prints as JSON.
type replayed struct {
	*replay.Report
	DryRun bool        `json:"dryRun,omitempty"`
	Hours  []hourRow   `json:"hours,omitempty"`  // those that were run
	ByHand []hour.Hour `json:"byHand,omitempty"` // of those to be run on a stack, what the schedule looks at no longer
}

func (cmd replayCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	in := replay.Request{DryRun: cmd.DryRun}
	if cmd.Range.Given {
		in.Range = &cmd.Range.Range
	}
	bar, progress := func() {}, func(int, int) {}
	if terminal(c.Err) {
		var set func(int)
		progress = func(done, of int) {
			if set == nil {
				set, bar = c.progress(of, "objects")
			}
			set(done)
		}
	}
	out := replayed{DryRun: cmd.DryRun}
	if d.Dir != nil && !cmd.DryRun {
		out.Report, out.Hours, err = cmd.here(ctx, c, d, in, progress, func() { bar() })
	} else {
		var keeps time.Duration
		out.Report, keeps, err = cmd.there(ctx, c, d, in, progress)
		bar()
		if out.Report != nil && d.Stack != nil {
			for _, of := range out.Report.Run {
				if of.Start().Before(c.Now().Add(-keeps)) {
					out.ByHand = append(out.ByHand, of)
				}
			}
		}
	}
	if out.Report == nil {
		return err
	}
	if r := out.Report; err == nil && cmd.Range.Given && len(r.Ranges)+len(r.Rejects) == 0 {
		if known, err := list(ctx, d, in.Range); err != nil || len(known) == 0 {
			return errors.Join(err, failf(exitNoData, "%s has no data in %s: %s lists the hours that have", cmd.Range, cmd.where(), cmd.command("status")))
		}
	}
	return errors.Join(cmd.show(c, d, &out), err, cmd.verdict(d, out.Report))
}

// there replays on a stack, or says what would be done, and how long the stream keeps records.
func (cmd replayCmd) there(ctx context.Context, c *console, d *site, in replay.Request, progress func(int, int)) (*replay.Report, time.Duration, error) {
	var config replay.Config
	if d.Dir != nil {
		saved, err := d.saved(ctx)
		if err == nil {
			config, err = local.Replaying(ctx, d.Dir, saved, c.Now)
		}
		if err != nil {
			return nil, 0, err
		}
	} else {
		config = replay.Config{Archive: d.Archive, Failure: d.Failed, Ledger: d.Ledger(), Keys: d.Keys, Format: d.Format, Split: d.Split, Now: c.Now, Fetch: 32}
		s, err := d.Stream(ctx)
		if err == nil {
			config.Retention, err = s.Retention(ctx)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("ask the stream of %s how long it keeps records: %w", d.Name, err)
		}
	}
	config.Progress = progress
	h, err := replay.New(config)
	if err != nil {
		return nil, 0, err
	}
	r, err := h.Handle(ctx, in)
	return r, config.Retention, err
}

// here replays a data directory and runs the hours in this process.
func (cmd replayCmd) here(ctx context.Context, c *console, d *site, in replay.Request, progress func(int, int), replayedAll func()) (*replay.Report, []hourRow, error) {
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock replay", Wall: c.Now, NoSync: cmd.NoSync})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	r, err := s.Replay(ctx, in, progress)
	replayedAll()
	if err != nil || cmd.NoRun || len(r.Run) == 0 {
		return r, nil, err
	}
	book, _, err := d.Playbook(ctx)
	if err != nil {
		return r, nil, err
	}
	var rows []hourRow
	var failed []error
	var choices []operate.Choice
	for _, of := range r.Run {
		choices = append(choices, operate.Choice{Hour: of, Do: operate.Run, Why: "replayed"})
	}
	ran, finish := c.progress(len(choices), "hours")
	defer finish()
	// Without cancel: what has begun is brought to its end, and nothing is begun after.
	_, err = s.ByHand(context.WithoutCancel(ctx), choices, 1, ledger.ByRerun, local.Job{Playbook: book, Exec: programs(), Seed: 1, Wall: c.Now},
		func() bool { return ctx.Err() != nil }, func(o operate.Outcome) error {
			err := o.Err
			if err == nil && o.Failed() {
				err = cmd.failed(o.Hour, o.Ran())
			}
			one, surveyed := survey(context.WithoutCancel(ctx), d, &hour.Range{From: o.Hour, To: o.Hour})
			rows, failed = append(rows, one...), append(failed, err, surveyed)
			if ran != nil {
				ran(len(rows))
			}
			return nil // the others are run all the same
		})
	failed = append(failed, err, ctx.Err())
	return r, rows, errors.Join(failed...)
}

// verdict is an error if something cannot be replayed.
func (cmd replayCmd) verdict(d *site, r *replay.Report) error {
	var unreadable, lost []string
	for _, one := range r.Ranges {
		switch one.State {
		case replay.StateUnreadable:
			unreadable = append(unreadable, d.path("failure", one.Key))
		case replay.StateNotKept:
			lost = append(lost, d.path("failure", one.Key))
		}
	}
	switch {
	case len(unreadable) > 0:
		return failf(exitCorrupt, "%s of the failure destination cannot be read, and hold up the seals of older hours: look at %s, and move it away",
			count(len(unreadable), "object", "objects"), unreadable[0])
	case len(lost) > 0:
		return failf(exitError, "%s without a payload: only the stream has the records of %s", count(len(lost), "batch was given up", "batches were given up"), lost[0])
	}
	return nil
}

func (cmd replayCmd) show(c *console, d *site, out *replayed) error {
	if cmd.JSON {
		return c.printJSON(out)
	}
	if err := c.printRanges(out.Ranges); err != nil {
		return err
	}
	if err := c.printRejects(out.Rejects, cmd.DryRun, len(out.Ranges) > 0); err != nil {
		return err
	}
	var b strings.Builder
	for _, x := range out.Conflicts {
		fmt.Fprintf(&b, "conflict: %s contradicts the archive of %s: `%s` compares it\n", d.path("failure", x.Key), x.Hour,
			strings.Trim(cmd.command("verify %s", x.Hour), "`"))
	}
	if out.Hours != nil {
		fmt.Fprintln(&b)
	}
	if _, err := fmt.Fprint(c.Out, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if out.Hours != nil {
		if err := c.printHours(out.Hours); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(c.Out, cmd.summary(out))
	return err
}

// summary says what is left to do.
func (cmd replayCmd) summary(out *replayed) string {
	archived, repaired := 0, 0
	for _, r := range out.Ranges {
		if r.State == replay.StateArchived || r.State == replay.StatePending {
			archived += r.Records
		}
	}
	for _, r := range out.Rejects {
		repaired += r.Repaired
	}
	var did []string
	if archived > 0 {
		did = append(did, count(archived, "record", "records")+" archived")
	}
	if repaired > 0 {
		did = append(did, count(repaired, "reject", "rejects")+" repaired")
	}
	text := strings.Join(did, ", ")
	if cmd.DryRun {
		text = "would be done: " + text
	}
	if archived+repaired == 0 {
		text = "nothing new to archive or repair"
		if len(out.Ranges)+len(out.Rejects) == 0 {
			text = "nothing was given up, and nothing is to be read again"
			if !cmd.Range.Given {
				text = "nothing was given up"
			}
		}
	}
	if len(out.Later) > 0 {
		text += fmt.Sprintf("; %s is not over: its first run takes all", hoursText(out.Later))
	}
	switch {
	case len(out.Run) == 0:
	case cmd.DryRun:
		text += "; to run: " + hoursText(out.Run)
	case cmd.Target != "":
		text += fmt.Sprintf("; the schedule runs %s once no more comes for half an hour", hoursText(out.Run))
		if len(out.ByHand) > 0 {
			text += fmt.Sprintf(", but not %s, which the stream no longer holds", hoursText(out.ByHand))
		}
		text += fmt.Sprintf("; now: %s", cmd.command("backfill %s %s", out.Run[0], out.Run[len(out.Run)-1]))
	case out.Hours == nil:
		text += fmt.Sprintf("; to run: %s: %s", hoursText(out.Run), cmd.command("rerun %s", out.Run[0]))
	}
	return text
}

// hoursText names a few hours.
func hoursText(hours []hour.Hour) string {
	const most = 4
	var names []string
	for _, h := range hours[:min(most, len(hours))] {
		names = append(names, h.String())
	}
	text := strings.Join(names, ", ")
	if len(hours) > most {
		text += fmt.Sprintf(" and %d more", len(hours)-most)
	}
	return text
}

func (c *console) printRanges(ranges []replay.Range) error {
	if len(ranges) == 0 {
		return nil
	}
	l := listing{Columns: []column{{"hour", false}, {"shard", false}, {"records", true}, {"arrived", false}, {"payload", false}, {"stream keeps", true}, {"state", false}}}
	for _, r := range ranges {
		if r.State == replay.StateUnreadable {
			l.Rows = append(l.Rows, []string{"-", "-", "-", "-", "-", "-", c.paint(red, r.State+": "+clean(r.Detail))})
			continue
		}
		payload, ink := "kept", green
		if !r.Payload {
			payload = "not kept"
		}
		switch r.State {
		case replay.StatePending:
			ink = yellow
		case replay.StateNotKept, replay.StateConflict:
			ink = red
		}
		l.Rows = append(l.Rows, []string{r.Hour.String(), r.Shard, strconv.Itoa(r.Records), instant(r.Arrival), payload, left(r), c.paint(ink, r.State)})
	}
	return c.printTable(l)
}

// left says how long the stream keeps a range.
func left(r replay.Range) string {
	switch {
	case r.Until == nil:
		return "-"
	case r.Left <= 0:
		return "forgotten"
	}
	return span2(r.Left)
}

// span2 is a duration for people, in its two largest units.
func span2(d time.Duration) string {
	h := int(d.Hours())
	switch {
	case h >= 48:
		return fmt.Sprintf("%dd %dh", h/24, h%24)
	case h > 0:
		return fmt.Sprintf("%dh %dm", h, int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60)
}

func (c *console) printRejects(all []replay.Rejects, dry, behind bool) error {
	if len(all) == 0 {
		return nil
	}
	if behind {
		fmt.Fprintln(c.Out)
	}
	name := "repaired"
	if dry {
		name = "repairable"
	}
	l := listing{Columns: []column{{"hour", false}, {"rejects", true}, {name, true}, {"events", true}, {"still rejects", false}}}
	for _, r := range all {
		var still []string
		for _, why := range slices.Sorted(maps.Keys(r.Still)) {
			still = append(still, fmt.Sprintf("%d %s", r.Still[why], clean(why)))
		}
		l.Rows = append(l.Rows, []string{r.Hour.String(), strconv.Itoa(r.Rejects), strconv.Itoa(r.Repaired), strconv.Itoa(r.Events), strings.Join(still, ", ")})
	}
	return c.printTable(l)
}
