package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func openDir(t *testing.T, path string, o store.DirOptions) *store.Dir {
	t.Helper()
	if o.Now == nil {
		o.Now = start
	}
	d, err := store.OpenDir(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDirKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return openDir(t, t.TempDir(), store.DirOptions{NoSync: true})
	})
}

func TestDirKeepsTheContractWithSync(t *testing.T) {
	d := openDir(t, t.TempDir(), store.DirOptions{})
	ctx := context.Background()
	o, err := d.Create(ctx, "2026/11/a", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Replace(ctx, "2026/11/a", o.ETag, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateFrom(ctx, "2026/12/b/c", strings.NewReader("three")); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, "2026/12/b/c"); err != nil {
		t.Fatal(err)
	}
	if got, _, err := d.Get(ctx, "2026/11/a", 10); err != nil || string(got) != "two" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestDirAndMemoryDescribeObjectsAlike(t *testing.T) {
	ctx := context.Background()
	now := start().Add(123456789 * time.Nanosecond)
	clock := func() time.Time { return now }
	path := t.TempDir()
	var lists [3]string
	for i, s := range []store.Store{store.NewMemory(clock), openDir(t, path, store.DirOptions{Now: clock})} {
		for n := range 5 {
			if _, err := s.Create(ctx, fmt.Sprintf("a/%d", n), fmt.Append(nil, n)); err != nil {
				t.Fatal(err)
			}
		}
		lists[i] = describe(t, s)
	}
	lists[2] = describe(t, openDir(t, path, store.DirOptions{})) // a process that has not written them
	if lists[0] != lists[1] || lists[0] != lists[2] {
		t.Errorf("memory:\n%sdirectory:\n%sreopened:\n%s", lists[0], lists[1], lists[2])
	}
}

func describe(t *testing.T, s store.Store) string {
	t.Helper()
	var b strings.Builder
	for o, err := range s.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", o)
	}
	return b.String()
}

func TestDirSeesWhatOthersWrote(t *testing.T) {
	ctx := context.Background()
	path := t.TempDir()
	a, b := openDir(t, path, store.DirOptions{}), openDir(t, path, store.DirOptions{})
	o, err := a.Create(ctx, "k", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	describe(t, b)
	if _, err := b.Replace(ctx, "k", o.ETag, []byte("two")); err != nil { // of the same size, at the same (virtual) time
		t.Fatal(err)
	}
	for i, d := range []*store.Dir{a, b} {
		if got := describe(t, d); !strings.Contains(got, store.ETag([]byte("two"))) {
			t.Errorf("store %d lists %s", i, got)
		}
		if _, err := d.GetRange(ctx, "k", o.ETag, 0, -1); !errors.As(err, new(*fault.Changed)) {
			t.Errorf("store %d still finds the old version: %v", i, err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "k"), []byte("six"), 0o666); err != nil { // by hand, in place
		t.Fatal(err)
	}
	if got := describe(t, a); !strings.Contains(got, store.ETag([]byte("six"))) {
		t.Errorf("after a change in place: %s", got)
	}
}

func TestDirRefusesWhatADirectoryCannotHold(t *testing.T) {
	ctx := context.Background()
	d := openDir(t, t.TempDir(), store.DirOptions{})
	if _, err := d.Create(ctx, "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c", strings.Repeat("k", 256)} {
		_, err := d.Create(ctx, key, []byte("x"))
		if !errors.As(err, new(*fault.BadInput)) {
			t.Errorf("create %.10s: %v, want a BadInput", key, err)
		}
		if _, _, err = d.Get(ctx, key, 10); !errors.As(err, new(*fault.NotFound)) {
			t.Errorf("get %.10s: %v, want a NotFound", key, err)
		}
		if err := d.Delete(ctx, key); err != nil {
			t.Errorf("delete %.10s: %v", key, err)
		}
	}
	if _, err := store.OpenDir(filepath.Join(t.TempDir(), "x"), store.DirOptions{}); !errors.As(err, new(*fault.BadInput)) {
		t.Errorf("open without a clock: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenDir(file, store.DirOptions{Now: start}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("open a file: %v", err)
	}
}

func TestDirDoesNotLeaveItsDirectory(t *testing.T) {
	ctx := context.Background()
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, path, store.DirOptions{})
	if _, _, err := d.Get(ctx, "link/secret", 10); err == nil {
		t.Error("a link led a reader out")
	}
	if _, err := d.Create(ctx, "link/new", []byte("x")); err == nil {
		t.Error("a link led a writer out")
	}
	if err := d.Delete(ctx, "link/secret"); err != nil {
		t.Log(err)
	}
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Error("a link led Delete out")
	}
	if got := describe(t, d); got != "" {
		t.Errorf("listed %s", got)
	}
}

func TestDirGivesItsErrorsATypeWhenReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root writes into read-only directories")
	}
	path := t.TempDir()
	ctx := context.Background()
	if _, err := openDir(t, path, store.DirOptions{}).Create(ctx, "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{filepath.Join(path, ".~penstock"), path} {
		if err := os.Chmod(p, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(p, 0o777)
	}
	d := openDir(t, path, store.DirOptions{})
	if _, _, err := d.Get(ctx, "k", 10); err != nil {
		t.Errorf("read: %v", err)
	}
	if _, err := d.Create(ctx, "k2", []byte("x")); !errors.As(err, new(*fault.AccessDenied)) {
		t.Errorf("write: %v", err)
	}
}

func TestDirErrorsSayWhoHasToAct(t *testing.T) {
	for err, want := range map[syscall.Errno]error{
		syscall.EROFS: &fault.AccessDenied{}, syscall.EACCES: &fault.AccessDenied{}, syscall.EPERM: &fault.AccessDenied{},
		syscall.ENOSPC: &fault.Unavailable{}, syscall.EIO: &fault.Unavailable{}, syscall.EMFILE: &fault.Unavailable{},
		syscall.ENAMETOOLONG: &fault.BadInput{},
	} {
		if got := store.IOError("write k", err); reflect.TypeOf(got) != reflect.TypeOf(want) || !strings.Contains(got.Error(), err.Error()) {
			t.Errorf("%v: %T %v, want %T", err, got, got, want)
		}
	}
}

func TestDirReportsAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	// The temporary folder cannot be put on a full disk here; the writer's errors pass through one place.
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := store.WriteTyped(f, []byte("x")); !errors.As(err, new(*fault.Unavailable)) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("write to a full disk: %v", err)
	}
}

