package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

func fold(entries ...*hour.Entry) *ledger.State {
	var list []hour.Entry
	var hashes []string
	for i, e := range entries {
		c := *e
		c.Number = i + 1
		list, hashes = append(list, c), append(hashes, fmt.Sprintf("hash%d", i+1))
	}
	return ledger.Fold(hr, list, hashes)
}

func compacted(n int, execution, revision string, part int) *hour.Entry {
	return &hour.Entry{ID: fmt.Sprint(execution, revision, part), Type: hour.EntryCompacted, Run: n, Execution: execution, Revision: revision,
		Part: &hour.Part{Number: part, Events: 10}}
}

func cluster(kind string, n int, execution string, c int) *hour.Entry {
	return &hour.Entry{ID: fmt.Sprint(execution, kind, c), Type: kind, Run: n, Execution: execution,
		Cluster: &hour.Cluster{Number: c, Name: hour.ClusterName("s", hr, n, c), Minutes: 5}}
}

func TestWhichPublicationsAreAllowed(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries []*hour.Entry
		want    string // revision that is published
		ignored []int
	}{
		{"the holder's own seal is", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA)}, revA, nil},
		{"a run that sealed nothing publishes nothing", []*hour.Entry{started(1), claimed(1, "x"), published(1, "x", revA)}, "", []int{3}},
		{"another revision than the sealed one is not", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revB)}, "", []int{4}},
		{"a run without a claim publishes nothing", []*hour.Entry{started(1), sealed(1, "x", revA), published(1, "x", revA)}, "", []int{2, 3}},
		{"another execution cannot publish for the holder", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "y", revA)}, "", []int{4}},
		{"a second claim while the hour is held is ignored", []*hour.Entry{started(1), claimed(1, "x"), started(2), claimed(2, "y"),
			sealed(2, "y", revB), published(2, "y", revB), sealed(1, "x", revA), published(1, "x", revA)}, revA, []int{4, 5, 6}},
		{"a run that somebody ended comes too late", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), ended(1, "x", "ABORTED"),
			started(2), claimed(2, "y"), sealed(2, "y", revB), published(2, "y", revB), published(1, "x", revA)}, revB, []int{9}},
		{"a failed run cannot publish afterwards", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), failed(1, "x", "E"), published(1, "x", revA)}, "", []int{5}},
		{"a newer publication supersedes", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA),
			started(2), claimed(2, "y"), sealed(2, "y", revB), published(2, "y", revB)}, revB, nil},
		{"the same revision may be published again", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA),
			started(2), claimed(2, "y"), sealed(2, "y", revA), published(2, "y", revA)}, revA, nil},
		{"the same id counts once", []*hour.Entry{started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA), published(1, "x", revA)}, revA, []int{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fold(c.entries...)
			got := ""
			if p := s.Published(); p != nil {
				got = p.Revision
			}
			if got != c.want || !reflect.DeepEqual(s.Ignored, c.ignored) {
				t.Errorf("published %q, ignored %v; want %q, %v", got, s.Ignored, c.want, c.ignored)
			}
		})
	}
}

