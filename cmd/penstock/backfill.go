package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/operate"
)

type backfillCmd struct {
	place
	durability
	asJSON
	polling
	From        span     `arg:"" predictor:"hour" placeholder:"FROM" help:"The first hour; also a day, a month, or a whole RANGE."`
	To          span     `arg:"" optional:"" predictor:"hour" placeholder:"TO" help:"The last hour, included; also a day or a month."`
	Concurrency int      `short:"n" default:"2" help:"How many hours run at a time. On a stack the schedule starts none while MaxHours run."`
	Only        []string `enum:"missing,failed,late,all" placeholder:"KIND" help:"Which hours: missing, failed, late (data that came after), all; the first three unless given."`
	MaxFailures int      `default:"3" help:"Begin no further hour after so many have failed; 0 for no limit."`
	DryRun      bool     `help:"Print which hours would run, and why; write nothing."`
}

// Help implements kong.HelpProvider.
func (backfillCmd) Help() string {
	return `Runs the hours of a range that need it, the oldest first. What is done stands in the hours' ledgers: after Ctrl-C, or after this process was killed, the same command goes on. Hours that somebody else runs are left alone and named; those that a backfill began are waited for.

--only all also runs published hours whose result another playbook made. To run the job of all hours again for another reason, change the playbook, its description for instance.

On a stack Ctrl-C leaves the hours that run running. In a data directory they are brought to their end; a second Ctrl-C ends everything at once.

Examples:

  penstock backfill 2026-11-23T00 2026-11-23T11
  penstock backfill 2026-11 --only failed --dry-run
  penstock backfill 2026-11-01 2026-11-07 --only all --concurrency 4 --target aws:penstock
`
}

// Validate implements kong's hook.
func (cmd backfillCmd) Validate() error {
	if err := errors.Join(cmd.place.Validate(), cmd.polling.Validate()); err != nil {
		return err
	}
	if cmd.Concurrency < 1 || cmd.Concurrency > 64 {
		return fmt.Errorf("--concurrency %d: want 1 to 64", cmd.Concurrency)
	}
	if cmd.MaxFailures < 0 {
		return fmt.Errorf("--max-failures %d: want 0 or more", cmd.MaxFailures)
	}
	if cmd.To.Given && cmd.To.To.Before(cmd.From.Range.From) {
		return fmt.Errorf("the range %s to %s ends before it begins", cmd.From.Range.From, cmd.To.To)
	}
	if n := cmd.hours().Len(); n > maxBackfill {
		return fmt.Errorf("a range of %d hours is too long (at most %d)", n, maxBackfill)
	}
	return nil
}

// maxBackfill is the most hours that one backfill looks at: a year.
const maxBackfill = 366 * 24

func (cmd backfillCmd) hours() hour.Range {
	r := cmd.From.Range
	if cmd.To.Given {
		r.To = cmd.To.To
	}
	return r
}

// only is the kinds that were asked for.
func (cmd backfillCmd) only() map[string]bool {
	kinds := map[string]bool{}
	for _, k := range cmd.Only {
		kinds[k] = true
	}
	if len(kinds) == 0 {
		kinds = map[string]bool{operate.OnlyMissing: true, operate.OnlyFailed: true, operate.OnlyLate: true}
	}
	return kinds
}

// again is the command that goes on.
func (cmd backfillCmd) again() string {
	text := "backfill " + cmd.hours().From.String() + " " + cmd.hours().To.String()
	for _, k := range cmd.Only {
		text += " --only " + k
	}
	if cmd.Concurrency != 2 {
		text += " --concurrency " + strconv.Itoa(cmd.Concurrency)
	}
	return cmd.command("%s", text)
}

func (cmd backfillCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if cmd.DryRun {
		choices, err := cmd.choose(ctx, d, nil)
		if err != nil {
			return err
		}
		return cmd.printPlan(c, choices)
	}
	if d.Stack != nil {
		choices, err := cmd.choose(ctx, d, nil)
		if err != nil {
			return err
		}
		return cmd.report(ctx, c, choices, func(todo []operate.Choice, stop func() bool, told func(operate.Outcome)) ([]operate.Choice, error) {
			return cmd.onStack(ctx, d, todo, stop, told), nil
		})
	}
	book, _, err := d.Playbook(ctx)
	if err != nil {
		return err
	}
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock backfill", Wall: c.Now, NoSync: cmd.NoSync})
	if err != nil {
		return err
	}
	defer s.Close()
	choices, err := cmd.choose(ctx, d, s)
	if err != nil {
		return err
	}
	return cmd.report(ctx, c, choices, func(todo []operate.Choice, stop func() bool, told func(operate.Outcome)) ([]operate.Choice, error) {
		if len(todo) == 0 {
			return nil, nil
		}
		defer c.toTheEnd(ctx)()
		return s.ByHand(context.WithoutCancel(ctx), todo, cmd.Concurrency, ledger.ByBackfill,
			local.Job{Playbook: book, Exec: programs(), Seed: 1, Wall: c.Now}, stop, func(o operate.Outcome) error { told(o); return nil })
	})
}

