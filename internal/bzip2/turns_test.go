package bzip2

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// schedule runs jobs, each given by the lengths of its phases, on a number of turns, and returns how long all took.
func schedule(t *testing.T, n int, jobs [][]time.Duration) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		turns := newTurns(n)
		var mu sync.Mutex
		running := 0
		run := func(d time.Duration) {
			mu.Lock()
			if running++; running > n {
				t.Errorf("%d jobs run at a time, want %d at most", running, n)
			}
			mu.Unlock()
			time.Sleep(d)
			mu.Lock()
			running--
			mu.Unlock()
		}
		var all sync.WaitGroup
		for _, phases := range jobs {
			j := turns.turn()
			j.enter()
			all.Go(func() {
				j.take()
				for i, d := range phases {
					if i > 0 {
						j.pass()
					}
					run(d)
				}
				j.give()
			})
		}
		all.Wait()
		took = time.Since(start)
		if turns.free != n || len(turns.waiting) > 0 {
			t.Errorf("%d of %d turns were given back, %d jobs wait", turns.free, n, len(turns.waiting))
		}
	})
	return took
}

// phasesOfEvents are the microseconds that the phases of a block of events take: up to the names of the phrases, down
// to the deepest level of ranks, up again and half of inducing, the other half, MTF, Huffman codes.
var phasesOfEvents = []int{4152, 4498, 4206, 1305, 929, 1120}

func TestThreeBlocksTakeTwoGoroutinesTheTimeOfOneAndAHalf(t *testing.T) {
	rng := newRand(5)
	for round := range 20 {
		var jobs [][]time.Duration
		var total time.Duration
		for range 3 {
			var phases []time.Duration
			for _, us := range phasesOfEvents {
				d := time.Duration(us) * time.Microsecond
				if round > 0 {
					d = d * time.Duration(90+rng.IntN(20)) / 100
				}
				phases = append(phases, d)
				total += d
			}
			jobs = append(jobs, phases)
		}
		if gain := float64(total) / float64(schedule(t, 2, jobs)); gain < 1.94 {
			t.Errorf("round %d: two goroutines are %.3f times as fast as one, want 1.94", round, gain)
		}
	}
}

func TestTurnsOfUnequalJobs(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		turns int
		jobs  [][]time.Duration
		want  time.Duration
	}{
		"no job":                         {2, nil, 0},
		"one turn":                       {1, [][]time.Duration{{ms, ms}, {ms}, {ms, ms, ms}}, 6 * ms},
		"a turn for each":                {3, [][]time.Duration{{ms, ms}, {ms}, {ms, ms, ms}}, 3 * ms},
		"one that comes before it waits": {2, [][]time.Duration{{ms, ms, ms, ms}, {4 * ms}, {ms, ms, ms, ms}}, 6 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			if got := schedule(t, c.turns, c.jobs); got != c.want {
				t.Errorf("took %v, want %v", got, c.want)
			}
		})
	}
}

// Nobody gives a turn to a job that has not asked for one, and a goroutine that waits for a processor cannot ask.
func TestJobsAskForTurnsWhenTheyAreSubmitted(t *testing.T) {
	var p pipeline
	p.init(2)
	p.setWidth(3)
	p.stream.start(nil, nil, 1)
	p.turns.free = 0 // others hold them
	for range 3 {
		j := p.current()
		j.source, j.limit = []byte("block"), limitOf(1)
		if err := p.submit(); err != nil {
			t.Fatal(err)
		}
	}
	p.turns.mu.Lock()
	waiting := len(p.turns.waiting)
	p.turns.mu.Unlock()
	if waiting != 3 {
		t.Errorf("%d of 3 jobs wait for a turn", waiting)
	}
	for range 2 { // what the others do at their end
		(&turn{turns: p.turns}).give()
	}
	if err := p.drain(); err != nil {
		t.Fatal(err)
	}
}
