package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"penstock/internal/asl"
	"penstock/internal/clock"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ingest"
	"penstock/internal/stream"
)

// maxJump is how far the input's clock may run ahead at once: further is taken for a slip in the data.
const maxJump = 7 * 24 * time.Hour

// chunk is how many events are put at once, if they arrive within the same second.
const chunk = stream.MaxEntries

// Feed sends a source's events through the edge at their times, the first skip of them excepted, and calls kept after
// each hour with how many have been sent since the source's begin. It returns how many the source held.
type Feed struct {
	Source Source
	Skip   int
	// Kept, if set, is called between two hours, and at the end: everything up to there can be resumed from.
	Kept func(ctx context.Context, sent int) error
	// Progress, if set, is called now and then.
	Progress func(sent int)
	// Hours, if set, is told of each hour in which events arrive.
	Hours func(h hour.Hour)
	// Refused counts the events that the edge refused: too large for a record.
	Refused int

	sent int
	next *Event
}

// Run feeds the whole source.
func (f *Feed) Run(ctx context.Context, p *Pipeline) error {
	for range f.Skip {
		if _, err := f.Source.Next(); err != nil {
			return fmt.Errorf("resume the input after %d events: it is shorter now: %w", f.Skip, err)
		}
	}
	f.sent = f.Skip
	last := hour.Of(p.Clock.Now())
	for {
		events, at, err := f.chunk(p.Clock.Now())
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(events) > 0 {
			if h := hour.Of(at); h != last {
				if f.Kept != nil {
					if err := f.Kept(ctx, f.sent); err != nil {
						return err
					}
				}
				last = h
			}
			clock.SleepUntil(p.Clock, at)
			if f.Hours != nil {
				f.Hours(hour.Of(p.Clock.Now()))
			}
			if err := f.send(ctx, p, events); err != nil {
				return err
			}
			f.sent += len(events)
			if f.Progress != nil {
				f.Progress(f.sent)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// Sent is how many events have been sent, skipped ones included.
func (f *Feed) Sent() int { return f.sent }

// chunk gathers the events of one second; they arrive when its last one does.
func (f *Feed) chunk(now time.Time) ([]Event, time.Time, error) {
	var events []Event
	at := now
	for len(events) < chunk {
		if f.next == nil {
			e, err := f.Source.Next()
			if err != nil {
				return events, at, err
			}
			f.next = &e
		}
		t := f.next.Time
		switch {
		case t.Before(at):
			t = at
		case t.Sub(now) > maxJump:
			return nil, at, &fault.BadInput{Detail: fmt.Sprintf("event %d is of %s, more than %d days after the one before it: name another CLOCK, or mend the input",
				f.sent+len(events)+1, t.Format(time.RFC3339), int(maxJump.Hours()/24))}
		}
		if len(events) > 0 && t.Truncate(time.Second) != at.Truncate(time.Second) {
			break
		}
		at = t
		events = append(events, *f.next)
		f.next = nil
	}
	return events, at, nil
}

func (f *Feed) send(ctx context.Context, p *Pipeline, events []Event) error {
	batch := make([]ingest.Event, len(events))
	for i, e := range events {
		batch[i] = ingest.Event{Key: e.Key, Data: e.Data}
	}
	refused, err := p.send(ctx, batch)
	f.Refused += refused
	return err
}

// closeTicks is how many ticks of the schedule are waited for until the last hours are published or given up.
const closeTicks = 36

// Close lets the clock run until every hour that got events is settled: published, or failed so that the schedule does
// not try again.
func (p *Pipeline) Close(ctx context.Context, hours []hour.Hour) error {
	if len(hours) == 0 {
		return nil
	}
	for !p.mapping.idle() {
		clock.Sleep(p.Clock, time.Second)
	}
	for range closeTicks {
		at := nextTick(p.Clock.Now())
		clock.SleepUntil(p.Clock, at)
		clock.Sleep(p.Clock, time.Second)
		if err := p.quiet(); err != nil {
			return err
		}
		open, err := p.unsettled(ctx, hours)
		if err != nil || len(open) == 0 {
			return err
		}
		hours = open
	}
	return nil
}

// quiet waits until no execution runs.
func (p *Pipeline) quiet() error {
	for _, machine := range []string{ScheduleMachine, HourMachine} {
		running, err := p.Engine.ListExecutions(machine, asl.Running)
		if err != nil {
			return err
		}
		for _, x := range running {
			if _, err := p.Engine.Wait(-1, x.ARN); err != nil {
				return err
			}
		}
	}
	return nil
}
