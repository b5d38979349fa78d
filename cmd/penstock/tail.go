package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/clock"
	"penstock/internal/fault"
	"penstock/internal/stream"
	"penstock/internal/stream/kpl"
)

type tailCmd struct {
	place
	Filter []string `placeholder:"FIELD=VALUE" help:"Only events whose field has that value; may be repeated, a dotted FIELD reaches inside."`
	From   string   `default:"latest" placeholder:"WHERE" help:"latest, trim (all that the stream still has), or a time such as 2026-11-23T07:30:00Z (${default})."`
	Shard  string   `placeholder:"ID" help:"Only this shard; all of them unless given."`
	Count  int      `short:"n" placeholder:"N" help:"End after so many events."`
	JSON   bool     `name:"json" help:"With each event print its shard, sequence number and arrival, as JSON."`
}

// Help implements kong.HelpProvider.
func (tailCmd) Help() string {
	return `Prints events as they arrive, like tail -f: of all shards, one a line, until interrupted. Records of the Kinesis Producer Library are taken apart. Each shard is asked once a second, of the five times that Kinesis allows all readers together.

On one machine the stream holds what the last run left unarchived; it is printed, and nothing more comes while no run is at work.

Examples:

  penstock tail --target aws:penstock
  penstock tail --filter type=heartbeat --filter publisher=a.com --target aws:penstock
  penstock tail --from trim -n 10 --json
`
}

// tailEvery is how often a shard is asked.
const tailEvery = time.Second

