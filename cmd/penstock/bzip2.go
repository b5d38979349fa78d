package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"penstock/internal/bzip2"
)

type bzip2Cmd struct {
	Decompress bool   `short:"d" help:"Decompress."`
	Level      int    `default:"9" placeholder:"N" help:"Blocks of N times 100 000 bytes, 1 to 9; -1 to -9 for short (${default})."`
	Procs      int    `placeholder:"N" help:"Blocks at the same time (as many as there are cores). What is written does not depend on it."`
	Codec      string `default:"own" enum:"own,dsnet" placeholder:"NAME" help:"own, or dsnet to compare with github.com/dsnet/compress on one core (${default})."`
}

// Help implements kong.HelpProvider.
func (bzip2Cmd) Help() string {
	return `From standard input to standard output. After an error nothing that was compressed looks whole: it has no end. Several streams one after the other are decompressed as one.

Examples:

  penstock bzip2 < events.ndjson > events.ndjson.bz2
  penstock bzip2 -d --procs 2 < events.ndjson.bz2 | wc -l
  penstock bzip2 -1 --codec dsnet < events.ndjson > small-blocks.bz2
`
}

// levels makes --level=N of -1 to -9, as bzip2 has them.
func levels(args []string) []string {
	if len(args) == 0 || args[0] != "bzip2" {
		return args
	}
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if len(a) == 2 && a[0] == '-' && a[1] >= '1' && a[1] <= '9' {
			args[i] = "--level=" + a[1:]
		}
	}
	return args
}

func (cmd bzip2Cmd) Run(ctx context.Context, c *console) error {
	procs, err := procsOf(cmd.Procs)
	if err != nil {
		return err
	}
	codec, err := bzip2.ParseCodec(cmd.Codec)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if cmd.Level < 1 || cmd.Level > 9 {
		return failf(exitUsage, "--level %d: want 1 to 9", cmd.Level)
	}
	in := interruptible{ctx, c.In}
	if cmd.Decompress {
		r, err := bzip2.NewReader(in, bzip2.ReaderConfig{Procs: procs, Codec: codec})
		if err != nil {
			return err
		}
		if _, err := io.Copy(c.Out, r); err != nil {
			return fmt.Errorf("decompress standard input: %w", withoutPath(err))
		}
		return nil
	}
	if terminal(c.Out) {
		return failf(exitUsage, "compressed bytes are not for a terminal: add > FILE")
	}
	w, err := bzip2.NewWriter(c.Out, bzip2.WriterConfig{Level: cmd.Level, Procs: procs, Codec: codec})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return fmt.Errorf("compress standard input: %w", withoutPath(err))
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress standard input: %w", withoutPath(err))
	}
	return nil
}

// interruptible is a reader that fails once ctx is over.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}
