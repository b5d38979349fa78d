// Command judge is the Lambda function that says what became of a cluster.
package main

import (
	"context"

	"penstock/internal/awsapi"
	"penstock/internal/function"
	"penstock/internal/prepare"
)

func main() { function.Main("judge", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	return (&prepare.Judge{Ledger: c.Ledger(hours), Figures: f.Figures}).Handle, nil
}
