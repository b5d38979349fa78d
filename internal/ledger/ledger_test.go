package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
)

var (
	ctx  = context.Background()
	hr   = must(hour.Parse("2026-11-23T07"))
	keys = must(hour.NewKeys(hour.DefaultName))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func at() time.Time { return time.Date(2026, 11, 23, 8, 5, 0, 0, time.UTC) }

func newLedger() (*ledger.Ledger, *store.Memory) {
	m := store.NewMemory(at)
	return &ledger.Ledger{Store: m, Keys: keys, Now: at}, m
}

func started(n int) *hour.Entry {
	return &hour.Entry{ID: fmt.Sprintf("start/%d", n), Type: hour.EntryStarted, Run: n, By: ledger.BySchedule}
}

func claimed(n int, execution string) *hour.Entry {
	return &hour.Entry{ID: execution + "/claim", Type: hour.EntryClaimed, Run: n, Execution: execution}
}

func sealed(n int, execution, revision string) *hour.Entry {
	return &hour.Entry{ID: execution + "/seal/" + revision, Type: hour.EntrySealed, Run: n, Execution: execution, Revision: revision, Seal: ref(revision)}
}

func ref(revision string) *hour.Ref {
	return &hour.Ref{Key: keys.SealKey(hr, revision), SHA256: hour.SHA256([]byte(revision))}
}

func published(n int, execution, revision string) *hour.Entry {
	return &hour.Entry{ID: execution + "/publish", Type: hour.EntryPublished, Run: n, Execution: execution, Revision: revision,
		Publish: &hour.Publication{Seal: *ref(revision), Events: n}}
}

func failed(n int, execution, name string) *hour.Entry {
	return &hour.Entry{ID: execution + "/fail", Type: hour.EntryFailed, Run: n, Execution: execution, Error: name}
}

func ended(n int, execution, status string) *hour.Entry {
	return &hour.Entry{ID: execution + "/ended", Type: hour.EntryEnded, Run: n, Execution: execution, Status: status}
}

func appendAll(t *testing.T, l *ledger.Ledger, entries ...*hour.Entry) *ledger.State {
	t.Helper()
	var s *ledger.State
	for _, e := range entries {
		var err error
		if s, err = l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return e, nil }); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

const revA, revB = "aaaaaaaaaaaa", "bbbbbbbbbbbb"

func TestAnAppendedLedgerReadsBackAsTheStateThatAppendGave(t *testing.T) {
	l, m := newLedger()
	s := appendAll(t, l, started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA))
	r, err := l.Read(ctx, hr)
	if err != nil {
		t.Fatal(err)
	}
	if r.Last != 4 || r.LastHash != s.LastHash || r.Published() == nil || r.Published().Number != 4 || len(r.Open()) != 0 {
		t.Errorf("read back: %+v", r)
	}
	b, _, err := m.Get(ctx, keys.LedgerKey(hr, 4), ledger.MaxEntry)
	if err != nil || hour.SHA256(b) != r.LastHash || r.Entries[3].Previous != r.Hash(3) {
		t.Errorf("hash of the last entry is not that of its bytes: %v", err)
	}
}

