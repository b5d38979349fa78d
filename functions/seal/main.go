// Command seal is the Lambda function that decides when an hour is complete and what it consists of.
package main

import (
	"context"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/function"
	"penstock/internal/seal"
)

func main() { function.Main("seal", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours, archive, failures := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("ARCHIVE_BUCKET"), f.Need("FAILURE_BUCKET")
	stream, mapping := f.Need("STREAM"), f.Need("MAPPING")
	margin, deadline := f.Int("MARGIN", 60, 5, 900), f.Int("DEADLINE", 180, 5, 600) // seconds, minutes
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	return (&seal.Handler{Archive: c.Store(archive), Hours: c.Store(hours), Failure: c.Store(failures), Stream: c.Stream(stream),
		Mapping: c.Mapping(mapping), Ledger: c.Ledger(hours), Keys: c.Keys, Now: time.Now, Margin: time.Duration(margin) * time.Second,
		Deadline: time.Duration(deadline) * time.Minute, Fetch: 32, Figures: f.Figures}).Handle, nil
}
