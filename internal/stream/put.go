package stream

import (
	"context"
	"fmt"
	"unicode/utf8"

	"penstock/internal/fault"
)

// putRequest is one call of PutRecords on its way to the next commit.
type putRequest struct {
	entries []Entry
	hashes  []hashKey
	puts    []Put
	err     error
	done    bool
}

// PutRecords implements Writer. Every entry is taken or none is: failures of single entries come from package
// streamfault. Calls that break a limit of the service are a *fault.BadInput and write nothing. Concurrent calls share
// one commit of the log.
func (m *Model) PutRecords(ctx context.Context, entries []Entry) ([]Put, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	request, err := newPutRequest(entries)
	if err != nil {
		return nil, err
	}
	m.queueMu.Lock()
	m.queue = append(m.queue, request)
	m.queueMu.Unlock()

	m.mu.Lock()
	defer m.mu.Unlock()
	if !request.done { // nobody took it along
		m.queueMu.Lock()
		batch := m.queue
		m.queue = nil
		m.queueMu.Unlock()
		m.put(batch)
	}
	return request.puts, request.err
}

func newPutRequest(entries []Entry) (*putRequest, error) {
	if err := checkSizes(entries); err != nil {
		return nil, err
	}
	r := &putRequest{entries: entries, hashes: make([]hashKey, len(entries))}
	for i, e := range entries {
		if e.ExplicitHashKey == "" {
			r.hashes[i] = partitionHash(e.PartitionKey)
			continue
		}
		var err error
		if r.hashes[i], err = parseHash(e.ExplicitHashKey); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// checkSizes holds the limits of one PutRecords. The service itself takes 10 MiB a call; MaxPutBytes is what it took
// before, and what passes here passes there.
func checkSizes(entries []Entry) error {
	if len(entries) == 0 || len(entries) > MaxEntries {
		return &fault.BadInput{Detail: fmt.Sprintf("put %d records, want 1 to %d", len(entries), MaxEntries)}
	}
	total := 0
	for i, e := range entries {
		if n := utf8.RuneCountInString(e.PartitionKey); n < 1 || n > MaxKeyBytes {
			return &fault.BadInput{Detail: fmt.Sprintf("put record %d: partition key of %d characters, want 1 to %d", i, n, MaxKeyBytes)}
		}
		size := len(e.PartitionKey) + len(e.Data)
		if size > MaxRecordBytes {
			return &fault.BadInput{Detail: fmt.Sprintf("put record %d: %d bytes, limit %d", i, size, MaxRecordBytes)}
		}
		total += size
	}
	if total > MaxPutBytes {
		return &fault.BadInput{Detail: fmt.Sprintf("put %d records: %d bytes, limit %d", len(entries), total, MaxPutBytes)}
	}
	return nil
}

// put places the records of a batch of calls and commits them together.
func (m *Model) put(batch []*putRequest) {
	now := m.options.Now()
	size, n := 0, 0
	for _, r := range batch {
		n += len(r.entries)
		for _, e := range r.entries {
			size += len(e.Data)
		}
	}
	buffer := make([]byte, 0, size) // one allocation for all the copies
	c := change{add: make([]placed, 0, n)}
	for _, r := range batch {
		r.done = true
		r.puts = make([]Put, len(r.entries))
		for i, e := range r.entries {
			s := route(m.open, r.hashes[i])
			start := len(buffer)
			buffer = append(buffer, e.Data...)
			record := Record{
				Sequence:     s.next(m.options.Seed, now),
				PartitionKey: e.PartitionKey,
				Arrival:      s.arrival(m.options.Seed, now, m.options.Jitter),
				Data:         buffer[start:len(buffer):len(buffer)],
			}
			r.puts[i] = Put{Shard: s.id, Sequence: record.Sequence}
			c.add = append(c.add, placed{s.place.shard, record})
		}
	}
	m.latest = later(m.latest, now)
	c.state = m.state
	if err := m.log.commit(c); err != nil {
		// Numbers given to nobody stay given: they only have to grow.
		for _, r := range batch {
			r.puts, r.err = nil, &fault.Unavailable{Service: "stream", Action: fmt.Sprintf("put %d records", len(r.entries)), Err: err}
		}
		return
	}
	if !now.Before(m.nextTrim) {
		// Readers do not see expired records anyway: when this fails, the next put tries again.
		if m.trimExpired(now) == nil {
			m.nextTrim = now.Add(m.options.Retention / 256)
		}
	}
}

func (r Record) size() int64 { return int64(len(r.Data) + len(r.PartitionKey)) }