// Run implements the command.
func (cmd tailCmd) Run(ctx context.Context, c *console) error {
	start, err := cmd.start()
	if err != nil {
		return err
	}
	filters, err := parseFilters(cmd.Filter)
	if err != nil {
		return err
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	from, err := d.Stream(ctx)
	if is[*fault.NotFound](err) {
		return failf(exitNoData, "%s has no stream yet: %s makes one", cmd.where(), cmd.command("run"))
	}
	if err != nil {
		return err
	}
	if d.Dir != nil && start.Type == stream.Latest {
		start.Type = stream.TrimHorizon // nothing else is ever there
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t := &tailing{c: c, from: from, filters: filters, split: d.Split == "lines", json: cmd.JSON, left: cmd.Count, limited: cmd.Count > 0, stop: stop,
		live: d.Stack != nil, only: cmd.Shard, started: map[string]bool{}}
	return t.run(ctx, start)
}

func (cmd tailCmd) start() (stream.Start, error) {
	if cmd.Count < 0 {
		return stream.Start{}, failf(exitUsage, "-n %d: want how many events to end after", cmd.Count)
	}
	switch cmd.From {
	case "latest":
		return stream.Start{Type: stream.Latest}, nil
	case "trim":
		return stream.Start{Type: stream.TrimHorizon}, nil
	}
	t, err := time.Parse(time.RFC3339, cmd.From)
	if err != nil {
		return stream.Start{}, failf(exitUsage, "--from %.40q is neither latest, trim nor a time such as 2026-11-23T07:30:00Z", cmd.From)
	}
	return stream.Start{Type: stream.AtTimestamp, Time: t}, nil
}

// filter is a condition on a field of an event.
type filter struct {
	path  []string
	value string
}

func parseFilters(list []string) ([]filter, error) {
	var all []filter
	for _, text := range list {
		field, value, ok := strings.Cut(text, "=")
		if !ok || field == "" {
			return nil, failf(exitUsage, "--filter %.60q is not FIELD=VALUE", text)
		}
		all = append(all, filter{strings.Split(field, "."), value})
	}
	return all, nil
}

// passes says whether an event meets all conditions. One that is no JSON object meets none.
func passes(event []byte, filters []filter) bool {
	for _, f := range filters {
		value := json.RawMessage(event)
		for _, name := range f.path {
			var doc map[string]json.RawMessage
			if json.Unmarshal(value, &doc) != nil || doc[name] == nil {
				return false
			}
			value = doc[name]
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		if text != f.value {
			return false
		}
	}
	return true
}

// tailing prints what several shards bring.
type tailing struct {
	c       *console
	from    stream.Reader
	filters []filter
	split   bool // each line of a record is an event
	json    bool
	live    bool // more may come
	only    string
	limited bool
	stop    func()

	mu      sync.Mutex
	left    int // events still to print, if limited
	started map[string]bool
}

// tailed is an event as --json prints it.
type tailed struct {
	Shard    string          `json:"shard"`
	Sequence string          `json:"sequence"`
	Sub      int             `json:"sub"`
	Arrival  time.Time       `json:"arrival"`
	Event    json.RawMessage `json:"event,omitempty"`
	Text     string          `json:"text,omitempty"` // of an event that is no JSON
}

func (t *tailing) run(ctx context.Context, start stream.Start) error {
	since := start.Time
	if start.Type == stream.Latest {
		since = t.c.Now()
	}
	shards, err := t.from.Shards(ctx, since)
	if err != nil {
		return watched(ctx, err)
	}
	g, running := errgroup.WithContext(ctx)
	var follow func(shard string, start stream.Start)
	follow = func(shard string, start stream.Start) {
		t.mu.Lock()
		known := t.started[shard]
		t.started[shard] = true
		t.mu.Unlock()
		if known || t.only != "" && shard != t.only {
			return
		}
		g.Go(func() error {
			children, err := t.shard(running, shard, start)
			for _, child := range children {
				follow(child, stream.Start{Type: stream.TrimHorizon})
			}
			return err
		})
	}
	for _, s := range shards {
		follow(s.ID, start)
	}
	if t.only != "" && !slices.ContainsFunc(shards, func(s stream.Shard) bool { return s.ID == t.only }) {
		return failf(exitNoData, "the stream has no shard %.80q that holds anything from there on: its shards are %s", t.only, shardNames(shards))
	}
	err = g.Wait()
	if ctx.Err() != nil { // interrupted, or enough printed
		return nil
	}
	return err
}

func shardNames(shards []stream.Shard) string {
	var names []string
	for _, s := range shards {
		names = append(names, s.ID)
	}
	return strings.Join(names, ", ")
}

// shard prints what a shard brings until it ends, and returns those that follow it. Where nothing more can come, it ends
// at the tip.
func (t *tailing) shard(ctx context.Context, id string, start stream.Start) ([]string, error) {
	iterator := ""
	for failures := 0; ; {
		var err error
		if iterator == "" {
			if iterator, err = t.from.Iterator(ctx, id, start); err == nil && start.Type == stream.Latest {
				start = stream.Start{Type: stream.AtTimestamp, Time: t.c.Now()} // should this iterator expire
			}
		}
		var page stream.Page
		if err == nil {
			page, err = t.from.Records(ctx, iterator, stream.MaxRead)
		}
		switch {
		case is[*fault.Unavailable](err) && failures < 8: // throttled: others read, too
			failures++
			if err := clock.Pause(ctx, tailEvery<<min(failures, 4)); err != nil {
				return nil, err
			}
			continue
		case is[*fault.BadInput](err) && iterator != "" && failures == 0: // it expired
			iterator = ""
			failures++
			continue
		case err != nil:
			return nil, err
		}
		failures = 0
		for _, r := range page.Records {
			if err := t.print(id, r); err != nil {
				return nil, err
			}
			start = stream.Start{Type: stream.AfterSequence, Sequence: r.Sequence}
		}
		switch iterator = page.Next; {
		case iterator == "":
			return page.Children, nil
		case !t.live && page.BehindTip == 0:
			return nil, nil
		case !t.live:
			continue
		}
		if err := clock.Pause(ctx, tailEvery); err != nil {
			return nil, err
		}
	}
}

// print prints the events of a record that pass.
func (t *tailing) print(shard string, r stream.Record) error {
	events := [][]byte{r.Data}
	if parts, aggregated, err := kpl.Deaggregate(r.Data); err == nil && aggregated {
		events = parts
	}
	if t.split {
		var lines [][]byte
		for _, e := range events {
			lines = append(lines, bytes.Split(bytes.TrimRight(e, "\r\n"), []byte("\n"))...)
		}
		events = lines
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for sub, e := range events {
		if !passes(e, t.filters) {
			continue
		}
		if t.limited && t.left == 0 {
			return context.Canceled
		}
		text := clean(string(bytes.TrimRight(e, "\r\n")))
		if t.json {
			line := tailed{Shard: shard, Sequence: r.Sequence, Sub: sub, Arrival: r.Arrival}
			if json.Valid(e) {
				line.Event = e
			} else {
				line.Text = text
			}
			b, err := json.Marshal(line)
			if err != nil {
				return err
			}
			text = string(b)
		}
		if _, err := fmt.Fprintln(t.c.Out, text); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		if t.limited {
			if t.left--; t.left == 0 {
				t.stop()
				return context.Canceled
			}
		}
	}
	return nil
}
