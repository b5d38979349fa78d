package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/fault"
)

// SnapshotVersion is the version of Snapshot that this release writes.
const SnapshotVersion = 1

// Snapshot is the whole state of a Model as a JSON document. A Model restored from it answers further calls as the
// first one would have.
type Snapshot struct {
	Version     int            `json:"version"`
	Seed        uint64         `json:"seed,string"`
	Retention   int64          `json:"retention_ms"`
	Jitter      int64          `json:"jitter_ms"`
	Latest      time.Time      `json:"latest"`     // see Model.Latest
	NextShard   uint32         `json:"next_shard"` // index of the next shard to open
	Shards      []ShardState   `json:"shards"`
	Checkpoints Checkpoints    `json:"checkpoints"`
	Records     []ShardRecords `json:"records,omitempty"` // what is retained
}

// ShardState is a shard in a Snapshot.
type ShardState struct {
	Shard
	Index     uint32     `json:"index"`
	Created   int64      `json:"created"`           // Unix seconds, the first field of its sequence numbers
	LastIndex uint64     `json:"last_index,string"` // the place of the newest sequence number
	LastTime  int64      `json:"last_second"`
	Closed    *time.Time `json:"closed,omitempty"`
}

// ShardRecords are the retained records of a shard, in order.
type ShardRecords struct {
	Index   uint32   `json:"index"`
	Records []Record `json:"records"`
}

// Snapshot returns the state of the stream, records included; their data is shared.
func (m *Model) Snapshot(ctx context.Context) (Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return Snapshot{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	snapshot := m.state()
	horizon := m.horizon(m.options.Now())
	for _, s := range m.shards {
		records := ShardRecords{Index: s.place.shard}
		err := m.log.scan(s.place.shard, position{}, func(r Record) bool {
			if !r.Arrival.Before(horizon) {
				records.Records = append(records.Records, r)
			}
			return true
		})
		if err != nil {
			return Snapshot{}, &fault.Unavailable{Service: "stream", Action: "read " + s.id, Err: err}
		}
		if len(records.Records) > 0 {
			snapshot.Records = append(snapshot.Records, records)
		}
	}
	return snapshot, nil
}

// state is the Snapshot without records.
func (m *Model) state() Snapshot {
	state := Snapshot{
		Version: SnapshotVersion, Seed: m.options.Seed, Latest: m.latest.UTC(), NextShard: m.nextShard,
		Retention: m.options.Retention.Milliseconds(), Jitter: m.options.Jitter.Milliseconds(),
		Checkpoints: m.checkpoints.clone(),
	}
	for _, s := range m.shards {
		shard := ShardState{
			Shard: s.describe(), Index: s.place.shard, Created: s.place.created, LastIndex: s.place.index, LastTime: s.place.second,
		}
		if !s.open() {
			closed := s.closed.UTC()
			shard.Closed = &closed
		}
		state.Shards = append(state.Shards, shard)
	}
	return state
}

// ParseSnapshot reads the JSON of a Snapshot and checks it. A newer version is a *fault.NewerVersion, anything else that
// no Model wrote a *fault.Corrupt.
func ParseSnapshot(data []byte) (Snapshot, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Snapshot{}, corrupt(errors.New("not JSON of a version"))
	}
	if version.Version > SnapshotVersion {
		return Snapshot{}, &fault.NewerVersion{Kind: "stream snapshot", Have: version.Version, Know: SnapshotVersion}
	}
	var s Snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return Snapshot{}, corrupt(errors.New("not the JSON of a snapshot"))
	}
	_, err := s.model(nil)
	return s, err
}

func corrupt(err error) error { return &fault.Corrupt{Key: "stream snapshot", Detail: err.Error()} }

// Restore returns a stream in memory that goes on where the snapshot stands. Seed, retention and jitter are the
// snapshot's; of the options only Now counts.
func Restore(options Options, snapshot Snapshot) (*Model, error) {
	m, err := snapshot.model(options.Now)
	if err != nil {
		return nil, err
	}
	if options.Now == nil {
		return nil, &fault.BadInput{Detail: "restore stream: no clock"}
	}
	return m, nil
}

