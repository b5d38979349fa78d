package path

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"testing"
	"time"

	"penstock/internal/bzip2"
	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
	"penstock/internal/stream"
	"penstock/internal/stream/streamfault"
	"penstock/playbooks"
)

// dayBegin is when the inputs begin.
var dayBegin = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

// rounds is how often a seeded test runs: a few times, or as PENSTOCK_ROUNDS says.
func rounds(t *testing.T, few int) int {
	t.Helper()
	if s := os.Getenv("PENSTOCK_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("PENSTOCK_ROUNDS=%q is not a number of rounds", s)
		}
		return n
	}
	if testing.Short() {
		return 1
	}
	return few
}

// everything says whether rounds were asked for: then nothing is left out that the quick run covers by what is like it.
func everything() bool { return os.Getenv("PENSTOCK_ROUNDS") != "" }

// world is what outlives a process: the clock, the stream, the buckets and the producer's input.
type world struct {
	recipe  recipe
	clock   *clock.Virtual
	model   *stream.Model
	archive *store.Memory
	hours   *store.Memory
	failed  *store.Memory
	keys    hour.Keys
	book    *playbook.Playbook
	puts    []put
	late    []stream.Record // archived besides what the stream holds
	sent    int             // of the puts, known to be in the stream
	arrived []hour.Hour

	process *storefault.Process // the last one
}

// weather is what one process lives through.
type weather struct {
	store     storefault.Schedule
	stream    streamfault.Schedule
	disturb   func(shard string, records int) local.Disturbance
	functions local.FunctionFault
	emr       emr.Faults
	codec     bzip2.Codec
	procs     int
	partSize  int64
	reshard   []reshard
	during    func(p *local.Pipeline) // a task of its own beside everything else
}

// reshard is a split of a shard, or a merge of two.
type reshard struct {
	after time.Duration
	merge bool
}