func TestAGapOrABrokenChainIsCorruptAndNamesTheKey(t *testing.T) {
	for name, damage := range map[string]func(*store.Memory) string{
		"gap": func(m *store.Memory) string {
			m.Delete(ctx, keys.LedgerKey(hr, 2))
			return keys.LedgerKey(hr, 3)
		},
		"first missing": func(m *store.Memory) string {
			m.Delete(ctx, keys.LedgerKey(hr, 1))
			return keys.LedgerKey(hr, 2)
		},
		"rewritten": func(m *store.Memory) string {
			e := started(1)
			e.Version, e.Hour, e.Number, e.By = hour.Version, hr, 1, "somebody else"
			_, o, _ := m.Get(ctx, keys.LedgerKey(hr, 1), ledger.MaxEntry)
			m.Replace(ctx, o.Key, o.ETag, hour.Encode(e))
			return keys.LedgerKey(hr, 2)
		},
		"flipped bit": func(m *store.Memory) string {
			b, o, _ := m.Get(ctx, keys.LedgerKey(hr, 3), ledger.MaxEntry)
			b[10] ^= 1
			m.Replace(ctx, o.Key, o.ETag, b)
			return o.Key
		},
		"foreign name": func(m *store.Memory) string {
			key := keys.LedgerPrefix(hr) + "x.json"
			m.Create(ctx, key, []byte("{}"))
			return key
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, m := newLedger()
			appendAll(t, l, started(1), claimed(1, "x"), failed(1, "x", "Unavailable"))
			key := damage(m)
			_, err := l.Read(ctx, hr)
			var corrupt *fault.Corrupt
			if !errors.As(err, &corrupt) || corrupt.Key != key {
				t.Errorf("got %v, want Corrupt at %s", err, key)
			}
			if _, err := l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return started(2), nil }); !errors.As(err, &corrupt) {
				t.Errorf("appended to a corrupt ledger: %v", err)
			}
		})
	}
}

func TestARepeatedAppendStandsOnce(t *testing.T) {
	l, m := newLedger()
	for range 3 {
		appendAll(t, l, started(1), claimed(1, "x"))
	}
	if n := count(m); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func TestALostAnswerAppendsOnce(t *testing.T) {
	for _, schedule := range []func(int) storefault.Schedule{storefault.LoseWrite, storefault.FailWrite} {
		for k := 1; k <= 3; k++ {
			m := store.NewMemory(at)
			l := &ledger.Ledger{Store: storefault.NewProcess(schedule(k), nil).Wrap("hours", m), Keys: keys, Now: at}
			s := appendAll(t, l, started(1), claimed(1, "x"), failed(1, "x", "Unavailable"))
			if s.Last != 3 || count(m) != 3 || len(s.Ignored) != 0 {
				t.Errorf("write %d: %d entries", k, count(m))
			}
		}
	}
}

func TestAStoreThatStaysAwayEndsAnAppend(t *testing.T) {
	m := store.NewMemory(at)
	refuse := func(op storefault.Op) storefault.Outcome {
		if op.Write {
			return storefault.Outcome{Err: &fault.Unavailable{Service: "s3", Action: op.Action, Err: storefault.ErrInjected}}
		}
		return storefault.Outcome{}
	}
	p := storefault.NewProcess(refuse, nil)
	l := &ledger.Ledger{Store: p.Wrap("hours", m), Keys: keys, Now: at}
	_, err := l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return started(1), nil })
	var unavailable *fault.Unavailable
	if !errors.As(err, &unavailable) || p.Writes() > 10 {
		t.Errorf("%v after %d writes", err, p.Writes())
	}
}

// A decision is made again on the state that the other writer left.
func TestWritersThatMeetDecideAgain(t *testing.T) {
	l, m := newLedger()
	var wg sync.WaitGroup
	const writers = 4
	runs := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			n, _, err := l.Start(ctx, hr, ledger.Start{ID: fmt.Sprint("writer ", w), By: ledger.ByRerun})
			if err != nil {
				t.Error(err)
			}
			runs[w] = n
		})
	}
	wg.Wait()
	seen := map[int]bool{}
	for _, n := range runs {
		seen[n] = true
	}
	s := must(l.Read(ctx, hr))
	if len(seen) != writers || count(m) != writers || len(s.Ignored) != 0 || s.NextRun() != writers+1 {
		t.Errorf("runs %v, %d entries, %v ignored", runs, count(m), s.Ignored)
	}
	if n, _, err := l.Start(ctx, hr, ledger.Start{ID: "writer 2", By: ledger.ByRerun}); err != nil || n != runs[2] {
		t.Errorf("a repeated start gave run %d, %v; want %d", n, err, runs[2])
	}
}

