// Command publish is the Lambda function that makes a run's parts and results what readers get.
package main

import (
	"context"

	"penstock/internal/awsapi"
	"penstock/internal/cluster"
	"penstock/internal/function"
	"penstock/internal/publish"
)

func main() { function.Main("publish", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours, job := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("JOB")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	bucket := c.Store(hours)
	book := cluster.StoredPlaybook{Store: bucket, Key: cluster.PlaybookKey(job)}
	return (&publish.Handler{Ledger: c.Ledger(hours), Hours: bucket, Playbooks: book, Figures: f.Figures}).Handle, nil
}
