// Command prepare is the Lambda function that makes the request for a cluster.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/cluster"
	"penstock/internal/env"
	"penstock/internal/prepare"
)

func main() {
	h, err := handler(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		slog.Error("start prepare", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func handler(ctx context.Context, e *env.Env) (*prepare.Handler, error) {
	stack, name, job := e.Need("STACK"), e.Need("EVENT_NAME"), e.Need("JOB")
	site := prepare.Site{Bucket: e.Need("HOURS_BUCKET"), Code: "code", Logs: "logs", ServiceRole: e.Need("SERVICE_ROLE"),
		InstanceProfile: e.Need("INSTANCE_PROFILE"), SecurityConfiguration: e.Get("SECURITY_CONFIGURATION", ""),
		Subnets: strings.Split(e.Need("SUBNETS"), ",")}
	c, err := awsapi.Connect(ctx, e, name)
	if err != nil {
		return nil, err
	}
	book := cluster.StoredPlaybook{Store: c.Store(site.Bucket), Key: cluster.PlaybookKey(job)}
	return &prepare.Handler{Ledger: c.Ledger(site.Bucket), Playbooks: book, Stack: stack, Site: site}, nil
}
