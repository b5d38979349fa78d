// Command due is the Lambda function that says which hours need a run.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/due"
	"penstock/internal/env"
	"penstock/internal/seal"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start due", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*due.Handler, error) {
	name, hours, archive := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET"), e.Need("ARCHIVE_BUCKET")
	machine, rules := e.Need("HOUR_MACHINE"), due.DefaultRules()
	rules.MaxRunning = e.Int("MAX_HOURS", rules.MaxRunning, 1, 100)
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	late := &seal.Handler{Archive: c.Store(archive), Keys: c.Keys}
	return &due.Handler{Ledger: c.Ledger(hours), Archive: late.Archive, Hours: c.Store(hours), Late: late, Executions: c.Executions(machine), Rules: rules}, nil
}
