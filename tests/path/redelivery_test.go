package path

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/archive"
	"penstock/internal/bzip2"
	"penstock/internal/clock"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/store/storefault"
	"penstock/internal/stream"
)

// content is what readers get of each hour: the parts decoded, one after the other, and the rejects.
func (w *world) content(t *testing.T) map[hour.Hour]string {
	t.Helper()
	all := map[hour.Hour]string{}
	for _, key := range keysOf(t, w.hours, "") {
		h, ok := w.keys.ParseManifestKey(key)
		if !ok {
			continue
		}
		m, err := w.keys.DecodeManifest(key, get(t, w.hours, key))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, part := range m.Parts {
			b.WriteString(unzip(t, part.Key, get(t, w.hours, part.Key)))
		}
		if m.Rejects != nil {
			b.WriteString(unzip(t, m.Rejects.Key, get(t, w.hours, m.Rejects.Key)))
		}
		all[h] = b.String()
	}
	return all
}

// redeliver delivers pieces of batches before and after the batches themselves.
func redeliver(seed uint64, chance float64) func(string, int) local.Disturbance {
	random := rand.New(rand.NewPCG(seed, 0xd1))
	return func(_ string, records int) local.Disturbance {
		cuts := func() (all [][2]int) {
			for random.Float64() < chance {
				from := random.IntN(records)
				all = append(all, [2]int{from, from + 1 + random.IntN(records-from)})
			}
			return all
		}
		return local.Disturbance{Before: cuts(), After: cuts()}
	}
}

func (w *world) publishedOnce(t *testing.T) {
	t.Helper()
	for h := range w.truths(t) {
		if n := w.publications(t, h); n != 1 {
			t.Errorf("hour %s was published %d times: %s", h, n, w.story(t, h))
		}
	}
}

func same(t *testing.T, got, want map[hour.Hour]string) {
	t.Helper()
	for h := range want {
		if got[h] != want[h] {
			t.Errorf("hour %s has other bytes", h)
		}
	}
}

func TestBatchesDeliveredTwiceAndCutOtherwiseLeaveTheHourAsItIs(t *testing.T) {
	for i := range rounds(t, 2) {
		seed := uint64(100 + i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			r := recipe{seed: seed, format: []string{"json", "text"}[i%2], hours: 2, puts: 80, burst: 5}
			quiet := newWorld(t, r)
			if _, err := quiet.live(weather{}); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, r)
			p, err := w.live(weather{disturb: redeliver(seed, 0.5)})
			if err != nil {
				t.Fatal(err)
			}
			w.check(t, p)
			w.publishedOnce(t)
			same(t, w.content(t), quiet.content(t))
			if n, q := len(keysOf(t, w.archive, "")), len(keysOf(t, quiet.archive, "")); n <= q {
				t.Errorf("%d archive objects, %d without redeliveries: nothing was redelivered", n, q)
			}
		})
	}
}

func TestAnEncoderThatChangesBetweenTriesLeavesTheHourAsItIs(t *testing.T) {
	for i := range rounds(t, 2) {
		seed := uint64(200 + i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			r := little(seed)
			quiet := newWorld(t, r)
			inArchive := 0
			if _, err := quiet.live(weather{store: func(op storefault.Op) storefault.Outcome {
				if op.Seam == "archive" && op.Write {
					inArchive++
				}
				return storefault.Outcome{}
			}}); err != nil {
				t.Fatal(err)
			}
			codecs := []bzip2.Codec{bzip2.CodecOwn, bzip2.CodecDsnet}
			w := newWorld(t, r)
			random := rand.New(rand.NewPCG(seed, 1))
			lives := 0
			for done := false; !done; lives++ { // each release dies after a few writes to the archive, the next encodes otherwise
				at := storefault.OnNth(1+random.IntN(max(inArchive/3, 1)), func(op storefault.Op) bool { return op.Seam == "archive" && op.Write },
					storefault.Outcome{DieAfter: true})
				wx := weather{store: at, codec: codecs[(lives+i)%2], disturb: redeliver(seed+uint64(lives), 0.4)}
				if lives == 6 {
					wx.store = nil
				}
				p, err := w.live(wx)
				if done = err == nil; done {
					w.check(t, p)
				} else if !died(err) {
					t.Fatal(err)
				}
			}
			if lives < 3 {
				t.Errorf("only %d processes", lives)
			}
			w.publishedOnce(t)
			if a, b := w.truths(t), quiet.truths(t); len(a) != len(b) || w.recordsOf(a) != quiet.recordsOf(b) {
				t.Skip("a death let the producer send again: the streams differ")
			}
			same(t, w.content(t), quiet.content(t))
		})
	}
}

func (w *world) recordsOf(all map[hour.Hour]*truth) (n int) {
	for _, x := range all {
		n += x.records
	}
	return n
}

