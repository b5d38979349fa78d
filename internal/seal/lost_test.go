package seal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// lostRanges says a seal's lost ranges as places in the stream, from 1: "2-3 5-5".
func (w *world) lostRanges(s *hour.Seal) string {
	place := map[hour.Sequence]int{}
	for i, r := range w.recordsFrom(stream.Start{Type: stream.TrimHorizon}) {
		place[must(hour.ParseSequence(r.Sequence))] = i + 1
	}
	var list []string
	for _, l := range s.Lost {
		list = append(list, fmt.Sprintf("%d-%d", place[l.First], place[l.Last]))
		if _, _, err := w.failure.Get(ctx, l.Key, 1<<20); err != nil || l.Shard != shard0 {
			w.t.Errorf("lost range %+v: %v", l, err)
		}
	}
	return strings.Join(list, " ")
}

func TestWhatTheMappingGaveUpIsLostUntilItIsArchived(t *testing.T) {
	w := newWorld(t)
	w.at(0).put("1", "2", "3", "4", "5", "6")
	w.at(time.Hour + margin).put("7")
	all := w.recordsFrom(stream.Start{Type: stream.TrimHorizon})
	w.take(shard0, 1)
	w.giveUp(shard0, 2)
	w.take(shard0, 1)
	w.at(time.Hour+2*margin).giveUp(shard0, 1)
	w.takeAll()
	in, s := w.at(afterHour).seal(hr, hour.Options{})
	if got := w.lostRanges(s); got != "2-3 5-5" || s.Events != 3 {
		t.Fatalf("lost %s, %d events", got, s.Events)
	}
	w.publish(in)

	w.replay(shard0, all[2:3])
	in, next := w.seal(hr, hour.Options{})
	if got := w.lostRanges(next); got != "2-2 5-5" || next.Events != 4 || next.Previous != s.Revision {
		t.Fatalf("lost %s, %d events, after %s", got, next.Events, next.Previous)
	}
	w.publish(in)
	w.replay(shard0, all[1:3])
	w.replay(shard0, all[4:5])
	if _, last := w.seal(hr, hour.Options{}); last.Lost != nil || last.Events != 6 {
		t.Errorf("lost %s, %d events", w.lostRanges(last), last.Events)
	}
}

func TestNobodyWaitsForWhatTheMappingGaveUp(t *testing.T) {
	for _, full := range []bool{false, true} { // read from the last archived record, and read through
		w := newWorld(t)
		if full {
			w.mapping.Filtered = true
		}
		w.at(0).put("1", "2", "3", "4")
		w.take(shard0, 1)
		w.giveUp(shard0, 2) // the shard has nothing after the hour that would say so
		in := w.at(afterHour).claim(hr, hour.Options{})
		if got := w.waiting(in); got != shard0+": 1 records behind" {
			t.Errorf("waiting %q", got)
		}
		w.takeAll()
		s := w.sealAs(in)
		if got := w.lostRanges(s); got != "2-3" || s.Events != 2 || proofs(s) != map[bool]string{true: "full :tip", false: "tail :tip"}[full] {
			t.Errorf("lost %s, %d events, %s", got, s.Events, proofs(s))
		}
	}
}

func TestFailureObjectsOfOtherHoursLoseNothingOfThisOne(t *testing.T) {
	w := newWorld(t)
	w.at(-2*time.Hour).put("1", "2")
	w.giveUp(shard0, 2) // written before the hour begins
	w.put("3")
	w.at(30*time.Minute).giveUp(shard0, 1)
	w.at(40 * time.Minute).put("1")
	w.at(time.Hour).put("2")
	w.at(time.Hour+margin).giveUp(shard0, 2) // over the hour's end
	reads := 0
	w.h.Failure = watched{Store: w.failure, get: func(string) { reads++ }}
	_, s := w.at(afterHour).seal(hr, hour.Options{})
	if got := w.lostRanges(s); got != "4-4" {
		t.Errorf("lost %q", got)
	}
	if reads > 4 { // two objects, for the proof and for the seal
		t.Errorf("%d objects were read", reads)
	}
}

