package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"penstock/internal/generate"
	"penstock/internal/hour"
)

type generateCmd struct {
	Events       int           `short:"n" default:"240000" placeholder:"N" help:"How many events (${default})."`
	Start        hour.Hour     `default:"2026-11-23T00" placeholder:"HOUR" help:"The hour in which they begin (${default})."`
	Duration     time.Duration `default:"24h" placeholder:"TIME" help:"The time over which they arrive (${default})."`
	Seed         uint64        `default:"1" placeholder:"N" help:"Another seed gives other events; the same always the same bytes (${default})."`
	MangledEvery int           `default:"10000" placeholder:"N" help:"About one in N is damaged on the way and is no JSON; 0 means none (${default})."`
	Output       string        `short:"o" predictor:"file" placeholder:"FILE" help:"Write to this file, which stands only once all is written."`
}

// Help implements kong.HelpProvider.
func (generateCmd) Help() string {
	return `Views, plays, heartbeats and advertisements of sessions at many publishers, some 500 bytes each, one a line, in the order of their arrival.

Examples:

  penstock generate --events 1000 | head -3
  penstock generate --events 1000000 --seed 7 --output events.ndjson
`
}

func (cmd generateCmd) Run(ctx context.Context, c *console) error {
	if cmd.MangledEvery == 0 {
		cmd.MangledEvery = -1
	}
	g, err := generate.New(generate.Config{Seed: cmd.Seed, Start: cmd.Start.Start(), Duration: cmd.Duration, Events: cmd.Events,
		MangledEvery: cmd.MangledEvery})
	if err != nil {
		return &failure{exitUsage, err}
	}
	fill := func(w io.Writer) error { return writeEvents(ctx, w, g) }
	if cmd.Output != "" {
		return writeWhole(cmd.Output, fill)
	}
	return fill(c.Out)
}

func writeEvents(ctx context.Context, w io.Writer, g *generate.Generator) error {
	b := bufio.NewWriterSize(w, 1<<16)
	for n := 0; ; n++ {
		e, ok := g.Next()
		if !ok {
			break
		}
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, _ = b.Write(e.Data) // Flush answers the first error
		if err := b.WriteByte('\n'); err != nil {
			break
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write events: %w", withoutPath(err))
	}
	return nil
}