// rewind makes the mapping begin again: what a new event source mapping with TRIM_HORIZON would do.
func (w *world) rewind(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	shards, err := w.model.Shards(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		if err := w.model.SetCheckpoint(ctx, "archive", s.ID, s.First); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHarmlessRedeliveryAfterPublicationStartsNoRun(t *testing.T) {
	w := newWorld(t, recipe{seed: 41, format: "json", hours: 2, puts: 120, burst: 5})
	if _, err := w.live(weather{}); err != nil {
		t.Fatal(err)
	}
	before, objects := snapshot(t, w), len(keysOf(t, w.archive, ""))
	w.rewind(t)
	p, err := w.pipeline(weather{codec: bzip2.CodecDsnet, disturb: redeliver(41, 0.6)})
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, func(c clock.Clock) {
		if err := p.Start(context.Background()); err != nil {
			t.Error(err)
		}
		clock.Sleep(c, 12*time.Hour)
	})
	w.check(t, p)
	w.publishedOnce(t)
	if n := len(keysOf(t, w.archive, "")); n <= objects {
		t.Errorf("%d archive objects, %d before: nothing was redelivered", n, objects)
	}
	if after := snapshot(t, w); !maps.Equal(before, after) {
		t.Errorf("the hours were written to: %d keys before, %d after", len(before), len(after))
	}
}

// snapshot are the hashes of all that stands of the hours in which anything arrived.
func snapshot(t *testing.T, w *world) map[string]string {
	t.Helper()
	all := map[string]string{}
	for h := range w.truths(t) {
		for _, prefix := range []string{w.keys.HourPrefix(h), w.keys.DataPrefix(h)} {
			for _, key := range keysOf(t, w.hours, prefix) {
				all[key] = sum(get(t, w.hours, key))
			}
		}
	}
	return all
}

func TestLateDataStartsExactlyOneRunAfterTheQuietTime(t *testing.T) {
	w := newWorld(t, recipe{seed: 42, format: "json", hours: 2, puts: 120, burst: 5})
	if _, err := w.live(weather{}); err != nil {
		t.Fatal(err)
	}
	w.publishedOnce(t)
	first := hour.Of(dayBegin)
	// Records of the first hour that lie behind all that is archived of it: a hole that somebody mends by hand.
	handler, err := archive.New(archive.Config{Store: w.archive, Keys: w.keys, Now: w.clock.Now, Writer: hour.WriterReplay})
	if err != nil {
		t.Fatal(err)
	}
	late := func(i int) {
		data := fmt.Sprintf(`{"id":"late %d","status":200,"method":"GET","bytes":%d}`, i, i)
		p := one(data)
		w.puts = append(w.puts, p)
		r := stream.Record{Sequence: fmt.Sprint(1000 + i), PartitionKey: "late", Arrival: first.End().Add(-time.Duration(10-i) * time.Second), Data: []byte(data)}
		w.late = append(w.late, r)
		if _, err := handler.Invoke(context.Background(), lambdaEvent("shardId-000000000077", r)); err != nil {
			t.Error(err)
		}
	}
	p, err := w.pipeline(weather{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.EMR.Close()
	w.run(t, func(c clock.Clock) {
		if err := p.Start(context.Background()); err != nil {
			t.Error(err)
		}
		clock.SleepUntil(c, hour.Of(c.Now()).Add(2).Start())
		late(1) // on the hour
		clock.Sleep(c, 12*time.Minute)
		if n := w.count(t, first, hour.EntryStarted); n != 1 {
			t.Errorf("%d runs before it was quiet: %s", n, w.story(t, first))
		}
		clock.Sleep(c, 38*time.Minute)
		late(2)
		clock.Sleep(c, 35*time.Minute) // the tick of the next hour found news of 20 minutes ago
		if n := w.count(t, first, hour.EntryStarted); n != 1 {
			t.Errorf("%d runs before it was quiet: %s", n, w.story(t, first))
		}
		clock.Sleep(c, 20*time.Hour)
	})
	w.check(t, p)
	if n, runs := w.publications(t, first), w.count(t, first, hour.EntryStarted); n != 2 || runs != 2 {
		t.Errorf("%d publications in %d runs, want 2 in 2: %s", n, runs, w.story(t, first))
	}
	if !strings.Contains(w.story(t, first), "Started(2) late") {
		t.Error(w.story(t, first))
	}
	if n := w.publications(t, first.Add(1)); n != 1 {
		t.Errorf("the other hour was published %d times", n)
	}
	if keys := keysOf(t, w.hours, w.keys.DataPrefix(first)); len(keys) < 2 || !slices.IsSorted(keys) {
		t.Errorf("parts of %d revisions", len(keys))
	}
}

// lambdaEvent is the event that Lambda sends for one record.
func lambdaEvent(shard string, r stream.Record) []byte {
	return fmt.Appendf(nil, `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":%q,"sequenceNumber":%q,"data":%q,"approximateArrivalTimestamp":%.3f},`+
		`"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"%s:%s","eventName":"aws:kinesis:record","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:123456789012:stream/penstock"}]}`,
		r.PartitionKey, r.Sequence, base64.StdEncoding.EncodeToString(r.Data), float64(r.Arrival.UnixMilli())/1000, shard, r.Sequence)
}