func TestADecisionMayBeThatNothingIsToDo(t *testing.T) {
	l, m := newLedger()
	stop := errors.New("stop")
	if _, err := l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return nil, stop }); err != stop {
		t.Errorf("got %v", err)
	}
	if s, err := l.Append(ctx, hr, func(*ledger.State) (*hour.Entry, error) { return nil, nil }); err != nil || s.Last != 0 || count(m) != 0 {
		t.Errorf("%v, %d entries", err, count(m))
	}
}

func count(m *store.Memory) (n int) {
	for range m.List(ctx, keys.LedgerPrefix(hr)) {
		n++
	}
	return n
}

func manifestBytes(m *store.Memory) []byte {
	b, _, err := m.Get(ctx, keys.ManifestKey(hr), ledger.MaxEntry)
	if err != nil {
		return nil
	}
	return b
}

func TestTheManifestIsTheFoldsAndIsNeverLowered(t *testing.T) {
	l, m := newLedger()
	first := appendAll(t, l, started(1), claimed(1, "x"))
	if got, err := l.WriteManifest(ctx, first); got != nil || err != nil || manifestBytes(m) != nil {
		t.Fatalf("a manifest of an hour that is not published: %v, %v", got, err)
	}
	one := appendAll(t, l, sealed(1, "x", revA), published(1, "x", revA))
	if got, err := l.WriteManifest(ctx, one); err != nil || got.Ledger != 4 || got.LedgerHash != one.Hash(4) {
		t.Fatalf("%+v, %v", got, err)
	}
	bytes1 := manifestBytes(m)
	later := appendAll(t, l, started(2), claimed(2, "y"))
	if _, err := l.WriteManifest(ctx, later); err != nil || !bytes.Equal(manifestBytes(m), bytes1) {
		t.Errorf("a run that has published nothing changed the manifest: %v", err)
	}
	two := appendAll(t, l, sealed(2, "y", revB), published(2, "y", revB))
	if got, err := l.WriteManifest(ctx, two); err != nil || got.Revision != revB || strings.Join(got.Superseded, " ") != revA {
		t.Errorf("%+v, %v", got, err)
	}
	bytes2 := manifestBytes(m)
	if got, err := l.WriteManifest(ctx, one); err != nil || got.Ledger != two.Last || !bytes.Equal(manifestBytes(m), bytes2) {
		t.Errorf("an older projection lowered the manifest: %+v, %v", got, err)
	}
}

func TestAManifestIsWrittenThroughLostAnswersAndOverDamage(t *testing.T) {
	for k := 1; k <= 2; k++ {
		for _, schedule := range []storefault.Schedule{storefault.LoseWrite(k), storefault.FailWrite(k)} {
			l, m := newLedger()
			s := appendAll(t, l, started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA))
			l.Store = storefault.NewProcess(schedule, nil).Wrap("hours", m)
			if k == 2 {
				m.Create(ctx, keys.ManifestKey(hr), []byte("half a manif"))
			}
			if got, err := l.WriteManifest(ctx, s); err != nil || got.Revision != revA {
				t.Errorf("%v, %v", got, err)
			}
			if _, err := keys.DecodeManifest(keys.ManifestKey(hr), manifestBytes(m)); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAManifestOfANewerReleaseIsLeftAlone(t *testing.T) {
	l, m := newLedger()
	s := appendAll(t, l, started(1), claimed(1, "x"), sealed(1, "x", revA), published(1, "x", revA))
	newer := hour.Encode(struct {
		Version int `json:"version"`
	}{hour.Version + 1})
	m.Create(ctx, keys.ManifestKey(hr), newer)
	_, err := l.WriteManifest(ctx, s)
	var version *fault.NewerVersion
	if !errors.As(err, &version) || !bytes.Equal(manifestBytes(m), newer) {
		t.Errorf("got %v", err)
	}
}
