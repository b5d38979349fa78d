package bzip2

import "sync"

// turns lets more jobs be under way than may run at a time. A job holds a turn while it runs. At the end of each phase
// of its work it leaves the turn to one that waits and has fewer phases behind it, if there is one. So three equal
// blocks take two goroutines little more than the time of one block and a half: cut into whole blocks the work would
// take them the time of two. Where all waited in line instead, one of the three would fall behind by several phases and
// run alone at the end.
//
// A block has six phases, chosen such that the work ends evenly for every kind of block tried. More would not end it
// more evenly, but blocks that take each other's place often take each other's place in the cache as well.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting []*turn
}

func newTurns(n int) *turns { return &turns{free: n} }

// turn is a job's share in turns. A nil *turn is for work that nothing else waits for.
type turn struct {
	turns  *turns
	phases int // behind the job
	given  chan struct{}
}

func (t *turns) turn() *turn { return &turn{turns: t, given: make(chan struct{}, 1)} }

// enter asks for a turn, without waiting for it. Who starts a job's goroutine calls it before: a goroutine that no
// processor is free for would not be known to those that run, and have no turn until one of them has ended.
func (j *turn) enter() {
	if j == nil {
		return
	}
	t := j.turns
	t.mu.Lock()
	j.phases = 0
	if t.free > 0 {
		t.free--
		j.given <- struct{}{}
	} else {
		t.waiting = append(t.waiting, j)
	}
	t.mu.Unlock()
}

// take waits for the turn that was asked for.
func (j *turn) take() {
	if j != nil {
		<-j.given
	}
}

// give ends a turn.
func (j *turn) give() {
	if j == nil {
		return
	}
	t := j.turns
	t.mu.Lock()
	if i := t.furthestBehind(); i >= 0 {
		t.hand(i)
	} else {
		t.free++
	}
	t.mu.Unlock()
}

// pass ends a phase. It costs next to nothing where nobody waits.
func (j *turn) pass() {
	if j == nil {
		return
	}
	t := j.turns
	t.mu.Lock()
	j.phases++
	i := t.furthestBehind()
	if i < 0 || t.waiting[i].phases >= j.phases {
		t.mu.Unlock()
		return
	}
	t.hand(i)
	t.waiting = append(t.waiting, j)
	t.mu.Unlock()
	<-j.given
}

// furthestBehind returns which of those that wait has the fewest phases behind it, the one that has waited longest
// where several do, or -1.
func (t *turns) furthestBehind() int {
	least := -1
	for i, j := range t.waiting {
		if least < 0 || j.phases < t.waiting[least].phases {
			least = i
		}
	}
	return least
}

// hand gives a turn to the i-th of those that wait.
func (t *turns) hand(i int) {
	j := t.waiting[i]
	t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
	j.given <- struct{}{}
}
