package main

import (
	"context"
	"fmt"
	"math"
	"strings"

	"penstock/internal/cost"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/prepare"
	"penstock/internal/publish"
	"penstock/internal/seal"
)

// dryRun is what a run by hand would do if it began now.
type dryRun struct {
	Hour       hour.Hour            `json:"hour"`
	Run        int                  `json:"run"` // its number
	From       string               `json:"from"`
	Revision   string               `json:"revision"`
	Published  string               `json:"published,omitempty"` // revision that readers get now
	Unchanged  bool                 `json:"unchanged"`           // nothing would be done
	Events     int                  `json:"events"`
	Rejects    int                  `json:"rejects"`
	Duplicates int                  `json:"duplicates"` // batches that add nothing
	Pieces     []hour.Piece         `json:"pieces"`
	Parts      []partPlan           `json:"parts"`
	Reused     *reusedPlan          `json:"reused,omitempty"`
	Cluster    string               `json:"cluster,omitempty"` // name of the first
	Request    *playbook.RunJobFlow `json:"request,omitempty"` // of RunJobFlow
	Playbook   hour.Ref             `json:"playbook"`
	Cost       *expected            `json:"cost,omitempty"`
	Notes      []string             `json:"notes,omitempty"`
	Expect     string               `json:"expect"`

	book *playbook.Playbook
}

// partPlan is a part that would be compacted, or taken over.
type partPlan struct {
	Number  int    `json:"number"`
	Key     string `json:"key"`
	Events  int    `json:"events"`
	Objects int    `json:"objects"` // archive objects joined
	Stored  int64  `json:"stored"`  // compressed bytes of them
}

// reusedPlan is what a run that resumes takes over.
type reusedPlan struct {
	Run     int    `json:"run"` // that sealed
	Seal    string `json:"seal"`
	Parts   bool   `json:"parts"`
	Cluster int    `json:"cluster,omitempty"`
	Result  string `json:"result,omitempty"`
}

// expected is what a run is expected to cost.
type expected struct {
	hour.Cost
	Minutes float64 `json:"clusterMinutes"`
}

// plan works out what a run would do, reading only: the archive's indexes, the ledger, the playbook. state is the hour's.
func (s *site) plan(ctx context.Context, state *ledger.State, options hour.Options) (*dryRun, error) {
	book, ref, err := s.Playbook(ctx)
	if err != nil {
		return nil, err
	}
	sealer := &seal.Handler{Archive: s.Archive, Hours: s.Hours, Ledger: s.Ledger(), Keys: s.Keys, Now: s.now, Fetch: atOnce}
	p, err := sealer.Preview(ctx, state, options)
	if err != nil {
		return nil, err
	}
	x := p.Seal
	d := &dryRun{Hour: state.Hour, Run: state.NextRun(), From: options.From, Revision: x.Revision, Unchanged: p.Unchanged, Events: x.Events,
		Rejects: x.Rejects, Duplicates: len(x.Duplicates), Pieces: x.Pieces, Parts: []partPlan{}, Playbook: ref, book: book}
	if d.From == "" {
		d.From = hour.FromSeal
	}
	d.Expect = hour.Expect{State: ledger.Shown(state, options), Revision: x.Revision, Playbook: ref.SHA256}.String()
	if e := state.Published(); e != nil {
		d.Published = e.Revision
	}
	stored := int64(0)
	for i, plan := range x.Parts {
		part := partPlan{Number: i, Key: s.Keys.PartKey(state.Hour, x.Revision, i), Events: plan.Events}
		for _, piece := range x.Pieces[plan.From:plan.To] {
			if piece.Object != nil && piece.Events > 0 {
				part.Objects++
				part.Stored += piece.Object.Size
			}
		}
		stored += part.Stored
		d.Parts = append(d.Parts, part)
	}
	if r := p.Reused; r != nil {
		d.Reused = &reusedPlan{Run: r.Run, Seal: r.Ref.Key, Parts: r.Parts != nil, Cluster: r.Cluster, Result: r.Result}
	}
	if d.Unchanged || x.Events == 0 || d.Reused != nil && d.Reused.Cluster > 0 {
		return d, nil
	}
	if err := s.request(ctx, d); err != nil {
		return nil, err
	}
	d.Cost, err = estimate(book, x, stored)
	return d, err
}

// request renders the first cluster's request.
func (s *site) request(ctx context.Context, d *dryRun) error {
	h := &prepare.Handler{Ledger: s.Ledger(), Stack: local.Stack, Site: local.Site()}
	if s.Stack != nil {
		h.Stack = s.Stack.Name
		env, err := s.Stack.Environment(ctx, "prepare")
		if err != nil {
			if is[*fault.Unavailable](err) {
				return err
			}
			d.Notes = append(d.Notes, fmt.Sprintf("roles and subnets are not in the request: %s", oneLine(err)))
		}
		h.Site = prepare.Site{Bucket: s.Stack.HoursBucket, Code: "code", Logs: "logs", ServiceRole: env["SERVICE_ROLE"],
			InstanceProfile: env["INSTANCE_PROFILE"], SecurityConfiguration: env["SECURITY_CONFIGURATION"]}
		if env["SUBNETS"] != "" {
			h.Site.Subnets = strings.Split(env["SUBNETS"], ",")
		}
	}
	r, err := h.Request(d.book, prepare.In{Hour: d.Hour, N: d.Run, Revision: d.Revision, Cluster: 1})
	if err != nil {
		return fmt.Errorf("render the playbook: %w", err)
	}
	d.Request, d.Cluster = &r, hour.ClusterName(h.Stack, d.Hour, d.Run, 1)
	return nil
}

