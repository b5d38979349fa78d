package main

import (
	"sync"
	"time"

	"penstock/internal/clock"
)

// fastClock is the real clock, faster, from begin on, and stands still while a task works: on a slow machine no timeout passes that
// would not on a fast one. Of its tasks one runs at a time, as on the virtual clock: the pipeline counts on that.
type fastClock struct {
	clock.Real
	baton sync.Mutex // held by the task that works

	mu      sync.Mutex
	shown   time.Time // when it stood still last
	since   time.Time // of the real clock: when it went on from there
	stopped bool
}

func newFastClock(begin time.Time) *fastClock { return &fastClock{shown: begin, since: time.Now()} }

func (f *fastClock) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now()
}

func (f *fastClock) now() time.Time {
	if f.stopped {
		return f.shown
	}
	return f.shown.Add(time.Since(f.since) * stubSpeed).UTC().Round(0)
}

// take begins a task's work, give ends it.
func (f *fastClock) take() {
	f.baton.Lock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown, f.stopped = f.now(), true
}

func (f *fastClock) give() {
	f.mu.Lock()
	f.since, f.stopped = time.Now(), false
	f.mu.Unlock()
	f.baton.Unlock()
}

func (f *fastClock) Go(fn func()) {
	go func() {
		f.take()
		defer f.give()
		fn()
	}()
}

func (f *fastClock) Wait(d time.Duration, events ...clock.Event) int {
	until := f.Now().Add(d)
	for {
		left := d
		if d > 0 {
			left = max(until.Sub(f.Now())/stubSpeed, time.Millisecond)
		}
		f.give()
		fired := f.Real.Wait(left, events...)
		f.take()
		if fired >= 0 || d <= 0 || !f.Now().Before(until) {
			return fired
		}
	}
}

func (f *fastClock) Compute(d time.Duration, fn func()) {
	fn()
	f.Wait(d)
}