func TestAFailureObjectThatCannotBeReadIsAnError(t *testing.T) {
	good := delivery(shard0, []stream.Record{{Sequence: "17", Arrival: hr.Start()}})
	for name, doc := range map[string]string{
		"no JSON":              "aws",
		"no payload":           `{"version":"1.0"}`,
		"no event":             `{"payload":"{"}`,
		"no shard":             quoted(strings.Replace(string(good), shard0, "", 1)),
		"a foreign shard":      quoted(strings.Replace(string(good), shard0, "../x", 1)),
		"no sequence number":   quoted(strings.Replace(string(good), `"sequenceNumber":"17"`, `"sequenceNumber":""`, 1)),
		"a number as sequence": quoted(strings.Replace(string(good), `"sequenceNumber":"17"`, `"sequenceNumber":17`, 1)),
		"too large an object":  quoted(string(good)) + strings.Repeat(" ", 32<<20),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.at(time.Minute)
			must(w.failure.Create(ctx, hour.FailurePrefix+"m/s/x", []byte(doc)))
			_, err := w.h.Handle(ctx, w.at(afterHour).claim(hr, hour.Options{}))
			is[*fault.Corrupt](t, err)
		})
	}
	w := newWorld(t)
	w.at(time.Minute)
	must(w.failure.Create(ctx, hour.FailurePrefix+"m/s/x", []byte(quoted(string(good)))))
	if _, s := w.at(afterHour).seal(hr, hour.Options{}); len(s.Lost) != 1 || s.Lost[0].First != "17" {
		t.Errorf("lost %+v", s.Lost)
	}
}

func quoted(payload string) string {
	return string(must(json.Marshal(map[string]string{"payload": payload})))
}

// watched is a store that tells of its reads.
type watched struct {
	store.Store
	list, get func(key string)
}

func (s watched) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	if s.list != nil {
		s.list(prefix)
	}
	return s.Store.List(ctx, prefix)
}

func (s watched) Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error) {
	if s.get != nil {
		s.get(key)
	}
	return s.Store.Get(ctx, key, max)
}

// reads tells of every read of the handler, before it is done.
func (w *world) reads(tell func(what string)) {
	on := func(name string) func(string) { return func(string) { tell(name) } }
	w.h.Archive = watched{w.archive, on("list archive"), on("get archive")}
	w.h.Failure = watched{w.failure, on("list failure"), on("get failure")}
	w.h.Stream = watchedStream{w.stream, tell}
}

type watchedStream struct {
	*stream.Model
	tell func(string)
}

func (s watchedStream) Shards(ctx context.Context, from time.Time) ([]stream.Shard, error) {
	s.tell("list shards")
	return s.Model.Shards(ctx, from)
}

func (s watchedStream) Records(ctx context.Context, iterator string, limit int) (stream.Page, error) {
	s.tell("read stream")
	return s.Model.Records(ctx, iterator, limit)
}

