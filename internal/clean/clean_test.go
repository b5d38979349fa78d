package clean_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

// counter counts reads.
type counter struct {
	*store.Memory
	mu          sync.Mutex
	gets, lists int
}

func (c *counter) Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error) {
	c.mu.Lock()
	c.gets++
	c.mu.Unlock()
	return c.Memory.Get(ctx, key, max)
}

func (c *counter) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	c.mu.Lock()
	c.lists++
	c.mu.Unlock()
	return c.Memory.List(ctx, prefix)
}

func TestWhatThePlanSaysIsDeletedAndNothingElse(t *testing.T) {
	w := newWorld()
	w.batch()
	w.late(true)
	before := w.all()
	w.now = w.now.Add(40 * day)
	p := w.plan(t)
	done, err := w.c.Act(ctx, p)
	if err != nil || done.Objects != len(p.Items) || done.Objects == 0 || len(done.Kept) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	left := w.all()
	for _, i := range p.Items {
		if slices.Contains(left, i.Key) {
			t.Errorf("%s is still there", i.Key)
		}
	}
	if len(left)+len(p.Items) != len(before) {
		t.Errorf("%d objects left of %d, %d went", len(left), len(before), len(p.Items))
	}
	if again := w.plan(t); len(again.Items)+len(again.Later)+len(again.Kept) > 0 {
		t.Errorf("a second plan: %+v", again)
	}
	if again, err := w.c.Act(ctx, p); err != nil || len(again.Kept) > 0 { // late, and twice
		t.Errorf("%+v, %v", again, err)
	}
}

// Dies before or after each deletion, or loses its answer: the next one ends the work, and nothing that is named is gone.
func TestCleaningSurvivesDeathBetweenAnyTwoDeletions(t *testing.T) {
	const deletions = 11 // 5 in hours, 6 in the archive
	for k := 1; k <= deletions; k++ {
		for name, schedule := range map[string]storefault.Schedule{
			"before": storefault.DieBeforeWrite(k), "after": storefault.DieAfterWrite(k), "lost": storefault.LoseWrite(k), "refused": storefault.FailWrite(k),
		} {
			w := newWorld()
			w.batch()
			revs := w.late(true)
			w.now = w.now.Add(40 * day)
			p := storefault.NewProcess(schedule, nil)
			sick := *w.c
			sick.Procs = 1
			sick.Hours, sick.Archive = p.Wrap("hours", w.hours), p.Wrap("archive", w.archive)
			func() {
				defer func() { recover() }()
				_, _ = sick.Act(ctx, w.plan(t))
			}()
			if p.Writes() < k {
				t.Fatalf("%s deletion %d: only %d were made", name, k, p.Writes())
			}
			// No index names an object that is gone.
			for _, piece := range w.pieces {
				left := w.all()
				if slices.Contains(left, piece.Index.Key) && (!slices.Contains(left, piece.Object.Key) || !slices.Contains(left, piece.RejectsFile.Key)) {
					t.Errorf("%s deletion %d: an index names what is gone", name, k)
				}
			}
			if _, err := w.c.Act(ctx, w.plan(t)); err != nil {
				t.Fatal(err)
			}
			for _, key := range w.all() {
				if strings.Contains(key, revs[0]) || strings.HasPrefix(key, "2026/11/player_events.2026112307.shardId") {
					t.Errorf("%s deletion %d: %s is left", name, k, key)
				}
			}
			m, _, err := w.l.ReadManifest(ctx, h7)
			if err != nil || m.Revision != revs[1] {
				t.Fatalf("%+v, %v", m, err)
			}
			for _, key := range []string{m.Seal.Key, m.Parts[0].Key, m.Rejects.Key, m.Result + "part-00000"} {
				if !slices.Contains(w.all(), key) {
					t.Errorf("%s deletion %d: %s is gone, and the manifest names it", name, k, key)
				}
			}
		}
	}
}

func TestAnHourThatARunBeganMeanwhileIsLeftAlone(t *testing.T) {
	w := newWorld()
	w.batch()
	w.late(true)
	w.now = w.now.Add(8 * day)
	p := w.plan(t)
	w.append(hour.Entry{Type: hour.EntryStarted, Run: 3})
	before := w.all()
	done, err := w.c.Act(ctx, p)
	if err != nil || done.Objects > 0 || len(done.Kept) != 1 || !slices.Equal(w.all(), before) {
		t.Errorf("%+v, %v", done, err)
	}
}

// deleting calls fn once, after the first deletion.
type deleting struct {
	*store.Memory
	fn func()
}

func (d *deleting) Delete(ctx context.Context, key string) error {
	err := d.Memory.Delete(ctx, key)
	if d.fn != nil {
		fn := d.fn
		d.fn = nil
		fn()
	}
	return err
}

// A run by force that is started, and publishes in no time between two deletions the very revision whose parts go, is told.
func TestAPublicationWhileItsPartsGoIsAConflict(t *testing.T) {
	w := newWorld()
	w.c.Procs = 1
	w.batch()
	r := w.begin(1)
	w.fail(1)
	one := w.pieces
	w.batch()
	w.begin(2)
	w.fail(2)
	w.now = w.now.Add(8 * day)
	p := w.plan(t)
	if got := short(p.Items, r); got != "1:rejects, 1:part" {
		t.Fatalf("goes: %s", got)
	}
	w.pieces = one
	w.c.Hours = &deleting{w.hours, func() {
		w.begin(3)
		w.publish(3, "")
	}}
	_, err := w.c.Act(ctx, p)
	var conflict *fault.Conflict
	if !errors.As(err, &conflict) {
		t.Errorf("got %v", err)
	}
}

// The ledger is read again after a minute of deleting.
func TestALongCleaningLooksAtTheLedgerAgain(t *testing.T) {
	w := newWorld()
	w.c.Procs = 1
	w.batch()
	r := w.begin(1)
	for c := range 5 {
		w.cluster(1, c+1, r)
	}
	w.publish(1, w.cluster(1, 6, r))
	w.now = w.now.Add(8 * day)
	p := w.plan(t)
	w.c.Hours = &deleting{w.hours, func() {
		w.append(hour.Entry{Type: hour.EntryStarted, Run: 2}) // and a minute passes
	}}
	done, err := w.c.Act(ctx, p)
	if err != nil || done.Objects != 1 || len(done.Kept) != 1 {
		t.Errorf("%d items; %+v, %v", len(p.Items), done, err)
	}
}

func TestAStoreThatDoesNotAnswerIsAnError(t *testing.T) {
	w := newWorld()
	w.batch()
	w.late(true)
	w.now = w.now.Add(8 * day)
	w.l.Store = broken{w.hours}
	if p, err := w.c.Plan(ctx, hour.Range{From: h7, To: h7}); err == nil {
		t.Errorf("%+v", p)
	}
}

type broken struct{ ledger.Store }

func (broken) Get(context.Context, string, int64) ([]byte, store.Object, error) {
	return nil, store.Object{}, &fault.Unavailable{Service: "s3", Action: "get", Err: fmt.Errorf("503")}
}
