// Package storetest holds the contract of store.Store: one suite that memory, directory and S3 pass alike.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// Option changes a run of the suite.
type Option func(*suite)

// Skip leaves out the test of that name (without the suite's own prefix) and says why.
func Skip(name, reason string) Option { return func(s *suite) { s.skip[name] = reason } }

type suite struct {
	open func(*testing.T) store.Store
	skip map[string]string
}

// Run runs the contract. Each test opens a store of its own, which has to be empty.
func Run(t *testing.T, open func(*testing.T) store.Store, options ...Option) {
	s := &suite{open: open, skip: map[string]string{}}
	for _, option := range options {
		option(s)
	}
	groups := []map[string]func(*testing.T, store.Store){writes(), bodies(), reads(), lists(), races()}
	known := map[string]bool{}
	for _, group := range groups {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			test := group[name]
			known[name] = true
			t.Run(name, func(t *testing.T) {
				if reason, ok := s.skip[name]; ok {
					t.Skip(reason)
				}
				test(t, s.open(t))
			})
		}
	}
	for name := range s.skip {
		if !known[name] {
			t.Errorf("the suite has no test %q to skip", name)
		}
	}
}

const limit = 64 << 20

func create(t *testing.T, s store.Store, key, data string) store.Object {
	t.Helper()
	o, err := s.Create(context.Background(), key, []byte(data))
	if err != nil {
		t.Fatalf("create %s: %v", key, err)
	}
	if o.Key != key || o.Size != int64(len(data)) || o.ETag == "" {
		t.Fatalf("create %s answered %+v", key, o)
	}
	return o
}

func wantContent(t *testing.T, s store.Store, key, want string) store.Object {
	t.Helper()
	data, o, err := s.Get(context.Background(), key, limit)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if string(data) != want {
		t.Fatalf("get %s: %d bytes %.60q, want %d bytes %.60q", key, len(data), data, len(want), want)
	}
	if o.Key != key || o.Size != int64(len(want)) || o.ETag == "" || o.Modified.IsZero() {
		t.Fatalf("get %s answered %+v", key, o)
	}
	return o
}

func wantAbsent(t *testing.T, s store.Store, key string) {
	t.Helper()
	_, _, err := s.Get(context.Background(), key, limit)
	wantError[*fault.NotFound](t, err)
	for o, err := range s.List(context.Background(), key) {
		if err != nil {
			t.Fatalf("list %s: %v", key, err)
		}
		if o.Key == key {
			t.Fatalf("%s is absent for Get and listed as %+v", key, o)
		}
	}
}

func wantError[E error](t *testing.T, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("error %T %v, want %T", err, err, want)
	}
}

func readAll(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(data)
}

func keys(t *testing.T, s store.Store, prefix string) string {
	t.Helper()
	var list []string
	for o, err := range s.List(context.Background(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		list = append(list, o.Key)
	}
	return strings.Join(list, " ")
}

// pattern is n bytes that do not repeat with any power of two.
func pattern(n int) []byte {
	data := bytes.Repeat([]byte("penstock carries a stream of events into hour files.\n"), n/53+1)
	for i := 0; i < n; i += 4093 {
		data[i] = byte(i >> 12)
	}
	return data[:n]
}
