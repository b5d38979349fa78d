// Command reap is the Lambda function that ends clusters that no running execution owns.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/env"
	"penstock/internal/reap"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start reap", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*reap.Handler, error) {
	stack, name, hours, machine := e.Need("STACK"), e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET"), e.Need("HOUR_MACHINE")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	clusters := c.Clusters()
	return &reap.Handler{Stack: stack, Clusters: clusters, Executions: c.Executions(machine), Ledger: c.Ledger(hours), Ender: clusters,
		Now: time.Now, Metrics: os.Stdout}, nil
}
