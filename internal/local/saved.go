package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/stream"
)

// Input is one input that was run, as runs/ keeps it.
type Input struct {
	Version int         `json:"version"`
	ID      string      `json:"id"`   // first 12 digits of the digest
	Name    string      `json:"name"` // as it was given
	Digest  string      `json:"digest"`
	Clock   string      `json:"clock,omitempty"`
	Format  string      `json:"format"`
	Seed    uint64      `json:"seed"`
	Start   hour.Time   `json:"start"`  // where the arrival clock begins, if the input has none
	Events  int         `json:"events"` // sent so far
	Refused int         `json:"refused,omitempty"`
	Hours   []hour.Hour `json:"hours,omitempty"` // in which events arrived
	Done    bool        `json:"done"`
}

// savedVersion is the version of Saved.
const savedVersion = 1

// Saved is where a run stood between two events: what a later one goes on from.
type Saved struct {
	Version int             `json:"version"`
	Clock   hour.Time       `json:"clock"`
	Input   string          `json:"input"` // id of the input that was being run
	Events  int             `json:"events"`
	Hours   []hour.Hour     `json:"hours,omitempty"`
	Done    bool            `json:"done"`
	Stream  stream.Snapshot `json:"stream"`
}

const (
	savedKey = "state.json"
	maxSaved = 1 << 30
)

// Save writes where the pipeline stands. What the archive has taken is left out: it cannot be read again from the
// stream, and need not be.
func (p *Pipeline) Save(ctx context.Context, to store.Store, s Saved) error {
	snapshot, err := p.Stream.(interface {
		Snapshot(context.Context) (stream.Snapshot, error)
	}).Snapshot(ctx)
	if err != nil {
		return err
	}
	taken := snapshot.Checkpoints[consumer]
	for i := range snapshot.Records {
		r := &snapshot.Records[i]
		id := shardID(snapshot, r.Index)
		r.Records = slices.DeleteFunc(slices.Clone(r.Records), func(rec stream.Record) bool {
			return hour.Sequence(rec.Sequence).Compare(hour.Sequence(taken[id])) <= 0
		})
	}
	s.Version, s.Clock, s.Stream = savedVersion, hour.At(p.Clock.Now()), snapshot
	return replace(ctx, to, savedKey, s)
}

func shardID(s stream.Snapshot, index uint32) string {
	for _, shard := range s.Shards {
		if shard.Index == index {
			return shard.ID
		}
	}
	return ""
}

// Load reads what Save wrote; nil if there is nothing.
func Load(ctx context.Context, from store.Store) (*Saved, error) {
	b, _, err := from.Get(ctx, savedKey, maxSaved)
	var absent *fault.NotFound
	if errors.As(err, &absent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var raw struct {
		Version int             `json:"version"`
		Stream  json.RawMessage `json:"stream"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, &fault.Corrupt{Key: "stream/" + savedKey, Detail: "not a saved state"}
	}
	if raw.Version > savedVersion {
		return nil, &fault.NewerVersion{Kind: "saved state", Have: raw.Version, Know: savedVersion}
	}
	var s Saved
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, &fault.Corrupt{Key: "stream/" + savedKey, Detail: "not a saved state"}
	}
	s.Stream, err = stream.ParseSnapshot(raw.Stream)
	return &s, err
}

// Archived is up to which sequence number each shard's records are archived, and so not kept.
func (s *Saved) Archived() map[string]hour.Sequence {
	all := map[string]hour.Sequence{}
	for shard, sequence := range s.Stream.Checkpoints[consumer] {
		all[shard] = hour.Sequence(sequence)
	}
	return all
}

// SaveInput writes what is known of an input.
func SaveInput(ctx context.Context, to store.Store, in Input) error {
	in.Version = 1
	return replace(ctx, to, in.ID+".json", in)
}

// Inputs reads all inputs that were run, in the order of their ids.
func Inputs(ctx context.Context, from store.Store) ([]Input, error) {
	var all []Input
	for o, err := range from.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(o.Key, ".json") {
			continue
		}
		b, _, err := from.Get(ctx, o.Key, hour.MaxDocument)
		if err != nil {
			return nil, err
		}
		var in Input
		if err := json.Unmarshal(b, &in); err != nil {
			return nil, &fault.Corrupt{Key: "runs/" + o.Key, Detail: "not an input's record"}
		}
		if in.Version > 1 {
			return nil, &fault.NewerVersion{Kind: "input's record", Have: in.Version, Know: 1}
		}
		all = append(all, in)
	}
	return all, nil
}

// replace writes a document that only this process writes: the data directory is locked.
func replace(ctx context.Context, to store.Store, key string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	for range 3 {
		etag := ""
		for o, err := range to.List(ctx, key) {
			if err != nil {
				return err
			}
			if o.Key == key {
				etag = o.ETag
			}
			break
		}
		_, err = to.Replace(ctx, key, etag, append(b, '\n'))
		var changed *fault.Changed
		if !errors.As(err, &changed) {
			return err
		}
	}
	return fmt.Errorf("write %s: %w", key, err)
}

// Begin says from when on an input may arrive: the stream's last write.
func (s *Saved) Begin() time.Time { return s.Stream.Latest }
