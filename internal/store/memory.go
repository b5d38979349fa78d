package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/internal/fault"
)

// Memory is a Store in memory. Its ETags are those of ETag, and List yields what stood when it was called.
type Memory struct {
	now func() time.Time

	mu      sync.RWMutex
	keys    []string // sorted
	objects map[string]memoryObject
}

type memoryObject struct {
	Object
	data []byte // never written to once it is here
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store; now is the clock that gives Object.Modified.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, objects: map[string]memoryObject{}}
}

// List implements Store.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := begin(ctx, CheckPrefix, prefix); err != nil {
			yield(Object{}, err)
			return
		}
		for _, o := range m.snapshot(prefix) {
			if err := ctx.Err(); err != nil {
				yield(Object{}, err)
				return
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (m *Memory) snapshot(prefix string) []Object {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []Object
	at, _ := slices.BinarySearch(m.keys, prefix)
	for _, key := range m.keys[at:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		list = append(list, m.objects[key].Object)
	}
	return list
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key string, max int64) ([]byte, Object, error) {
	o, err := m.lookup(ctx, key)
	if err != nil {
		return nil, Object{}, err
	}
	if o.Size > max {
		return nil, Object{}, tooLarge(key, o.Size, max)
	}
	return bytes.Clone(o.data), o.Object, nil
}

// GetRange implements Store.
func (m *Memory) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	if off < 0 {
		return nil, negativeOffset(key, off)
	}
	o, err := m.lookup(ctx, key)
	if err != nil {
		return nil, err
	}
	if etag != "" && etag != o.ETag {
		return nil, &fault.Changed{Key: key}
	}
	data := o.data[min(off, o.Size):]
	if n >= 0 && n < int64(len(data)) {
		data = data[:n]
	}
	return io.NopCloser(withContext{ctx, bytes.NewReader(data)}), nil
}

// Create implements Store.
func (m *Memory) Create(ctx context.Context, key string, data []byte) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	return m.create(key, bytes.Clone(data))
}

// create takes data over.
func (m *Memory) create(key string, data []byte) (Object, error) {
	o := Object{Key: key, Size: int64(len(data)), ETag: ETag(data)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; ok {
		return Object{}, &fault.Exists{Key: key}
	}
	return m.put(o, data), nil
}

// CreateFrom implements Store. The memory it takes is the body's: a memory store has nowhere else to put it.
func (m *Memory) CreateFrom(ctx context.Context, key string, r io.Reader) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	data, err := io.ReadAll(withContext{ctx, r})
	if err != nil {
		return Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return Object{}, err
	}
	return m.create(key, data)
}

// Replace implements Store.
func (m *Memory) Replace(ctx context.Context, key, etag string, data []byte) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	data = bytes.Clone(data)
	o := Object{Key: key, Size: int64(len(data)), ETag: ETag(data)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects[key].ETag != etag {
		return Object{}, &fault.Changed{Key: key}
	}
	return m.put(o, data), nil
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, CheckKey, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := slices.BinarySearch(m.keys, key); ok {
		m.keys = slices.Delete(m.keys, at, at+1)
		delete(m.objects, key)
	}
	return nil
}

func (m *Memory) put(o Object, data []byte) Object {
	o.Modified = m.now()
	if at, ok := slices.BinarySearch(m.keys, o.Key); !ok {
		m.keys = slices.Insert(m.keys, at, o.Key)
	}
	m.objects[o.Key] = memoryObject{o, data}
	return o
}

func (m *Memory) lookup(ctx context.Context, key string) (memoryObject, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return memoryObject{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.objects[key]
	if !ok {
		return memoryObject{}, &fault.NotFound{Key: key}
	}
	return o, nil
}

// begin is what every call asks first: is the context alive, is the key (or prefix) legal?
func begin(ctx context.Context, check func(string) error, key string) error {
	if err := check(key); err != nil {
		return err
	}
	return ctx.Err()
}

func tooLarge(key string, size, max int64) error {
	return &fault.Corrupt{Key: key, Detail: fmt.Sprintf("%d bytes, limit %d", size, max)}
}

func negativeOffset(key string, off int64) error {
	return &fault.BadInput{Detail: fmt.Sprintf("read %s: offset %d is negative", key, off)}
}

// withContext stops reading once the context has ended.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (c withContext) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
