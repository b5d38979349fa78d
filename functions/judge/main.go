// Command judge is the Lambda function that says what became of a cluster.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/env"
	"penstock/internal/prepare"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start judge", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*prepare.Judge, error) {
	name, hours := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	return &prepare.Judge{Ledger: c.Ledger(hours)}, nil
}
