package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/cluster"
	"penstock/internal/datadir"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// site is Penstock as a command sees it: a data directory on this machine, or a stack in an account.
type site struct {
	Name                   string // "./data" or "aws:penstock", for people
	Keys                   hour.Keys
	Format                 string // of events: "json" or "text"
	Split                  string // "lines" if each line of a record is an event, else ""
	Archive, Hours, Failed store.Store

	Dir   *datadir.Dir  // nil for a stack
	Stack *awsapi.Stack // nil on this machine
	now   func() time.Time
}

// openDir opens a data directory for reading.
func openDir(path string, now func() time.Time) (*site, error) {
	d, err := datadir.Open(path, datadir.Options{Now: now})
	if err != nil {
		return nil, err
	}
	return &site{Name: path, Keys: d.Keys, Format: d.Marker.Format, Split: d.Marker.Split, Archive: d.Archive, Hours: d.Hours,
		Failed: d.Failed, Dir: d, now: now}, nil
}

// openStack finds a stack in the account that the environment's credentials are of.
func openStack(ctx context.Context, name string, now func() time.Time) (*site, error) {
	s, err := awsapi.OpenStack(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", targetPrefix+name, err)
	}
	return &site{Name: targetPrefix + name, Keys: s.Keys, Format: s.Format, Split: s.Split, Archive: s.Store(s.ArchiveBucket),
		Hours: s.Store(s.HoursBucket), Failed: s.Store(s.FailureBucket), Stack: s, now: now}, nil
}

// Close lets go of what was opened.
func (s *site) Close() error {
	if s.Dir != nil {
		return s.Dir.Close()
	}
	return nil
}

// path is where an object of the bucket "archive", "hours" or "failure" lies, for people and other programs.
func (s *site) path(bucket, key string) string {
	if s.Dir != nil {
		return filepath.Join(s.Dir.Path, bucket, filepath.FromSlash(key))
	}
	name := map[string]string{"archive": s.Stack.ArchiveBucket, "hours": s.Stack.HoursBucket, "failure": s.Stack.FailureBucket}[bucket]
	return "s3://" + name + "/" + key
}

// Playbook reads the job of the hours as it stands now, and the reference that ledgers know it by.
func (s *site) Playbook(ctx context.Context) (*playbook.Playbook, hour.Ref, error) {
	if s.Stack != nil {
		return cluster.StoredPlaybook{Store: s.Hours, Key: cluster.PlaybookKey(s.Stack.Job)}.Playbook(ctx)
	}
	path := filepath.Join(s.Dir.Path, playbookName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, hour.Ref{}, fmt.Errorf("read the playbook %s: %w: `penstock run --data %s` puts one there", path, withoutPath(err), s.Name)
	}
	book, err := readBook(path, data)
	if err != nil {
		return nil, hour.Ref{}, err
	}
	return local.PlaybookRef(book)
}

// Ledger is the ledgers of the hours. Commands that append are kept apart by the ledger itself, not by a lock.
func (s *site) Ledger() *ledger.Ledger {
	return &ledger.Ledger{Store: s.Hours, Keys: s.Keys, Now: s.now}
}

// Stream reads the stream. On one machine that is what the last run left of it: records that are archived are gone from
// there. A directory without a run is a *fault.NotFound.
func (s *site) Stream(ctx context.Context) (stream.Reader, error) {
	if s.Stack != nil {
		return s.Stack.Stream(s.Stack.StreamName), nil
	}
	saved, err := s.saved(ctx)
	switch {
	case err != nil:
		return nil, err
	case saved == nil:
		return nil, &fault.NotFound{Key: "stream of " + s.Name}
	}
	return stream.Restore(stream.Options{Now: func() time.Time { return saved.Clock.Time }}, saved.Stream)
}

// saved reads where the last run of a data directory left its clock and its stream; nil if none did.
func (s *site) saved(ctx context.Context) (*local.Saved, error) {
	states, err := store.OpenDir(s.Dir.Stream(), store.DirOptions{Now: s.now})
	if err != nil {
		return nil, err
	}
	defer states.Close()
	return local.Load(ctx, states)
}
