package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"time"

	"penstock/internal/clock"
	"penstock/internal/datadir"
	"penstock/internal/ingest"
	"penstock/internal/stream"
)

type sendCmd struct {
	place
	durability
	asJSON
	Input        string  `arg:"" predictor:"file" placeholder:"FILE" help:"File of events, one a line; - reads standard input."`
	HTTP         bool    `name:"http" help:"Send to the HTTP edge, not to the stream."`
	URL          string  `name:"url" placeholder:"URL" help:"The HTTP edge, if it is not the stack's own ApiUrl; means --http."`
	Key          string  `placeholder:"KEY" env:"PENSTOCK_API_KEY" help:"The API key of the HTTP edge."`
	Rate         float64 `placeholder:"N" help:"At most so many events a second."`
	PartitionKey string  `placeholder:"FIELD" help:"To the stream: the field whose value is the partition key; without it events are spread."`
	Progress     string  `predictor:"file" placeholder:"FILE" help:"Where is kept how far it came; FILE.STACK.sent beside the input unless given."`
	Again        bool    `help:"Send the input from its begin although it was sent before."`
	Clock        string  `placeholder:"FIELD" help:"On one machine: the field whose time is the arrival, as of penstock run."`
}

// Help implements kong.HelpProvider.
func (sendCmd) Help() string {
	return `Sends a file of events, one a line, and keeps beside it how far it came: the same command after an interruption, or when the file has grown, goes on from there. Events are sent at least once; what was under way when it was interrupted is sent again.

Without an API key at hand: aws apigateway get-api-key --include-value --api-key ID, where ID is the stack's output ApiKeyId.

On one machine the stream's clock moves only while a run is at work, so that to send is to run: it does what "penstock run FILE" does, which resumes in the same way.

Examples:

  penstock send events.ndjson --target aws:penstock
  penstock send events.ndjson --http --rate 200 --target aws:penstock
  cat events.ndjson | penstock send - --partition-key publisher --target aws:penstock
  penstock send events.ndjson --clock time --data mine
`
}

// Run implements the command.
func (cmd sendCmd) Run(ctx context.Context, c *console) error {
	cmd.HTTP = cmd.HTTP || cmd.URL != ""
	if u, err := url.Parse(cmd.URL); cmd.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return failf(exitUsage, "--url %.80q is not a URL such as https://abc.execute-api.us-east-1.amazonaws.com/v1", cmd.URL)
	}
	if cmd.Rate < 0 || math.IsNaN(cmd.Rate) || math.IsInf(cmd.Rate, 0) {
		return failf(exitUsage, "--rate %v: want how many events a second", cmd.Rate)
	}
	if cmd.Target == "" {
		return cmd.local(ctx, c)
	}
	if cmd.Clock != "" {
		return failf(exitUsage, "events arrive at a stack when they are sent: --clock is for one machine")
	}
	if cmd.HTTP && cmd.PartitionKey != "" {
		return failf(exitUsage, "the HTTP edge chooses partition keys itself (parameter PartitionKeyField): leave out --partition-key")
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	deliver, err := cmd.deliverer(d)
	if err != nil {
		return err
	}
	return cmd.send(ctx, c, deliver)
}

// local runs the input on the data directory.
func (cmd sendCmd) local(ctx context.Context, c *console) error {
	if cmd.HTTP || cmd.Rate > 0 || cmd.PartitionKey != "" || cmd.Progress != "" || cmd.Again {
		return failf(exitUsage, "on one machine sending is running, on a clock of its own: only --clock and --data are of use (see `penstock send --help`)")
	}
	d, err := datadir.Open(cmd.Data, datadir.Options{Now: c.Now})
	if err != nil {
		return err
	}
	run := runCmd{folder: cmd.folder, durability: cmd.durability, asJSON: cmd.asJSON, Input: cmd.Input, Clock: cmd.Clock, Format: d.Marker.Format, Name: d.Marker.Name,
		Seed: 1, Shards: 1, Window: 5 * time.Minute, Engine: "process"}
	if err := d.Close(); err != nil {
		return err
	}
	return run.Run(ctx, c)
}

