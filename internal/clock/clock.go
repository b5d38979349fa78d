// Package clock is the time that everything in Penstock runs on.
//
// Code that waits, starts concurrent work or reads the time takes a [Clock] and uses nothing
// else: no time.Now, no time.Sleep, no go statement, no channel shared between tasks. It then
// runs unchanged on the wall clock ([Real]) and on a simulated one ([Virtual]), where a day
// passes in as long as its computation takes and where the same inputs give the same
// interleaving, whatever the number of cores.
//
// Rules for code that runs on a Clock:
//
//   - Tasks are started with Go and meet through Events. State that several tasks share needs a
//     mutex on the real clock; on the virtual one it is never contended.
//   - No mutex may be held over Wait, Sleep, All or Compute: on the virtual clock the next task
//     that locks it would stop the whole loop.
//   - The function given to Compute is pure: it touches nothing that another task may touch and
//     does not use the clock.
package clock

import "time"

// Clock tells the time, starts tasks and lets them wait. A task is a function started with Go
// (or with Virtual.Run); all methods are called from tasks only, except Now, which any goroutine
// may call at any time.
type Clock interface {
	// Now is the present time of this clock, in UTC.
	Now() time.Time

	// Go starts fn as a task of its own and returns at once. On the virtual clock fn begins at
	// the present instant, after every task that is already due.
	Go(fn func())

	// NewEvent makes an event that has not fired.
	NewEvent() Event

	// Wait suspends the task until one of the events has fired or d has passed, and returns the
	// index of the event, or -1 on timeout. An event that has fired already returns at once, the
	// one with the lowest index first. A negative d means no timeout; zero gives way to the
	// tasks that are due now. A nil event never fires. Events come from the same clock.
	Wait(d time.Duration, events ...Event) int

	// Compute runs fn, possibly on another goroutine and beside other tasks, and returns when d
	// has passed and fn is done, whichever is later. On the virtual clock d is exactly how long
	// the computation takes, however long it really took. A panic of fn is raised again in the
	// calling task.
	Compute(d time.Duration, fn func())
}

// Event is something that happens once. It is safe to fire it from several tasks.
type Event interface {
	// Fire makes the event happen and lets every task that waits for it go on, in the order in
	// which they began to wait. Firing again does nothing.
	Fire()
	// Fired reports whether the event has happened.
	Fired() bool
}

// Sleep suspends the task for d; for d <= 0 it only gives way to the tasks that are due.
func Sleep(c Clock, d time.Duration) { c.Wait(max(d, 0)) }

// SleepUntil suspends the task until the clock shows t. It returns at once when t is not in the
// future.
func SleepUntil(c Clock, t time.Time) {
	if d := t.Sub(c.Now()); d > 0 {
		c.Wait(d)
	}
}

// All runs the functions as tasks of their own, started in order, and returns when every one of
// them has returned. A function that panics ends the run of a virtual clock and the process of a
// real one, as in any task.
func All(c Clock, fns ...func()) {
	done := make([]Event, len(fns))
	for i, fn := range fns {
		done[i] = c.NewEvent()
		c.Go(func() {
			fn()
			done[i].Fire()
		})
	}
	for _, e := range done {
		c.Wait(-1, e)
	}
}
