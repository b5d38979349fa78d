package seal_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/emf"
	"penstock/internal/emf/emftest"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/seal"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

// ready is a world whose hour is archived in three batches, one of them delivered twice, with a reject among them.
func ready(t testing.TB) *world {
	w := newWorld(t)
	w.at(time.Minute).put("1", "2", "mangled", "4", "5")
	w.take(shard0, 2)
	w.take(shard0, 2)
	w.read[shard0] = ""
	w.take(shard0, 2)
	w.take(shard0, 9)
	w.at(afterHour)
	return w
}

func TestASealStatesTheHour(t *testing.T) {
	w := ready(t)
	in, s := w.seal(hr, hour.Options{})
	if s.Hour != hr || s.Events != 4 || s.Rejects != 1 || s.Execution != execution || !s.SealedAt.Equal(w.now) || s.Previous != "" {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(lines(t, w.archive, s, false), ""); got != "1\n2\n4\n5\n" {
		t.Errorf("events %q", got)
	}
	if got := lines(t, w.archive, s, true); len(got) != 1 || !strings.Contains(got[0], `"bWFuZ2xlZA=="`) {
		t.Errorf("rejects %q", got)
	}
	if len(s.Pieces) != 2 || len(s.Duplicates) != 1 || len(s.Parts) != 1 || s.Parts[0] != (hour.PartPlan{From: 0, To: 2, Events: 4}) {
		t.Errorf("pieces %+v, duplicates %v, parts %v", s.Pieces, s.Duplicates, s.Parts)
	}
	if *s.Mapping != w.mapping {
		t.Errorf("mapping %+v", s.Mapping)
	}
	run := must(w.ledger.Read(ctx, hr)).Run(1)
	if run.Revision != s.Revision || run.Sealed != 3 {
		t.Errorf("the ledger has %+v", run)
	}
	if out, err := w.h.Handle(ctx, in); err != nil || out.Revision != s.Revision || len(w.types(hr)) != 3 {
		t.Errorf("a retry gives %+v, %v and %v", out, err, w.types(hr))
	}
}

func TestPartsAreCutBySize(t *testing.T) {
	w := ready(t)
	w.h.PartSize = 1
	in := w.claim(hr, hour.Options{})
	if out, err := w.h.Handle(ctx, in); err != nil || out.Parts != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAnHourWithoutEventsHasNoParts(t *testing.T) {
	w := newWorld(t)
	if _, s := w.at(afterHour).seal(hr, hour.Options{}); s.Parts != nil || s.Revision == "" {
		t.Errorf("%+v", s)
	}
	w = newWorld(t)
	w.at(0).put("mangled")
	w.takeAll()
	if _, s := w.at(afterHour).seal(hr, hour.Options{}); len(s.Parts) != 1 || s.Parts[0].Events != 0 || s.Rejects != 1 {
		t.Errorf("rejects alone: %+v", s)
	}
}

func TestASealThatStandsIsTaken(t *testing.T) {
	w := ready(t)
	_, s := w.seal(hr, hour.Options{})
	before := stored(t, w.hours)
	w.append(hr, hour.Entry{ID: "f", Type: hour.EntryFailed, Run: 1, Execution: execution, Error: "States.Timeout"})
	w.at(afterHour + time.Hour)
	w.h.PartSize = 1 // another release, another size: the revision's parts stay what they are
	in := w.claim(hr, hour.Options{})
	out, err := w.h.Handle(ctx, in)
	if err != nil || out.Revision != s.Revision || out.Parts != 1 || out.Unchanged {
		t.Fatalf("%+v, %v", out, err)
	}
	key := keys.SealKey(hr, s.Revision)
	if stored(t, w.hours)[key] != before[key] {
		t.Error("the seal is replaced")
	}
	run := must(w.ledger.Read(ctx, hr)).Run(2)
	if run.Seal.SHA256 != hour.SHA256([]byte(before[key])) {
		t.Error("the ledger names a seal that does not stand")
	}
}

func TestAnUnchangedHourEndsItsRun(t *testing.T) {
	w := ready(t)
	in, s := w.seal(hr, hour.Options{})
	w.publish(in)
	w.read[shard0] = ""
	w.take(shard0, 3) // a harmless redelivery
	in = w.claim(hr, hour.Options{})
	for range 2 {
		out, err := w.h.Handle(ctx, in)
		if err != nil || !out.Unchanged || out.Revision != s.Revision {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	run := must(w.ledger.Read(ctx, hr)).Run(2)
	if !run.Over() || run.Status != fault.StatusSucceeded || run.Sealed != 0 {
		t.Errorf("%+v", run)
	}
	in = w.claim(hr, hour.Options{Force: true})
	if out, err := w.h.Handle(ctx, in); err != nil || out.Unchanged || out.Revision != s.Revision {
		t.Errorf("forced: %+v, %v", out, err)
	}
	if run := must(w.ledger.Read(ctx, hr)).Run(3); run.Over() || run.Sealed == 0 {
		t.Errorf("forced: %+v", run)
	}
}

func TestLateDataIsAnotherRevisionBehindThePublishedOne(t *testing.T) {
	w := ready(t)
	in, s := w.seal(hr, hour.Options{})
	w.publish(in)
	w.at(time.Hour - 1).put("6")
	w.at(afterHour).takeAll()
	_, next := w.seal(hr, hour.Options{})
	if next.Revision == s.Revision || next.Previous != s.Revision || next.Events != 5 || len(next.Pieces) != 3 {
		t.Errorf("%+v", next)
	}
	if got := strings.Join(lines(t, w.archive, next, false), ""); got != "1\n2\n4\n5\n6\n" {
		t.Errorf("events %q", got)
	}
}

func TestWaitingEndsAtTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1", "2")
	in := w.at(afterHour).claim(hr, hour.Options{})
	w.at(afterHour + w.h.Deadline)
	w.waiting(in)
	_, err := w.at(afterHour+w.h.Deadline+1).h.Handle(ctx, in)
	if e := is[*fault.HourNotComplete](t, err); e.Waiting != shard0+": 2 records behind" {
		t.Errorf("%v", e)
	}
	in.Started = time.Time{}
	w.waiting(in)
}

func TestHowLongARunWaitedIsAFigure(t *testing.T) {
	var out strings.Builder
	figures := emf.Figures{Out: &out, Stack: "prod"}
	w := newWorld(t)
	w.h.Figures = figures
	w.at(0).put("1", "2")
	in := w.at(afterHour).claim(hr, hour.Options{})
	w.waiting(in)
	if out.Len() > 0 {
		t.Errorf("a run that waits reports %s", &out)
	}
	w.takeAll()
	w.at(afterHour + 90*time.Second).sealAs(in)
	if got := emftest.Only(t, out.String(), "prod", "SealWait"); !slices.Equal(got, []float64{90}) {
		t.Errorf("it waited %v s", got)
	}

	out.Reset()
	w = newWorld(t)
	w.h.Figures = figures
	w.at(0).put("1")
	in = w.at(afterHour).claim(hr, hour.Options{})
	_, err := w.at(afterHour+w.h.Deadline+time.Second).h.Handle(ctx, in)
	is[*fault.HourNotComplete](t, err)
	if got := emftest.Only(t, out.String(), "prod", "SealWait"); !slices.Equal(got, []float64{w.h.Deadline.Seconds() + 1}) {
		t.Errorf("a run that gave up waited %v s", got)
	}
}

func TestOnlyTheRunThatHoldsTheHourSeals(t *testing.T) {
	w := ready(t)
	in := w.claim(hr, hour.Options{})
	for name, change := range map[string]func(*seal.In){
		"another execution": func(in *seal.In) { in.Execution = "x" },
		"another run":       func(in *seal.In) { in.N = 2 },
	} {
		other := in
		change(&other)
		out, err := w.h.Handle(ctx, other)
		is[*fault.Superseded](t, err)
		if !reflect.DeepEqual(out, seal.Out{}) {
			t.Errorf("%s: %+v", name, out)
		}
	}
	w.append(hr, hour.Entry{ID: "f", Type: hour.EntryFailed, Run: 1, Execution: execution})
	_, err := w.h.Handle(ctx, in)
	is[*fault.Superseded](t, err)
	if got := w.types(hr); slices.Contains(got, hour.EntrySealed) {
		t.Errorf("ledger %v", got)
	}
}

func TestWhatIsPublishedHasToBeInTheArchive(t *testing.T) {
	w := ready(t)
	in, s := w.seal(hr, hour.Options{})
	w.publish(in)
	for _, f := range []string{s.Pieces[0].Index.Key, s.Pieces[0].Object.Key, s.Pieces[1].RejectsFile.Key} {
		data := get(t, w.archive, f, "")
		if err := w.archive.Delete(ctx, f); err != nil {
			t.Fatal(err)
		}
		if out, err := w.h.Handle(ctx, w.claim(hr, hour.Options{})); err != nil || !out.Unchanged {
			t.Fatalf("without news: %+v, %v", out, err)
		}
		must(w.archive.Create(ctx, f, data))
	}
	w.at(time.Hour - 1).put("6")
	w.at(afterHour).takeAll()
	in = w.claim(hr, hour.Options{})
	for _, f := range []string{s.Pieces[0].Index.Key, s.Pieces[0].Object.Key, s.Pieces[1].RejectsFile.Key} {
		data := get(t, w.archive, f, "")
		if err := w.archive.Delete(ctx, f); err != nil {
			t.Fatal(err)
		}
		// Without its index a batch is not archived at all, and the stream still has it: that is waited for first.
		in.Options.AcceptUnproven = true
		w.at(200 * time.Hour)
		_, err := w.h.Handle(ctx, in)
		if e := is[*fault.ArchiveExpired](t, err); !strings.Contains(e.Error(), f) {
			t.Errorf("%v does not name %s", e, f)
		}
		must(w.archive.Create(ctx, f, data))
	}
	if out, err := w.h.Handle(ctx, in); err != nil || out.Events != 5 {
		t.Errorf("with all of it: %+v, %v", out, err)
	}
}

func TestAnIndexWithoutItsObjectIsAnError(t *testing.T) {
	_, s := ready(t).seal(hr, hour.Options{})
	w := ready(t)
	in := w.claim(hr, hour.Options{})
	for _, key := range []string{s.Pieces[0].Object.Key, s.Pieces[1].Object.Key, s.Pieces[1].RejectsFile.Key} {
		data := get(t, w.archive, key, "")
		if err := w.archive.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		_, err := w.h.Handle(ctx, in)
		if e := is[*fault.Corrupt](t, err); e.Key != key {
			t.Errorf("%v instead of %s", e, key)
		}
		must(w.archive.Create(ctx, key, data))
	}
	if len(w.types(hr)) != 2 {
		t.Errorf("ledger %v", w.types(hr))
	}
}

func TestADamagedIndexIsAnError(t *testing.T) {
	w := ready(t)
	in := w.claim(hr, hour.Options{})
	for key, data := range stored(t, w.archive) {
		if _, ok := keys.ParseIndexKey(key); !ok {
			continue
		}
		for _, bad := range []string{"", data[:len(data)-2], strings.Replace(data, `"events":`, `"events":1`, 1)} {
			replace(t, w.archive, key, bad)
			_, err := w.h.Handle(ctx, in)
			is[*fault.Corrupt](t, err)
		}
		replace(t, w.archive, key, data)
	}
	w.sealAs(in)
}

func replace(t *testing.T, s store.Store, key, data string) {
	t.Helper()
	_, o, err := s.Get(ctx, key, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	must(s.Replace(ctx, key, o.ETag, []byte(data)))
}

// TestABatchThatIsCommittedWhileTheArchiveIsListedIsSealedWithItsVersions commits between the pages of a listing.
func TestABatchThatIsCommittedWhileTheArchiveIsListedIsSealedWithItsVersions(t *testing.T) {
	for step := range 8 {
		w := newWorld(t)
		w.at(time.Minute).put("1")
		w.take(shard0, 1)
		w.at(time.Minute).put("2", "mangled")
		n := 0
		w.reads(func(string) {
			if n++; n-1 == step {
				w.take(shard0, 2)
			}
		})
		out, err := w.h.Handle(ctx, w.at(afterHour).claim(hr, hour.Options{}))
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if !out.Complete {
			continue
		}
		for _, p := range w.standing(hr, out.Revision).Pieces {
			for _, f := range []*hour.File{p.Object, p.RejectsFile} {
				if f != nil {
					get(t, w.archive, f.Key, f.ETag)
					if f.ETag == "" {
						t.Errorf("step %d: %s is sealed in no version", step, f.Key)
					}
				}
			}
		}
	}
}

func TestReadingManyIndexesAtATimeSealsTheSame(t *testing.T) {
	w := ready(t)
	for n := range 40 {
		w.at(2*time.Minute + time.Duration(n)).put(fmt.Sprint(n))
		w.take(shard0, 1)
	}
	w.at(afterHour)
	in, s := w.seal(hr, hour.Options{})
	w.h.Fetch = 8
	if again := w.sealAs(in); again.Revision != s.Revision || len(again.Pieces) != 42 {
		t.Errorf("%d pieces, revision %s", len(again.Pieces), again.Revision)
	}
	if err := w.archive.Delete(ctx, s.Pieces[17].Object.Key); err != nil {
		t.Fatal(err)
	}
	p := storefault.NewProcess(storefault.OnNth(20, storefault.Calls("archive", "Get"), storefault.Outcome{
		Err: &fault.Unavailable{Service: "s3", Action: "get", Err: errors.New("503")}}), nil)
	w.h.Archive = p.Wrap("archive", w.archive)
	_, err := w.h.Handle(ctx, in)
	is[*fault.Unavailable](t, err)
}

func TestAdds(t *testing.T) {
	w := ready(t)
	_, s := w.seal(hr, hour.Options{})
	before := stored(t, w.archive)
	w.read[shard0] = ""
	w.take(shard0, 3)
	w.at(time.Hour - 1).put("6")
	redelivered := news(t, w, before)
	w.take(shard0, 9)
	both := news(t, w, before)
	if len(redelivered) != 1 || len(both) != 2 {
		t.Fatalf("%v, %v", redelivered, both)
	}
	for _, c := range []struct {
		keys []string
		want bool
	}{{nil, false}, {redelivered, false}, {both, true}} {
		if got, err := w.h.Adds(ctx, hr, s, c.keys); err != nil || got != c.want {
			t.Errorf("%v adds: %t, %v", c.keys, got, err)
		}
	}
	for _, key := range []string{"x", s.Pieces[0].Object.Key, strings.Replace(both[0], "2026112307", "2026112308", 1)} {
		_, err := w.h.Adds(ctx, hr, s, []string{key})
		is[*fault.BadInput](t, err)
	}
}

// news are the indexes that were not there before.
func news(t *testing.T, w *world, before map[string]string) (list []string) {
	for key := range stored(t, w.archive) {
		if _, ok := keys.ParseIndexKey(key); ok && before[key] == "" {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	return list
}

func stored(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range s.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		all[o.Key] = string(get(t, s, o.Key, ""))
	}
	return all
}

// TestSealingSurvivesACrashAtAnyWrite ends, refuses, or silences each write of a sealing in turn, and of its retry, and
// then tries again: the hours end with the very bytes of a run without faults.
func TestSealingSurvivesACrashAtAnyWrite(t *testing.T) {
	sealing := func(w *world, before map[string]string, in seal.In, schedules ...storefault.Schedule) map[string]string {
		stand := store.NewMemory(w.ledger.Now)
		for key, data := range before {
			must(stand.Create(ctx, key, []byte(data)))
		}
		for _, s := range append(schedules, nil) {
			p := storefault.NewProcess(s, nil)
			hours := p.Wrap("hours", stand)
			h := *w.h
			h.Hours, h.Ledger = hours, &ledger.Ledger{Store: hours, Keys: keys, Now: w.ledger.Now}
			func() {
				defer func() {
					if r := recover(); r != nil && p.Dead() == nil {
						panic(r)
					}
				}()
				_, err := h.Handle(ctx, in)
				if s == nil && err != nil {
					t.Fatalf("after the faults: %v", err)
				}
			}()
		}
		return stored(t, stand)
	}
	for name, prepare := range map[string]func(*world){
		"a first seal": func(w *world) {},
		"an unchanged hour": func(w *world) {
			in, _ := w.seal(hr, hour.Options{})
			w.publish(in)
		},
		"late data": func(w *world) {
			in, _ := w.seal(hr, hour.Options{})
			w.publish(in)
			w.at(time.Hour - 1).put("6")
			w.at(afterHour).takeAll()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := ready(t)
			prepare(w)
			in := w.claim(hr, hour.Options{})
			before := stored(t, w.hours)
			want := sealing(w, before, in)
			if len(want) <= len(before) {
				t.Fatal("nothing is written")
			}
			faults := []func(int) storefault.Schedule{storefault.DieBeforeWrite, storefault.DieAfterWrite, storefault.FailWrite, storefault.LoseWrite}
			for i, first := range faults {
				for j, second := range faults {
					k, l := 1+(i+j)%2, 1+j%2 // there are two writes
					if got := sealing(w, before, in, first(k), second(l)); !maps.Equal(got, want) {
						t.Errorf("fault %d at write %d, then %d at %d: %v", i, k, j, l, slices.Sorted(maps.Keys(got)))
					}
				}
				for k := 1; k <= 2; k++ {
					if got := sealing(w, before, in, first(k)); !maps.Equal(got, want) {
						t.Errorf("fault %d at write %d: %v", i, k, slices.Sorted(maps.Keys(got)))
					}
				}
			}
		})
	}
}

func TestWaitingSaysWhatHandleWaitsForAndWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1", "2")
	in := w.at(afterHour).claim(hr, hour.Options{})
	before := len(w.types(hr))
	if got, err := w.h.Waiting(ctx, hr); err != nil || got != w.waiting(in) || got != shard0+": 2 records behind" {
		t.Errorf("it waits for %q, %v", got, err)
	}
	w.takeAll()
	if got, err := w.h.Waiting(ctx, hr); err != nil || got != "" {
		t.Errorf("with all archived it waits for %q, %v", got, err)
	}
	if after := len(w.types(hr)); after != before {
		t.Errorf("the ledger went from %d to %d entries", before, after)
	}
	_, err := w.at(9*24*time.Hour).h.Waiting(ctx, hr)
	is[*fault.Unproven](t, err)
}