func TestDirSweepsOnlyWhatTheDeadLeft(t *testing.T) {
	ctx := context.Background()
	path := t.TempDir()
	d := openDir(t, path, store.DirOptions{})
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := readerFunc(func(p []byte) (int, error) {
		once.Do(func() { close(entered) })
		<-release
		return 0, io.EOF
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := d.CreateFrom(ctx, "slow", io.MultiReader(strings.NewReader("body"), slow)); err != nil {
			t.Error(err)
		}
	})
	<-entered
	left := filepath.Join(path, ".~penstock", "1-1")
	if err := os.WriteFile(left, []byte("half"), 0o666); err != nil {
		t.Fatal(err)
	}
	openDir(t, path, store.DirOptions{})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the left-over is still there: %v", err)
	}
	close(release)
	wg.Wait()
	if got, _, err := d.Get(ctx, "slow", 10); err != nil || string(got) != "body" {
		t.Errorf("the living writer's object reads %q, %v", got, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDirNamesWhatItLists(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path, store.DirOptions{NoSync: true})
	for _, key := range []string{"2026/11/_a", "2026/11/_b.ledger/000001.json", "2026/11/a", "2026/12/_a", "x"} {
		if _, err := d.Create(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("x", filepath.Join(path, "2026", "11", "_link")); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]int{"": 5, "2026/11/_": 2, "2026/": 4, "2026/11/_b.ledger/": 1, "nothing": 0} {
		var listed, named []string
		for o, err := range d.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, o.Key)
		}
		for key, err := range d.Names(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			named = append(named, key)
		}
		if len(named) != want || !reflect.DeepEqual(named, listed) {
			t.Errorf("under %q it names %v and lists %v", prefix, named, listed)
		}
	}
	for _, err := range d.Names(t.Context(), "../x") {
		if err == nil {
			t.Error("it names what lies outside")
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.Names(ended, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	}
}
