// Command prepare is the Lambda function that makes the request for a cluster.
package main

import (
	"context"
	"strings"

	"penstock/internal/awsapi"
	"penstock/internal/cluster"
	"penstock/internal/function"
	"penstock/internal/prepare"
)

func main() { function.Main("prepare", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	stack, name, job := f.Need("STACK"), f.Need("EVENT_NAME"), f.Need("JOB")
	site := prepare.Site{Bucket: f.Need("HOURS_BUCKET"), Code: "code", Logs: "logs", ServiceRole: f.Need("SERVICE_ROLE"),
		InstanceProfile: f.Need("INSTANCE_PROFILE"), SecurityConfiguration: f.Get("SECURITY_CONFIGURATION", ""),
		Subnets: strings.Split(f.Need("SUBNETS"), ",")}
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	book := cluster.StoredPlaybook{Store: c.Store(site.Bucket), Key: cluster.PlaybookKey(job)}
	return (&prepare.Handler{Ledger: c.Ledger(site.Bucket), Playbooks: book, Stack: stack, Site: site}).Handle, nil
}
