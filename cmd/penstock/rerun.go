package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/operate"
)

type rerunCmd struct {
	place
	durability
	asJSON
	polling
	Hour           hour.Hour `arg:"" predictor:"hour" help:"The hour."`
	From           string    `enum:"seal,compact,cluster,publish" default:"seal" help:"The stage to resume at: ${enum}. What comes before is taken over from earlier runs."`
	Force          bool      `help:"Run the job again although the hour is published and unchanged."`
	AcceptUnproven bool      `help:"Seal what is archived although the stream no longer proves that it is all."`
	Wait           bool      `help:"Wait for the run's end; in a data directory that is always so."`
	DryRun         bool      `help:"Print what would run, and the hash of it; write nothing."`
	Expect         string    `placeholder:"HASH" help:"Run exactly what a dry run showed, or nothing."`
}

// Help implements kong.HelpProvider.
func (rerunCmd) Help() string {
	return `Runs the hour once more: seals what the archive holds now and processes it on a new cluster. Readers keep the published result until the new one is verified. Without --force, an hour that is published and unchanged is left as it is. While a run is at work on the hour nothing is started: the exit code is 6.

--from compact keeps the last seal: nothing is proven or selected anew. --from cluster keeps its parts, too, and runs the job on a new cluster. --from publish checks and publishes the result of the last cluster that completed, after a run that died or failed behind it. All of it is looked at before anything is started. What was archived since that seal is left to the schedule.

The hash of a dry run names the ledger's state, the options, the revision and the playbook. Programs and scripts that the steps load are not in it.

The job is the data directory's playbook.json, or the stack's code/playbooks/JOB.json; edit it to mend a step that failed.

Examples:

  penstock rerun 2026-11-23T07
  penstock rerun 2026-11-23T07 --force --dry-run
  penstock rerun 2026-11-23T07 --from cluster
  penstock rerun 2026-11-23T07 --target aws:penstock --wait
`
}

// Validate implements kong's hook.
func (cmd rerunCmd) Validate() error {
	if err := errors.Join(cmd.place.Validate(), cmd.polling.Validate(), cmd.options().Check()); err != nil {
		return err
	}
	if cmd.DryRun && cmd.Expect != "" {
		return errors.New("--dry-run and --expect exclude each other")
	}
	return nil
}

func (cmd rerunCmd) options() hour.Options {
	o := hour.Options{Force: cmd.Force, AcceptUnproven: cmd.AcceptUnproven, From: cmd.From, Expect: cmd.Expect}
	if o.From == hour.FromSeal {
		o.From = "" // the default, however it was asked for
	}
	return o
}

// flags are the command's own, to be typed again.
func (cmd rerunCmd) flags() string {
	var b strings.Builder
	if cmd.From != hour.FromSeal {
		b.WriteString(" --from " + cmd.From)
	}
	if cmd.Force {
		b.WriteString(" --force")
	}
	if cmd.AcceptUnproven {
		b.WriteString(" --accept-unproven")
	}
	return b.String()
}

func (cmd rerunCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if cmd.DryRun {
		return cmd.dryRun(ctx, c, d)
	}
	var state *ledger.State
	var n int
	if d.Stack != nil {
		state, n, err = cmd.onStack(ctx, c, d)
	} else {
		state, n, err = cmd.here(ctx, c, d)
	}
	if err != nil || state == nil {
		return err
	}
	return cmd.show(ctx, c, d, state.Run(n))
}

// read reads the hour's ledger. An hour of which nothing is known is a failure that says so.
func (cmd rerunCmd) read(ctx context.Context, d *site) (*ledger.State, error) {
	state, err := d.Ledger().Read(ctx, cmd.Hour)
	if err != nil {
		return nil, err
	}
	known, err := d.isKnown(ctx, state)
	if err == nil && !known {
		err = failf(exitNoData, "nothing is known of hour %s: %s lists the hours that have data", cmd.Hour, cmd.command("status"))
	}
	return state, err
}

func (cmd rerunCmd) dryRun(ctx context.Context, c *console, d *site) error {
	state, err := cmd.read(ctx, d)
	if err != nil {
		return err
	}
	p, err := d.plan(ctx, state, cmd.options())
	if err != nil {
		return err
	}
	if open := state.Open(); len(open) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("run %d (%s) is at work: %s", open[0].N, open[0].By, doing(open[0])))
	}
	if cmd.JSON {
		return c.printJSON(p)
	}
	return c.printDryRun(p, cmd.command("rerun %s%s --expect %s", cmd.Hour, cmd.flags(), p.Expect))
}

