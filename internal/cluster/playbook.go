package cluster

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/playbook"
	"penstock/internal/store"
)

// PlaybookKey is the key, in the hours bucket, of a job's playbook.
func PlaybookKey(job string) string { return "code/playbooks/" + job + ".json" }

// StoredPlaybook is a playbook that lies in a store. It is safe for concurrent use.
type StoredPlaybook struct {
	// Store is where it lies; store.Store states the contract.
	Store interface {
		Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	}
	Key string // see PlaybookKey
}

// Playbook reads the playbook as it stands now, and says what it read. A playbook that is missing or malformed is a
// *fault.BadInput.
func (s StoredPlaybook) Playbook(ctx context.Context) (*playbook.Playbook, hour.Ref, error) {
	b, _, err := s.Store.Get(ctx, s.Key, playbook.MaxBytes)
	var none *fault.NotFound
	switch {
	case errors.As(err, &none):
		return nil, hour.Ref{}, &fault.BadInput{Detail: "no playbook at " + s.Key}
	case err != nil:
		return nil, hour.Ref{}, fmt.Errorf("read playbook %s: %w", s.Key, err)
	}
	p, err := playbook.Parse(b)
	if err != nil {
		return nil, hour.Ref{}, &fault.BadInput{Detail: fmt.Sprintf("%s: %v", s.Key, err)}
	}
	return p, hour.Ref{Key: s.Key, SHA256: hour.SHA256(b)}, nil
}
