package clock

import (
	"iter"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Virtual is a deterministic event loop over simulated time. Exactly one task runs at a time; it
// keeps running until it waits, and the next one is the task with the earliest wake time, among
// equals the one that was scheduled first. Time stands still while a task runs and jumps to the
// next wake time when none is due.
//
// When the main function returns (or a task panics, or nothing can go on), the tasks that are
// left are ended where they wait, in the order in which they were started: their deferred
// functions run, as with runtime.Goexit, and cannot wait any more. No goroutine outlives Run.
// Nothing that recovers panics can hold such a task back.
type Virtual struct {
	now     atomic.Int64 // nanoseconds since the Unix epoch; atomic because any goroutine may ask
	horizon int64
	seq     uint64
	started uint64
	ready   fifo
	timers  timers
	current *task
	oldest  *task // the live tasks, a list in the order of their start
	newest  *task
	running bool
	ending  bool
	mourn   func(*task) // asked for each task that is ended, to describe a deadlock
	failure error
	slots   chan struct{} // bounds the computations that really run at once
}

var _ Clock = (*Virtual)(nil)

// NewVirtual makes a clock that shows start and stands still until Run. The range of the clock
// is that of a 64-bit count of nanoseconds, the years 1678 to 2262.
func NewVirtual(start time.Time) *Virtual {
	v := &Virtual{horizon: math.MaxInt64, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	v.now.Store(start.UnixNano())
	return v
}

// SetHorizon makes Run fail with a HorizonError instead of letting the clock pass t. It guards a
// simulation whose main function waits for something that will not come while other tasks keep
// the clock going.
func (v *Virtual) SetHorizon(t time.Time) { v.horizon = t.UnixNano() }

// task is one coroutine of the loop.
type task struct {
	id     uint64
	fn     func()
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool

	when  int64 // wake time, while scheduled
	seq   uint64
	place int    // in the heap of timers; -1 when not there
	woken int    // what Wait is to return
	nodes []node // one for each event waited for
	prev  *task
	next  *task
}

// Run starts main as a task and drives all tasks until main returns. It returns nil, a
// *PanicError when a task panicked, a *DeadlockError when every task waits for something that no
// task can bring about, or a *HorizonError. If a task calls runtime.Goexit, as t.FailNow does,
// Run's own goroutine exits too, after the other tasks have been ended.
//
// A clock may be run again when Run has returned; it goes on from the time it then showed.
func (v *Virtual) Run(main func()) (err error) {
	if v.running {
		panic("clock: Run inside Run")
	}
	v.running, v.failure = true, nil
	defer func() {
		v.end()
		v.running = false
		if err == nil {
			err = v.failure
		}
	}()
	done := false
	v.Go(func() {
		main()
		done = true
	})
	for !done && v.failure == nil {
		t, err := v.pick()
		if err != nil {
			return err
		}
		v.current = t
		_, alive := t.resume()
		v.current = nil
		if !alive {
			v.unlink(t)
		}
	}
	return v.failure
}

// pick takes the task that is to run next and sets the clock to its time.
func (v *Virtual) pick() (*task, error) {
	if !v.ready.empty() {
		first := v.ready.items[v.ready.head]
		if len(v.timers) == 0 || first.before(v.timers[0]) {
			return v.ready.pop(), nil
		}
	}
	if len(v.timers) == 0 {
		return nil, v.deadlock()
	}
	if v.timers[0].when > v.horizon {
		return nil, &HorizonError{Horizon: time.Unix(0, v.horizon).UTC()}
	}
	t := v.timers.remove(0)
	v.now.Store(t.when)
	t.unhook()
	return t, nil
}

// end ends every task that is left. Each gets a goroutine of its own to be ended from, because
// runtime.Goexit in a coroutine is passed on to whoever resumed it.
func (v *Virtual) end() {
	v.ending = true
	for t := v.oldest; t != nil; t = v.oldest {
		v.unlink(t)
		t.unhook()
		v.current = t
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			t.stop()
		}()
		<-ended
	}
	v.current, v.ending, v.mourn = nil, false, nil
	v.ready, v.timers = fifo{}, nil
}

// Now implements Clock. Any goroutine may call it.
func (v *Virtual) Now() time.Time { return time.Unix(0, v.now.Load()).UTC() }

// Go implements Clock. It may also be called before Run.
func (v *Virtual) Go(fn func()) {
	if v.ending {
		return
	}
	v.started++
	t := &task{id: v.started, fn: fn, place: -1, prev: v.newest}
	t.resume, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer func() {
			if p := recover(); p != nil && v.failure == nil {
				v.failure = &PanicError{Value: p, Task: t.name(), Stack: debug.Stack()}
			}
		}()
		t.fn()
	})
	if v.newest == nil {
		v.oldest = t
	} else {
		v.newest.next = t
	}
	v.newest = t
	v.makeReady(t)
}

func (v *Virtual) unlink(t *task) {
	if t.prev == nil {
		v.oldest = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		v.newest = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}

// makeReady schedules t at the present time.
func (v *Virtual) makeReady(t *task) {
	v.seq++
	t.when, t.seq = v.now.Load(), v.seq
	v.ready.push(t)
}

// Wait implements Clock.
func (v *Virtual) Wait(d time.Duration, events ...Event) int {
	t := v.current
	if t == nil {
		panic("clock: Wait outside a task of this clock")
	}
	if v.ending {
		runtime.Goexit()
	}
	for i, e := range events {
		if e != nil && e.Fired() {
			return i
		}
	}
	t.woken = -1
	t.hook(v, events)
	now := v.now.Load()
	switch {
	case d == 0 && len(events) == 0:
		v.makeReady(t)
	case d >= 0 && int64(d) <= math.MaxInt64-max(now, 0):
		v.seq++
		t.when, t.seq = now+int64(d), v.seq
		v.timers.push(t)
	}
	if !t.yield(struct{}{}) {
		if v.mourn != nil {
			v.mourn(t)
		}
		runtime.Goexit()
	}
	return t.woken
}

// Compute implements Clock. The computations that run at the same time are as many as there are
// processors; more queue up.
func (v *Virtual) Compute(d time.Duration, fn func()) {
	if v.current == nil {
		panic("clock: Compute outside a task of this clock")
	}
	if v.ending {
		runtime.Goexit()
	}
	var (
		done     = make(chan struct{})
		returned bool
		value    any
	)
	go func() {
		v.slots <- struct{}{}
		defer func() {
			value = recover()
			<-v.slots
			close(done)
		}()
		fn()
		returned = true
	}()
	defer func() { <-done }() // also when this task is ended while it waits
	v.Wait(max(d, 0))
	<-done
	if value != nil {
		panic(value)
	}
	if !returned {
		runtime.Goexit()
	}
}
