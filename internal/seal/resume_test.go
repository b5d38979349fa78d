package seal_test

import (
	"strings"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// compacted is an hour of two parts and a reject whose run sealed, compacted, and completed a cluster, and then failed.
func compacted(t *testing.T) (*world, *hour.Seal) {
	w := ready(t)
	w.h.PartSize = 1
	in, s := w.seal(hr, hour.Options{})
	file := func(key, data string) hour.File {
		o := must(w.hours.Create(ctx, key, []byte(data)))
		return hour.File{Key: key, Size: o.Size, ETag: o.ETag}
	}
	rejects := file(keys.HourRejectsKey(hr, s.Revision), "r")
	for i, plan := range s.Parts {
		e := hour.Entry{ID: "part" + string(rune('0'+i)), Type: hour.EntryCompacted, Run: in.N, Execution: in.Execution, Revision: s.Revision,
			Part: &hour.Part{File: file(keys.PartKey(hr, s.Revision, i), "p"), Number: i, Events: plan.Events}}
		if i == 0 {
			e.Rejects = &rejects
		}
		w.append(hr, e)
	}
	result := keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: hr, Revision: s.Revision, Run: in.N, Cluster: 1})
	c := hour.Cluster{Number: 1, Name: "p", Result: result}
	w.append(hr, hour.Entry{ID: "asked", Type: hour.EntryClusterRequested, Run: in.N, Execution: in.Execution, Cluster: &c})
	w.append(hr, hour.Entry{ID: "judged", Type: hour.EntryClusterEnded, Run: in.N, Execution: in.Execution,
		Cluster: &hour.Cluster{Number: 1, Name: "p", Verdict: hour.VerdictCompleted}})
	must(w.hours.Create(ctx, result+"_SUCCESS", nil))
	w.append(hr, hour.Entry{ID: "failed", Type: hour.EntryFailed, Run: in.N, Execution: in.Execution, Error: "ResultMismatch"})
	return w, s
}

// next is the next run of the hour, that resumes.
func (w *world) next(from string, force bool) (hour.Options, int) {
	return hour.Options{From: from, Force: force}, must(w.ledger.Read(ctx, hr)).NextRun()
}

func TestARunResumesWithTheLastSealWithoutAskingTheStream(t *testing.T) {
	for _, from := range []string{hour.FromCompact, hour.FromCluster, hour.FromPublish} {
		w, s := compacted(t)
		w.h.Stream, w.h.Archive = nil, nil // whoever asks them dies
		options, n := w.next(from, false)
		in := w.claim(hr, options)
		for range 2 {
			out, err := w.h.Handle(ctx, in)
			if err != nil || !out.Complete || out.Revision != s.Revision || out.Parts != 2 || out.Events != s.Events || out.Unchanged {
				t.Fatalf("from %s: %+v, %v", from, out, err)
			}
			if want := from == hour.FromPublish; (out.Cluster == 1) != want || strings.HasSuffix(out.Result, ".1.1/") != want {
				t.Errorf("from %s: %+v", from, out)
			}
		}
		r := must(w.ledger.Read(ctx, hr)).Run(n)
		if r.Sealed == 0 || r.Revision != s.Revision || r.Seal.Key != keys.SealKey(hr, s.Revision) {
			t.Errorf("from %s: %+v", from, r)
		}
	}
}

