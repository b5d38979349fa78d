package storefault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/store"
	"penstock/internal/store/storefault"
	"penstock/internal/store/storetest"
)

func memory() *store.Memory {
	return store.NewMemory(func() time.Time { return time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) })
}

func TestAStoreWithoutFaultsKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storefault.NewProcess(nil, nil).Wrap("store", memory()) })
}

// work makes three writes at two seams.
func work(ctx context.Context, archive, hours store.Store) error {
	if _, err := archive.Create(ctx, "a", []byte("1")); err != nil {
		return err
	}
	if _, err := hours.CreateFrom(ctx, "b", strings.NewReader("2")); err != nil {
		return err
	}
	_, err := archive.Replace(ctx, "c", "", []byte("3"))
	return err
}

func TestAProcessDiesBeforeOrAfterEachWrite(t *testing.T) {
	ctx := context.Background()
	clean := storefault.NewProcess(nil, nil)
	if err := work(ctx, clean.Wrap("archive", memory()), clean.Wrap("hours", memory())); err != nil {
		t.Fatal(err)
	}
	if clean.Writes() != 3 {
		t.Fatalf("%d writes counted, want 3", clean.Writes())
	}
	for k := 1; k <= clean.Writes(); k++ {
		for _, after := range []bool{false, true} {
			schedule := storefault.DieBeforeWrite(k)
			if after {
				schedule = storefault.DieAfterWrite(k)
			}
			archive, hours := memory(), memory()
			p := storefault.NewProcess(schedule, nil)
			death := died(func() { work(ctx, p.Wrap("archive", archive), p.Wrap("hours", hours)) })
			want := k - 1
			if after {
				want = k
			}
			if death == nil || death.Op.Nth != k || death.After != after || p.Dead() == nil {
				t.Errorf("write %d: death %v", k, death)
			}
			if got := count(t, archive) + count(t, hours); got != want {
				t.Errorf("write %d, after %t: %d objects, want %d", k, after, got, want)
			}
			if died(func() { p.Wrap("archive", archive).Get(ctx, "a", 1) }) == nil {
				t.Error("a dead process goes on reading")
			}
		}
	}
}

func died(fn func()) (death *storefault.Death) {
	defer func() {
		if d, ok := recover().(storefault.Death); ok {
			death = &d
		}
	}()
	fn()
	return nil
}

func count(t *testing.T, s store.Store) (n int) {
	t.Helper()
	for _, err := range s.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestRefusedWritesHaveNoEffectAndLostOnesHave(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		schedule storefault.Schedule
		want     int
		cause    error
	}{
		{storefault.FailWrite(2), 1, storefault.ErrInjected},
		{storefault.LoseWrite(2), 2, storefault.ErrLost},
		{storefault.OnNth(1, storefault.Calls("hours", "CreateFrom"), storefault.Outcome{Err: context.DeadlineExceeded}), 1, context.DeadlineExceeded},
		{storefault.FirstOf(storefault.LoseWrite(3), storefault.FailWrite(3)), 3, storefault.ErrLost},
	} {
		archive, hours := memory(), memory()
		p := storefault.NewProcess(c.schedule, nil)
		err := work(ctx, p.Wrap("archive", archive), p.Wrap("hours", hours))
		if got := count(t, archive) + count(t, hours); got != c.want || !errors.Is(err, c.cause) {
			t.Errorf("%d objects, error %v; want %d, %v", got, err, c.want, c.cause)
		}
	}
}

func TestReadsBreakOff(t *testing.T) {
	ctx := context.Background()
	inner := memory()
	for i := range 4 {
		if _, err := inner.Create(ctx, fmt.Sprint("k", i), make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	s := storefault.NewProcess(func(storefault.Op) storefault.Outcome { return storefault.Outcome{Lose: true} }, nil).Wrap("s", inner)
	n := 0
	var last error
	for _, err := range s.List(ctx, "") {
		if last = err; err == nil {
			n++
		}
	}
	if n != 2 || !errors.As(last, new(*fault.Unavailable)) {
		t.Errorf("listing of 4 gave %d and %v", n, last)
	}
	r, err := s.GetRange(ctx, "k0", "", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if len(data) != 1000 || !errors.Is(err, storefault.ErrLost) {
		t.Errorf("body of %d bytes, then %v", len(data), err)
	}
	if _, _, err := s.Get(ctx, "k0", 5000); !errors.Is(err, storefault.ErrLost) {
		t.Errorf("get: %v", err)
	}
}

func TestASeedGivesTheSameFaultsInAnyInterleaving(t *testing.T) {
	const seed = 5
	rates := storefault.Rates{Refuse: 0.2, Lose: 0.1, Delay: 0.5, MaxDelay: time.Second}
	run := func(workers int) string {
		ctx := context.Background()
		slept := func(context.Context, time.Duration) error { return nil }
		s := storefault.NewProcess(storefault.Seeded(seed, rates), slept).Wrap("s", memory())
		fates := make([]string, 200)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := w; i < len(fates); i += workers {
					for range 2 {
						_, err := s.Create(ctx, fmt.Sprintf("k%d", i), []byte("x"))
						fates[i] += fmt.Sprintf("%T ", err)
					}
				}
			})
		}
		wg.Wait()
		return strings.Join(fates, "\n")
	}
	one := run(1)
	if run(4) != one {
		t.Errorf("seed %d: four workers met other faults than one", seed)
	}
	if n := strings.Count(one, "Unavailable"); n < 80 || n > 160 {
		t.Errorf("seed %d: %d faults in 400 calls at a rate of 0.3", seed, n)
	}
}

func TestDelaysPassOnTheGivenClock(t *testing.T) {
	var slept time.Duration
	sleep := func(_ context.Context, d time.Duration) error { slept += d; return nil }
	p := storefault.NewProcess(func(storefault.Op) storefault.Outcome { return storefault.Outcome{Delay: time.Hour} }, sleep)
	if err := p.Do(context.Background(), storefault.Op{Seam: "emr"}, func() error { return nil }); err != nil || slept != time.Hour {
		t.Errorf("slept %s, %v", slept, err)
	}
}
