// Package store is what the stages need of an object store: S3, a directory, or memory.
//
// The three behave alike; storetest holds the contract. Keys are slash-separated, relative, at most 1 024 bytes, made
// of [A-Za-z0-9._=-] and '/', without empty, "." or ".." elements; every method answers a *fault.BadInput for others.
package store

import (
	"context"
	"io"
	"iter"
	"time"
)

// Object describes a stored object.
type Object struct {
	Key      string
	Size     int64     // bytes
	ETag     string    // opaque; equal ETags of one key mean equal bytes
	Modified time.Time // when it was written, by the store's clock; zero where S3 does not tell (after a write)
}

// Store is an object store with conditional writes. It is safe for concurrent use. Reads see every write that was
// answered before them (S3 is strongly consistent since 2020). Errors are *fault.NotFound, *fault.Exists,
// *fault.Changed, *fault.Unavailable, *fault.AccessDenied, *fault.BadInput, or the context's.
type Store interface {
	// List yields the objects whose key begins with prefix, in key order. An error ends the sequence.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Get returns a small document whole; an object of more than max bytes is a *fault.Corrupt.
	Get(ctx context.Context, key string, max int64) ([]byte, Object, error)
	// GetRange opens n bytes from off (n < 0: to the end). With an etag, another version is a *fault.Changed. A range
	// that begins at or after the end is empty, one that goes beyond it is cut. The caller closes the reader, and ctx
	// must live until then.
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
	// Create writes data if the key is absent, else answers *fault.Exists and leaves what stands. The name exists only
	// once the bytes are durable. Exists may mean one's own earlier attempt, whose answer was lost (a retry inside the
	// S3 client included): the caller knows what it wanted to write and compares. After any other error the key holds
	// either what stood or all of data.
	Create(ctx context.Context, key string, data []byte) (Object, error)
	// CreateFrom is Create for a body of unknown length in bounded memory. When r fails, nothing is created and r's
	// error is returned.
	CreateFrom(ctx context.Context, key string, r io.Reader) (Object, error)
	// Replace writes data if the key's present version is etag ("" for absent), else answers *fault.Changed. Changed, too,
	// may mean one's own earlier attempt.
	Replace(ctx context.Context, key, etag string, data []byte) (Object, error)
	// Delete removes a key; a key that does not exist is no error.
	Delete(ctx context.Context, key string) error
}