func newWorld(t *testing.T, r recipe) *world {
	t.Helper()
	if r.begin.IsZero() {
		r.begin = dayBegin
	}
	w := &world{recipe: r, clock: clock.NewVirtual(r.begin), puts: cook(r)}
	w.clock.SetHorizon(r.begin.Add(6 * 24 * time.Hour))
	w.archive, w.hours, w.failed = store.NewMemory(w.clock.Now), store.NewMemory(w.clock.Now), store.NewMemory(w.clock.Now)
	var err error
	if w.model, err = stream.NewMemory(stream.Options{Now: w.clock.Now, Shards: 2, Seed: r.seed, Jitter: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if w.keys, err = hour.NewKeys("player_events"); err != nil {
		t.Fatal(err)
	}
	text := playbooks.Web
	if r.format == "text" {
		text = playbooks.Text
	}
	if w.book, err = playbook.Parse(text); err != nil {
		t.Fatal(err)
	}
	return w
}

// river is the stream as one process sees it: faults of the service, and checkpoints that count as the process' writes.
type river struct {
	*streamfault.Faulty
	model   *stream.Model
	process *storefault.Process
}

func (r *river) PutRecords(ctx context.Context, entries []stream.Entry) (puts []stream.Put, err error) {
	err = r.process.Do(ctx, storefault.Op{Seam: "producer", Action: "PutRecords", Write: true}, func() error {
		puts, err = r.Faulty.PutRecords(ctx, entries)
		return err
	})
	return puts, err
}

func (r *river) SetCheckpoint(ctx context.Context, consumer, shard, sequence string) error {
	return r.process.Do(ctx, storefault.Op{Seam: "mapping", Action: "SetCheckpoint", Key: shard, Write: true}, func() error {
		return r.model.SetCheckpoint(ctx, consumer, shard, sequence)
	})
}

func (r *river) Checkpoints(ctx context.Context) (stream.Checkpoints, error) {
	return r.model.Checkpoints(ctx)
}

// pipeline starts a process: a new pipeline over what outlived the last one.
func (w *world) pipeline(wx weather) (*local.Pipeline, error) {
	w.process = storefault.NewProcess(wx.store, func(_ context.Context, d time.Duration) error {
		clock.Sleep(w.clock, d)
		return nil
	})
	if wx.stream == nil {
		wx.stream = func(streamfault.Call) streamfault.Outcome { return streamfault.Outcome{} }
	}
	return local.New(local.Config{
		Clock: w.clock, Seed: w.recipe.seed, Keys: w.keys, Playbook: w.book, Format: w.recipe.format, Exec: hadoop.InProcess{},
		Archive: w.process.Wrap("archive", w.archive), Hours: w.process.Wrap("hours", w.hours), Failure: w.process.Wrap("failed", w.failed),
		Stream: &river{streamfault.New(w.model, w.model, wx.stream), w.model, w.process},
		Window: 10 * time.Minute, Disturb: wx.disturb, FunctionFault: wx.functions, EMRFaults: wx.emr, Codec: wx.codec,
		Procs: wx.procs, PartSize: wx.partSize,
	})
}

// live runs one process: it sends what is left of the input and works until every hour is settled. The error is a
// *clock.PanicError with a storefault.Death if the process died.
func (w *world) live(wx weather) (*local.Pipeline, error) {
	ctx := context.Background()
	p, err := w.pipeline(wx)
	if err != nil {
		return nil, err
	}
	defer p.EMR.Close()
	var failed error
	err = w.clock.Run(func() {
		failed = insist(w.clock, func() error { return p.Start(ctx) })
		if failed != nil {
			return
		}
		for _, r := range wx.reshard {
			w.clock.Go(func() { w.reshard(ctx, p, r) })
		}
		if wx.during != nil {
			w.clock.Go(func() { wx.during(p) })
		}
		feed := &local.Feed{Source: &replayed{puts: w.puts}, Skip: w.sent, Progress: func(sent int) { w.sent = sent },
			Hours: func(h hour.Hour) {
				if n := len(w.arrived); n == 0 || w.arrived[n-1] != h {
					w.arrived = append(w.arrived, h)
				}
			}}
		if failed = feed.Run(ctx, p); failed != nil {
			return
		}
		failed = insist(w.clock, func() error { return p.Close(ctx, w.arrived) })
		clock.Sleep(w.clock, time.Hour) // what is still up then is up for ever
	})
	return p, errors.Join(err, failed)
}

// insist tries again for a while: what begins and ends a process is not retried within it.
func insist(c clock.Clock, do func() error) (err error) {
	for range 50 {
		if err = do(); err == nil {
			return nil
		}
		clock.Sleep(c, time.Minute)
	}
	return err
}

// died says whether a process ended by a death that was asked for.
func died(err error) bool {
	var p *clock.PanicError
	if !errors.As(err, &p) {
		return false
	}
	_, ok := p.Value.(storefault.Death)
	return ok
}

func (w *world) reshard(ctx context.Context, p *local.Pipeline, r reshard) {
	clock.SleepUntil(w.clock, w.recipe.begin.Add(r.after))
	shards, err := w.model.Shards(ctx, time.Time{})
	if err != nil {
		panic(err)
	}
	var open []stream.Shard
	for _, s := range shards {
		if s.Last == "" {
			open = append(open, s)
		}
	}
	if r.merge {
		for _, a := range open[1:] {
			if w.model.Merge(ctx, open[0].ID, a.ID) == nil {
				break
			}
		}
	} else if err := w.model.Split(ctx, open[0].ID, middle(open[0])); err != nil {
		panic(err)
	}
	p.Resharded()
}

// rerun starts a run by hand and waits for its end. It is a task of the clock.
func (w *world) rerun(ctx context.Context, p *local.Pipeline, h hour.Hour) error {
	state, err := p.Ledger.Read(ctx, h)
	if err != nil {
		return err
	}
	n, _, err := p.Ledger.Start(ctx, h, ledger.Start{ID: fmt.Sprintf("test/%d", state.NextRun()), By: ledger.ByRerun, Reason: "by hand"})
	if err != nil {
		return err
	}
	x, err := p.Engine.StartExecution(ctx, local.HourMachine, hour.ExecutionName(h, n), fmt.Appendf(nil, `{"hour":%q,"n":%d}`, h, n))
	if err != nil {
		return err
	}
	x, err = p.Engine.Wait(-1, x.ARN)
	if err == nil && x.Error != "" {
		err = fmt.Errorf("%s: %s", x.Error, x.Cause)
	}
	return err
}

// ledger reads the ledgers as they are.
func (w *world) ledger() *ledger.Ledger {
	return &ledger.Ledger{Store: w.hours, Keys: w.keys, Now: w.clock.Now}
}

// digest is a hash of everything that stands in archive and hours.
func (w *world) digest(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	for _, s := range []store.Store{w.archive, w.hours} {
		for _, key := range keysOf(t, s, "") {
			b := get(t, s, key)
			fmt.Fprintf(h, "%s %d\n", key, len(b))
			h.Write(b)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// middle is the hash key that cuts a shard in two.
func middle(s stream.Shard) string {
	low, _ := new(big.Int).SetString(s.StartHash, 10)
	high, _ := new(big.Int).SetString(s.EndHash, 10)
	return low.Add(low, high).Rsh(low, 1).String()
}

func keysOf(t *testing.T, s store.Store, prefix string) (keys []string) {
	t.Helper()
	for o, err := range s.List(context.Background(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func get(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	r, err := s.GetRange(context.Background(), key, "", 0, -1)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return b
}