// delivery sends events and returns the places of those that can never be taken, each with the reason. With an error
// nothing is known of the others.
type delivery func(ctx context.Context, events [][]byte) (refused []refusal, err error)

type refusal struct {
	index  int
	reason string
}

// deliverer returns what sends to the stream or to the HTTP edge.
func (cmd sendCmd) deliverer(d *site) (delivery, error) {
	if cmd.HTTP {
		base := cmd.URL
		if base == "" {
			base = d.Stack.APIURL
		}
		return newEdge(base, cmd.Key, d.Format, d.Stack.APIKeyID), nil
	}
	sender := ingest.NewSender(ingest.SenderConfig{Writer: d.Stack.Stream(d.Stack.StreamName), Seed: uint64(time.Now().UnixNano())})
	return func(ctx context.Context, events [][]byte) ([]refusal, error) {
		batch := make([]ingest.Event, len(events))
		for i, e := range events {
			batch[i] = ingest.Event{Key: ingest.KeyOf(e, cmd.PartitionKey), Data: e}
		}
		var refused []refusal
		failures, err := sender.Send(ctx, batch)
		for _, f := range failures {
			if f.Code == ingest.CodeTooLarge || f.Code == ingest.CodeBadKey {
				refused = append(refused, refusal{f.Index, f.Code})
			}
		}
		return refused, err
	}, nil
}

// sent is what a send did, as --json prints it.
type sent struct {
	Input   string  `json:"input"`
	Target  string  `json:"target"`
	Events  int     `json:"events"` // sent now
	Bytes   int64   `json:"bytes"`
	Resumed int     `json:"resumed,omitempty"` // events that were sent before
	Refused int     `json:"refused,omitempty"`
	First   string  `json:"firstRefused,omitempty"` // which, and why
	Seconds float64 `json:"seconds"`
}

// Limits of one delivery.
const (
	sendEvents = stream.MaxEntries
	sendBytes  = 1 << 20
)

// send reads the input and delivers it, batch after batch.
func (cmd sendCmd) send(ctx context.Context, c *console, deliver delivery) error {
	f, total, err := cmd.input(c)
	if err != nil {
		return err
	}
	defer f.Close()
	kept, err := cmd.kept(f)
	if err != nil {
		return err
	}
	s := sending{cmd: cmd, c: c, deliver: deliver, kept: kept, begun: time.Now(),
		lines: &lineReader{r: bufio.NewReaderSize(f, 1<<16), offset: kept.state.Bytes, line: kept.state.Lines}}
	s.sum = sent{Input: cmd.Input, Target: cmd.Target, Resumed: kept.state.Events}
	if total > 0 {
		var set func(int)
		set, s.finish = c.progress(int(total), "bytes")
		s.bar = set
	}
	err = s.run(ctx)
	if s.finish != nil {
		s.finish()
	}
	s.sum.Seconds = time.Since(s.begun).Seconds()
	if saved := kept.save(true); saved != nil && err == nil {
		err = saved
	}
	switch {
	case ctx.Err() != nil:
		return failf(exitError, "interrupted: %d events were sent%s", s.sum.Events, kept.hint())
	case err != nil:
		return fmt.Errorf("%w: %d events were sent%s", err, s.sum.Events, kept.hint())
	}
	return cmd.report(c, s.sum)
}

func (cmd sendCmd) report(c *console, sum sent) error {
	if cmd.JSON {
		if err := c.printJSON(sum); err != nil {
			return err
		}
	} else {
		if sum.Events == 0 && sum.Resumed > 0 {
			fmt.Fprintf(c.Out, "%s was sent to %s before (%d events): nothing to send; --again sends it once more.\n", sum.Input, sum.Target, sum.Resumed)
		} else {
			fmt.Fprintf(c.Out, "%s: %d events, %s, sent to %s in %.1f s, %.0f events a second.\n", sum.Input, sum.Events, size(sum.Bytes), sum.Target,
				sum.Seconds, float64(sum.Events)/max(sum.Seconds, 1e-3))
		}
		if sum.Resumed > 0 && sum.Events > 0 {
			fmt.Fprintf(c.Out, "Went on after %d events that were sent before.\n", sum.Resumed)
		}
		fmt.Fprintf(c.Out, "\nNext: %s, %s\n", cmd.command("tail"), cmd.command("status"))
	}
	if sum.Refused > 0 {
		return failf(exitError, "%s refused, the first is %s", count(sum.Refused, "line was", "lines were"), sum.First)
	}
	return nil
}

