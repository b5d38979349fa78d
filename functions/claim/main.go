// Command claim is the Lambda function that makes an execution the one that works on an hour.
package main

import (
	"context"

	"penstock/internal/awsapi"
	"penstock/internal/claim"
	"penstock/internal/function"
)

func main() { function.Main("claim", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours, machine := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("HOUR_MACHINE")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	return (&claim.Handler{Ledger: c.Ledger(hours), Executions: c.Executions(machine)}).Handle, nil
}