// model builds the stream that a snapshot describes, or says what cannot be.
func (s Snapshot) model(now func() time.Time) (*Model, error) {
	log := newMemoryLog()
	m := newModel(Options{Now: now}, log)
	if err := m.load(s); err != nil {
		return nil, err
	}
	known := map[uint32]*shard{}
	for _, shard := range m.shards {
		known[shard.place.shard] = shard
	}
	for _, records := range s.Records {
		shard := known[records.Index]
		if shard == nil {
			return nil, corrupt(fmt.Errorf("records of shard %d, which is unknown or named twice", records.Index))
		}
		delete(known, records.Index)
		if err := checkRecords(shard, records.Records); err != nil {
			return nil, corrupt(err)
		}
		log.shards[records.Index] = slices.Clone(records.Records)
		for _, r := range records.Records {
			log.held += r.size()
		}
	}
	return m, nil
}

func checkRecords(s *shard, records []Record) error {
	last, newest := s.first, s.place.sequence()
	for i, r := range records {
		if checkSequence(r.Sequence) != nil || CompareSequences(r.Sequence, last) <= 0 || CompareSequences(r.Sequence, newest) > 0 {
			return fmt.Errorf("%s: record %d is out of order", s.id, i)
		}
		if r.size() > MaxRecordBytes || r.PartitionKey == "" {
			return fmt.Errorf("%s: record %d has %d bytes and a partition key of %d", s.id, i, r.size(), len(r.PartitionKey))
		}
		last = r.Sequence
	}
	return nil
}

// load takes over a state without its records.
func (m *Model) load(s Snapshot) error {
	if s.Version > SnapshotVersion {
		return &fault.NewerVersion{Kind: "stream snapshot", Have: s.Version, Know: SnapshotVersion}
	}
	const longest = 10 * 365 * 24 * time.Hour
	switch {
	case s.Version < 1:
		return corrupt(fmt.Errorf("version %d", s.Version))
	case s.Retention <= 0 || s.Retention > longest.Milliseconds() || s.Jitter < 0 || s.Jitter > longest.Milliseconds():
		return corrupt(fmt.Errorf("retention of %d ms, jitter of %d ms", s.Retention, s.Jitter))
	}
	m.options.Seed = s.Seed
	m.options.Retention = time.Duration(s.Retention) * time.Millisecond
	m.options.Jitter = time.Duration(s.Jitter) * time.Millisecond
	if err := m.loadShards(s); err != nil {
		return corrupt(err)
	}
	m.adopt(s)
	return nil
}

func (m *Model) loadShards(s Snapshot) error {
	if len(s.Shards) > maxShards {
		return fmt.Errorf("%d shards", len(s.Shards))
	}
	for i, state := range s.Shards {
		if err := state.check(); err != nil {
			return err
		}
		if i > 0 && state.Index <= s.Shards[i-1].Index || state.Index >= s.NextShard {
			return fmt.Errorf("shard %d is out of order", state.Index)
		}
	}
	m.adopt(s)
	next := hashKey{}
	for i, open := range m.open {
		if open.start != next || i == len(m.open)-1 && open.end != maxHash() {
			return fmt.Errorf("the open shards do not cover the hash keys at %s", next)
		}
		next = open.end.next()
	}
	if len(m.open) == 0 {
		return errors.New("no open shard")
	}
	return nil
}

func (state ShardState) check() error {
	start, err := parseHash(state.StartHash)
	if err != nil {
		return err
	}
	end, err := parseHash(state.EndHash)
	if err != nil {
		return err
	}
	const most = 1 << 35 // seconds; beyond the year 3000
	switch {
	case state.Created > most, state.LastTime > most, state.LastIndex > timeIndex(time.Unix(most, 0)),
		state.ID != shardID(state.Index), start.compare(end) > 0, state.Created < 0, state.LastTime < 0,
		checkSequence(state.First) != nil, state.Last != "" && checkSequence(state.Last) != nil,
		(state.Last == "") != (state.Closed == nil):
		return fmt.Errorf("shard %d contradicts itself", state.Index)
	}
	return nil
}

// adopt sets the stream's tables to those of a checked state.
func (m *Model) adopt(s Snapshot) {
	m.latest, m.nextShard, m.checkpoints = s.Latest, s.NextShard, s.Checkpoints.clone()
	m.shards = make([]*shard, len(s.Shards))
	for i, state := range s.Shards {
		start, _ := parseHash(state.StartHash) // checked, or our own
		end, _ := parseHash(state.EndHash)
		m.shards[i] = &shard{
			id: state.ID, parent: state.Parent, adjacent: state.AdjacentParent, start: start, end: end,
			place: place{created: state.Created, shard: state.Index, index: state.LastIndex, second: state.LastTime},
			first: state.First, last: state.Last,
		}
		if state.Closed != nil {
			m.shards[i].closed = *state.Closed
		}
	}
	m.open = byHash(m.shards)
}
