package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// TestDirWriterProcess is the body of the processes that the next tests start.
func TestDirWriterProcess(t *testing.T) {
	path := os.Getenv("PENSTOCK_TEST_WRITER")
	if path == "" {
		t.Skip("runs in a child process of the tests below")
	}
	ctx := context.Background()
	d := openDir(t, path, store.DirOptions{NoSync: true})
	mine := 0
	for n := 0; ; n++ {
		key := fmt.Sprintf("n/%03d", n)
		if _, err := d.Create(ctx, key, bytes.Repeat(fmt.Appendf(nil, "%08d", n), 5000)); err == nil {
			fmt.Println("created", n)
		} else if !errors.As(err, new(*fault.Exists)) {
			t.Fatal(err)
		}
		for n < 50 {
			data, o, err := d.Get(ctx, "counter", 100)
			if err != nil {
				t.Fatal(err)
			}
			var count int
			fmt.Sscan(string(data), &count)
			if _, err = d.Replace(ctx, "counter", o.ETag, fmt.Append(nil, count+1)); err == nil {
				mine++
				break
			} else if !errors.As(err, new(*fault.Changed)) {
				t.Fatal(err)
			}
		}
		if n == 49 {
			fmt.Println("counted", mine)
		}
		if n == 49 && os.Getenv("PENSTOCK_TEST_ENDLESS") == "" || n == 5000 {
			return
		}
	}
}

func startWriter(t *testing.T, path string, env ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDirWriterProcess$")
	cmd.Env = append(os.Environ(), append(env, "PENSTOCK_TEST_WRITER="+path)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestDirProcessesExcludeEachOther(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path, store.DirOptions{NoSync: true})
	if _, err := d.Create(context.Background(), "counter", []byte("0")); err != nil {
		t.Fatal(err)
	}
	created, counted := map[int]bool{}, 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		cmd, lines := startWriter(t, path)
		wg.Go(func() {
			for lines.Scan() {
				var n int
				mu.Lock()
				if _, err := fmt.Sscanf(lines.Text(), "created %d", &n); err == nil {
					if created[n] {
						t.Errorf("n/%03d was created twice", n)
					}
					created[n] = true
				} else if _, err := fmt.Sscanf(lines.Text(), "counted %d", &n); err == nil {
					counted += n
				}
				mu.Unlock()
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("writer: %v", err)
			}
		})
	}
	wg.Wait()
	got, _, err := d.Get(context.Background(), "counter", 100)
	if err != nil || string(got) != "150" || counted != 150 || len(created) != 50 {
		t.Errorf("counter %s, %d replaced, %d created (%v), want 150, 150, 50", got, counted, len(created), err)
	}
}

func TestDirKilledWritersLeaveWholeObjectsOnly(t *testing.T) {
	const seed = 11
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx := context.Background()
	for range 3 {
		path := t.TempDir()
		if _, err := openDir(t, path, store.DirOptions{}).Create(ctx, "counter", []byte("0")); err != nil {
			t.Fatal(err)
		}
		cmd, lines := startWriter(t, path, "PENSTOCK_TEST_ENDLESS=1")
		acknowledged, stop := 0, 50+rng.IntN(150)
		for lines.Scan() {
			fmt.Sscanf(lines.Text(), "created %d", &acknowledged)
			if acknowledged == stop {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		d := openDir(t, path, store.DirOptions{})
		n := 0
		for o, err := range d.List(ctx, "n/") {
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Repeat(fmt.Appendf(nil, "%08d", n), 5000)
			if got, _, err := d.Get(ctx, o.Key, 1<<20); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes, %v", o.Key, len(got), err)
			}
			n++
		}
		if n < acknowledged+1 {
			t.Errorf("%d objects, %d were acknowledged", n, acknowledged+1)
		}
		left, err := os.ReadDir(filepath.Join(path, ".~penstock"))
		if err != nil || len(left) > 1 {
			t.Errorf("left over: %v %v", left, err)
		}
	}
}
