package clock_test

import (
	"context"
	"testing"
	"time"

	"penstock/internal/clock"
)

func TestAllWaitsOnTheRealClockToo(t *testing.T) {
	c := clock.Real{}
	start := c.Now()
	e, never := c.NewEvent(), c.NewEvent()
	clock.All(c,
		func() { c.Compute(5*time.Millisecond, func() {}); e.Fire(); e.Fire() },
		func() {
			if got := c.Wait(-1, never, e); got != 1 {
				t.Errorf("Wait = %d", got)
			}
		},
		func() {
			if got := c.Wait(time.Millisecond, never); got != -1 {
				t.Errorf("Wait = %d", got)
			}
		},
		func() { clock.SleepUntil(c, start.Add(2*time.Millisecond)) },
		func() {
			if got := c.Wait(time.Minute, e); got != 0 || !e.Fired() {
				t.Errorf("Wait = %d", got)
			}
		},
	)
	if passed := c.Now().Sub(start); passed < 5*time.Millisecond {
		t.Errorf("only %s passed", passed)
	}
	if got := c.Wait(-1, nil, e); got != 1 {
		t.Errorf("Wait for a fired event = %d", got)
	}
}

func TestAPauseEndsWithItsTimeOrItsContext(t *testing.T) {
	if err := clock.Pause(context.Background(), time.Millisecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := clock.Pause(ctx, time.Hour); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
