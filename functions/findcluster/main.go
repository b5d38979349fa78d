// Command findcluster is the Lambda function that looks a cluster up whose start had no answer.
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
		slog.Error("start findcluster", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*prepare.Finder, error) {
	name, hours := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	return &prepare.Finder{Ledger: c.Ledger(hours), Clusters: c.Clusters()}, nil
}
