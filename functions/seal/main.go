// Command seal is the Lambda function that decides when an hour is complete and what it consists of.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/env"
	"penstock/internal/seal"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start seal", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*seal.Handler, error) {
	name, hours, archive, failures := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET"), e.Need("ARCHIVE_BUCKET"), e.Need("FAILURE_BUCKET")
	stream, mapping := e.Need("STREAM"), e.Need("MAPPING")
	margin, deadline := e.Int("MARGIN", 60, 5, 900), e.Int("DEADLINE", 180, 5, 600) // seconds, minutes
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	return &seal.Handler{Archive: c.Store(archive), Hours: c.Store(hours), Failure: c.Store(failures), Stream: c.Stream(stream),
		Mapping: c.Mapping(mapping), Ledger: c.Ledger(hours), Keys: c.Keys, Now: time.Now, Margin: time.Duration(margin) * time.Second,
		Deadline: time.Duration(deadline) * time.Minute, Fetch: 32}, nil
}
