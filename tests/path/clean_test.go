package path

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/archive"
	"penstock/internal/clean"
	"penstock/internal/clock"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/store/storefault"
	"penstock/internal/stream"
	"penstock/internal/verify"
)

// TestCleaningARealHistoryLeavesWhatReadersGet cleans, with a process that dies at each deletion in turn, hours of which one
// was superseded by late data and one was run once more by force.
func TestCleaningARealHistoryLeavesWhatReadersGet(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, recipe{seed: 42, format: "json", hours: 2, puts: 120, burst: 5})
	first := hour.Of(dayBegin)
	second := first.Add(1)
	if _, err := w.live(weather{}); err != nil {
		t.Fatal(err)
	}
	handler, err := archive.New(archive.Config{Store: w.archive, Keys: w.keys, Now: w.clock.Now, Writer: hour.WriterReplay})
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.pipeline(weather{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.EMR.Close()
	w.run(t, func(c clock.Clock) {
		data := `{"id":"late","status":200,"method":"GET","bytes":1}`
		w.puts = append(w.puts, one(data))
		r := stream.Record{Sequence: "1001", PartitionKey: "late", Arrival: first.End().Add(-time.Second), Data: []byte(data)}
		w.late = append(w.late, r)
		if _, err := handler.Invoke(ctx, lambdaEvent("shardId-000000000077", r)); err != nil {
			t.Error(err)
		}
		if err := p.Start(ctx); err != nil {
			t.Error(err)
		}
		x, err := p.Engine.StartExecution(ctx, local.HourMachine, "by-force", fmt.Appendf(nil, `{"hour":%q,"options":{"force":true}}`, second))
		if err == nil {
			x, err = p.Engine.Wait(-1, x.ARN)
		}
		if err != nil || x.Error != "" {
			t.Error(err, x.Error, x.Cause)
		}
		clock.Sleep(c, 20*time.Hour)
	})
	w.check(t, p)
	if n := w.publications(t, first); n != 2 {
		t.Fatalf("%d publications: %s", n, w.story(t, first))
	}

	now := w.clock.Now().Add(8 * 24 * time.Hour)
	c := &clean.Cleaner{Archive: w.archive, Hours: w.hours, Ledger: w.ledger(), Keys: w.keys, Jobs: []string{w.book.Name}, Rules: clean.DefaultRules(),
		Now: func() time.Time { return now }}
	span := hour.Range{From: first.Add(-1), To: second.Add(24)}
	plan, err := c.Plan(ctx, span)
	if err != nil || len(plan.Kept) > 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	why := map[string]bool{}
	for _, i := range plan.Items {
		why[i.Hour.String()+" "+fmt.Sprint(strings.Contains(i.Key, "results/"))] = true
	}
	if !why[first.String()+" true"] || !why[first.String()+" false"] || !why[second.String()+" true"] || why[second.String()+" false"] {
		t.Fatalf("goes: %+v", plan.Items)
	}
	for k := 1; k <= len(plan.Items); k++ {
		process := storefault.NewProcess(storefault.DieAfterWrite(1), nil)
		sick := *c
		sick.Hours = process.Wrap("hours", w.hours)
		func() {
			defer func() { recover() }()
			p, err := sick.Plan(ctx, span)
			if err == nil {
				_, err = sick.Act(ctx, p)
			}
			t.Errorf("process %d did not die: %v", k, err)
		}()
	}
	w.check(t, p)
	if plan, err = c.Plan(ctx, span); err != nil || len(plan.Items) > 0 {
		t.Fatalf("%+v, %v", plan, err)
	}

	now = now.Add(40 * 24 * time.Hour)
	if plan, err = c.Plan(ctx, span); err != nil {
		t.Fatal(err)
	}
	if done, err := c.Act(ctx, plan); err != nil || done.Objects != len(plan.Items) || done.Objects == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if left := keysOf(t, w.archive, ""); len(left) > 0 {
		t.Errorf("left of the archive: %v", left)
	}
	v := &verify.Verifier{Archive: w.archive, Hours: w.hours, Keys: w.keys, Now: c.Now, ArchiveKeep: c.Rules.ArchiveKeep}
	for _, h := range []hour.Hour{first, second} {
		if r, err := v.Hour(ctx, h); err != nil || len(r.Findings) > 0 || r.Revision == "" {
			t.Errorf("%+v, %v", r, err)
		}
	}
}
