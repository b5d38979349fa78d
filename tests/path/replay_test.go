package path

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"penstock/internal/asl"
	"penstock/internal/clock"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/replay"
	"penstock/internal/store/storefault"
	"penstock/internal/stream"
	"penstock/internal/verify"
	"penstock/playbooks"

	"penstock/internal/playbook"
)

// replay replays as a process of its own that schedule harms; died says that it did not come to its end.
func (w *world) replay(schedule storefault.Schedule, r *hour.Range) (report *replay.Report, died bool, err error) {
	process := storefault.NewProcess(schedule, nil)
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(storefault.Death); !ok {
				panic(v)
			}
			died = true
		}
	}()
	hours := process.Wrap("hours", w.hours)
	h, err := replay.New(replay.Config{Archive: process.Wrap("archive", w.archive), Failure: process.Wrap("failed", w.failed), Keys: w.keys,
		Ledger: &ledger.Ledger{Store: hours, Keys: w.keys, Now: w.clock.Now}, Format: w.recipe.format, Now: w.clock.Now, Retention: 7 * 24 * time.Hour})
	if err != nil {
		return nil, false, err
	}
	report, err = h.Handle(context.Background(), replay.Request{Range: r})
	return report, false, err
}

// rescue runs a process whose archive function fails until a day is over and the mapping has given batches up. Then act
// is called, with the pipeline at work. Days are counted from the recipe's begin.
func (w *world) rescue(t *testing.T, until time.Duration, wx weather, act func(ctx context.Context, p *local.Pipeline)) *local.Pipeline {
	t.Helper()
	ctx := context.Background()
	at := w.recipe.begin.Add(until)
	w.clock.SetHorizon(at.Add(2 * 24 * time.Hour))
	wx.functions = func(function string, _ int) (before, after error) {
		if function == "archive" && w.clock.Now().Before(at) {
			return &asl.Error{Name: "Lambda.Unknown", Cause: "AccessDenied"}, nil
		}
		return nil, nil
	}
	p, err := w.pipeline(wx)
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = w.clock.Run(func() {
		feed := &local.Feed{Source: &replayed{puts: w.puts}, Skip: w.sent, Progress: func(sent int) { w.sent = sent }, Hours: func(hour.Hour) {}}
		if failed = errors.Join(p.Start(ctx), feed.Run(ctx, p)); failed != nil {
			return
		}
		clock.SleepUntil(w.clock, at)
		act(ctx, p)
		clock.Sleep(w.clock, time.Hour)
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	p.EMR.Close()
	return p
}

// verify finds nothing wrong with what is published.
func (w *world) verify(t *testing.T, text bool) {
	t.Helper()
	v := &verify.Verifier{Archive: w.archive, Hours: w.hours, Keys: w.keys, Text: text, Now: w.clock.Now, ArchiveKeep: 9999 * time.Hour}
	for h := range w.truths(t) {
		r, err := v.Hour(context.Background(), h)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			t.Errorf("verify: %s %s: %s", f.Bucket, f.Key, f.Why)
		}
	}
}

// TestAnHourThatWasGivenUpIsCompleteAfterAReplay lets the archive function fail for more than six days, so that the
// mapping gives the first batches up. One replay after the other dies of its k-th write; the last one runs the hours.
func TestAnHourThatWasGivenUpIsCompleteAfterAReplay(t *testing.T) {
	for seed := range uint64(rounds(t, 2)) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, recipe{seed: seed, format: "json", hours: 2, puts: 60, burst: 10})
			given := 0
			p := w.rescue(t, 6*24*time.Hour+30*time.Minute, weather{}, func(ctx context.Context, p *local.Pipeline) {
				clock.Sleep(w.clock, 15*time.Minute) // the later batches are archived
				given = len(keysOf(t, w.failed, "aws/"))
				deaths := 0
				for k := 1; ; k++ {
					report, died, err := w.replay(storefault.DieAfterWrite(k), nil)
					if died {
						deaths++
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, of := range report.Run {
						if err := w.rerun(ctx, p, of); err != nil {
							t.Errorf("run %s: %v", of, err)
						}
					}
					break
				}
				if deaths < 3 {
					t.Errorf("only %d replays died", deaths)
				}
			})
			if given == 0 {
				t.Fatal("nothing was given up")
			}
			w.check(t, p)
			w.verify(t, false)
			replays := 0
			for _, key := range keysOf(t, w.archive, "") {
				if _, ok := w.keys.ParseIndexKey(key); ok && strings.Contains(string(get(t, w.archive, key)), `"writer":"replay"`) {
					replays++
				}
			}
			if replays == 0 || len(keysOf(t, w.failed, "aws/")) != given || len(keysOf(t, w.failed, "replayed/")) != given || len(keysOf(t, w.failed, "conflicts/")) > 0 {
				t.Errorf("%d batches of replay, in the failure bucket %v", replays, keysOf(t, w.failed, ""))
			}
			for h := range w.truths(t) {
				if n := w.publications(t, h); n != 1 {
					t.Errorf("hour %s was published %d times: %s", h, n, w.story(t, h))
				}
				if seal := w.sealOf(t, h); len(seal.Lost) > 0 {
					t.Errorf("hour %s has lost %v", h, seal.Lost)
				}
			}
			w.run(t, func(clock.Clock) {
				if r, _, err := w.replay(nil, nil); err != nil || len(r.Run) > 0 || len(r.Ranges) == 0 || r.Ranges[0].State != replay.StateStands {
					t.Errorf("another replay: %+v, %v", r, err)
				}
			})
		})
	}
}

