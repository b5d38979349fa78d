// Package local is the whole of Penstock on one machine: the stages' own code, the state machines that are deployed, a
// Kinesis model, an event source mapping, a scheduler and an EMR whose steps are real processes, on one clock.
//
// On the virtual clock it is an event loop: the same input, seed and faults give the same bytes in archive and hours,
// whatever the number of cores. Goroutines serve pure computation only and are joined in order.
package local

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"penstock/internal/archive"
	"penstock/internal/asl"
	"penstock/internal/bzip2"
	"penstock/internal/clock"
	"penstock/internal/compact"
	"penstock/internal/due"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/ingest"
	"penstock/internal/ledger"
	"penstock/internal/playbook"
	"penstock/internal/seal"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/internal/trace"
	"penstock/statemachines"
)

// Names under which the machines and the buckets are known on one machine.
const (
	ScheduleMachine = "schedule"
	HourMachine     = "hour"
	HoursBucket     = "hours"
	consumer        = "archive"
)

// Config is what a pipeline is made of. Clock, the stores, Stream, Keys and Playbook are needed.
type Config struct {
	Clock   clock.Clock
	Archive store.Store
	Hours   store.Store
	Failure store.Store // failure destination; may be nil
	Stream  Stream
	Keys    hour.Keys
	Seed    uint64
	Traces  *trace.Sink // nil: no traces
	Exec    hadoop.Exec // runs the steps' programs
	// Runner makes what runs the steps of clusters, such as a hadoop.EngineRunner; nil: as hadoop.New does.
	Runner func(hadoop.Config) emr.Runner

	Playbook *playbook.Playbook
	Format   string // of events: "json" or "text"
	Split    string
	Procs    int           // goroutines that compress a part, or decode it for a step; 0 means 1
	Window   time.Duration // batching window; 0 means five minutes
	Batch    int           // records of a batch; 0 means MaxBatch
	Margin   time.Duration // after an hour's end; 0 means one minute
	PartSize int64         // compressed bytes of a part; 0 means seal.PartBytes
	Codec    bzip2.Codec   // of the archive objects
	Rules    due.Rules     // of the schedule; the zero Rules for the defaults

	// What may go wrong; nil for nothing.
	Disturb       func(shard string, records int) Disturbance
	FunctionFault FunctionFault
	EMRFaults     emr.Faults
	Refused       func(error) // told of deliveries that failed
}

// Pipeline is one pipeline. Its methods are called from tasks of its clock.
type Pipeline struct {
	Config
	Engine *asl.Engine
	EMR    *emr.Service
	Ledger *ledger.Ledger

	mapping   *mapping
	functions map[string]Function
	calls     map[string]int
	recorder  *trace.Recorder
	sender    *ingest.Sender
}

// New wires a pipeline.
func New(c Config) (*Pipeline, error) {
	if c.Window == 0 {
		c.Window = 5 * time.Minute
	}
	if c.Batch == 0 {
		c.Batch = MaxBatch
	}
	if c.Margin == 0 {
		c.Margin = time.Minute
	}
	if c.Rules == (due.Rules{}) {
		c.Rules = due.DefaultRules()
	}
	if c.Refused == nil {
		c.Refused = func(error) {}
	}
	p := &Pipeline{Config: c, calls: map[string]int{}}
	p.Ledger = &ledger.Ledger{Store: c.Hours, Keys: c.Keys, Now: c.Clock.Now}
	p.recorder = trace.NewRecorder(c.Traces, func(execution string, at time.Time) string {
		return trace.TraceIDFor(c.Seed, execution, at)
	})
	p.Engine = asl.NewEngine(asl.Config{Clock: c.Clock, Invoker: p, Seed: c.Seed, Observe: p.observe})
	if c.Runner == nil {
		c.Runner = func(h hadoop.Config) emr.Runner { return hadoop.New(h) }
	}
	runner := c.Runner(hadoop.Config{Clock: c.Clock, Buckets: hadoop.Buckets{HoursBucket: c.Hours}, Exec: c.Exec, Preload: true, Procs: c.Procs})
	p.EMR = emr.New(emr.Config{Clock: c.Clock, Runner: runner, Timing: emr.DefaultTiming(), Seed: c.Seed, Faults: c.EMRFaults})
	p.mapping = &mapping{clock: c.Clock, stream: c.Stream, consumer: consumer, failure: c.Failure, window: c.Window, batch: c.Batch,
		disturb: c.Disturb, refused: c.Refused, shards: map[string]*poller{}, drained: map[string]bool{}}
	p.mapping.invoke = func(ctx context.Context, payload []byte) error {
		_, err := p.invoke(ctx, "archive", "", payload)
		return err
	}
	var err error
	if p.functions, err = p.stages(); err != nil {
		return nil, err
	}
	p.sender = ingest.NewSender(ingest.SenderConfig{Writer: p, Seed: c.Seed, Sleep: func(ctx context.Context, d time.Duration) error {
		clock.Sleep(c.Clock, d)
		return ctx.Err()
	}})
	return p, p.machines()
}

