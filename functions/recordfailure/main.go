// Command recordfailure is the Lambda function that writes down that a run failed.
package main

import (
	"context"

	"penstock/internal/awsapi"
	"penstock/internal/function"
	"penstock/internal/recordfailure"
)

func main() { function.Main("recordfailure", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	return (&recordfailure.Handler{Ledger: c.Ledger(hours)}).Handle, nil
}
