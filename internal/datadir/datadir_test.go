package datadir

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/fault"
)

var marker = Marker{Name: "player_events", Format: "json"}

func now() time.Time { return time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) }

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path, Options{Now: now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestADirectoryThatIsAbsentOrEmptyBecomesADataDirectory(t *testing.T) {
	for name, path := range map[string]string{"absent": filepath.Join(t.TempDir(), "a", "b"), "empty": t.TempDir()} {
		if err := Init(path, marker); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d := open(t, path)
		if d.Marker != (Marker{Version, "player_events", "json", ""}) || d.Keys.Name() != "player_events" {
			t.Errorf("%s: marker %+v", name, d.Marker)
		}
		ctx := context.Background()
		if _, err := d.Archive.Create(ctx, "2026/11/a", []byte("a")); err != nil {
			t.Error(err)
		}
		if _, err := d.Hours.Create(ctx, "2026/11/h", []byte("h")); err != nil {
			t.Error(err)
		}
		if _, err := d.Failed.Create(ctx, "f", []byte("f")); err != nil {
			t.Error(err)
		}
		for _, f := range []string{"archive/2026/11/a", "hours/2026/11/h", "failure/f", "stream", "traces", "runs"} {
			if _, err := os.Stat(filepath.Join(path, f)); err != nil {
				t.Error(err)
			}
		}
		for _, p := range []string{d.Stream(), d.Traces(), d.Runs()} {
			if _, err := os.Stat(p); err != nil {
				t.Error(err)
			}
		}
		var exists *Exists
		if err := Init(path, marker); !errors.As(err, &exists) {
			t.Errorf("%s: made twice: %v", name, err)
		}
	}
}

func TestADirectoryWithOtherFilesIsLeftAlone(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "thesis.doc"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	var other *NotEmpty
	if err := Init(path, marker); !errors.As(err, &other) || other.Found != "thesis.doc" {
		t.Errorf("%v", err)
	}
	path = t.TempDir()
	if err := os.MkdirAll(filepath.Join(path, "archive", "2019"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := Init(path, marker); !errors.As(err, &other) || other.Found != "archive" {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	file := filepath.Join(path, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Init(file, marker); err == nil {
		t.Error("a file became a data directory")
	}
}

func TestWhatADiedInitLeftDoesNotMatter(t *testing.T) {
	path := t.TempDir()
	for _, d := range []string{"archive", "hours"} {
		if err := os.Mkdir(filepath.Join(path, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, tempPrefix+"123"), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Now: now}); err == nil {
		t.Error("half a data directory was opened")
	}
	if err := Init(path, marker); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestOfTwoThatMakeADirectoryOneDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = Init(path, marker) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		var exists *Exists
		if err == nil {
			made++
		} else if !errors.As(err, &exists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d of %d made it", made, len(errs))
	}
	open(t, path)
}

func TestABadMarkerIsNotWritten(t *testing.T) {
	for _, m := range []Marker{{}, {Name: "A", Format: "json"}, {Name: "a", Format: "xml"}, {Name: "a", Format: "json", Split: "words"}} {
		path := filepath.Join(t.TempDir(), "data")
		if err := Init(path, m); err == nil {
			t.Errorf("%+v was written", m)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestWhatIsNoDataDirectoryIsRefusedInOneLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{filepath.Join(dir, "absent"): "does not exist", dir: "has no penstock.json", file: "not a directory"}
	for i, text := range []string{"", "{", "[]", "null", `{"version":0,"name":"a","format":"json"}`, `{"version":"1"}`,
		`{"version":1,"name":"../x","format":"json"}`, `{"version":1,"name":"a"}`, strings.Repeat(" ", maxMarker) + `{"version":1,"name":"a","format":"json"}`} {
		path := filepath.Join(dir, string('a'+rune(i)))
		if err := errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, MarkerName), []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
		cases[path] = MarkerName
	}
	for path, want := range cases {
		d, err := Open(path, Options{Now: now})
		var not *NotData
		if !errors.As(err, &not) || d != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if s := err.Error(); !strings.Contains(s, path) || !strings.Contains(s, want) || !strings.Contains(s, "`penstock run --data ") || strings.Contains(s, "\n") {
			t.Errorf("%s: %s", path, s)
		}
	}
}

func TestADirectoryOfANewerReleaseIsRefused(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, MarkerName), []byte(`{"version":2,"name":"a","format":"parquet"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{Now: now})
	var newer *fault.NewerVersion
	if !errors.As(err, &newer) || newer.Have != 2 || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestTwoCommandsDoNotWriteAtOnce(t *testing.T) {
	path := t.TempDir()
	if err := Init(path, marker); err != nil {
		t.Fatal(err)
	}
	d, e := open(t, path), open(t, path)
	release, err := d.Lock("penstock run")
	if err != nil {
		t.Fatal(err)
	}
	var busy *Busy
	if _, err := e.Lock("penstock rerun"); !errors.As(err, &busy) || !strings.HasPrefix(busy.Holder, "penstock run, process ") {
		t.Fatalf("the second command got %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = e.Lock("penstock rerun")
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// TestALockDiesWithItsProcess runs itself as the process that is killed while it holds the lock.
func TestALockDiesWithItsProcess(t *testing.T) {
	const variable = "DATADIR_TEST_LOCK"
	if path := os.Getenv(variable); path != "" {
		d, err := Open(path, Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Lock("child"); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		time.Sleep(time.Minute)
		return
	}
	path := t.TempDir()
	if err := Init(path, marker); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestALockDiesWithItsProcess$")
	child.Env = append(os.Environ(), variable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	d := open(t, path)
	var busy *Busy
	if _, err := d.Lock("parent"); !errors.As(err, &busy) || !strings.HasPrefix(busy.Holder, "child, process ") {
		t.Errorf("while the child lives: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	release, err := d.Lock("parent")
	if err != nil {
		t.Fatalf("after the child's death: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
