package clock_test

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
)

var epoch = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func run(t *testing.T, main func(c *clock.Virtual)) {
	t.Helper()
	v := clock.NewVirtual(epoch)
	if err := v.Run(func() { main(v) }); err != nil {
		t.Fatal(err)
	}
}

func Example() {
	v := clock.NewVirtual(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC))
	err := v.Run(func() {
		sealed := v.NewEvent()
		v.Go(func() {
			clock.Sleep(v, 90*time.Second)
			sealed.Fire()
		})
		fmt.Println(v.Wait(time.Minute, sealed), v.Now().Format(time.TimeOnly))
		fmt.Println(v.Wait(time.Minute, sealed), v.Now().Format(time.TimeOnly))
	})
	fmt.Println(err)
	// Output:
	// -1 07:01:00
	// 0 07:01:30
	// <nil>
}

func TestTasksDueAtOneTimeRunInTheOrderInWhichTheyWereScheduled(t *testing.T) {
	var got []string
	run(t, func(c *clock.Virtual) {
		at := func(name string, d time.Duration) func() {
			return func() {
				clock.Sleep(c, d)
				got = append(got, name+"@"+c.Now().Sub(epoch).String())
			}
		}
		clock.All(c, at("a", 2*time.Second), at("b", time.Second), at("c", 2*time.Second), at("d", 0))
	})
	want := []string{"d@0s", "b@1s", "a@2s", "c@2s"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestATimeoutAtTheInstantOfAnEventGoesToWhicheverWasScheduledFirst(t *testing.T) {
	run(t, func(c *clock.Virtual) {
		e := c.NewEvent()
		c.Go(func() {
			clock.Sleep(c, time.Second)
			e.Fire()
		})
		// The waiter's timeout is scheduled before the firing task's, so it is resumed first.
		if got := c.Wait(time.Second, e); got != -1 {
			t.Errorf("Wait = %d, want the timeout", got)
		}
		if got := c.Wait(time.Second, e); got != 0 {
			t.Errorf("second Wait = %d, want the event", got)
		}
		if !c.Now().Equal(epoch.Add(time.Second)) {
			t.Errorf("now %s", c.Now())
		}
	})
}

func TestAnEventWakesItsWaitersInTheOrderInWhichTheyBeganToWait(t *testing.T) {
	var got []int
	run(t, func(c *clock.Virtual) {
		e, never := c.NewEvent(), c.NewEvent()
		for i := range 5 {
			c.Go(func() {
				if i == 2 {
					c.Wait(time.Millisecond, never, e) // gone before the event fires
					got = append(got, 100+i)
					return
				}
				if n := c.Wait(time.Hour, never, e, nil); n != 1 {
					t.Errorf("Wait = %d", n)
				}
				got = append(got, i)
			})
		}
		clock.Sleep(c, time.Second)
		e.Fire()
		e.Fire()
		clock.Sleep(c, 0)
		if since := c.Now().Sub(epoch); since != time.Second {
			t.Errorf("%s passed, want 1s", since)
		}
	})
	if want := []int{102, 0, 1, 3, 4}; !reflect.DeepEqual(got, want) {
		t.Errorf("woken %v, want %v", got, want)
	}
}

func TestADeadlockIsNamedAndDoesNotHang(t *testing.T) {
	v := clock.NewVirtual(epoch)
	err := v.Run(func() {
		e := v.NewEvent()
		v.Go(func() { v.Wait(-1) })
		v.Wait(-1, e)
	})
	var dead *clock.DeadlockError
	if !errors.As(err, &dead) || len(dead.Tasks) != 2 {
		t.Fatalf("err = %v", err)
	}
	if !strings.Contains(err.Error(), "virtual_test.go:") || !strings.Contains(err.Error(), "TestADeadlock") {
		t.Errorf("the error names no place: %v", err)
	}
}

func TestThePanicOfATaskComesBackFromRunWithItsValue(t *testing.T) {
	death := errors.New("process death")
	v := clock.NewVirtual(epoch)
	cleaned := false
	err := v.Run(func() {
		defer func() { cleaned = true }()
		v.Go(func() { panic(death) })
		clock.Sleep(v, time.Hour)
		t.Error("main went on after the death")
	})
	var p *clock.PanicError
	if !errors.As(err, &p) || p.Value != death || !errors.Is(err, death) || len(p.Stack) == 0 {
		t.Errorf("err = %v", err)
	}
	if !cleaned {
		t.Error("main was not unwound")
	}
	// The clock can go on afterwards, with nothing left of the first run.
	if err := v.Run(func() { clock.Sleep(v, time.Minute) }); err != nil {
		t.Error(err)
	}
}

func TestTasksLeftWhenMainReturnsAreEndedInOrderAndLeakNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	var ended []int
	computed := false
	run(t, func(c *clock.Virtual) {
		for i := range 50 {
			c.Go(func() {
				defer func() { ended = append(ended, i) }()
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("an ended task recovered %v", p)
					}
					c.Go(func() { t.Error("a task started while ending") })
					clock.Sleep(c, 1) // ends the deferred function, not the test
					t.Error("a task waited while ending")
				}()
				c.Wait(-1)
			})
		}
		c.Go(func() {
			c.Compute(time.Hour, func() { time.Sleep(10 * time.Millisecond); computed = true })
		})
		clock.Sleep(c, time.Second)
		c.Go(func() { t.Error("a task ran after main had returned") })
	})
	if len(ended) != 50 || ended[0] != 0 || ended[49] != 49 {
		t.Errorf("ended %v", ended)
	}
	if !computed {
		t.Error("Run returned before a computation was done")
	}
	for range 100 { // the goroutines that ended the tasks may still be on their last instruction
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestFailNowInATaskEndsTheGoroutineOfRun(t *testing.T) {
	over := make(chan bool)
	unwound := false
	go func() {
		returned := false
		defer func() { over <- returned }()
		v := clock.NewVirtual(epoch)
		_ = v.Run(func() {
			defer func() { unwound = true }()
			v.Go(runtime.Goexit)
			v.Wait(-1)
		})
		returned = true
	}()
	if <-over {
		t.Error("Run returned")
	}
	if !unwound {
		t.Error("the main task was not ended")
	}
}

func TestTheHorizonStopsATickerThatNobodyStops(t *testing.T) {
	v := clock.NewVirtual(epoch)
	v.SetHorizon(epoch.Add(time.Hour))
	ticks := 0
	err := v.Run(func() {
		v.Go(func() {
			for {
				clock.Sleep(v, time.Minute)
				ticks++
			}
		})
		v.Wait(-1)
	})
	var h *clock.HorizonError
	if !errors.As(err, &h) || ticks != 60 {
		t.Errorf("%d ticks, err = %v", ticks, err)
	}
}

func TestComputeTakesItsVirtualTimeHoweverLongItReallyTakes(t *testing.T) {
	var got []string
	run(t, func(c *clock.Virtual) {
		note := func(s string) { got = append(got, s+c.Now().Sub(epoch).String()) }
		clock.All(c,
			func() { c.Compute(time.Second, func() { time.Sleep(20 * time.Millisecond) }); note("slow ") },
			func() { c.Compute(2*time.Second, func() {}); note("quick ") },
			func() {
				defer func() { note(fmt.Sprint(recover(), " ")) }()
				c.Compute(3*time.Second, func() { panic("broken") })
			},
		)
	})
	if want := []string{"slow 1s", "quick 2s", "broken 3s"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAWaitTooLongForTheClockIsAWaitWithoutATimeout(t *testing.T) {
	run(t, func(c *clock.Virtual) {
		e := c.NewEvent()
		c.Go(e.Fire)
		if got := c.Wait(1<<63-1, e); got != 0 {
			t.Errorf("Wait = %d", got)
		}
	})
}

func TestMisuseIsNamed(t *testing.T) {
	v, other := clock.NewVirtual(epoch), clock.NewVirtual(epoch)
	for name, misuse := range map[string]func(){
		"Wait outside a task":      func() { v.Wait(0) },
		"Compute outside a task":   func() { v.Compute(0, func() {}) },
		"event of another clock":   func() { clock.Real{}.Wait(0, v.NewEvent()) },
		"Run inside Run":           func() { mustRun(v, func() { _ = v.Run(func() {}) }) },
		"event of another virtual": func() { mustRun(v, func() { v.Wait(0, v.NewEvent(), other.NewEvent()) }) },
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "clock: ") {
					t.Errorf("%s: recovered %v", name, p)
				}
			}()
			misuse()
		}()
	}
}

func mustRun(v *clock.Virtual, main func()) {
	if err := v.Run(main); err != nil {
		panic(err)
	}
}
