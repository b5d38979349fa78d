package local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock/internal/clock"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// Limits of Lambda's Kinesis event source mapping.
const (
	MaxPayload  = 6 << 20            // bytes of an invocation's payload
	MaxBatch    = 10_000             // records
	ageLimit    = 6 * 24 * time.Hour // a batch older than this goes to the failure destination
	firstRetry  = time.Second
	slowestWait = time.Minute
)

// Disturbance is what a delivery may suffer: parts of the batch, as [from, to), that are delivered besides it, the
// answers of which are forgotten. Lambda delivers at least once, and not always with the same cuts.
type Disturbance struct{ Before, After [][2]int }

// mapping is an event source mapping: one poller for each shard, parents before their children, one batch at a time.
type mapping struct {
	clock    clock.Clock
	stream   Stream
	consumer string // name under which checkpoints are kept
	invoke   func(ctx context.Context, payload []byte) error
	failure  store.Store
	window   time.Duration
	batch    int
	disturb  func(shard string, records int) Disturbance
	refused  func(error) // told of each failed delivery

	shards  map[string]*poller
	drained map[string]bool
}

// Stream is the model that the one machine runs on.
type Stream interface {
	stream.Reader
	stream.Writer
	SetCheckpoint(ctx context.Context, consumer, shard, sequence string) error
	Checkpoints(ctx context.Context) (stream.Checkpoints, error)
}

type poller struct {
	m     *mapping
	shard string
	after string // checkpoint: the last sequence number that was delivered, "" for none
	since time.Time
	count int // records put and not delivered, as far as known
	bytes int // of their payload
	wake  clock.Event
}

