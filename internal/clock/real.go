package clock

import (
	"context"
	"reflect"
	"sync"
	"time"
)

// Real is the wall clock: tasks are goroutines, waiting is waiting. The zero value is ready for
// use, and all Reals are the same clock.
type Real struct{}

var _ Clock = Real{}

// Now is the time of the machine, in UTC and without a monotonic reading, so that it compares
// and prints as a stored time does.
func (Real) Now() time.Time { return time.Now().UTC().Round(0) }

// Go starts fn on a goroutine.
func (Real) Go(fn func()) { go fn() }

// NewEvent makes an event that any goroutine may fire.
func (Real) NewEvent() Event { return &realEvent{done: make(chan struct{})} }

// Wait implements Clock.
func (Real) Wait(d time.Duration, events ...Event) int {
	for i, e := range events {
		if e != nil && e.Fired() {
			return i
		}
	}
	var timeout <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	switch len(events) {
	case 0:
		<-timeout
		return -1
	case 1:
		select {
		case <-realDone(events[0]):
			return 0
		case <-timeout:
			return -1
		}
	}
	cases := make([]reflect.SelectCase, 0, len(events)+1)
	for _, e := range events {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(realDone(e))})
	}
	cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(timeout)})
	i, _, _ := reflect.Select(cases)
	if i == len(events) {
		return -1
	}
	return i
}

// Compute runs fn on the calling goroutine and then waits for what is left of d.
func (Real) Compute(d time.Duration, fn func()) {
	start := time.Now()
	fn()
	if left := d - time.Since(start); left > 0 {
		time.Sleep(left)
	}
}

type realEvent struct {
	once sync.Once
	done chan struct{}
}

func (e *realEvent) Fire() { e.once.Do(func() { close(e.done) }) }

func (e *realEvent) Fired() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// realDone is the channel that closes when e fires; nil, which never closes, for a nil event.
func realDone(e Event) chan struct{} {
	if e == nil {
		return nil
	}
	r, ok := e.(*realEvent)
	if !ok {
		panic("clock: wait for an event of another clock")
	}
	return r.done
}

// Pause waits on the real clock until d has passed, or returns the context's error when that ends first. It is for what runs
// on no other clock, such as a command that looks at a deployed stack now and then.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
