package prepare

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/emf"
	"penstock/internal/emf/emftest"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
	t0   = time.Date(2026, 11, 23, 8, 5, 0, 0, time.UTC)
)

const rev = "aaaaaaaaaaaa"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// lister is an EMR with these clusters.
type lister []cluster.Summary

func (l lister) Clusters(_ context.Context, since time.Time, _ bool) iter.Seq2[cluster.Summary, error] {
	return func(yield func(cluster.Summary, error) bool) {
		for _, s := range l {
			if s.CreatedAt.After(since) && !yield(s, nil) {
				return
			}
		}
	}
}

type world struct {
	store   *store.Memory
	l       *ledger.Ledger
	h       *Handler
	now     time.Time
	figures emf.Figures
}

// newWorld is an hour that execution "a" holds as run 1 and has sealed, with the video playbook in the store.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: t0}
	w.store = store.NewMemory(func() time.Time { return w.now })
	w.l = &ledger.Ledger{Store: w.store, Keys: keys, Now: func() time.Time { return w.now }}
	book := must(os.ReadFile("../../playbooks/video.json"))
	must(w.store.Create(ctx, cluster.PlaybookKey("video"), book))
	w.h = &Handler{Ledger: w.l, Playbooks: w.books(), Stack: "penstock", Site: Site{
		Bucket: "hours", Code: "code/1", Logs: "logs", ServiceRole: "r", InstanceProfile: "p", SecurityConfiguration: "s", Subnets: []string{"subnet-1"}}}
	for _, e := range []*hour.Entry{
		{ID: "1", Type: hour.EntryStarted, Run: 1}, {ID: "2", Type: hour.EntryClaimed, Run: 1, Execution: "a"},
		{ID: "3", Type: hour.EntrySealed, Run: 1, Execution: "a", Revision: rev, Seal: &hour.Ref{Key: keys.SealKey(hr, rev)}},
	} {
		must(w.l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return e, nil }))
	}
	return w
}

func (w *world) books() Playbooks {
	return cluster.StoredPlaybook{Store: w.store, Key: cluster.PlaybookKey("video")}
}

func (w *world) judge() *Judge { return &Judge{Ledger: w.l, Figures: w.figures} }

func (w *world) state() *ledger.State { return must(w.l.Read(ctx, hr)) }

func in(c int) In { return In{Hour: hr, N: 1, Execution: "a", Revision: rev, Cluster: c} }

func is[E error](t *testing.T, err error) {
	t.Helper()
	if _, ok := err.(E); !ok { // outermost, as Lambda sees it
		t.Errorf("got %T %v, want %T", err, err, *new(E))
	}
}

func judged(c int, state, code string, all ...string) JudgeIn {
	return JudgeIn{Hour: hr, N: 1, Execution: "a", Cluster: c, ID: fmt.Sprint("j-", c), Steps: steps(all...),
		Status: Status{State: state, StateChangeReason: Reason{Code: code}, Timeline: Timeline{CreationDateTime: Instant{t0}}}}
}

func TestTheNameStandsInTheLedgerBeforeTheRequestIsGiven(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		out, err := w.h.Handle(ctx, in(1))
		if err != nil {
			t.Fatal(err)
		}
		if out.Name != "penstock-2026112307-1-1" || out.Cluster != 1 || out.Result != "results/video/2026/11/23/07/aaaaaaaaaaaa.1.1/" {
			t.Errorf("%+v", out)
		}
		var r playbook.RunJobFlow
		if err := json.Unmarshal(out.Request, &r); err != nil || r.Name != out.Name || r.Instances.KeepJobFlowAliveWhenNoSteps {
			t.Errorf("%+v, %v", r, err)
		}
		args := strings.Join(r.Steps[0].HadoopJarStep.Args, " ")
		for _, want := range []string{"-input s3://hours/2026/11/player_events.2026112307.aaaaaaaaaaaa.*.bz2", "-output s3://hours/" + strings.TrimSuffix(out.Result, "/"), "s3://hours/code/1/linux-arm64/rollup"} {
			if !strings.Contains(args, want) {
				t.Errorf("arguments %q lack %q", args, want)
			}
		}
	}
	s := w.state()
	c := s.Run(1).Cluster(1)
	if s.Last != 4 || c == nil || c.Name != "penstock-2026112307-1-1" || s.Entries[3].Playbook == nil || s.Entries[3].Playbook.Key != cluster.PlaybookKey("video") {
		t.Errorf("%d entries, cluster %+v", s.Last, c)
	}
}

