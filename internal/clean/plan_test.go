package clean_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/store"
)

const day = 24 * time.Hour

// TestWhatGoesAndWhatStays is a table of histories of an hour.
func TestWhatGoesAndWhatStays(t *testing.T) {
	const grace, keep = 7 * day, 35 * day
	for _, c := range []struct {
		name  string
		make  func(w *world) []string // returns the revisions in their order
		after time.Duration           // from the last entry
		goes  string
		kept  string
	}{
		{"an hour that was published once keeps all", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			return []string{r}
		}, grace + day, "", ""},
		{"a revision that late data superseded goes after the grace time, its seal stays", func(w *world) []string { return w.late(true) }, grace,
			"1:rejects, 1:part, 1:result 1.1 _SUCCESS, 1:result 1.1 part-00000", ""},
		{"within the grace time it stays", func(w *world) []string { return w.late(true) }, grace - time.Minute, "", ""},
		{"its seal goes when no later hour asks it any more, and the archive before", func(w *world) []string { return w.late(true) }, keep + day,
			"1:rejects, 1:seal, 1:part, 1:result 1.1 _SUCCESS, 1:result 1.1 part-00000, index, index, rejects, rejects, bz2, bz2", ""},
		{"a failed run's revision that is the newest stays: a person's turn", func(w *world) []string {
			r := w.begin(1)
			w.cluster(1, 1, r)
			w.fail(1)
			return []string{r}
		}, grace + keep, "", "its archive is past its keep time, and the hour was never published"},
		{"a failed run's revision goes when a later one is published", func(w *world) []string {
			r := w.begin(1)
			w.cluster(1, 1, r)
			w.fail(1)
			w.batch()
			q := w.begin(2)
			w.publish(2, w.cluster(2, 1, q))
			return []string{r, q}
		}, grace, "1:rejects, 1:part, 1:result 1.1 _SUCCESS, 1:result 1.1 part-00000", ""},
		{"a failed run's revision goes when a later one is sealed and not published", func(w *world) []string {
			r := w.begin(1)
			w.cluster(1, 1, r)
			w.fail(1)
			w.batch()
			q := w.begin(2)
			w.cluster(2, 1, q)
			w.fail(2)
			return []string{r, q}
		}, grace, "1:rejects, 1:part, 1:result 1.1 _SUCCESS, 1:result 1.1 part-00000", ""},
		{"results of clusters that were lost go, that of the run's last stays", func(w *world) []string {
			r := w.begin(1)
			w.cluster(1, 1, r)
			w.publish(1, w.cluster(1, 2, r))
			return []string{r}
		}, grace, "1:result 1.1 _SUCCESS, 1:result 1.1 part-00000", ""},
		{"the result that a run by force superseded goes, the parts of both stay", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			r = w.begin(2)
			w.publish(2, w.cluster(2, 1, r))
			return []string{r}
		}, grace, "1:result 1.1 _SUCCESS, 1:result 1.1 part-00000", ""},
		{"a run that is not over keeps everything", func(w *world) []string {
			revs := w.late(true)
			w.append(hour.Entry{Type: hour.EntryStarted, Run: 3})
			return revs
		}, keep + grace, "", "run 3 is not over"},
		{"a run that holds the hour keeps everything", func(w *world) []string {
			revs := w.late(true)
			w.batch()
			return append(revs, w.begin(3))
		}, keep + grace, "", "run 3 is not over"},
		{"a manifest that is behind keeps everything", func(w *world) []string {
			revs := w.late(false)
			return revs
		}, grace, "", "its manifest shows entry 6, its ledger published with entry 12"},
		{"a manifest that is gone keeps everything", func(w *world) []string {
			revs := w.late(true)
			must(0, w.hours.Delete(ctx, keys.ManifestKey(h7)))
			return revs
		}, grace, "", "entry 12 of its ledger published revision"},
		{"a ledger whose last entries are gone keeps everything", func(w *world) []string {
			revs := w.late(true)
			for n := 7; n <= 12; n++ {
				must(0, w.hours.Delete(ctx, keys.LedgerKey(h7, n)))
			}
			return revs
		}, grace, "", "its manifest shows entry 12, its ledger published with entry 6"},
		{"and so it does without a manifest", func(w *world) []string {
			revs := w.late(true)
			for n := 7; n <= 12; n++ {
				must(0, w.hours.Delete(ctx, keys.LedgerKey(h7, n)))
			}
			must(0, w.hours.Delete(ctx, keys.ManifestKey(h7)))
			w.state = must(w.l.Read(ctx, h7))
			must(w.l.WriteManifest(ctx, w.state))
			return revs
		}, grace, "", "the ledger has no such run"},
		{"a ledger that is torn keeps everything", func(w *world) []string {
			revs := w.late(true)
			must(0, w.hours.Delete(ctx, keys.LedgerKey(h7, 3)))
			return revs
		}, grace, "", "its ledger cannot be read: "},
		{"a job of no possible name keeps everything", func(w *world) []string {
			r := w.begin(1)
			w.append(hour.Entry{Type: hour.EntryClusterRequested, Run: 1, Execution: execution(1), Cluster: &hour.Cluster{Number: 1, Name: "c"},
				Playbook: &hour.Ref{Key: "code/playbooks/a\nb?.json"}})
			w.fail(1)
			return []string{r}
		}, grace, "", "its ledger names a job that cannot be"},
		{"a manifest that is damaged keeps everything", func(w *world) []string {
			revs := w.late(true)
			must(0, w.hours.Delete(ctx, keys.ManifestKey(h7)))
			create(w.hours, keys.ManifestKey(h7), "{}")
			return revs
		}, grace, "", "its manifest cannot be read: "},
		{"a seal that no entry names goes with its time, parts of no run keep everything", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			create(w.hours, keys.PartKey(h7, "0123456789ab", 0), "x")
			return []string{r}
		}, keep + grace, "", "files of revision 0123456789ab are there"},
		{"a seal of a run that died before its entry goes", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			create(w.hours, keys.SealKey(h7, "0123456789ab"), "x")
			must(0, w.archive.Delete(ctx, w.pieces[0].Index.Key))
			return []string{r, "0123456789ab"}
		}, keep + day, "2:seal, rejects, bz2", ""},
		{"an archive goes after its keep time, indexes first", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			return []string{r}
		}, keep, "index, rejects, bz2", ""},
		{"an archive with news stays", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			w.batch()
			return []string{r}
		}, keep, "", "came after the hour was sealed"},
		{"an archive of an hour that was sealed again without success stays", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			w.batch()
			q := w.begin(2)
			w.fail(2)
			return []string{r, q}
		}, keep, "", "was sealed and not published"},
		{"an archive whose seal is damaged stays", func(w *world) []string {
			r := w.begin(1)
			w.publish(1, w.cluster(1, 1, r))
			must(0, w.hours.Delete(ctx, keys.SealKey(h7, r)))
			return []string{r}
		}, keep, "", "its seal cannot be read"},
		{"an hour that is archived only keeps everything", func(*world) []string { return nil }, keep + grace, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.batch()
			revs := c.make(w)
			w.now = w.now.Add(c.after)
			p := w.plan(t)
			kept := ""
			if len(p.Kept) > 0 {
				kept = p.Kept[0].Why
			}
			if got := short(p.Items, revs...); got != c.goes || (c.kept == "") != (kept == "") || !strings.Contains(kept, c.kept) {
				t.Errorf("goes %q, want %q; kept %q, want %q", got, c.goes, kept, c.kept)
			}
			for _, i := range p.Items {
				if i.At.After(w.now) || i.Why == "" || *i.Hour != h7 {
					t.Errorf("%+v", i)
				}
			}
		})
	}
}

