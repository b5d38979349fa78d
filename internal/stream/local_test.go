package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
	"penstock/internal/stream/streamtest"
)

func openLocal(t *testing.T, path string, o stream.Options) *stream.Local {
	t.Helper()
	l, err := stream.OpenLocal(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func localSubject(t *testing.T, l *stream.Local, path string, clock *manual) streamtest.Subject {
	s := subject(l.Model, clock)
	s.Reopen = func() streamtest.Subject {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return localSubject(t, openLocal(t, path, stream.Options{Now: clock.Now, NoSync: true}), path, clock)
	}
	return s
}

func TestLocalKeepsTheContract(t *testing.T) {
	streamtest.Run(t, func(t *testing.T) streamtest.Subject {
		clock := newManual()
		path := filepath.Join(t.TempDir(), "stream", "events.db")
		return localSubject(t, openLocal(t, path, stream.Options{Now: clock.Now, Shards: 2, Seed: 7, NoSync: true}), path, clock)
	})
}

func TestLocalAndMemoryAnswerAlike(t *testing.T) {
	ctx := context.Background()
	clock, path := newManual(), filepath.Join(t.TempDir(), "s.db")
	o := stream.Options{Now: clock.Now, Shards: 3, Seed: 99, Jitter: time.Second, NoSync: true, Retention: 24 * time.Hour}
	local, memory := openLocal(t, path, o), openMemory(t, o)
	for i := range 6 {
		for _, m := range []*stream.Model{local.Model, memory} {
			if _, err := m.PutRecords(ctx, putEntries(i*20, 20)); err != nil {
				t.Fatal(err)
			}
			if i == 2 {
				if err := m.Merge(ctx, "shardId-000000000000", "shardId-000000000001"); err != nil {
					t.Fatal(err)
				}
			}
		}
		clock.Advance(5 * time.Hour)
	}
	for _, m := range []*stream.Model{local.Model, memory} {
		if err := m.SetCheckpoint(ctx, "archive", "shardId-000000000002", dump(t, m)[0].Sequence); err != nil {
			t.Fatal(err)
		}
	}
	a, err := local.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := memory.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if asJSON(t, a) != asJSON(t, b) {
		t.Errorf("local:\n%.2000s\nmemory:\n%.2000s", asJSON(t, a), asJSON(t, b))
	}
}

func TestLocalKeepsCheckpoints(t *testing.T) {
	ctx := context.Background()
	clock, path := newManual(), filepath.Join(t.TempDir(), "s.db")
	l := openLocal(t, path, stream.Options{Now: clock.Now})
	if _, err := l.PutRecords(ctx, putEntries(0, 3)); err != nil {
		t.Fatal(err)
	}
	sequence := dump(t, l.Model)[1].Sequence
	if err := l.SetCheckpoint(ctx, "archive", "shardId-000000000000", sequence); err != nil {
		t.Fatal(err)
	}
	if err := l.SetCheckpoint(ctx, "archive", "shardId-000000000009", sequence); !errors.As(err, new(*fault.NotFound)) {
		t.Errorf("checkpoint in an unknown shard: %v", err)
	}
	l.Close()
	if _, err := l.PutRecords(ctx, putEntries(3, 1)); !errors.As(err, new(*fault.Unavailable)) {
		t.Errorf("put into a closed stream: %v", err)
	}
	l = openLocal(t, path, stream.Options{Now: clock.Now})
	checkpoints, err := l.Checkpoints(ctx)
	if err != nil || checkpoints["archive"]["shardId-000000000000"] != sequence {
		t.Errorf("checkpoints %v, %v", checkpoints, err)
	}
	if n, err := l.TrimConsumed(ctx, checkpoints, 0); n != 2 || err != nil {
		t.Errorf("trimmed %d, %v", n, err)
	}
	if got := dump(t, l.Model); len(got) != 1 || !l.Latest().Equal(clock.Now()) {
		t.Errorf("%d records left, latest %s", len(got), l.Latest())
	}
}

func TestLocalRefusesWhatIsNoStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.OpenLocal(path, stream.Options{Now: newManual().Now}); !errors.As(err, new(*fault.Corrupt)) || !strings.Contains(err.Error(), path) {
		t.Errorf("open: %v", err)
	}
	if _, err := stream.OpenLocal(path, stream.Options{}); !errors.As(err, new(*fault.BadInput)) {
		t.Errorf("open without a clock: %v", err)
	}
}

// TestLocalWriterProcess is the body of the process that the next test kills.
func TestLocalWriterProcess(t *testing.T) {
	path := os.Getenv("PENSTOCK_TEST_STREAM")
	if path == "" {
		t.Skip("runs in a child process of the test below")
	}
	l := openLocal(t, path, stream.Options{Now: time.Now, Shards: 2})
	from := 0
	fmt.Sscan(os.Getenv("PENSTOCK_TEST_FROM"), &from)
	for worker := range 3 { // several at once, so that calls share commits
		go func() {
			for i := from + worker*1000; ; i++ {
				puts, err := l.PutRecords(context.Background(), putEntries(i, 1))
				if err != nil {
					panic(err)
				}
				fmt.Printf("put %d %s %s\n", i, puts[0].Shard, puts[0].Sequence)
			}
		}()
	}
	time.Sleep(time.Minute) // it is killed long before
}

func TestLocalLosesNothingAcknowledgedWhenKilled(t *testing.T) {
	const seed = 3
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "s.db")
	acknowledged := map[string]string{} // record -> shard and sequence
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLocalWriterProcess$")
		cmd.Env = append(os.Environ(), "PENSTOCK_TEST_STREAM="+path, fmt.Sprintf("PENSTOCK_TEST_FROM=%d", round*10_000))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, stop, n := bufio.NewScanner(out), 5+rng.IntN(60), 0
		pause := time.Duration(rng.IntN(3000)) * time.Microsecond
		for lines.Scan() {
			var i int
			var shard, sequence string
			if _, err := fmt.Sscanf(lines.Text(), "put %d %s %s", &i, &shard, &sequence); err != nil || len(sequence) != 56 {
				continue // a line that the kill cut
			}
			acknowledged[fmt.Sprintf("event %d", i)] = shard + " " + sequence
			if n++; n == stop {
				time.Sleep(pause) // not right after an acknowledgement, but anywhere in a commit
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if n < stop {
			t.Fatalf("round %d: the writer ended after %d acknowledgements", round, n)
		}

		l := openLocal(t, path, stream.Options{Now: time.Now})
		found := map[string]string{}
		last := map[string]string{}
		for _, r := range dumpShards(t, l.Model) {
			if _, twice := found[string(r.Data)]; twice {
				t.Fatalf("round %d: %s is there twice", round, r.Data)
			}
			found[string(r.Data)] = r.shard + " " + r.Sequence
			if stream.CompareSequences(last[r.shard], r.Sequence) >= 0 {
				t.Fatalf("round %d: %s out of order", round, r.Data)
			}
			last[r.shard] = r.Sequence
		}
		for record, place := range acknowledged {
			if found[record] != place {
				t.Fatalf("round %d: %s was acknowledged at %s, is at %q", round, record, place, found[record])
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged records", len(acknowledged))
}

type shardRecord struct {
	shard string
	stream.Record
}

func dumpShards(t *testing.T, m *stream.Model) (list []shardRecord) {
	t.Helper()
	ctx := context.Background()
	shards, err := m.Shards(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		it, err := m.Iterator(ctx, shard.ID, stream.Start{Type: stream.TrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		for it != "" {
			page, err := m.Records(ctx, it, stream.MaxRead)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				list = append(list, shardRecord{shard.ID, r})
			}
			if it = page.Next; page.BehindTip == 0 {
				break
			}
		}
	}
	return list
}

// dump returns all records, shard by shard.
func dump(t *testing.T, m *stream.Model) (list []stream.Record) {
	t.Helper()
	for _, r := range dumpShards(t, m) {
		list = append(list, r.Record)
	}
	return slices.Clip(list)
}

func putEntries(from, n int) []stream.Entry {
	list := make([]stream.Entry, n)
	for i := range list {
		list[i] = stream.Entry{PartitionKey: fmt.Sprint("key-", from+i), Data: fmt.Appendf(nil, "event %d", from+i)}
	}
	return list
}
