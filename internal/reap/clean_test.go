package reap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"penstock/internal/clean"
	"penstock/internal/emf"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/reap"
	"penstock/internal/store"
)

// cleaner notes what it is asked.
type cleaner struct {
	days  []hour.Range
	items int
	acted int
	fail  error
}

func (c *cleaner) Plan(_ context.Context, ranges ...hour.Range) (*clean.Plan, error) {
	c.days = append(c.days, ranges...)
	p := &clean.Plan{Kept: []clean.Kept{{Hour: hr, Why: "its ledger is torn"}}}
	for range c.items {
		p.Items = append(p.Items, clean.Item{Key: "k", Size: 10})
	}
	return p, c.fail
}

func (c *cleaner) Act(_ context.Context, p *clean.Plan) (clean.Done, error) {
	c.acted += len(p.Items)
	return clean.Done{Objects: len(p.Items), Bytes: clean.Size(p.Items)}, c.fail
}

func TestEachCallCleansADayAndARoundAllThatMayHaveSomething(t *testing.T) {
	w := newWorld()
	c := &cleaner{}
	rules := clean.Rules{Grace: 7 * 24 * time.Hour, ArchiveKeep: 35 * 24 * time.Hour}
	w.h.Cleaning = reap.Cleaning{Cleaner: c, Rules: rules}
	begin := time.Date(2026, 11, 23, 0, 4, 0, 0, time.UTC)
	seen := map[int]bool{}
	const round = 46 // days 7 to 52
	for i := range round {
		now := begin.Add(time.Duration(i) * 10 * time.Minute)
		w.h.Now = func() time.Time { return now }
		w.reap(t, reap.In{})
		r := c.days[i]
		if r.Len() != 24 || r.From.Start().Hour() != 0 {
			t.Fatalf("range %v", r)
		}
		seen[int(now.Truncate(24*time.Hour).Sub(r.From.Start())/(24*time.Hour))] = true
	}
	for back := 7; back <= 52; back++ {
		if !seen[back] {
			t.Errorf("the hours of %d days ago are not looked at", back)
		}
	}
}

func TestACallCleansAfterItEndedTheClustersAndSaysWhatWasDeleted(t *testing.T) {
	w := newWorld()
	c := &cleaner{items: 6000}
	var b bytes.Buffer
	w.h.Cleaning, w.h.Figures = reap.Cleaning{Cleaner: c, Rules: clean.DefaultRules()}, emf.Figures{Out: &b, Stack: "prod"}
	w.run(1, "ABORTED", 1)
	out := must(w.h.Handle(ctx, reap.In{DryRun: true}))
	if c.acted > 0 || out.Cleaned == nil || out.Cleaned.Objects != 5000 || out.Cleaned.Bytes != 50000 {
		t.Errorf("dry run: %+v, %d deleted", out.Cleaned, c.acted)
	}
	out = must(w.h.Handle(ctx, reap.In{}))
	if c.acted != 5000 || out.Cleaned.Objects != 5000 || len(out.Cleaned.Kept) != 1 || len(w.ended) != 1 {
		t.Errorf("%+v, %d deleted, ended %v", out.Cleaned, c.acted, w.ended)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	var line struct {
		Stack        string
		CleanedBytes *float64
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil || line.Stack != "prod" || line.CleanedBytes == nil || *line.CleanedBytes != 50000 {
		t.Errorf("%v: %s", err, lines)
	}
}

func TestWhatCannotBeCleanedDoesNotKeepClusters(t *testing.T) {
	w := newWorld()
	w.h.Cleaning = reap.Cleaning{Cleaner: &cleaner{fail: errors.New("503")}, Rules: clean.DefaultRules()}
	w.run(1, "ABORTED", 1)
	if _, err := w.h.Handle(ctx, reap.In{}); err == nil || len(w.ended) != 1 {
		t.Errorf("%v, ended %v", err, w.ended)
	}
}

// TestTheReaperDeletesWhatWasSuperseded takes the cleaner that the function has.
func TestTheReaperDeletesWhatWasSuperseded(t *testing.T) {
	w := newWorld()
	rules := clean.Rules{Grace: 7 * 24 * time.Hour, ArchiveKeep: 35 * 24 * time.Hour}
	now := t0
	clock := func() time.Time { return now }
	w.store = store.NewMemory(clock)
	w.l.Store, w.l.Now, w.h.Now = w.store, clock, clock
	w.h.Cleaning = reap.Cleaning{Rules: rules, Cleaner: &clean.Cleaner{Hours: w.store, Ledger: w.l, Keys: keys, Rules: rules, Now: clock}}
	put := func(key string) hour.File {
		o := must(w.store.Create(ctx, key, []byte(key)))
		return hour.File{Key: key, Size: o.Size, ETag: o.ETag}
	}
	revisions := []string{"000000000001", "000000000002"}
	for i, rev := range revisions {
		seal, part := put(keys.SealKey(hr, rev)), put(keys.PartKey(hr, rev, 0))
		ref := hour.Ref{Key: seal.Key, SHA256: hour.SHA256([]byte(seal.Key))}
		for _, e := range []hour.Entry{
			{Type: hour.EntryStarted}, {Type: hour.EntryClaimed}, {Type: hour.EntrySealed, Seal: &ref},
			{Type: hour.EntryPublished, Publish: &hour.Publication{Seal: ref, Parts: []hour.Part{{File: part}}}},
		} {
			e.Run, e.ID, e.Execution, e.Revision = i+1, e.Type+rev, "x"+rev, rev
			s := must(w.l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return &e, nil }))
			must(w.l.WriteManifest(ctx, s))
		}
	}
	deleted := 0
	for range 60 * 24 * 6 { // sixty days of calls
		now = now.Add(10 * time.Minute)
		deleted += must(w.h.Handle(ctx, reap.In{})).Cleaned.Objects
	}
	var left []string
	for o, err := range w.store.List(ctx, "") {
		must(0, err)
		left = append(left, o.Key)
	}
	text := strings.Join(left, " ")
	if deleted != 2 || strings.Contains(text, revisions[0]) || !strings.Contains(text, keys.PartKey(hr, revisions[1], 0)) || !strings.Contains(text, keys.SealKey(hr, revisions[1])) {
		t.Errorf("%d deleted, left: %v", deleted, left)
	}
}
