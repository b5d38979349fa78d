package main

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/asl"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/local"
)

type rerunCmd struct {
	folder
	durability
	asJSON
	Hour           hour.Hour `arg:"" help:"The hour."`
	Force          bool      `help:"Run the job again although the hour is published and unchanged."`
	AcceptUnproven bool      `help:"Seal what is archived although the stream no longer proves that it is all."`
}

// Help implements kong.HelpProvider.
func (rerunCmd) Help() string {
	return `Runs the hour once more: seals what the archive holds now and processes it on a new cluster. Readers keep the published result until the new one is verified. Without --force, an hour that is published and unchanged is left as it is.

The job is the data directory's playbook.json; edit it to mend a step that failed.

Examples:

  penstock rerun 2026-11-23T07
  penstock rerun 2026-11-23T07 --force
`
}

func (cmd rerunCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	book, _, err := d.Playbook(ctx)
	if err != nil {
		return err
	}
	s, err := local.OpenSession(ctx, cmd.Data, local.SessionOptions{Holder: "penstock rerun", Wall: c.Now, NoSync: cmd.NoSync})
	if err != nil {
		return err
	}
	defer s.Close()
	x, err := s.Rerun(ctx, cmd.Hour, hour.Options{Force: cmd.Force, AcceptUnproven: cmd.AcceptUnproven},
		local.Job{Playbook: book, Exec: programs(), Seed: 1, Wall: c.Now})
	var absent *fault.NotFound
	if errors.As(err, &absent) {
		return failf(exitNoData, "nothing is known of hour %s: %s lists the hours that have data", cmd.Hour, cmd.command("status"))
	}
	if err != nil {
		return err
	}
	if x.Status != asl.Succeeded {
		return failf(exitFailed, "%s ended as %s: %s: see %s and %s", x.Name, x.Status, x.Error, cmd.command("status %s", cmd.Hour), cmd.command("trace %s", cmd.Hour))
	}
	state, err := d.Ledger().Read(ctx, cmd.Hour)
	if err != nil {
		return err
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
	if r := state.RunOf(x.ARN); r != nil && r.Published == 0 {
		fmt.Fprintf(c.Out, "\nNothing was done: the hour is unchanged since it was published; %s runs the job all the same.\n", cmd.command("rerun %s --force", cmd.Hour))
	}
	fmt.Fprintf(c.Out, "\nNext: %s, %s\n", cmd.command("result %s", cmd.Hour), cmd.command("ledger %s", cmd.Hour))
	return nil
}
