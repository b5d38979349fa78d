// Command compact is the Lambda function that writes one part of a sealed hour.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/compact"
	"penstock/internal/env"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start compact", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*compact.Handler, error) {
	name, hours, archive := e.Need("EVENT_NAME"), e.Need("HOURS_BUCKET"), e.Need("ARCHIVE_BUCKET")
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	return &compact.Handler{Archive: c.Store(archive), Hours: c.Store(hours), Ledger: c.Ledger(hours), Keys: c.Keys,
		Procs: runtime.GOMAXPROCS(0), Fetch: 32}, nil
}