func TestAClusterOutOfTurnIsRefused(t *testing.T) {
	w := newWorld(t)
	other := in(1)
	other.Revision = "bbbbbbbbbbbb"
	for _, i := range []In{in(0), in(2), in(-1), other} {
		_, err := w.h.Handle(ctx, i)
		is[*fault.BadInput](t, err)
	}
	foreign := in(1)
	foreign.Execution = "b"
	_, err := w.h.Handle(ctx, foreign)
	is[*fault.Superseded](t, err)
	must(w.h.Handle(ctx, in(1)))
	_, err = w.h.Handle(ctx, in(2)) // cluster 1 is not judged
	is[*fault.BadInput](t, err)
	_, err = w.h.Handle(ctx, in(4))
	is[*fault.ClusterFailed](t, err)
	if n := w.state().Last; n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestAPlaybookThatIsMissingOrMangledIsBadInput(t *testing.T) {
	w := newWorld(t)
	key := cluster.PlaybookKey("video")
	w.store.Delete(ctx, key)
	_, err := w.h.Handle(ctx, in(1))
	is[*fault.BadInput](t, err)
	must(w.store.Create(ctx, key, []byte(`{"version":1,"name":"Video"}`)))
	_, err = w.h.Handle(ctx, in(1))
	is[*fault.BadInput](t, err)
}

func TestThreeClustersThatFailEndTheRun(t *testing.T) {
	w := newWorld(t)
	for c := 1; c <= 3; c++ {
		must(w.h.Handle(ctx, in(c)))
		for range 2 { // the answer was lost
			out, err := w.judge().Handle(ctx, judged(c, "TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE", "CANCELLED"))
			if c < 3 {
				if err != nil || out != (JudgeOut{JudgedAgain, c + 1}) {
					t.Errorf("cluster %d: %+v, %v", c, out, err)
				}
				continue
			}
			is[*fault.ClusterFailed](t, err)
		}
	}
	if s := w.state(); len(s.Run(1).Clusters) != 3 || len(s.Ignored) != 0 || s.Last != 9 {
		t.Errorf("%d entries, clusters %+v", s.Last, s.Run(1).Clusters)
	}
}

func TestAJudgementStandsWithItsMinutes(t *testing.T) {
	w := newWorld(t)
	must(w.h.Handle(ctx, in(1)))
	var figures strings.Builder
	w.figures = emf.Figures{Out: &figures, Stack: "prod"}
	if out, err := w.judge().Handle(ctx, judged(1, "RUNNING", "", "RUNNING")); err != nil || out.Verdict != JudgedWatch || w.state().Last != 4 {
		t.Fatalf("%+v, %v", out, err)
	}
	w.now = t0.Add(10 * time.Minute)
	done := judged(1, "TERMINATING", "", "COMPLETED")
	done.Status.Timeline.EndDateTime = Instant{t0.Add(7*time.Minute + 20*time.Second)}
	if out, err := w.judge().Handle(ctx, done); err != nil || out.Verdict != JudgedPublish {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err := w.judge().Handle(ctx, judged(1, "TERMINATED_WITH_ERRORS", "INTERNAL_ERROR", "FAILED")); err != nil || out.Verdict != JudgedPublish {
		t.Errorf("the second judgement was %+v, %v", out, err)
	}
	if c := w.state().Run(1).Cluster(1); c.Minutes != 7.33 || c.ID != "j-1" || c.Verdict != hour.VerdictCompleted || !c.Ended {
		t.Errorf("%+v", c)
	}
	if got := emftest.Only(t, figures.String(), "prod", "ClusterMinutes"); !slices.Equal(got, []float64{7.33}) {
		t.Errorf("its figures are %v", got)
	}
}

func TestAFailedStepIsAPersonsTurn(t *testing.T) {
	w := newWorld(t)
	must(w.h.Handle(ctx, in(1)))
	i := judged(1, "TERMINATED", "", "FAILED")
	i.Steps[0].FailureDetails.Reason = strings.Repeat("long ", 1000)
	for range 2 {
		_, err := w.judge().Handle(ctx, i)
		is[*fault.StepFailed](t, err)
	}
	if c := w.state().Run(1).Cluster(1); c.Verdict != hour.VerdictStepFailed || len(c.Reason) > maxReason {
		t.Errorf("%+v", c)
	}
	w2 := newWorld(t)
	must(w2.h.Handle(ctx, in(1)))
	w2.now = t0.Add(3 * time.Hour)
	_, err := w2.judge().Handle(ctx, judged(1, "RUNNING", "", "RUNNING"))
	is[*fault.ClusterTooOld](t, err)
}

func find(c, tries int) FindIn {
	i := FindIn{Hour: hr, N: 1, Execution: "a", Cluster: c, Tries: tries}
	i.Error.Error, i.Error.Cause = "Emr.SdkClientException", "no answer"
	return i
}

func TestALostClusterIsFoundByItsName(t *testing.T) {
	w := newWorld(t)
	must(w.h.Handle(ctx, in(1)))
	f := &Finder{w.l, lister{
		{ID: "j-9", Name: "penstock-2026112307-1-2", CreatedAt: t0}, {ID: "j-3", Name: "penstock-2026112307-1-1", CreatedAt: t0.Add(time.Second)},
		{ID: "j-2", Name: "penstock-2026112307-1-1", CreatedAt: t0}, {ID: "j-1", Name: "penstock-2026112307-1-1", CreatedAt: t0.Add(-24 * time.Hour)},
	}}
	if out, err := f.Handle(ctx, find(1, 0)); err != nil || out != (FindOut{true, "j-2", NextWatch}) {
		t.Errorf("%+v, %v", out, err)
	}
	if w.state().Last != 4 {
		t.Error("to find a cluster wrote to the ledger")
	}
}

func TestAClusterThatIsNotFoundGivesWayToTheNext(t *testing.T) {
	w := newWorld(t)
	f := &Finder{w.l, lister{}}
	for c := 1; c <= 3; c++ {
		must(w.h.Handle(ctx, in(c)))
		for tries := range Lookups {
			if out, err := f.Handle(ctx, find(c, tries)); err != nil || out.Next != NextWait {
				t.Errorf("try %d: %+v, %v", tries, out, err)
			}
		}
		for range 2 {
			out, err := f.Handle(ctx, find(c, Lookups))
			if c == 3 {
				is[*fault.ClusterLost](t, err)
			} else if err != nil || out.Next != NextAgain {
				t.Errorf("%+v, %v", out, err)
			}
		}
	}
	// What appears later stays lost: it is the reaper's.
	late := &Finder{w.l, lister{{ID: "j-1", Name: "penstock-2026112307-1-1", CreatedAt: t0}}}
	if out, err := late.Handle(ctx, find(1, 0)); err != nil || out.Next != NextAgain {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestPreparingAndJudgingSurviveDeathAndLostAnswers(t *testing.T) {
	for _, schedule := range []func() storefault.Schedule{
		func() storefault.Schedule { return storefault.DieBeforeWrite(1) }, func() storefault.Schedule { return storefault.DieAfterWrite(1) },
		func() storefault.Schedule { return storefault.LoseWrite(1) }, func() storefault.Schedule { return storefault.FailWrite(1) },
	} {
		w := newWorld(t)
		sick := func(do func(*ledger.Ledger)) {
			defer func() { recover() }()
			l := *w.l
			l.Store = storefault.NewProcess(schedule(), nil).Wrap("hours", w.store)
			do(&l)
		}
		sick(func(l *ledger.Ledger) { h := *w.h; h.Ledger = l; h.Handle(ctx, in(1)) })
		must(w.h.Handle(ctx, in(1)))
		done := judged(1, "TERMINATED", "", "COMPLETED")
		sick(func(l *ledger.Ledger) { (&Judge{Ledger: l}).Handle(ctx, done) })
		must(w.judge().Handle(ctx, done))
		if s := w.state(); s.Last != 5 || len(s.Ignored) != 0 || s.Run(1).Cluster(1).Verdict != hour.VerdictCompleted {
			t.Errorf("%d entries, %v ignored", s.Last, s.Ignored)
		}
	}
}

func TestTimesComeInBothForms(t *testing.T) {
	for raw, want := range map[string]time.Time{
		`1795420800.25`: time.UnixMilli(1795420800250).UTC(), `"2026-11-23T08:00:00.25Z"`: time.UnixMilli(1795420800250).UTC(),
		`"2026-11-23T09:00:00+01:00"`: time.Unix(1795420800, 0).UTC(), `null`: {},
	} {
		var s Status
		if err := json.Unmarshal([]byte(`{"Timeline":{"CreationDateTime":`+raw+`}}`), &s); err != nil || !s.Timeline.CreationDateTime.Time.Equal(want) {
			t.Errorf("%s: %s, %v", raw, s.Timeline.CreationDateTime, err)
		}
	}
}

func FuzzJudgeIn(f *testing.F) {
	f.Add([]byte(`{"hour":"2026-11-23T07","status":{"State":"TERMINATED","Timeline":{"CreationDateTime":1.5,"EndDateTime":null}},"steps":[{"State":"FAILED","FailureDetails":{"Reason":"r"}}]}`))
	f.Add([]byte(`{"status":{"Timeline":{"CreationDateTime":-1e308}},"steps":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var i JudgeIn
		if json.Unmarshal(b, &i) != nil {
			return
		}
		v := judge(i.Status, i.Steps, time.Hour, 2*time.Hour)
		if len(i.Steps) == 0 && v.what == hour.VerdictCompleted {
			t.Error("a cluster without steps is complete")
		}
		if y := i.Status.Timeline.CreationDateTime.Year(); y < -1 || y > 10_000 {
			t.Errorf("year %d", y)
		}
	})
}
