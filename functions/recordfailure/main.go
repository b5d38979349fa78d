// Command recordfailure is the Lambda function that writes down that a run failed.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/env"
	"penstock/internal/recordfailure"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start recordfailure", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*recordfailure.Handler, error) {
	name, hours := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	return &recordfailure.Handler{Ledger: c.Ledger(hours)}, nil
}
