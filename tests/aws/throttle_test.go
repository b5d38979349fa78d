package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"penstock/internal/fault"
	"penstock/internal/ingest"
	"penstock/internal/stream"
)

// counting counts what a stream refused.
type counting struct {
	stream.Writer
	throttled int
}

func (c *counting) PutRecords(ctx context.Context, entries []stream.Entry) ([]stream.Put, error) {
	puts, err := c.Writer.PutRecords(ctx, entries)
	for _, p := range puts {
		if p.ErrorCode != "" {
			c.throttled++
		}
	}
	return puts, err
}

// A Kinesis that throttles every third call or so (KINESIS_ERROR_PROBABILITY): what the sender says is in the stream is
// there, what it says is not may be sent again, and in the end everything is, in the order of its shard.
func TestTheSenderGetsEverythingIntoAStreamThatThrottles(t *testing.T) {
	endpoint := os.Getenv("PENSTOCK_AWS_THROTTLED")
	if endpoint == "" {
		t.Skip("PENSTOCK_AWS_THROTTLED names no Kinesis server that throttles (make test-aws)")
	}
	name := fmt.Sprintf("throttled-%d", os.Getpid())
	client := kinesis.New(kinesis.Options{BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	k := stream.NewKinesis(client, name, stream.KinesisOptions{})
	writer := &counting{Writer: k}
	sender := ingest.NewSender(ingest.SenderConfig{Writer: writer, Seed: 1})
	accepted := map[string]bool{}
	again := 0
	for n := range 40 {
		var events []ingest.Event
		for i := range 25 {
			events = append(events, ingest.Event{Data: fmt.Appendf(nil, `{"n":%d}`, 25*n+i), Key: fmt.Sprint(i % 5)})
		}
		for len(events) > 0 {
			failures, err := sender.Send(t.Context(), events)
			var unavailable *fault.Unavailable
			if err != nil && !errors.As(err, &unavailable) {
				t.Fatal(err)
			}
			failed := map[int]bool{}
			for _, f := range failures {
				failed[f.Index] = true
			}
			var rest []ingest.Event
			for i, e := range events {
				if failed[i] {
					rest = append(rest, e)
				} else {
					accepted[string(e.Data)] = true
				}
			}
			again += len(rest)
			events = rest
		}
	}
	if writer.throttled == 0 {
		t.Error("nothing was throttled")
	}
	have := read(t, k)
	for e := range accepted {
		if !slices.ContainsFunc(have, func(data []byte) bool { return bytes.Equal(data, []byte(e)) }) {
			t.Errorf("%s was accepted and is not in the stream", e)
		}
	}
	t.Logf("%d events: %d entries were throttled, %d sent again by the producer, %d records in the stream", len(accepted), writer.throttled, again, len(have))
	if len(accepted) != 1000 || len(have) < 1000 {
		t.Errorf("%d events accepted, %d in the stream", len(accepted), len(have))
	}
}

// read reads a stream to its tip.
func read(t *testing.T, k *stream.Kinesis) (all [][]byte) {
	t.Helper()
	patient := func(do func() error) {
		for try := range 50 {
			err := do()
			var unavailable *fault.Unavailable
			if err == nil {
				return
			} else if !errors.As(err, &unavailable) {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(try) * 20 * time.Millisecond)
		}
		t.Fatal("the stream stays unavailable")
	}
	var shards []stream.Shard
	patient(func() (err error) { shards, err = k.Shards(t.Context(), time.Time{}); return err })
	for _, s := range shards {
		var iterator string
		patient(func() (err error) {
			iterator, err = k.Iterator(t.Context(), s.ID, stream.Start{Type: stream.TrimHorizon})
			return err
		})
		for iterator != "" {
			var page stream.Page
			patient(func() (err error) { page, err = k.Records(t.Context(), iterator, 1000); return err })
			for _, r := range page.Records {
				all = append(all, r.Data)
			}
			if iterator = page.Next; len(page.Records) == 0 && page.BehindTip == 0 {
				break
			}
		}
	}
	return all
}
