package clock_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	"penstock/internal/clock"
)

// schedule runs a seeded tangle of tasks and gives its trace: who did what, when.
func schedule(seed uint64) (trace []string) {
	v := clock.NewVirtual(epoch)
	random := rand.New(rand.NewPCG(seed, 1))
	var events []clock.Event
	for range 8 {
		events = append(events, v.NewEvent())
	}
	var body func(name string, depth int) func()
	body = func(name string, depth int) func() {
		return func() {
			for step := range 6 {
				d := time.Duration(random.IntN(4)) * time.Millisecond
				what := random.IntN(6)
				switch what {
				case 0:
					clock.Sleep(v, d)
				case 1:
					v.Wait(d, events[random.IntN(8)], events[random.IntN(8)])
				case 2:
					events[random.IntN(8)].Fire()
				case 3:
					v.Compute(d, func() { runtime.Gosched() })
				case 4:
					events[random.IntN(8)] = v.NewEvent()
				case 5:
					if depth < 3 {
						v.Go(body(fmt.Sprintf("%s.%d", name, step), depth+1))
					}
				}
				trace = append(trace, fmt.Sprintf("%s/%d/%d@%d", name, step, what, v.Now().Sub(epoch)))
			}
		}
	}
	if err := v.Run(func() {
		for i := range 6 {
			v.Go(body(fmt.Sprint(i), 0))
		}
		clock.Sleep(v, time.Second)
	}); err != nil {
		trace = append(trace, err.Error())
	}
	return trace
}

func TestTheSameSeedGivesTheSameInterleavingOnAnyNumberOfCores(t *testing.T) {
	for seed := range uint64(20) {
		one := func() []string {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			return schedule(seed)
		}()
		if many := schedule(seed); !reflect.DeepEqual(one, many) {
			t.Fatalf("seed %d: two interleavings", seed)
		}
	}
}

// FuzzOrder checks the order of resumption against its definition: each task sleeps as the input
// says, and the wake-ups must come sorted by time, ties by the order in which they were scheduled.
func FuzzOrder(f *testing.F) {
	f.Add([]byte{3, 1, 2, 0, 0, 1})
	f.Add([]byte("a pile of sleepers"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 300 {
			return
		}
		type wake struct {
			at        time.Duration
			scheduled int
		}
		var wakes []wake
		scheduled := 0
		run(t, func(c *clock.Virtual) {
			var tasks []func()
			for i := range in {
				tasks = append(tasks, func() {
					for j := i; j < len(in); j += 7 {
						d := time.Duration(in[j] % 8)
						if d == 0 {
							continue
						}
						scheduled++
						mine := scheduled
						clock.Sleep(c, d)
						wakes = append(wakes, wake{c.Now().Sub(epoch), mine})
					}
				})
			}
			clock.All(c, tasks...)
		})
		for i := 1; i < len(wakes); i++ {
			a, b := wakes[i-1], wakes[i]
			if a.at > b.at || a.at == b.at && a.scheduled > b.scheduled {
				t.Fatalf("wake-up %d: %v before %v", i, a, b)
			}
		}
	})
}

func BenchmarkSwitch(b *testing.B) {
	for _, tasks := range []int{2, 1000} {
		b.Run(fmt.Sprintf("tasks=%d", tasks), func(b *testing.B) {
			v := clock.NewVirtual(epoch)
			b.ReportAllocs()
			fns := make([]func(), tasks)
			for i := range fns {
				fns[i] = func() {
					for range b.N / tasks {
						v.Wait(time.Duration(i%7 + 1))
					}
				}
			}
			if err := v.Run(func() { clock.All(v, fns...) }); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkEventRoundTrip(b *testing.B) {
	v := clock.NewVirtual(epoch)
	b.ReportAllocs()
	if err := v.Run(func() {
		for range b.N {
			e := v.NewEvent()
			v.Go(e.Fire)
			v.Wait(time.Hour, e)
		}
	}); err != nil {
		b.Fatal(err)
	}
}
