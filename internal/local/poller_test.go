package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/internal/stream/streamfault"
)

// bench is a mapping over one shard whose deliveries are noted.
type bench struct {
	clock     *clock.Virtual
	model     *stream.Model
	m         *mapping
	failed    *store.Memory
	delivered []delivery
	refuse    func() error
}

type delivery struct {
	at      time.Time
	records int
	bytes   int
}

type doubled struct {
	*streamfault.Faulty
	*checkpoints
}

type checkpoints struct{ model *stream.Model }

func (c *checkpoints) SetCheckpoint(ctx context.Context, consumer, shard, sequence string) error {
	return c.model.SetCheckpoint(ctx, consumer, shard, sequence)
}
func (c *checkpoints) Checkpoints(ctx context.Context) (stream.Checkpoints, error) {
	return c.model.Checkpoints(ctx)
}

var began = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func newBench(t *testing.T, schedule streamfault.Schedule) *bench {
	t.Helper()
	b := &bench{clock: clock.NewVirtual(began)}
	var err error
	if b.model, err = stream.NewMemory(stream.Options{Now: b.clock.Now}); err != nil {
		t.Fatal(err)
	}
	if schedule == nil {
		schedule = func(streamfault.Call) streamfault.Outcome { return streamfault.Outcome{} }
	}
	b.failed = store.NewMemory(b.clock.Now)
	b.m = &mapping{clock: b.clock, stream: doubled{streamfault.New(b.model, b.model, schedule), &checkpoints{b.model}}, consumer: consumer,
		failure: b.failed, window: time.Minute, batch: 100, refused: func(error) {}, shards: map[string]*poller{}, drained: map[string]bool{}}
	b.m.invoke = func(_ context.Context, payload []byte) error {
		if b.refuse != nil {
			if err := b.refuse(); err != nil {
				return err
			}
		}
		var event struct{ Records []json.RawMessage }
		if err := json.Unmarshal(payload, &event); err != nil {
			return err
		}
		b.delivered = append(b.delivered, delivery{b.clock.Now(), len(event.Records), len(payload)})
		return nil
	}
	return b
}

// put puts n records of size bytes.
func (b *bench) put(t *testing.T, n, size int) {
	ctx := context.Background()
	for i := range n {
		entries := []stream.Entry{{PartitionKey: fmt.Sprint(i), Data: make([]byte, size)}}
		puts, err := b.model.PutRecords(ctx, entries)
		if err != nil {
			t.Error(err)
		}
		b.m.announce(puts, entries)
	}
}

func (b *bench) run(t *testing.T, task func()) {
	t.Helper()
	if err := b.clock.Run(func() {
		if err := b.m.start(context.Background()); err != nil {
			t.Error(err)
		}
		clock.Sleep(b.clock, 2*time.Minute) // the first look
		task()
	}); err != nil {
		t.Fatal(err)
	}
}

func TestABatchIsCutByTheWindow(t *testing.T) {
	b := newBench(t, nil)
	b.run(t, func() {
		at := b.clock.Now()
		b.put(t, 30, 10)
		clock.Sleep(b.clock, 10*time.Minute)
		if len(b.delivered) != 1 || b.delivered[0].records != 30 || !b.delivered[0].at.Equal(at.Add(time.Minute)) {
			t.Errorf("%+v", b.delivered)
		}
	})
}

func TestABatchIsCutByItsCountBeforeTheWindow(t *testing.T) {
	b := newBench(t, nil)
	b.run(t, func() {
		at := b.clock.Now()
		b.put(t, 100, 10)
		clock.Sleep(b.clock, time.Second)
		if len(b.delivered) != 1 || b.delivered[0].records != 100 || !b.delivered[0].at.Equal(at) {
			t.Errorf("%+v", b.delivered)
		}
		b.put(t, 250, 10)
		clock.Sleep(b.clock, 10*time.Minute)
		total := 0
		for _, d := range b.delivered {
			total += d.records
			if d.records > 100 {
				t.Errorf("%d records at once", d.records)
			}
		}
		if total != 350 || !b.m.idle() {
			t.Errorf("%d records were delivered, idle: %v", total, b.m.idle())
		}
	})
}

func TestABatchIsCutByThePayload(t *testing.T) {
	b := newBench(t, nil)
	b.run(t, func() {
		b.put(t, 20, 900_000)
		clock.Sleep(b.clock, time.Hour)
		total := 0
		for _, d := range b.delivered {
			total += d.records
			if d.bytes > MaxPayload {
				t.Errorf("a payload of %d bytes", d.bytes)
			}
		}
		if total != 20 || len(b.delivered) < 4 {
			t.Errorf("%+v", b.delivered)
		}
	})
}

func TestAnEmptyPageIsNotTheEndOfAShard(t *testing.T) {
	b := newBench(t, func(c streamfault.Call) streamfault.Outcome {
		return streamfault.Outcome{Empty: c.Action == "Records" && c.Number%16 != 15}
	})
	b.run(t, func() {
		b.put(t, 30, 10)
		clock.Sleep(b.clock, time.Hour)
		if len(b.delivered) != 1 || b.delivered[0].records != 30 || !b.m.idle() {
			t.Errorf("%+v", b.delivered)
		}
	})
}

func TestABatchThatIsTooOldGoesToTheFailureDestination(t *testing.T) {
	b := newBench(t, nil)
	b.refuse = func() error { return errors.New("no") }
	b.run(t, func() {
		b.put(t, 3, 10)
		clock.Sleep(b.clock, ageLimit-time.Hour)
		kept := 0
		for range b.failed.List(context.Background(), "") {
			kept++
		}
		if kept != 0 {
			t.Error("given up too early")
		}
		clock.Sleep(b.clock, 2*time.Hour)
		b.refuse = nil
		var key string
		for o := range b.failed.List(context.Background(), "") {
			key = o.Key
		}
		doc, _, err := b.failed.Get(context.Background(), key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Payload          string
			KinesisBatchInfo struct{ BatchSize int }
		}
		if err := json.Unmarshal(doc, &f); err != nil || f.KinesisBatchInfo.BatchSize != 3 || !json.Valid([]byte(f.Payload)) {
			t.Errorf("%v: %.200s", err, doc)
		}
		b.put(t, 2, 10)
		clock.Sleep(b.clock, time.Hour)
		if len(b.delivered) != 1 || b.delivered[0].records != 2 {
			t.Errorf("what came later: %+v", b.delivered)
		}
	})
}
