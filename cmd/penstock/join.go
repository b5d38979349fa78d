package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"penstock/internal/bzip2"
)

type joinCmd struct {
	Files  []string `arg:"" name:"file" predictor:"file" help:"bzip2 files, of one stream each."`
	Output string   `short:"o" predictor:"file" placeholder:"FILE" help:"Write to this file, which stands only once all is joined."`
}

// Help implements kong.HelpProvider.
func (joinCmd) Help() string {
	return `The blocks are moved bit by bit into one stream, which holds the contents of all files in their order. Many readers stop silently at the end of the first stream of a file that was made with cat; they read this one whole. Headers, checksums and footers are checked, but blocks are not decoded: damage within one is found by whoever reads it. After an error what was written to standard output has no end, so that no reader takes it for a whole stream.

Examples:

  penstock join a.bz2 b.bz2 > all.bz2
  penstock join --output all.bz2 a.bz2 b.bz2 c.bz2
`
}

func (cmd joinCmd) Run(ctx context.Context, c *console) error {
	fill := func(w io.Writer) error { return joinFiles(ctx, w, cmd.Files) }
	if cmd.Output != "" {
		return writeWhole(cmd.Output, fill)
	}
	if terminal(c.Out) {
		return failf(exitUsage, "compressed bytes are not for a terminal: add --output FILE, or > FILE")
	}
	return fill(c.Out)
}

func joinFiles(ctx context.Context, w io.Writer, files []string) error {
	j := bzip2.NewJoiner(w)
	for _, name := range files {
		if err := joinFile(ctx, j, name); err != nil {
			return err
		}
	}
	if err := j.Close(); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

func joinFile(ctx context.Context, j *bzip2.Joiner, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, withoutPath(err))
	}
	defer f.Close()
	_, err = j.Add(interruptible{ctx, f})
	switch {
	case errors.Is(err, bzip2.ErrTrailing):
		return fmt.Errorf("join %s: %w: if it holds several streams, `penstock bzip2 -d < %s | penstock bzip2` makes one of them", name, err, name)
	case err != nil:
		return fmt.Errorf("join %s: %w", name, withoutPath(err))
	}
	return nil
}
