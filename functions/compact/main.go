// Command compact is the Lambda function that writes one part of a sealed hour.
package main

import (
	"context"
	"runtime"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/compact"
	"penstock/internal/function"
)

func main() { function.Main("compact", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	name, hours, archive := f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("ARCHIVE_BUCKET")
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	return (&compact.Handler{Archive: c.Store(archive), Hours: c.Store(hours), Ledger: c.Ledger(hours), Keys: c.Keys,
		Procs: runtime.GOMAXPROCS(0), Fetch: 32, Figures: f.Figures, Now: time.Now}).Handle, nil
}
