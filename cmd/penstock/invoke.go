package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"penstock/internal/awsapi"
	"penstock/internal/fault"
	"penstock/internal/local"
)

type invokeCmd struct {
	place
	durability
	Function string `arg:"" predictor:"function" placeholder:"FUNCTION" help:"The function, such as seal."`
	Payload  string `short:"p" default:"{}" placeholder:"JSON" help:"What it is called with: JSON, or @FILE (${default})."`
	DryRun   bool   `help:"Check that it could be called, and call nothing."`
	Log      bool   `help:"Print the end of the function's log to standard error, too."`
}

// Help implements kong.HelpProvider.
func (invokeCmd) Help() string {
	return `Calls one function by hand, once, and prints its answer. A function does what it does in a run: seal seals, reap ends clusters. Functions that need to hold the hour refuse a call that names no execution which does.

On one machine the stage runs within this process, on the data directory and on its clock.

Examples:

  penstock invoke due --payload '{"lookback":"24h"}' --dry-run
  penstock invoke reap --payload '{"dryRun":true}' --target aws:penstock
  penstock invoke seal --payload @seal.json
`
}

// maxPayload is the largest payload of a synchronous call, in bytes. Source: Lambda's quotas.
const maxPayload = 6 << 20

// Run implements the command.
func (cmd invokeCmd) Run(ctx context.Context, c *console) error {
	payload, err := cmd.payload()
	if err != nil {
		return err
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Stack != nil {
		return cmd.remote(ctx, c, d, payload)
	}
	if !local.HasFunction(cmd.Function) {
		return failf(exitUsage, "no function %.40q on one machine: there are %s", cmd.Function, strings.Join(local.FunctionNames(), ", "))
	}
	book, _, err := d.Playbook(ctx)
	if err != nil {
		return err
	}
	if cmd.DryRun {
		_, err := fmt.Fprintf(c.Out, "%s could be called on %s with %d bytes\n", cmd.Function, cmd.where(), len(payload))
		return err
	}
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock invoke", Wall: c.Now, NoSync: cmd.NoSync})
	if err != nil {
		return err
	}
	defer s.Close()
	out, err := s.Invoke(ctx, cmd.Function, payload, local.Job{Playbook: book, Exec: programs(), Seed: 1, Wall: c.Now})
	if err != nil {
		return fmt.Errorf("function %s: %s: %w", cmd.Function, fault.NameOf(err), err)
	}
	return c.printAnswer(out)
}

func (cmd invokeCmd) payload() ([]byte, error) {
	b := []byte(cmd.Payload)
	if name, ok := strings.CutPrefix(cmd.Payload, "@"); ok {
		var err error
		if b, err = readFile(name, maxPayload); err != nil {
			return nil, err
		}
	}
	if len(b) > maxPayload || !json.Valid(b) {
		return nil, failf(exitUsage, "the payload of %d bytes is not JSON of at most %d: see `penstock invoke --help`", len(b), maxPayload)
	}
	return b, nil
}

func (cmd invokeCmd) remote(ctx context.Context, c *console, d *site, payload []byte) error {
	if !isFunction(cmd.Function) {
		return failf(exitUsage, "no function %.40q: there are %s", cmd.Function, strings.Join(functions, ", "))
	}
	a, err := d.Stack.Functions().Invoke(ctx, cmd.Function, payload, cmd.DryRun)
	if cmd.Log && a.Log != "" {
		for line := range strings.Lines(a.Log) {
			fmt.Fprintln(c.Err, clean(strings.TrimRight(line, "\r\n")))
		}
	}
	switch {
	case is[*awsapi.FunctionError](err):
		return fmt.Errorf("%w: see %s", err, cmd.command("logs %s --errors", cmd.Function))
	case err != nil:
		return err
	case cmd.DryRun:
		_, err := fmt.Fprintf(c.Out, "%s could be called on %s with %d bytes\n", cmd.Function, cmd.where(), len(payload))
		return err
	}
	return c.printAnswer(a.Payload)
}

// printAnswer prints JSON indented, and anything else as it is.
func (c *console) printAnswer(out []byte) error {
	var b bytes.Buffer
	if json.Indent(&b, out, "", "  ") != nil {
		b.Reset()
		b.WriteString(clean(string(out)))
	}
	_, err := fmt.Fprintln(c.Out, b.String())
	return err
}
