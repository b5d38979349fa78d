// Command due is the Lambda function that says which hours need a run.
package main

import (
	"context"

	"penstock/internal/awsapi"
	"penstock/internal/due"
	"penstock/internal/function"
	"penstock/internal/seal"
)

func main() { function.Main("due", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours, archive := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("ARCHIVE_BUCKET")
	machine, rules := f.Need("HOUR_MACHINE"), due.DefaultRules()
	rules.MaxRunning = f.Int("MAX_HOURS", rules.MaxRunning, 1, 100)
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	late := &seal.Handler{Archive: c.Store(archive), Keys: c.Keys}
	return (&due.Handler{Ledger: c.Ledger(hours), Archive: late.Archive, Hours: c.Store(hours), Late: late, Executions: c.Executions(machine), Rules: rules}).Handle, nil
}
