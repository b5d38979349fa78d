package awsapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/emr"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"penstock/internal/env"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/trace"
)

// Connection is what a function has of AWS: its role's credentials and region, and the data set's keys.
type Connection struct {
	Keys   hour.Keys
	config aws.Config
}

// Connect loads the configuration. e has been asked for everything that the function needs, so that
// all that is missing is said at once; eventName is the data set's name.
func Connect(ctx context.Context, e *env.Env, eventName string) (*Connection, error) {
	if err := e.Err(); err != nil {
		return nil, err
	}
	keys, err := hour.NewKeys(eventName)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	return &Connection{keys, cfg}, nil
}

// Store returns a bucket. Its calls are not traced one by one: there are too many for X-Ray's daemon. With an endpoint of
// its own (an emulator), the bucket stands in the path.
func (c *Connection) Store(bucket string) *store.S3 {
	client := s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	return store.NewS3(client, bucket, store.S3Options{Timeout: timeout, Jitter: rand.Float64})
}

// Ledger returns the ledgers in a bucket, on the real clock.
func (c *Connection) Ledger(bucket string) *ledger.Ledger {
	return &ledger.Ledger{Store: c.Store(bucket), Keys: c.Keys, Now: time.Now}
}

// Executions returns the executions of the hour machine with that ARN.
func (c *Connection) Executions(machine string) Executions {
	return Executions{API: sfn.NewFromConfig(trace.Instrument(c.config)), Machine: machine}
}

// Clusters returns EMR's clusters.
func (c *Connection) Clusters() Clusters {
	return Clusters{API: emr.NewFromConfig(trace.Instrument(c.config))}
}
