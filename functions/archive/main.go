// Command archive is the Lambda function that archives the stream.
package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/archive"
	"penstock/internal/bzip2"
	"penstock/internal/function"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/trace"
)

func main() { function.Main("archive", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	bucket, failures, format, split := f.Need("ARCHIVE_BUCKET"), f.Need("FAILURE_BUCKET"), f.Get("FORMAT", ""), f.Get("SPLIT", "")
	keys, err := hour.NewKeys(f.Need("EVENT_NAME"))
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(trace.Instrument(cfg), func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	options := store.S3Options{Timeout: 20 * time.Second, Jitter: rand.Float64}
	return archive.New(archive.Config{
		Store: store.NewS3(client, bucket, options), Failures: store.NewS3(client, failures, options), Keys: keys, Now: time.Now,
		Format: format, Split: split, Bzip2: bzip2.WriterConfig{Procs: runtime.GOMAXPROCS(0)},
		Figures: f.Figures, Log: f.Log,
	})
}