func (w *world) sealOf(t *testing.T, h hour.Hour) *hour.Seal {
	t.Helper()
	m, err := w.keys.DecodeManifest(w.keys.ManifestKey(h), get(t, w.hours, w.keys.ManifestKey(h)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.keys.DecodeSeal(m.Seal.Key, get(t, w.hours, m.Seal.Key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReplayAndTheMappingMayArchiveTheSameRecordsAtTheSameTime forgets the mapping's checkpoints when it has given
// batches up, as a mapping that was made anew would: it delivers all again, in other cuts, while replays run.
func TestReplayAndTheMappingMayArchiveTheSameRecordsAtTheSameTime(t *testing.T) {
	for seed := range uint64(rounds(t, 2)) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			w := newWorld(t, recipe{seed: 100 + seed, format: "json", hours: 2, puts: 60, burst: 10})
			p := w.rescue(t, 6*24*time.Hour+30*time.Minute, weather{}, func(context.Context, *local.Pipeline) { clock.Sleep(w.clock, 10*time.Minute) })
			if len(keysOf(t, w.failed, "aws/")) == 0 {
				t.Fatal("nothing was given up")
			}
			p.EMR.Close()
			shards, err := w.model.Shards(ctx, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range shards {
				it, err := w.model.Iterator(ctx, s.ID, stream.Start{Type: stream.TrimHorizon})
				if err != nil {
					t.Fatal(err)
				}
				page, err := w.model.Records(ctx, it, 1)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.model.SetCheckpoint(ctx, "archive", s.ID, page.Records[0].Sequence); err != nil { // the second record is the next
					t.Fatal(err)
				}
			}
			random := draws(seed)
			begun := 0
			p = w.rescue(t, 6*24*time.Hour, weather{disturb: random, store: func(op storefault.Op) storefault.Outcome {
				// Between two writes of the archive function a replay takes its turn.
				if op.Seam == "archive" && op.Action == "Create" && begun < 3 && op.Again == 0 {
					begun++
					if _, _, err := w.replay(storefault.DieAfterWrite(5*begun), nil); err != nil {
						t.Error(err)
					}
				}
				return storefault.Outcome{}
			}}, func(ctx context.Context, p *local.Pipeline) {
				clock.Sleep(w.clock, 15*time.Minute)
				report, _, err := w.replay(nil, nil)
				if err != nil || len(report.Run) == 0 {
					t.Fatalf("%+v, %v", report, err)
				}
				for _, h := range report.Run {
					if err := w.rerun(ctx, p, h); err != nil {
						t.Errorf("run %s: %v", h, err)
					}
				}
			})
			if begun == 0 {
				t.Error("no replay ran beside the mapping")
			}
			w.check(t, p)
			w.verify(t, false)
		})
	}
}

// draws cuts deliveries at random.
func draws(seed uint64) func(string, int) local.Disturbance {
	return func(shard string, records int) local.Disturbance {
		if records < 3 {
			return local.Disturbance{}
		}
		at := 1 + int(seed+uint64(len(shard)))%(records-2)
		return local.Disturbance{Before: [][2]int{{0, at}}, After: [][2]int{{at - 1, records}}}
	}
}

// TestRepairedRejectsAreEventsOfTheNextRevision changes the format from JSON to lines of text: what was rejected and is a
// line becomes an event, in a revision that has everything else as it was.
func TestRepairedRejectsAreEventsOfTheNextRevision(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(rounds(t, 2)) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, recipe{seed: 200 + seed, format: "json", hours: 2, puts: 400, burst: 10, gap: 2})
			book, err := playbook.Parse(playbooks.Text)
			if err != nil {
				t.Fatal(err)
			}
			w.book = book
			if _, err := w.live(weather{disturb: draws(seed)}); err != nil {
				t.Fatal(err)
			}
			type outcome struct{ events, rejects map[string]int }
			read := func(h hour.Hour) outcome {
				m, err := w.keys.DecodeManifest(w.keys.ManifestKey(h), get(t, w.hours, w.keys.ManifestKey(h)))
				if err != nil {
					t.Fatal(err)
				}
				o := outcome{map[string]int{}, map[string]int{}}
				for _, part := range m.Parts {
					for line := range strings.Lines(unzip(t, part.Key, get(t, w.hours, part.Key))) {
						o.events[line]++
					}
				}
				if m.Rejects != nil {
					for line := range strings.Lines(unzip(t, m.Rejects.Key, get(t, w.hours, m.Rejects.Key))) {
						var r hour.Reject
						if err := json.Unmarshal([]byte(line), &r); err != nil {
							t.Fatal(err)
						}
						o.rejects[string(r.Payload)]++
					}
				}
				return o
			}
			want, rejects := map[hour.Hour]outcome{}, 0
			for h := range w.truths(t) {
				o := read(h)
				left := map[string]int{}
				for payload, n := range o.rejects {
					line, _ := strings.CutSuffix(payload, "\n")
					if len(line) < len(payload) {
						line, _ = strings.CutSuffix(line, "\r")
					}
					if line == "" || strings.ContainsAny(line, "\r\n") || strings.HasPrefix(payload, "\xf3\x89\x9a\xc2") {
						left[payload] = n
					} else {
						o.events[line+"\n"] += n
					}
					rejects += n
				}
				want[h] = outcome{o.events, left}
			}
			if rejects < 20 {
				t.Fatalf("only %d rejects", rejects)
			}
			w.recipe.format = "text"
			first := hour.Of(w.recipe.begin)
			all := &hour.Range{From: first, To: first.Add(3)}
			w.clock.SetHorizon(w.clock.Now().Add(24 * time.Hour))
			p, err := w.pipeline(weather{})
			if err != nil {
				t.Fatal(err)
			}
			w.run(t, func(clock.Clock) {
				var report *replay.Report
				for k, died := 1, true; died; k++ {
					if report, died, err = w.replay(storefault.DieAfterWrite(k), all); err != nil {
						t.Fatal(err)
					}
				}
				if len(report.Run) == 0 {
					t.Errorf("%+v", report)
				}
				for _, h := range report.Run {
					if err := w.rerun(ctx, p, h); err != nil {
						t.Errorf("run %s: %v", h, err)
					}
				}
				if report, _, err = w.replay(nil, all); err != nil || len(report.Run) > 0 {
					t.Errorf("another replay: %+v, %v", report, err)
				}
			})
			p.EMR.Close()
			for h, o := range want {
				got := read(h)
				if !maps.Equal(got.events, o.events) || !maps.Equal(got.rejects, o.rejects) {
					t.Errorf("hour %s has %d different events and %d rejects, want %d and %d", h, len(got.events), len(got.rejects), len(o.events), len(o.rejects))
				}
				if last, _ := w.checkLedger(t, h); last == nil {
					t.Errorf("hour %s is not published", h)
				}
			}
			w.verify(t, true)
		})
	}
}