func TestARunIsWhatItsEntriesSay(t *testing.T) {
	s := fold(started(1), claimed(1, "x"), sealed(1, "x", revA), compacted(1, "x", revA, 1), compacted(1, "x", revA, 0), compacted(1, "x", revB, 2),
		cluster(hour.EntryClusterRequested, 1, "x", 1), cluster(hour.EntryClusterEnded, 1, "x", 1), cluster(hour.EntryClusterRequested, 1, "x", 2),
		&hour.Entry{ID: "r", Type: hour.EntryCompacted, Run: 1, Execution: "x", Revision: revA, Rejects: &hour.File{Key: "k"}})
	r := s.Run(1)
	if len(r.Parts) != 2 || r.Parts[0].Number != 0 || r.Parts[1].Number != 1 || r.Rejects == nil {
		t.Errorf("parts %+v, rejects %v", r.Parts, r.Rejects)
	}
	if c := r.Cluster(1); c == nil || !c.Ended || c.Minutes != 5 {
		t.Errorf("first cluster %+v", c)
	}
	if c := r.Cluster(2); c == nil || c.Ended || r.Cluster(3) != nil {
		t.Errorf("second cluster %+v", c)
	}
	if !reflect.DeepEqual(s.Ignored, []int{6}) || s.Holder() != r || s.RunOf("x") != r || s.NextRun() != 2 {
		t.Errorf("ignored %v", s.Ignored)
	}
	if _, err := s.MayPublish(1, "x"); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheHolderMayAct(t *testing.T) {
	s := fold(started(1), claimed(1, "x"), started(2))
	var superseded *fault.Superseded
	for _, c := range []struct {
		n         int
		execution string
	}{{1, "y"}, {1, ""}, {2, "x"}, {2, ""}, {3, "x"}} {
		if _, err := s.Own(c.n, c.execution); !errors.As(err, &superseded) {
			t.Errorf("run %d as %q: %v", c.n, c.execution, err)
		}
	}
	if _, err := s.MayPublish(1, "x"); !errors.As(err, &superseded) {
		t.Errorf("published without a seal: %v", err)
	}
	if _, err := fold(started(1), claimed(1, "x"), failed(1, "x", "E")).Own(1, "x"); !errors.As(err, &superseded) {
		t.Errorf("a failed run goes on: %v", err)
	}
}

func TestAnotherSealDropsThePartsOfTheOneBefore(t *testing.T) {
	s := fold(started(1), claimed(1, "x"), sealed(1, "x", revA), compacted(1, "x", revA, 0), sealed(1, "x", revB))
	if r := s.Run(1); len(r.Parts) != 0 || r.Revision != revB {
		t.Errorf("%+v", r)
	}
}

func TestWhoStartsOrEndsARunDoesNotChangeTheStatesHash(t *testing.T) {
	base := []*hour.Entry{started(1), claimed(1, "x")}
	want := ledger.StateHash(fold(base...))
	if got := ledger.StateHash(fold(append(base, ended(1, "x", "FAILED"), started(2))...)); got != want || want == "" {
		t.Errorf("hash %q became %q", want, got)
	}
	if got := ledger.StateHash(fold(append(base, failed(1, "x", "E"))...)); got == want {
		t.Error("a failure did not change the hash")
	}
	if got := ledger.StateHash(fold(started(1))); got != "" {
		t.Errorf("hash of an hour without work: %q", got)
	}
}

// Whatever stands in a ledger, folding it does not panic, is repeatable, and keeps the invariants of a state.
func FuzzFold(f *testing.F) {
	for _, entries := range [][]*hour.Entry{
		{started(1), claimed(1, "x"), sealed(1, "x", revA), compacted(1, "x", revA, 0), cluster(hour.EntryClusterRequested, 1, "x", 1),
			cluster(hour.EntryClusterEnded, 1, "x", 1), published(1, "x", revA)},
		{started(1), claimed(1, "x"), failed(1, "x", "E"), started(2), ended(2, "", "ABORTED")},
		{{ID: "a", Type: hour.EntryPublished, Run: -1}, {Type: "Strange", Run: 1}},
	} {
		b, err := json.Marshal(entries)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var entries []*hour.Entry
		if json.Unmarshal(b, &entries) != nil {
			return
		}
		for _, e := range entries {
			if e == nil {
				return
			}
		}
		s := fold(entries...)
		if again := fold(entries...); !reflect.DeepEqual(s, again) {
			t.Fatal("the same entries fold to another state")
		}
		if p := s.Published(); p != nil {
			r := s.Run(p.Run)
			if r == nil || r.Published == 0 || !r.Over() || ledger.Project(s).Revision != p.Revision {
				t.Fatalf("published by %+v", r)
			}
		}
		if h := s.Holder(); h != nil && (h.Over() || !h.Claimed || s.Run(h.N) != h) {
			t.Fatalf("held by %+v", h)
		}
		last := 0
		for _, r := range s.Runs {
			if r.N <= last {
				t.Fatal("runs are not in order")
			}
			last = r.N
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	e := started(1)
	e.Version, e.Hour, e.Number = hour.Version, hr, 1
	f.Add(hour.Encode(e))
	f.Add([]byte(`{"version":1,"hash":"x"}`))
	m := ledger.Project(fold(started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA)))
	f.Add(hour.Encode(m))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := keys.DecodeEntry(keys.LedgerKey(hr, 1), b); err == nil && (e.Hour != hr || e.Number != 1) {
			t.Errorf("entry %+v", e)
		}
		if m, err := keys.DecodeManifest(keys.ManifestKey(hr), b); err == nil && m.Hour != hr {
			t.Errorf("manifest %+v", m)
		}
	})
}

func TestTheManifestSaysHowManyRunsWereOpen(t *testing.T) {
	s := fold(started(1), started(2), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA), ended(2, "", "FAILED"))
	if m := ledger.Project(s); m.OpenRuns != 1 || m.Ledger != 5 {
		t.Errorf("%d open runs at entry %d, want 1 at 5", m.OpenRuns, m.Ledger)
	}
}
