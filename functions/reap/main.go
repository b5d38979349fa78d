// Command reap is the Lambda function that ends clusters that no running execution owns, and deletes what nobody gets any more.
package main

import (
	"context"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/clean"
	"penstock/internal/function"
	"penstock/internal/reap"
)

func main() { function.Main("reap", build) }

func build(ctx context.Context, f *function.Function) (any, error) {
	stack, name, hours, machine := f.Need("STACK"), f.Need("EVENT_NAME"), f.Need("HOURS_BUCKET"), f.Need("HOUR_MACHINE")
	job, archiveDays, graceDays := f.Need("JOB"), f.Int("ARCHIVE_DAYS", 35, 1, 3650), f.Int("GRACE_DAYS", 7, 1, 365)
	c, err := awsapi.Connect(ctx, f.Env, name)
	if err != nil {
		return nil, err
	}
	clusters, l := c.Clusters(), c.Ledger(hours)
	rules := clean.Rules{Grace: time.Duration(graceDays) * 24 * time.Hour, ArchiveKeep: time.Duration(archiveDays) * 24 * time.Hour}
	cleaner := &clean.Cleaner{Hours: c.Store(hours), Ledger: l, Keys: c.Keys, Jobs: []string{job}, Rules: rules, Now: time.Now, Procs: 8}
	return (&reap.Handler{Stack: stack, Clusters: clusters, Executions: c.Executions(machine), Ledger: l, Ender: clusters,
		Now: time.Now, Figures: f.Figures, Cleaning: reap.Cleaning{Cleaner: cleaner, Rules: rules}}).Handle, nil
}
