package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"

	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"
)

type catCmd struct {
	place
	Hour    hour.Hour `arg:"" predictor:"hour" placeholder:"HOUR" help:"UTC hour of arrival, such as 2026-11-23T07."`
	Rejects bool      `help:"Print the rejects instead: JSON lines with the reason and the payload in base64."`
	Procs   int       `placeholder:"N" help:"Blocks that are decompressed at the same time (as many as there are cores)."`
}

// Help implements kong.HelpProvider.
func (catCmd) Help() string {
	return `Every file is checked against the manifest while it is printed; exit code 7 says that it is not what was published.

Examples:

  penstock cat 2026-11-23T07 | head
  penstock cat 2026-11-23T07 | jq -r .publisher | sort | uniq -c
  penstock cat 2026-11-23T07 --rejects
`
}

func (cmd catCmd) Run(ctx context.Context, c *console) error {
	procs, err := procsOf(cmd.Procs)
	if err != nil {
		return err
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := cmd.find(ctx, d, cmd.Hour)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(c.Out, 1<<16)
	p := printer{ctx: ctx, dir: d, out: out, procs: procs}
	if cmd.Rejects {
		if m.Rejects != nil {
			err = p.print(*m.Rejects, m.RejectN)
		}
	} else {
		for _, part := range m.Parts {
			if err = p.print(part.File, part.Events); err != nil {
				break
			}
		}
	}
	if flushed := out.Flush(); flushed != nil && err == nil {
		err = fmt.Errorf("print: %w", flushed)
	}
	if is[*fault.Corrupt](err) || is[*fault.NotFound](err) {
		return &failure{exitCorrupt, fmt.Errorf("%w: %s makes the hour anew from the archive", err, cmd.command("rerun %s --force", cmd.Hour))}
	}
	return err
}

// procsOf checks a number of goroutines; 0 means one for each core.
func procsOf(n int) (int, error) {
	if n == 0 {
		return min(runtime.GOMAXPROCS(0), bzip2.MaxProcs), nil
	}
	if n < 0 || n > bzip2.MaxProcs {
		return 0, failf(exitUsage, "--procs %d: want 1 to %d", n, bzip2.MaxProcs)
	}
	return n, nil
}

// printer decompresses files of the hours bucket and checks them.
type printer struct {
	ctx   context.Context
	dir   *site
	out   io.Writer
	procs int
	z     *bzip2.Reader
}

// print prints a file of so many lines.
func (p *printer) print(f hour.File, lines int) error {
	body, err := p.dir.Hours.GetRange(p.ctx, f.Key, "", 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	from := io.TeeReader(body, sum)
	if p.z == nil {
		p.z, err = bzip2.NewReader(from, bzip2.ReaderConfig{Procs: p.procs})
		if err != nil {
			return err
		}
	} else {
		p.z.Reset(from)
	}
	counted := &lineCounter{w: p.out}
	_, err = io.Copy(counted, p.z)
	if bad := (*bzip2.FormatError)(nil); errors.As(err, &bad) {
		return &fault.Corrupt{Key: f.Key, Detail: bad.Error()}
	}
	if err != nil {
		return fmt.Errorf("print %s: %w", f.Key, err)
	}
	if f.SHA256 != "" && hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return &fault.Corrupt{Key: f.Key, Detail: "its bytes are not those that the manifest names"}
	}
	if counted.lines != lines {
		return &fault.Corrupt{Key: f.Key, Detail: fmt.Sprintf("it has %d lines, the manifest says %d", counted.lines, lines)}
	}
	return nil
}

type lineCounter struct {
	w     io.Writer
	lines int
}

func (l *lineCounter) Write(b []byte) (int, error) {
	l.lines += bytes.Count(b, []byte{'\n'})
	return l.w.Write(b)
}
