package store_test

import (
	"context"
	"testing"
	"time"

	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func start() time.Time { return time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) }

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMemory(start) })
}

func TestMemoryTakesItsTimeAndVersionsFromOutside(t *testing.T) {
	now := start()
	s := store.NewMemory(func() time.Time { return now })
	now = now.Add(90 * time.Minute)
	o, err := s.Create(context.Background(), "k", []byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	// sha256sum of "abc" begins so.
	if want := (store.Object{Key: "k", Size: 3, ETag: "ba7816bf8f01cfea414140de5dae2223", Modified: now}); o != want {
		t.Errorf("created %+v, want %+v", o, want)
	}
}