// start opens a poller for each shard whose parents are drained. It is called again when a shard ends.
func (m *mapping) start(ctx context.Context) error {
	shards, err := m.stream.Shards(ctx, time.Time{})
	if err != nil {
		return err
	}
	checkpoints, err := m.stream.Checkpoints(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, s := range shards {
		known[s.ID] = true
	}
	ready := func(parent string) bool { return parent == "" || !known[parent] || m.drained[parent] }
	for _, s := range shards {
		if m.shards[s.ID] != nil || m.drained[s.ID] || !ready(s.Parent) || !ready(s.AdjacentParent) {
			continue
		}
		p := &poller{m: m, shard: s.ID, after: checkpoints[m.consumer][s.ID], wake: m.clock.NewEvent()}
		// What the stream holds already is not announced; one look finds it.
		p.since, p.count = m.clock.Now(), 1
		m.shards[s.ID] = p
		m.clock.Go(func() { p.run(ctx) })
	}
	return nil
}

// announce tells the pollers what was put.
func (m *mapping) announce(puts []stream.Put, entries []stream.Entry) {
	for i, put := range puts {
		p := m.shards[put.Shard]
		if put.ErrorCode != "" || p == nil {
			continue
		}
		if p.count == 0 {
			p.since = m.clock.Now()
			p.wake.Fire()
		}
		p.count++
		p.bytes += payloadBytes(entries[i].PartitionKey, entries[i].Data)
		if p.full() {
			p.wake.Fire()
		}
	}
}

// idle says whether every record that was put has been delivered.
func (m *mapping) idle() bool {
	for _, p := range m.shards {
		if p.count > 0 {
			return false
		}
	}
	return true
}

// look lets every poller look at its shard now: after a split or merge.
func (m *mapping) look() {
	for _, id := range sortedKeys(m.shards) {
		p := m.shards[id]
		if p.count == 0 {
			p.count, p.since = 1, m.clock.Now()
		}
		p.wake.Fire()
	}
}

func (p *poller) full() bool { return p.count >= p.m.batch || p.bytes >= MaxPayload }

func (p *poller) run(ctx context.Context) {
	for {
		for p.count == 0 {
			p.pause(-1)
		}
		for !p.full() {
			left := p.since.Add(p.m.window).Sub(p.m.clock.Now())
			if left <= 0 {
				break
			}
			p.pause(left)
		}
		ended, err := p.deliver(ctx)
		switch {
		case err != nil:
			p.m.refused(err)
			clock.Sleep(p.m.clock, firstRetry)
		case ended:
			delete(p.m.shards, p.shard)
			p.m.drained[p.shard] = true
			for p.m.start(ctx) != nil {
				clock.Sleep(p.m.clock, firstRetry)
			}
			return
		}
	}
}

// pause waits for d or for an announcement.
func (p *poller) pause(d time.Duration) {
	if p.wake.Fired() {
		p.wake = p.m.clock.NewEvent()
	}
	p.m.clock.Wait(d, p.wake)
}

// deliver reads one batch and hands it to the function until it is taken.
func (p *poller) deliver(ctx context.Context) (ended bool, err error) {
	start := stream.Start{Type: stream.TrimHorizon}
	if p.after != "" {
		start = stream.Start{Type: stream.AfterSequence, Sequence: p.after}
	}
	it, err := p.m.stream.Iterator(ctx, p.shard, start)
	if err != nil {
		return false, err
	}
	page, err := p.m.stream.Records(ctx, it, p.m.batch)
	if err != nil {
		return false, err
	}
	records := page.Records
	size := 0
	for i, r := range records {
		n := payloadBytes(r.PartitionKey, r.Data)
		if size+n > MaxPayload-64 {
			if i == 0 {
				return false, fmt.Errorf("record %s of %s is larger than a payload", r.Sequence, p.shard)
			}
			records = records[:i]
			break
		}
		size += n
	}
	if len(records) == 0 {
		switch {
		case page.Next == "":
			return true, nil
		case page.BehindTip > 0: // an empty page is not the tip
			clock.Sleep(p.m.clock, firstRetry)
		default:
			p.count, p.bytes = 0, 0
		}
		return false, nil
	}
	more := len(records) < len(page.Records) || page.BehindTip > 0
	if err := p.hand(ctx, records); err != nil {
		return false, err
	}
	last := records[len(records)-1].Sequence
	if err := p.m.stream.SetCheckpoint(ctx, p.m.consumer, p.shard, last); err != nil {
		return false, err
	}
	p.after = last
	p.count = max(p.count-len(records), 0)
	p.bytes = max(p.bytes-size, 0)
	if more || page.Next == "" {
		p.count = max(p.count, 1)
	}
	p.since = p.m.clock.Now()
	return false, nil
}

// hand invokes the function until it takes the batch or the batch is too old.
func (p *poller) hand(ctx context.Context, records []stream.Record) error {
	var d Disturbance
	if p.m.disturb != nil {
		d = p.m.disturb(p.shard, len(records))
	}
	for _, r := range d.Before {
		p.forgotten(ctx, records, r)
	}
	payload := eventJSON(p.shard, records)
	wait := firstRetry
	for {
		err := p.m.invoke(ctx, payload)
		if err == nil {
			break
		}
		p.m.refused(err)
		if p.m.clock.Now().Sub(records[0].Arrival) > ageLimit && p.m.failure != nil {
			return p.giveUp(ctx, payload, records)
		}
		clock.Sleep(p.m.clock, wait)
		wait = min(2*wait, slowestWait)
	}
	for _, r := range d.After {
		p.forgotten(ctx, records, r)
	}
	return nil
}

func (p *poller) forgotten(ctx context.Context, records []stream.Record, r [2]int) {
	if r[0] < r[1] && r[1] <= len(records) {
		if err := p.m.invoke(ctx, eventJSON(p.shard, records[r[0]:r[1]])); err != nil {
			p.m.refused(err)
		}
	}
}

// giveUp writes the batch to the failure destination, in the shape that Lambda writes it.
// Source: AWS Lambda developer guide, "Retain discarded batch records".
func (p *poller) giveUp(ctx context.Context, payload []byte, records []stream.Record) error {
	now := p.m.clock.Now()
	first, last := records[0], records[len(records)-1]
	doc := map[string]any{
		"version":        "1.0",
		"timestamp":      now.Format("2006-01-02T15:04:05.000Z"),
		"payload":        string(payload),
		"requestContext": map[string]any{"condition": "RecordAgeExceeded"},
		"KinesisBatchInfo": map[string]any{
			"shardId": p.shard, "startSequenceNumber": first.Sequence, "endSequenceNumber": last.Sequence,
			"approximateArrivalOfFirstRecord": first.Arrival.Format("2006-01-02T15:04:05.000Z"),
			"approximateArrivalOfLastRecord":  last.Arrival.Format("2006-01-02T15:04:05.000Z"),
			"batchSize":                       len(records),
		},
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("aws/lambda/%s/%s/%s-%s.json", p.m.consumer, p.shard, now.Format("2006/01/02/2006-01-02T15.04.05"), last.Sequence)
	_, err = p.m.failure.Replace(ctx, key, "", b)
	return err
}

// recordOverhead is what a record adds to a payload besides its data, key and numbers.
const recordOverhead = 420

func payloadBytes(key string, data []byte) int {
	return base64.StdEncoding.EncodedLen(len(data)) + len(key) + recordOverhead
}

// eventJSON writes the event that Lambda would send.
func eventJSON(shard string, records []stream.Record) []byte {
	n := 16
	for _, r := range records {
		n += payloadBytes(r.PartitionKey, r.Data)
	}
	b := append(make([]byte, 0, n), `{"Records":[`...)
	for i, r := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":`...)
		key, _ := json.Marshal(r.PartitionKey)
		b = append(b, key...)
		b = append(b, `,"sequenceNumber":"`...)
		b = append(b, r.Sequence...)
		b = append(b, `","data":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.Data)
		b = append(b, `","approximateArrivalTimestamp":`...)
		ms := r.Arrival.UnixMilli()
		b = strconv.AppendInt(b, ms/1000, 10)
		b = append(b, '.')
		b = append(b, fmt.Sprintf("%03d", ms%1000)...)
		b = append(b, `},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"`...)
		b = append(b, shard...)
		b = append(b, ':')
		b = append(b, r.Sequence...)
		b = append(b, `","eventName":"aws:kinesis:record","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:123456789012:stream/penstock"}`...)
	}
	return append(b, `]}`...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