// input opens what is to be sent; total is its size in bytes, 0 if that is not known.
func (cmd sendCmd) input(c *console) (f io.ReadSeekCloser, total int64, err error) {
	if cmd.Input == "-" {
		return unseekable{c.In}, 0, nil
	}
	file, err := os.Open(cmd.Input)
	if err != nil {
		return nil, 0, fmt.Errorf("open the input %s: %w: name a file of events, or - for standard input", cmd.Input, withoutPath(err))
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = failf(exitUsage, "the input %s is a directory: name a file of events, one a line", cmd.Input)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// unseekable is standard input.
type unseekable struct{ io.Reader }

func (unseekable) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
func (unseekable) Close() error                   { return nil }

// sending is one run of send.
type sending struct {
	cmd     sendCmd
	c       *console
	deliver delivery
	kept    *keptProgress
	lines   *lineReader
	begun   time.Time
	sum     sent
	bar     func(int)
	finish  func()
}

func (s *sending) run(ctx context.Context) error {
	most := sendEvents
	if s.cmd.Rate > 0 {
		most = min(most, max(1, int(s.cmd.Rate/4)))
	}
	for {
		batch, numbers, end, err := s.gather(most)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			if s.cmd.Rate > 0 {
				if err := clock.Pause(ctx, time.Until(s.begun.Add(time.Duration(float64(s.sum.Events)/s.cmd.Rate*float64(time.Second))))); err != nil {
					return err
				}
			}
			refused, err := s.deliver(ctx, batch)
			if err != nil {
				return err
			}
			for _, r := range refused {
				s.refuse(numbers[r.index], r.reason)
			}
			s.sum.Events += len(batch) - len(refused)
			s.kept.state.Events += len(batch) - len(refused)
			for _, b := range batch {
				s.sum.Bytes += int64(len(b))
			}
		}
		s.kept.state.Bytes, s.kept.state.Lines, s.kept.state.Done = s.lines.offset, s.lines.line, end
		if err := s.kept.save(false); err != nil {
			return err
		}
		if s.bar != nil {
			s.bar(int(s.lines.offset))
		}
		if end {
			return nil
		}
	}
}

// gather reads the next events, at most most, and the numbers of their lines. Blank lines are no events.
func (s *sending) gather(most int) (batch [][]byte, numbers []int, end bool, err error) {
	for total := 0; len(batch) < most && total < sendBytes; {
		line, err := s.lines.next()
		if errors.Is(err, io.EOF) {
			return batch, numbers, true, nil
		}
		if err != nil {
			return nil, nil, false, fmt.Errorf("read the input %s at line %d: %w", s.cmd.Input, s.lines.line+1, withoutPath(err))
		}
		if line == nil {
			s.refuse(s.lines.line, fmt.Sprintf("longer than the %d bytes of a record", stream.MaxRecordBytes))
			continue
		}
		if len(bytes.TrimSpace(line)) > 0 {
			batch, numbers = append(batch, line), append(numbers, s.lines.line)
			total += len(line)
		}
	}
	return batch, numbers, false, nil
}

func (s *sending) refuse(line int, reason string) {
	if s.sum.Refused++; s.sum.Refused == 1 {
		s.sum.First = fmt.Sprintf("line %d: %s", line, clean(reason))
	}
}

// lineReader reads lines and knows where it is.
type lineReader struct {
	r      *bufio.Reader
	offset int64 // bytes read
	line   int   // lines read
}

// next returns a line of its own without its end; nil without an error for one that is longer than a record may be.
func (l *lineReader) next() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.offset += int64(len(part))
		if long = long || len(line)+len(part) > stream.MaxRecordBytes+2; !long {
			line = append(line, part...)
		} else {
			line = line[:0]
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = long || len(line) > stream.MaxRecordBytes+2
			continue
		case err != nil && (err != io.EOF || len(line) == 0 && !long):
			return nil, err
		}
		l.line++
		if long {
			return nil, nil
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
	}
}
