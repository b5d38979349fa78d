// Command ingest is the Lambda function behind POST /events.
package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"penstock/internal/function"
	"penstock/internal/ingest"
	"penstock/internal/stream"
	"penstock/internal/trace"
	"penstock/schemas"
)

func main() { function.Main("ingest", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, format, field, check := f.Need("STREAM"), f.Get("FORMAT", ""), f.Get("PARTITION_KEY_FIELD", ""), f.Get("SCHEMA_CHECK", "")
	schema, err := ingest.NewSchema(schemas.Event())
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	writer := stream.NewKinesis(kinesis.NewFromConfig(trace.Instrument(cfg)), name, stream.KinesisOptions{Timeout: 5 * time.Second})
	sender := ingest.NewSender(ingest.SenderConfig{Writer: writer, Seed: rand.Uint64()})
	h, err := ingest.New(ingest.Config{Sender: sender, Now: time.Now, Timeout: 22 * time.Second, Format: format, KeyField: field,
		Schema: schema, Check: check, Figures: f.Figures, Log: f.Log})
	if err != nil {
		return nil, err
	}
	return h.Handle, nil
}