// check refuses before anything is written what a stage of the run would refuse later: a state that is not what a dry run
// showed, and a stage that cannot be resumed at.
func (cmd rerunCmd) check(ctx context.Context, d *site, state *ledger.State) error {
	if o := cmd.options(); o.Expect == "" && !o.Resumes() {
		return nil
	}
	p, err := d.plan(ctx, state, cmd.options())
	if err != nil || cmd.Expect == "" || p.Expect == cmd.Expect {
		return err
	}
	var words []string
	have, err := hour.ParseExpect(p.Expect)
	if err != nil {
		return err
	}
	want, err := hour.ParseExpect(cmd.Expect)
	if err != nil {
		return err
	}
	for _, part := range []string{hour.Changed("its state, or the options,", have.State, want.State),
		hour.Changed("its revision", have.Revision, want.Revision), hour.Changed("the playbook", have.Playbook, want.Playbook)} {
		if part != "" {
			words = append(words, part)
		}
	}
	return fmt.Errorf("%w: %s shows what would run now", &fault.HourChanged{Hour: cmd.Hour.String(), Detail: strings.Join(words, "; ")},
		cmd.command("rerun %s%s --dry-run", cmd.Hour, cmd.flags()))
}

// here runs the hour in this process.
func (cmd rerunCmd) here(ctx context.Context, c *console, d *site) (*ledger.State, int, error) {
	if _, err := cmd.read(ctx, d); err != nil {
		return nil, 0, err
	}
	book, _, err := d.Playbook(ctx)
	if err != nil {
		return nil, 0, err
	}
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock rerun", Wall: c.Now, NoSync: cmd.NoSync})
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	state, err := cmd.read(ctx, d)
	if err == nil {
		err = cmd.check(ctx, d, state)
	}
	if err != nil {
		return nil, 0, err
	}
	defer c.toTheEnd(ctx)()
	state, n, err := s.Rerun(context.WithoutCancel(ctx), cmd.Hour, cmd.options(), local.Job{Playbook: book, Exec: programs(), Seed: 1, Wall: c.Now})
	var absent *fault.NotFound
	if errors.As(err, &absent) {
		return nil, 0, failf(exitNoData, "%s holds no run to go on from: %s", cmd.Data, cmd.command("run"))
	}
	return state, n, err
}

// onStack starts the run and, if it is to be waited for, returns the state at its end, else nil.
func (cmd rerunCmd) onStack(ctx context.Context, c *console, d *site) (*ledger.State, int, error) {
	state, err := cmd.read(ctx, d)
	if err == nil {
		err = cmd.check(ctx, d, state)
	}
	if err != nil {
		return nil, 0, err
	}
	o := d.operator()
	n, err := o.Start(ctx, operate.Order{Hour: cmd.Hour, ID: ledger.ByRerun + "/" + uuid.NewString(), By: ledger.ByRerun, Reason: "asked for by hand",
		Options: cmd.options()})
	if is[*fault.AlreadyRunning](err) {
		err = fmt.Errorf("%w: %s, or %s first", err, cmd.command("status %s", cmd.Hour), cmd.command("cancel %s", cmd.Hour))
	}
	if err != nil {
		return nil, 0, err
	}
	if !cmd.Wait {
		return nil, 0, cmd.started(c, n)
	}
	show, finish := c.doingLine()
	state, err = o.Wait(ctx, cmd.Hour, n, cmd.Poll, func(s *ledger.State) {
		show(fmt.Sprintf("run %d of hour %s: %s", n, cmd.Hour, doing(s.Run(n))))
	})
	finish()
	if ctx.Err() != nil {
		return nil, 0, failf(exitError, "interrupted: run %d of hour %s goes on: see %s, or stop it: %s", n, cmd.Hour, cmd.command("status %s", cmd.Hour),
			cmd.command("cancel %s", cmd.Hour))
	}
	return state, n, err
}

// started says that the run goes its way.
func (cmd rerunCmd) started(c *console, n int) error {
	if cmd.JSON {
		return c.printJSON(map[string]any{"hour": cmd.Hour, "run": n, "execution": hour.ExecutionName(cmd.Hour, n)})
	}
	_, err := fmt.Fprintf(c.Out, "Run %d of hour %s is started: execution %s.\n\nNext: %s, %s\n", n, cmd.Hour, hour.ExecutionName(cmd.Hour, n),
		cmd.command("status %s", cmd.Hour), cmd.command("cancel %s", cmd.Hour))
	return err
}

// show says how the run ended.
func (cmd rerunCmd) show(ctx context.Context, c *console, d *site, r *ledger.Run) error {
	unchanged := r.Published == 0 && r.Status == fault.StatusSucceeded
	if r.Published == 0 && !unchanged {
		return cmd.failed(cmd.Hour, r)
	}
	rows, err := survey(ctx, d, &hour.Range{From: cmd.Hour, To: cmd.Hour})
	if err != nil {
		return err
	}
	if cmd.JSON {
		return c.printJSON(statusReport{Hours: rows, Totals: totalsOf(rows)})
	}
	if err := c.printHours(rows); err != nil {
		return err
	}
	if unchanged {
		fmt.Fprintf(c.Out, "\nNothing was done: the hour is unchanged since it was published; %s runs the job all the same.\n",
			cmd.command("rerun %s --force%s", cmd.Hour, strings.Replace(cmd.flags(), " --force", "", 1)))
	}
	fmt.Fprintf(c.Out, "\nNext: %s, %s\n", cmd.command("result %s", cmd.Hour), cmd.command("ledger %s", cmd.Hour))
	return nil
}
