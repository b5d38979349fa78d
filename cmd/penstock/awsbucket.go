package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/store"
)

// s3Bucket opens a bucket with the credentials and the endpoint of the environment. With an endpoint of its own (an
// emulator), the bucket stands in the path.
func s3Bucket(ctx context.Context, name string) (*store.S3, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	return store.NewS3(client, name, store.S3Options{Jitter: rand.Float64}), nil
}