// compute is how long pure work takes on the clock; it runs beside the event loop for as long as it really takes.
const compute = 500 * time.Millisecond

func (p *Pipeline) compute(fn func()) { p.Clock.Compute(compute, fn) }

// machines loads the state machines that are deployed, with this machine's names in the place of ARNs.
func (p *Pipeline) machines() error {
	names := map[string]string{"Partition": "aws"}
	for _, f := range []string{"Due", "Claim", "Seal", "Compact", "Prepare", "FindCluster", "Judge", "Publish", "RecordFailure"} {
		names[f+"Function"] = functionName(f)
	}
	for _, m := range []struct {
		name string
		asl  []byte
	}{{HourMachine, statemachines.Hour}, {ScheduleMachine, statemachines.Schedule}} {
		text, err := asl.Substitute(m.asl, names)
		if err != nil {
			return fmt.Errorf("load state machine %s: %w", m.name, err)
		}
		machine, err := asl.Parse(text)
		if err != nil {
			return fmt.Errorf("load state machine %s: %w", m.name, err)
		}
		arn, err := p.Engine.CreateMachine(m.name, machine)
		if err != nil {
			return fmt.Errorf("load state machine %s: %w", m.name, err)
		}
		if m.name == HourMachine {
			names["HourMachine"] = arn
		}
	}
	return nil
}

// stages makes the functions that the machines and the mapping call.
func (p *Pipeline) stages() (map[string]Function, error) {
	a, err := archive.New(archive.Config{Store: p.Archive, Keys: p.Keys, Now: p.Clock.Now, Failures: p.Failure,
		Format: p.Format, Split: p.Split, Compute: p.compute, Bzip2: bzip2.WriterConfig{Codec: p.Codec}})
	if err != nil {
		return nil, err
	}
	s := &seal.Handler{Archive: p.Archive, Hours: p.Hours, Stream: p.Stream, Mapping: p, Ledger: p.Ledger, Keys: p.Keys,
		Now: p.Clock.Now, Margin: p.Margin, Deadline: 3 * time.Hour, PartSize: p.PartSize}
	if p.Failure != nil {
		s.Failure = p.Failure
	}
	c := &compact.Handler{Archive: p.Archive, Hours: p.Hours, Ledger: p.Ledger, Keys: p.Keys, Procs: p.Procs, Compute: p.compute}
	f := map[string]Function{"archive": a.Invoke, "seal": lambda(s.Handle), "compact": lambda(c.Handle)}
	p.runStages(f, s)
	return f, nil
}

// Mapping tells the state of this machine's event source mapping, which never changes.
func (p *Pipeline) Mapping(context.Context) (hour.Mapping, error) {
	return hour.Mapping{ID: consumer, State: "Enabled", Start: stream.TrimHorizon, Factor: 1}, nil
}

// Start begins to read the stream and to tick every hour.
func (p *Pipeline) Start(ctx context.Context) error {
	if err := p.mapping.start(ctx); err != nil {
		return err
	}
	p.Clock.Go(func() { p.tick(ctx) })
	return nil
}

// tickMinute is when in the hour the schedule machine is started, as in template.yaml.
const tickMinute = 10 * time.Minute

// nextTick returns the first time after t at which the schedule machine is started.
func nextTick(t time.Time) time.Time {
	at := hour.Of(t).Start().Add(tickMinute)
	if !at.After(t) {
		at = at.Add(time.Hour)
	}
	return at
}

// tick is EventBridge Scheduler: it starts the schedule machine once an hour, at least.
func (p *Pipeline) tick(ctx context.Context) {
	for {
		at := nextTick(p.Clock.Now())
		clock.SleepUntil(p.Clock, at)
		input := fmt.Appendf(nil, `{"time":%q}`, at.Format(time.RFC3339))
		if _, err := p.Engine.StartExecution(ctx, ScheduleMachine, "tick-"+at.Format("20060102T1504"), input); err != nil {
			p.Refused(err)
		}
	}
}

// PutRecords implements stream.Writer: what is put wakes the pollers.
func (p *Pipeline) PutRecords(ctx context.Context, entries []stream.Entry) ([]stream.Put, error) {
	puts, err := p.Stream.PutRecords(ctx, entries)
	p.mapping.announce(puts, entries)
	return puts, err
}

// Resharded lets the pollers see that shards were split or merged.
func (p *Pipeline) Resharded() { p.mapping.look() }

func sum(seed [32]byte, name string) [32]byte { return sha256.Sum256(append(seed[:], name...)) }
