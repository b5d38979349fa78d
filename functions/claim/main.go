// Command claim is the Lambda function that makes an execution the one that works on an hour.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/claim"
	"penstock/internal/env"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start claim", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*claim.Handler, error) {
	name, hours, machine := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET"), e.Need("HOUR_MACHINE")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	return &claim.Handler{Ledger: c.Ledger(hours), Executions: c.Executions(machine)}, nil
}