// late publishes the hour, archives another batch and publishes again; with projected the manifest shows it.
func (w *world) late(projected bool) []string {
	r := w.begin(1)
	w.publish(1, w.cluster(1, 1, r))
	before, _, err := w.hours.Get(ctx, keys.ManifestKey(h7), 1<<20)
	must(0, err)
	w.batch()
	q := w.begin(2)
	w.publish(2, w.cluster(2, 1, q))
	if !projected {
		must(0, w.hours.Delete(ctx, keys.ManifestKey(h7)))
		create(w.hours, keys.ManifestKey(h7), string(before))
	}
	return []string{r, q}
}

func TestWhatMayNotGoYetIsSaidWithItsTime(t *testing.T) {
	w := newWorld()
	w.batch()
	revs := w.late(true)
	p := w.plan(t)
	want := "1:rejects, 1:seal, 1:part, 1:result 1.1 _SUCCESS, 1:result 1.1 part-00000"
	if got := short(p.Later, revs...); len(p.Items) > 0 || got != want {
		t.Errorf("later %q, want %q; now %v", got, want, p.Items)
	}
	for _, i := range p.Later {
		if strings.HasSuffix(i.Key, ".seal.json") != i.At.Equal(h7.End().Add(36*day)) {
			t.Errorf("%s goes at %s", i.Key, i.At)
		}
	}
}

func TestAnObjectThatWasWrittenLatelyStays(t *testing.T) {
	w := newWorld()
	w.batch()
	revs := w.late(true)
	w.now = w.now.Add(6 * day)
	part := keys.PartKey(h7, revs[0], 0)
	must(0, w.hours.Delete(ctx, part))
	create(w.hours, part, "by a zombie")
	w.now = w.now.Add(2 * day)
	if got := short(w.plan(t).Items, revs...); strings.Contains(got, ":part,") {
		t.Errorf("goes: %s", got)
	}
}

func TestResultsOfAJobThatWasRenamedAreFoundByTheLedger(t *testing.T) {
	w := newWorld()
	w.c.Jobs = []string{"other"}
	w.batch()
	revs := w.late(true)
	w.now = w.now.Add(8 * day)
	if got := short(w.plan(t).Items, revs...); !strings.Contains(got, "1:result 1.1 part-00000") {
		t.Errorf("goes: %s", got)
	}
}

// TestAQuietHourCostsAFewListingsAndItsManifest counts requests: an hour whose manifest names everything needs no ledger.
func TestAQuietHourCostsAFewListingsAndItsManifest(t *testing.T) {
	w := newWorld()
	w.batch()
	r := w.begin(1)
	w.publish(1, w.cluster(1, 1, r))
	counting := &counter{Memory: w.hours}
	w.l.Store, w.c.Hours = counting, counting
	w.now = w.now.Add(8 * day)
	w.plan(t)
	if counting.gets != 1 || counting.lists != 3 {
		t.Errorf("%d reads and %d listings, want 1 and 3", counting.gets, counting.lists)
	}
}

var _ store.Store = (*counter)(nil)
