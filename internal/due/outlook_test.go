package due_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/due"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

func TestTheOutlookSaysWhatTheScheduleDoesNext(t *testing.T) {
	h := must(hour.Parse("2026-11-23T07"))
	over := h.End().Add(10 * time.Minute)
	started := hour.Entry{Type: hour.EntryStarted, ID: "s1", Run: 1, By: ledger.BySchedule, At: hour.At(over)}
	claimed := hour.Entry{Type: hour.EntryClaimed, ID: "c1", Run: 1, Execution: "x", At: hour.At(over)}
	failed := func(name string) hour.Entry {
		return hour.Entry{Type: hour.EntryFailed, ID: "f1", Run: 1, Execution: "x", Error: name, At: hour.At(over)}
	}
	ref := hour.Ref{Key: "k", SHA256: "s"}
	published := []hour.Entry{started, claimed,
		{Type: hour.EntrySealed, ID: "e1", Run: 1, Execution: "x", Revision: "r", Seal: &ref},
		{Type: hour.EntryPublished, ID: "p1", Run: 1, Execution: "x", Revision: "r", Publish: &hour.Publication{Seal: ref}, At: hour.At(over)}}
	for _, test := range []struct {
		name     string
		entries  []hour.Entry
		late     int
		after    time.Duration // of over
		want     string        // part of Next; "" for none
		attempts int
		at       time.Duration // after over; 0: unknown
	}{
		{"an hour that is not over", nil, 0, -time.Hour, "not over", 0, -9 * time.Minute},
		{"an hour without a run", nil, 0, 0, "starts a run with its next tick: no run has worked on it", 0, 0},
		{"a run at work", []hour.Entry{started, claimed}, 0, 0, "", 0, 0},
		{"a step that failed", []hour.Entry{started, claimed, failed("StepFailed")}, 0, 0, "a person has to act: StepFailed", 0, 0},
		{"a cluster that failed, at once", []hour.Entry{started, claimed, failed("ClusterFailed")}, 0, time.Minute, "the next one is due at 2026-11-23T08:25:00Z", 1, 15 * time.Minute},
		{"a cluster that failed, later", []hour.Entry{started, claimed, failed("ClusterFailed")}, 0, 16 * time.Minute, "with its next tick: run 1 failed: ClusterFailed", 1, 0},
		{"published and quiet", published, 0, time.Hour, "", 0, 0},
		{"late data, not quiet yet", published, 2, 10 * time.Minute, "not quiet before", 0, 0},
		{"late data", published, 2, 2 * time.Hour, "with its next tick: 2 batches came", 0, 0},
		{"a failure of long ago", []hour.Entry{started, claimed, failed("ClusterFailed")}, 0, 8 * 24 * time.Hour, "a person has to start", 1, 0},
		{"a publication of long ago", published, 0, 8 * 24 * time.Hour, "", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			hashes := make([]string, len(test.entries))
			for i := range test.entries {
				test.entries[i].Number = i + 1
			}
			s := ledger.Fold(h, test.entries, hashes)
			if len(s.Ignored) > 0 {
				t.Fatalf("entries %v are ignored", s.Ignored)
			}
			o := due.Look(s, test.late, over, over.Add(test.after), due.DefaultRules())
			if (test.want == "") != (o.Next == "") || !strings.Contains(o.Next, test.want) {
				t.Errorf("next is %q, want %q", o.Next, test.want)
			}
			if o.Attempts != test.attempts {
				t.Errorf("%d attempts, want %d", o.Attempts, test.attempts)
			}
			if want := over.Add(test.at); (test.at == 0) != o.At.IsZero() || test.at != 0 && !o.At.Equal(want) {
				t.Errorf("at %v, want %v", o.At, want)
			}
		})
	}
}
