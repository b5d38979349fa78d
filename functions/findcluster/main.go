// Command findcluster is the Lambda function that looks a cluster up whose start had no answer.
package main

import (
	"context"

	"penstock/internal/awsapi"
	"penstock/internal/function"
	"penstock/internal/prepare"
)

func main() { function.Main("findcluster", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	return (&prepare.Finder{Ledger: c.Ledger(hours), Clusters: c.Clusters()}).Handle, nil
}