// TestWhatArrivesBetweenTwoReadsIsLateDataNeverAHole lets something happen before each read of a sealing, in turn, and
// then seals for late data: the first seal holds what came before the proof, or says that it is lost; the last, after a
// replay of what was given up, holds all.
func TestWhatArrivesBetweenTwoReadsIsLateDataNeverAHole(t *testing.T) {
	events := map[string]func(w *world){
		"a record arrives": func(w *world) { w.put("99") },
		"a record arrives and is archived": func(w *world) {
			w.put("99")
			w.takeAll()
		},
		"the archive catches up": func(w *world) { w.takeAll() },
		"the archive catches up in two batches": func(w *world) {
			if len(w.records(shard0, 9)) > 1 {
				w.take(shard0, 1)
			}
			w.takeAll()
		},
		"the mapping gives up what is left": func(w *world) { w.giveUpAll() },
		"a record arrives and is given up":  func(w *world) { w.put("99"); w.giveUpAll() },
		"all is delivered again, re-cut": func(w *world) {
			all := w.recordsFrom(stream.Start{Type: stream.TrimHorizon})
			for i := 0; i+2 <= len(all) && w.read[shard0] >= all[i+1].Sequence; i++ {
				w.deliver(shard0, all[i:i+2])
			}
		},
		"the shard is split": func(w *world) {
			if len(must(w.stream.Shards(ctx, time.Time{}))) == 1 {
				w.split()
			}
		},
	}
	for name, event := range events {
		t.Run(name, func(t *testing.T) {
			behind := 0
			if strings.HasPrefix(name, "the archive") || strings.HasPrefix(name, "the mapping") {
				behind = 2
			}
			steps := 1
			for step := 0; step < steps; step++ {
				w := newWorld(t)
				w.at(time.Minute).put("1", "2", "3", "4")
				w.take(shard0, 1)
				w.take(shard0, 3-behind)
				w.at(afterHour)
				n, log := 0, []string(nil)
				w.reads(func(what string) {
					log = append(log, what)
					if n++; n-1 == step {
						// The clock of the shard's server is behind ours, so that what arrives belongs to the hour still.
						w.at(time.Hour - time.Millisecond)
						event(w)
						w.at(afterHour)
					}
				})
				in := w.claim(hr, hour.Options{})
				first, err := w.h.Handle(ctx, in)
				if err != nil {
					t.Fatalf("%d behind, step %d of %q: %v", behind, step, log, err)
				}
				steps = max(steps, n)
				if first.Complete {
					w.whole(first.Revision, log)
					w.publish(in)
					in = w.claim(hr, hour.Options{})
				}
				w.reads(func(string) {})
				w.takeAll()
				w.sealAs(in)
				s := w.sealAs(in) // a retry says the same
				w.whole(s.Revision, log)
				if s.Revision != first.Revision {
					w.publish(in)
				}
				w.replayAll()
				_, s = w.seal(hr, hour.Options{})
				if n := len(w.recordsOfHour()); s.Events != n || s.Lost != nil {
					t.Fatalf("%d behind, step %d of %q: %d events of %d, lost %v", behind, step, log, s.Events, n, s.Lost)
				}
			}
			if steps < 8 {
				t.Fatalf("only %d reads", steps)
			}
		})
	}
}

// replayAll archives what the failure destination holds, as penstock replay does.
func (w *world) replayAll() {
	for o, err := range w.failure.List(ctx, hour.FailurePrefix) {
		if err != nil {
			w.t.Fatal(err)
		}
		var doc struct{ Payload string }
		if err := json.Unmarshal(get(w.t, w.failure, o.Key, ""), &doc); err != nil {
			w.t.Fatal(err)
		}
		w.invoke(hour.WriterReplay, []byte(doc.Payload))
	}
}

func (w *world) giveUpAll() {
	if n := len(w.records(shard0, 99)); n > 0 {
		w.giveUp(shard0, n)
	}
}

func (w *world) recordsOfHour() (list []string) {
	for _, s := range must(w.stream.Shards(ctx, time.Time{})) {
		it := must(w.stream.Iterator(ctx, s.ID, stream.Start{Type: stream.TrimHorizon}))
		for _, r := range must(w.stream.Records(ctx, it, 999)).Records {
			if hr.Contains(r.Arrival) {
				list = append(list, string(r.Data)+"\n")
			}
		}
	}
	return list
}

// whole checks that a seal holds, or says is lost, every record that was in the stream when it was proven: of those
// that may be missing, none stands before one that is held.
func (w *world) whole(revision string, log []string) {
	w.t.Helper()
	s := w.standing(hr, revision)
	got := lines(w.t, w.archive, s, false)
	if len(got)+w.lostRecords(s) < 4 {
		w.t.Fatalf("after %q the seal holds %q", log, got)
	}
	all := w.recordsOfHour()
	for _, g := range got {
		if i := slices.Index(all, g); i < 0 {
			w.t.Fatalf("after %q the seal holds %q, which nobody sent or which is there twice", log, g)
		} else {
			all = slices.Delete(all, i, i+1)
		}
	}
	if len(all)-w.lostRecords(s) > 1 {
		w.t.Fatalf("after %q the seal lacks %q", log, all)
	}
}

// lostRecords counts the records of one shard in a seal's lost ranges.
func (w *world) lostRecords(s *hour.Seal) (n int) {
	for _, l := range s.Lost {
		for _, r := range w.recordsFrom(stream.Start{Type: stream.TrimHorizon}) {
			q := must(hour.ParseSequence(r.Sequence))
			if q.Compare(l.First) >= 0 && q.Compare(l.Last) <= 0 {
				n++
			}
		}
	}
	return n
}