// choose reads the range and plans. With a session nobody else works on the directory: what is open there is dead, and its
// hours are to be run.
func (cmd backfillCmd) choose(ctx context.Context, d *site, s *local.Session) ([]operate.Choice, error) {
	r := cmd.hours()
	seen, err := list(ctx, d, &r)
	if err != nil {
		return nil, err
	}
	_, ref, err := d.Playbook(ctx)
	if err != nil {
		return nil, err
	}
	now := d.now()
	if d.Dir != nil {
		if now, err = d.Clock(ctx); err != nil {
			return nil, err
		}
	}
	facts := make([]operate.Facts, r.Len())
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range facts {
		h := r.From.Add(i)
		facts[i] = operate.Facts{Hour: h}
		if n := seen[h]; n != nil {
			g.Go(func() (err error) {
				facts[i], err = cmd.facts(reading, d, h, n)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i := range facts {
		f := &facts[i]
		f.Over = !now.Before(f.Hour.End().Add(time.Minute))
		if f.Running != nil && s != nil {
			f.Failed, f.Options, f.Running = fmt.Sprintf("the process of run %d died", f.Running.N), f.Running.Options, nil
		}
	}
	return operate.Plan(facts, cmd.only(), ref.SHA256), nil
}

// facts reads what is known of an hour: its manifest where that says all, else its ledger.
func (cmd backfillCmd) facts(ctx context.Context, d *site, h hour.Hour, n *seen) (operate.Facts, error) {
	l := d.Ledger()
	if n.manifest && !cmd.only()[operate.OnlyAll] {
		m, _, err := l.ReadManifest(ctx, h)
		if err == nil && m != nil && m.Ledger == n.entries && m.OpenRuns == 0 {
			return operate.Facts{Hour: h, Batches: n.batches, Published: &hour.Entry{Publish: &m.Publication}}, nil
		}
	}
	s, err := l.Read(ctx, h)
	if is[*fault.Corrupt](err) || is[*fault.NewerVersion](err) {
		return operate.Facts{Hour: h, Batches: n.batches, Damaged: oneLine(err)}, nil
	}
	if err != nil {
		return operate.Facts{}, err
	}
	f := operate.FactsOf(s)
	f.Batches = n.batches
	return f, nil
}

// onStack runs hours on a stack, some at a time.
func (cmd backfillCmd) onStack(ctx context.Context, d *site, todo []operate.Choice, stop func() bool, told func(operate.Outcome)) []operate.Choice {
	o := d.operator()
	all := func(fns ...func()) {
		var wg sync.WaitGroup
		for _, fn := range fns {
			wg.Go(fn)
		}
		wg.Wait()
	}
	return operate.Each(todo, cmd.Concurrency, all, stop, func(c operate.Choice) operate.Outcome {
		out := operate.Outcome{Choice: c}
		if c.Do == operate.Run {
			out.Run, out.Err = o.Start(ctx, operate.Order{Hour: c.Hour, ID: ledger.ByBackfill + "/" + uuid.NewString(), By: ledger.ByBackfill,
				Reason: c.Why, Options: c.Options})
		} else {
			out.Err = o.Join(ctx, c.Hour, c.Run)
		}
		if out.Err == nil {
			out.State, out.Err = o.Wait(ctx, c.Hour, out.Run, cmd.Poll, nil)
		}
		return out
	}, told)
}

// report runs what is chosen and says what became of it.
func (cmd backfillCmd) report(ctx context.Context, c *console, choices []operate.Choice,
	run func([]operate.Choice, func() bool, func(operate.Outcome)) ([]operate.Choice, error)) error {
	out := filled{From: cmd.hours().From, To: cmd.hours().To, Hours: []filledRow{}, NotBegun: []operate.Choice{}}
	var todo []operate.Choice
	for _, x := range choices {
		switch x.Do {
		case operate.Run, operate.Join:
			todo = append(todo, x)
		case operate.Leave:
			out.Hours = append(out.Hours, filledRow{Hour: x.Hour, Why: x.Why, Outcome: filledLeft, Detail: x.Why})
		default:
			out.Skipped++
		}
	}
	var failures, finished int
	var broken error
	progress, finish := c.progress(len(todo), "hours")
	tooMany := func() bool { return cmd.MaxFailures > 0 && failures >= cmd.MaxFailures }
	left, err := run(todo, func() bool { return ctx.Err() != nil || tooMany() || broken != nil }, func(o operate.Outcome) {
		row := rowOf(ctx, o)
		switch row.Outcome {
		case filledFailed:
			failures++
		case filledError:
			broken = cmp.Or(broken, fmt.Errorf("hour %s: %w", o.Hour, o.Err))
		}
		out.Hours = append(out.Hours, row)
		if finished++; progress != nil {
			progress(finished)
		}
	})
	finish()
	out.NotBegun = append(out.NotBegun, left...)
	slices.SortFunc(out.Hours, func(a, b filledRow) int { return a.Hour.Sub(b.Hour) })
	if cmd.JSON {
		err = errors.Join(err, c.printJSON(out))
	} else {
		err = errors.Join(err, cmd.print(c, out))
	}
	return cmd.conclude(ctx, out, errors.Join(err, broken), failures, tooMany())
}