// estimate is what a run of that seal is expected to cost, by the formula of docs/COST.md, with one cluster that works as
// fast as the process EMR.
func estimate(book *playbook.Playbook, x *hour.Seal, stored int64) (*expected, error) {
	c := cost.Default()
	minutes := c.Minutes + float64(stored)/c.BytesPerSecond/60
	p := &hour.Publication{Events: x.Events, Bytes: x.Bytes, Batches: len(x.Pieces) + len(x.Duplicates), Minutes: math.Round(minutes*10) / 10}
	for _, piece := range x.Pieces {
		if piece.Object != nil {
			p.Objects++
		}
	}
	for i, plan := range x.Parts {
		part := hour.Part{Number: i, Events: plan.Events}
		if i == 0 {
			part.Size = stored // of all of them
		}
		p.Parts = append(p.Parts, part)
	}
	dollars, err := publish.Estimate(p, 1, book)
	if err != nil {
		return nil, err
	}
	return &expected{*dollars, p.Minutes}, nil
}

// fleets are a playbook's fleets in words, in nodes of the first type of each.
func fleets(book *playbook.Playbook) string {
	var words []string
	for _, f := range book.Cluster.Fleets {
		first := f.Instances[0]
		weight := max(1, first.Weight)
		var counts []string
		if n := (f.OnDemand + weight - 1) / weight; n > 0 {
			counts = append(counts, fmt.Sprintf("%d on demand", n))
		}
		if n := (f.Spot + weight - 1) / weight; n > 0 {
			counts = append(counts, fmt.Sprintf("%d on spot", n))
		}
		words = append(words, fmt.Sprintf("%s %s (%s)", strings.ToLower(f.Role), strings.Join(counts, " and "), first.Type))
	}
	return strings.Join(words, ", ")
}

// printDryRun prints a dry run for people; next is the command that runs exactly that.
func (c *console) printDryRun(d *dryRun, next string) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-8s  %s\n", name, clean(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(&b, "Run %d of hour %s, if it began now:\n\n", d.Run, d.Hour)
	than := "nothing is published"
	switch d.Published {
	case "":
	case d.Revision:
		than = "the one that is published"
	default:
		than = "published is " + d.Published
	}
	taken := ""
	if d.Reused != nil {
		taken = fmt.Sprintf("of run %d, ", d.Reused.Run)
	}
	line("seal", "%s%s: %s, %s; revision %s, %s", taken, count(len(d.Pieces), "piece", "pieces"), count(d.Events, "event", "events"),
		count(d.Rejects, "reject", "rejects"), d.Revision, than)
	switch {
	case d.Unchanged:
		fmt.Fprintf(&b, "\nNothing would be done: the hour is unchanged since it was published; --force runs the job all the same.\n")
		_, err := fmt.Fprint(c.Out, b.String())
		return err
	case d.Events == 0:
		line("publish", "no events: no cluster")
	default:
		verb := "compact"
		if d.Reused != nil && d.Reused.Parts {
			verb = "reuse"
		}
		for _, p := range d.Parts {
			line(verb, "part %d: %s of %s, %s: %s", p.Number, count(p.Events, "event", "events"), count(p.Objects, "object", "objects"), size(p.Stored), p.Key)
		}
	}
	if d.Reused != nil && d.Reused.Cluster > 0 {
		line("publish", "the result of cluster %d in %s, checked again", d.Reused.Cluster, d.Reused.Result)
	}
	if r := d.Request; r != nil {
		line("cluster", "%s: %s, %s, at most %d minutes", d.Cluster, d.book.Cluster.ReleaseLabel, fleets(d.book), d.book.Cluster.MaxMinutes)
		for _, s := range r.Steps {
			line("step", "%s: %s", s.Name, strings.Join(s.HadoopJarStep.Args, " "))
		}
		line("cost", "some %.2f US dollars with %.1f minutes of the cluster (an estimate; list prices of %s)", d.Cost.Dollars, d.Cost.Minutes, d.Cost.Prices)
	}
	line("playbook", "%s, %.12s", d.book.Name, d.Playbook.SHA256)
	line("expect", "%s", d.Expect)
	for _, n := range d.Notes {
		line("note", "%s", n)
	}
	b.WriteString("\nNothing was written.")
	if d.Reused == nil {
		b.WriteString(" The run itself proves first that the hour is complete, or waits.")
	}
	fmt.Fprintf(&b, "\nExactly this, or nothing: %s\n", next)
	_, err := fmt.Fprint(c.Out, b.String())
	return err
}