func TestWhatIsGoneCannotBeTakenOver(t *testing.T) {
	w, s := compacted(t)
	_, o, _ := w.hours.Get(ctx, keys.PartKey(hr, s.Revision, 1), 1<<20)
	damage := map[string]func(*world){
		"seal":    func(w *world) { w.hours.Delete(ctx, keys.SealKey(hr, s.Revision)) },
		"part":    func(w *world) { w.hours.Delete(ctx, keys.PartKey(hr, s.Revision, 1)) },
		"other":   func(w *world) { w.hours.Replace(ctx, keys.PartKey(hr, s.Revision, 1), o.ETag, []byte("q")) },
		"rejects": func(w *world) { w.hours.Delete(ctx, keys.HourRejectsKey(hr, s.Revision)) },
		"_SUCCESS": func(w *world) {
			w.hours.Delete(ctx, keys.ResultPrefix(hour.ResultKey{Job: "video", Hour: hr, Revision: s.Revision, Run: 1, Cluster: 1})+"_SUCCESS")
		},
	}
	needs := map[string][]string{hour.FromCompact: {"seal"}, hour.FromCluster: {"seal", "part", "other", "rejects"},
		hour.FromPublish: {"seal", "part", "other", "rejects", "_SUCCESS"}}
	for what, harm := range damage {
		for from, list := range needs {
			w, _ := compacted(t)
			harm(w)
			options, _ := w.next(from, false)
			before := must(w.ledger.Read(ctx, hr))
			_, err := w.h.Preview(ctx, before, options)
			_, err2 := w.h.Handle(ctx, w.claim(hr, options))
			if strings.Contains(strings.Join(list, " "), what) {
				is[*fault.BadInput](t, err)
				is[*fault.BadInput](t, err2)
			} else if err != nil || err2 != nil {
				t.Errorf("from %s without %s: %v, %v", from, what, err, err2)
			}
		}
	}
}

func TestNothingIsTakenOverWhereNothingWasDone(t *testing.T) {
	w := ready(t)
	options := hour.Options{From: hour.FromCluster}
	_, err := w.h.Handle(ctx, w.claim(hr, options))
	if e := is[*fault.BadInput](t, err); !strings.Contains(e.Error(), "no run has sealed it") {
		t.Error(e)
	}
	w = ready(t)
	in, _ := w.seal(hr, hour.Options{})
	w.append(hr, hour.Entry{ID: "failed", Type: hour.EntryFailed, Run: in.N, Execution: in.Execution, Error: "Unavailable"})
	for from, want := range map[string]string{hour.FromCluster: "never compacted", hour.FromPublish: "never compacted"} {
		_, err := w.h.Preview(ctx, must(w.ledger.Read(ctx, hr)), hour.Options{From: from})
		if e := is[*fault.BadInput](t, err); !strings.Contains(e.Error(), want) {
			t.Error(e)
		}
	}
}

func TestAPreviewIsWhatIsSealedAndWritesNothing(t *testing.T) {
	w := ready(t)
	state := must(w.ledger.Read(ctx, hr))
	count := func() (n int) {
		for range w.hours.List(ctx, "") {
			n++
		}
		return n
	}
	before := count()
	p := must(w.h.Preview(ctx, state, hour.Options{}))
	if count() != before || p.Unchanged || p.Reused != nil {
		t.Errorf("%+v", p)
	}
	in, s := w.seal(hr, hour.Options{})
	if p.Seal.Revision != s.Revision || p.Seal.Events != s.Events || len(p.Seal.Parts) != len(s.Parts) || p.Seal.Hour != hr {
		t.Errorf("previewed %+v, sealed %+v", p.Seal, s)
	}
	w.publish(in)
	if p = must(w.h.Preview(ctx, must(w.ledger.Read(ctx, hr)), hour.Options{})); !p.Unchanged {
		t.Error("the hour is published, and not unchanged")
	}
}

func TestAnotherRevisionThanTheDryRunShowedIsNotSealed(t *testing.T) {
	w := ready(t)
	p := must(w.h.Preview(ctx, must(w.ledger.Read(ctx, hr)), hour.Options{}))
	expect := func(revision string) hour.Options {
		e := hour.Expect{State: ledger.Shown(must(w.ledger.Read(ctx, hr)), hour.Options{}), Revision: revision, Playbook: strings.Repeat("0", 12)}
		return hour.Options{Expect: e.String()}
	}
	in := w.claim(hr, expect("0123456789ab"))
	_, err := w.h.Handle(ctx, in)
	is[*fault.HourChanged](t, err)
	if _, _, err := w.hours.Get(ctx, keys.SealKey(hr, p.Seal.Revision), 1<<20); err == nil {
		t.Error("a seal was written")
	}
	in.Options = expect(p.Seal.Revision)
	if out, err := w.h.Handle(ctx, in); err != nil || out.Revision != p.Seal.Revision {
		t.Errorf("%+v, %v", out, err)
	}
}
