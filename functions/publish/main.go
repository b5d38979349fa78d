// Command publish is the Lambda function that makes a run's parts and results what readers get.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/cluster"
	"penstock/internal/env"
	"penstock/internal/publish"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start publish", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*publish.Handler, error) {
	name, hours, job := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET"), e.Need("JOB")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	bucket := c.Store(hours)
	book := cluster.StoredPlaybook{Store: bucket, Key: cluster.PlaybookKey(job)}
	return &publish.Handler{Ledger: c.Ledger(hours), Hours: bucket, Playbooks: book}, nil
}
