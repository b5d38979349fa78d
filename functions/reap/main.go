// Command reap is the Lambda function that ends clusters that no running execution owns.
package main

import (
	"context"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/function"
	"penstock/internal/reap"
)

func main() { function.Main("reap", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	stack, name, hours, machine := f.Need("STACK"), f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("HOUR_MACHINE")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	clusters := c.Clusters()
	return (&reap.Handler{Stack: stack, Clusters: clusters, Executions: c.Executions(machine), Ledger: c.Ledger(hours), Ender: clusters,
		Now: time.Now, Figures: f.Figures}).Handle, nil
}
