package compact_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/bzip2"
	"penstock/internal/compact"
	"penstock/internal/emf"
	"penstock/internal/emf/emftest"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

// mixture is an hour of everything: large objects, small ones, trimmed ones, rejects alone, in two parts.
func mixture(t testing.TB) (*world, compact.In) {
	w := newWorld(t)
	w.batch(1100)
	w.batch(3)
	w.batch(1)
	w.batch(40, [2]int{0, 1}, [2]int{5, 9}, [2]int{39, 40})
	w.batch(1250, [2]int{700, 707}, [2]int{1000, 1250})
	w.batch(1150)
	w.next = 3550
	w.batch(1) // a reject
	w.batch(20, [2]int{9, 10})
	return w, w.seal(5)
}

func TestWhatAPartTookIsAFigure(t *testing.T) {
	w, in := mixture(t)
	var out strings.Builder
	at := now()
	w.h.Figures, w.h.Now = emf.Figures{Out: &out, Stack: "prod"}, func() time.Time {
		at = at.Add(3 * time.Second)
		return at
	}
	w.compact(in, 2)
	w.compact(in, 2) // a retry writes nothing, and says nothing
	if got := emftest.Only(t, out.String(), "prod", "CompactSeconds"); !slices.Equal(got, []float64{3, 3}) {
		t.Errorf("two parts took %v s", got)
	}
}

func crcs(t *testing.T, data []byte) (list []uint32) {
	t.Helper()
	if _, err := bzip2.Scan(bytes.NewReader(data), func(b bzip2.Block) error { list = append(list, b.CRC); return nil }); err != nil {
		t.Fatal(err) // not one whole stream
	}
	return list
}

func TestAPartHoldsTheArchivedLinesInOneStream(t *testing.T) {
	w, in := mixture(t)
	run := w.compact(in, 2)
	if len(run.Parts) != 2 || len(w.written()) != 3 {
		t.Fatalf("%d parts in the ledger, %d files", len(run.Parts), len(w.written()))
	}
	for n, pieces := range [][2]int{{0, 5}, {5, 8}} {
		part := run.Parts[n]
		want := strings.Join(slices.Concat(w.events[pieces[0]:pieces[1]]...), "")
		data := w.read(&part.File)
		if decode(t, data) != want {
			t.Errorf("part %d holds other lines", n)
		}
		if part.Number != n || part.Events != strings.Count(want, "\n") || part.Bytes != int64(len(want)) || part.Key != keys.PartKey(hr, in.Revision, n) {
			t.Errorf("part %d is %+v, holds %d events and %d bytes", n, part, strings.Count(want, "\n"), len(want))
		}
		blocks := crcs(t, data)
		for i, p := range w.pieces[pieces[0]:pieces[1]] {
			if p.Object == nil {
				continue
			}
			object, _, err := w.archive.Get(ctx, p.Object.Key, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			for _, crc := range crcs(t, object) {
				if joined := slices.Contains(blocks, crc); joined != (p.Bytes >= 500_000 && p.Whole()) {
					t.Errorf("part %d, piece %d of %d bytes: joined without decoding: %t", n, i, p.Bytes, joined)
				}
			}
		}
		tested(t, data)
	}
	data := w.read(run.Rejects)
	if got := decode(t, data); got != strings.Join(w.rejects, "") {
		t.Errorf("rejects %.200q", got)
	}
	tested(t, data)
}

// tested lets bzip2 itself test a file, where it is installed.
func tested(t *testing.T, data []byte) {
	t.Helper()
	path, err := exec.LookPath("bzip2")
	if err != nil {
		t.Log("bzip2 is not installed")
		return
	}
	cmd := exec.Command(path, "-t")
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("bzip2 -t: %v %s", err, out)
	}
}

func TestTheSameRevisionHasTheSameBytes(t *testing.T) {
	w, in := mixture(t)
	w.compact(in, 2)
	want := w.written()
	var mu sync.Mutex
	computed := 0
	for name, change := range map[string]func(h *compact.Handler){
		"four goroutines":      func(h *compact.Handler) { h.Procs = 4 },
		"many reads at a time": func(h *compact.Handler) { h.Fetch = 32 },
		"computed elsewhere": func(h *compact.Handler) {
			h.Compute = func(fn func()) {
				done := make(chan struct{})
				go func() { defer close(done); mu.Lock(); computed++; mu.Unlock(); fn() }()
				<-done
			}
		},
		"bodies in single bytes": func(h *compact.Handler) { h.Archive = dribbling{h.Archive} },
	} {
		again := *w
		again.hours = store.NewMemory(now)
		again.ledger = &ledger.Ledger{Store: again.hours, Keys: keys, Now: now}
		h := *w.h
		h.Hours, h.Ledger = again.hours, again.ledger
		change(&h)
		again.h = &h
		again.compact(again.seal(5), 2)
		if !maps.Equal(again.written(), want) {
			t.Errorf("%s: other bytes", name)
		}
	}
	if computed == 0 {
		t.Error("nothing was computed elsewhere")
	}
}

type dribbling struct{ compact.Source }

func (d dribbling) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	r, err := d.Source.GetRange(ctx, key, etag, off, n)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, 1), io.LimitReader(r, 100), r), r}, nil
}

// TestTheLayoutsBytesAreThese pins the output. If it fails because output is meant to change, hour.Layout has to rise.
func TestTheLayoutsBytesAreThese(t *testing.T) {
	if hour.Layout != 1 {
		t.Fatal("the layout is another one: pin its bytes here")
	}
	w, in := mixture(t)
	run := w.compact(in, 2)
	got := []string{in.Revision, run.Parts[0].SHA256[:16], run.Parts[1].SHA256[:16], run.Rejects.SHA256[:16]}
	want := []string{"9e59b55d319e", "23d9445f861f8224", "92033bccd68b268f", "84b383e0d09383ae"}
	if !slices.Equal(got, want) {
		t.Errorf("revision, parts and rejects are\n%q, pinned are\n%q", got, want)
	}
}
