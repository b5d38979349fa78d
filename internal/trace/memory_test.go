package trace

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is an Appender that keeps files in memory.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	err   error
}

func (m *memory) Append(name string, lines []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.files == nil {
		m.files = map[string][]byte{}
	}
	m.files[name] = append(m.files[name], lines...)
	return nil
}

func (m *memory) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		b.WriteString("-- " + name + " --\n")
		b.Write(m.files[name])
	}
	return b.String()
}

// documents decodes a file and fails the test for a document that X-Ray would refuse.
func (m *memory) documents(t *testing.T, name string) []Document {
	t.Helper()
	var docs []Document
	for line := range bytes.Lines(m.files[name]) {
		var d Document
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&d); err != nil {
			t.Fatalf("decode %s: %v", line, err)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("document %s: %v", line, err)
		}
		docs = append(docs, d)
	}
	if len(docs) == 0 {
		t.Fatalf("no documents in %s; there are:\n%s", name, m)
	}
	return docs
}

func find(t *testing.T, docs []Document, name string) Document {
	t.Helper()
	for _, d := range docs {
		if d.Name == name && !d.InProgress {
			return d
		}
	}
	t.Fatalf("no document named %q in %+v", name, docs)
	return Document{}
}

// manual is a clock that a test moves.
type manual struct {
	mu sync.Mutex
	t  time.Time
}

func (c *manual) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *manual) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

func newManual() *manual { return &manual{t: time.Date(2026, 11, 23, 8, 5, 0, 0, time.UTC)} }

func newTestSink(t *testing.T) (*Sink, *memory, *manual) {
	t.Helper()
	out, clock := &memory{}, newManual()
	s, err := NewSink(out, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	return s, out, clock
}
