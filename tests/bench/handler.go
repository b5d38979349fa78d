package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/big"
	"runtime"
	"time"

	"penstock/internal/archive"
	"penstock/internal/bzip2"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// delivery returns the event that Lambda sends for lines of one shard. Sequence numbers grow as the service's do.
func delivery(lines [][]byte) []byte {
	var b bytes.Buffer
	seq, _ := new(big.Int).SetString("49590338271490256608559692538361571095921575989136588898", 10)
	at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC).UnixMilli()
	b.WriteString(`{"Records":[`)
	for i, line := range lines {
		if i > 0 {
			b.WriteByte(',')
		}
		step := new(big.Int).Lsh(big.NewInt(int64(1+i*i%40)), 64)
		seq.Add(seq, step)
		ms := at + int64(i*7)
		fmt.Fprintf(&b, `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"%032x","sequenceNumber":"%s","data":"%s","approximateArrivalTimestamp":%d.%03d},`,
			i, seq, base64.StdEncoding.EncodeToString(bytes.TrimSuffix(line, []byte("\n"))), ms/1000, ms%1000)
		fmt.Fprintf(&b, `"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000001:%s","eventName":"aws:kinesis:record",`, seq)
		b.WriteString(`"invokeIdentityArn":"arn:aws:iam::123456789012:role/archive","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:123456789012:stream/events"}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// sink is a bucket that keeps nothing but the number of bytes.
type sink struct{ bytes int }

func (s *sink) Create(_ context.Context, _ string, data []byte) (store.Object, error) {
	s.bytes += len(data)
	return store.Object{}, nil
}

func (s *sink) Get(_ context.Context, key string, _ int64) ([]byte, store.Object, error) {
	return nil, store.Object{}, fmt.Errorf("get %s: nothing is kept", key)
}

// handler measures the whole archive handler against the Python 3 handler of the talk, without requests on both sides.
func (b *bench) handler(lines [][]byte) error {
	oneCore := figure{name: "handler / Python 3 handler, full payload, 1 core, CPU", gate: 2.5}
	twoCores := figure{name: "handler / Python 3 handler, full payload, 2 cores, wall", gate: 4}
	size := figure{name: "archive object and index / libbz2 -9 of the payload", gate: 1.02, atMost: true}
	allocations := figure{name: "allocations of a full payload", gate: 199, atMost: true}
	allocated := figure{name: "memory allocated for a full payload", gate: 199, atMost: true, unit: " kB"}
	keys, err := hour.NewKeys(hour.DefaultName)
	if err != nil {
		return err
	}
	payload, object := delivery(lines[:fullRecords]), objects(lines, fullRecords)[0]
	now := time.Date(2026, 11, 23, 7, 1, 0, 0, time.UTC)
	var out sink
	var invoke [2]func() error
	for i := range invoke {
		h, err := archive.New(archive.Config{Store: &out, Keys: keys, Now: func() time.Time { return now }, Bzip2: bzip2.WriterConfig{Procs: i + 1}})
		if err != nil {
			return err
		}
		invoke[i] = func() error {
			_, err := h.Invoke(context.Background(), payload)
			return err
		}
		for range 2 { // warm
			if err := invoke[i](); err != nil {
				return err
			}
		}
	}
	if b.peer == nil {
		for _, f := range []figure{oneCore, twoCores, size} {
			f.missing = b.peerName
			b.figures = append(b.figures, f)
		}
	} else {
		once := func(procs int, note string, time func(func()) time.Duration, of func(answer) time.Duration) func() (float64, string, error) {
			return func() (float64, string, error) {
				var err error
				own := time(func() { err = invoke[procs-1]() })
				if err != nil {
					return 0, "", err
				}
				a, err := b.peer.handle(payload)
				theirs := of(a)
				return float64(theirs) / float64(own), fmt.Sprintf("%d / %d ms %s", own.Milliseconds(), theirs.Milliseconds(), note), err
			}
		}
		if err := b.add(oneCore, once(1, "CPU", cpuOf, func(a answer) time.Duration { return a.cpu })); err != nil {
			return err
		}
		if err := b.onTwoCores(twoCores, once(2, "wall", wallOf, func(a answer) time.Duration { return a.wall })); err != nil {
			return err
		}
		if b.wants(size.name) {
			out.bytes = 0
			if err := invoke[0](); err != nil {
				return err
			}
			a, err := b.peer.compress(object)
			if err != nil {
				return err
			}
			size.value = float64(out.bytes) / float64(a.size)
			size.note = fmt.Sprintf("%d / %d bytes", out.bytes, a.size)
			b.figures = append(b.figures, size)
		}
	}
	var before, after runtime.MemStats
	const rounds = 5
	runtime.ReadMemStats(&before)
	for range rounds {
		if err := invoke[0](); err != nil {
			return err
		}
	}
	runtime.ReadMemStats(&after)
	allocations.value = float64(after.Mallocs-before.Mallocs) / rounds
	allocated.value = float64(after.TotalAlloc-before.TotalAlloc) / rounds / 1000
	for _, f := range []figure{allocations, allocated} {
		if b.wants(f.name) {
			b.figures = append(b.figures, f)
		}
	}
	return nil
}
