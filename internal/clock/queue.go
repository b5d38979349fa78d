package clock

// before is the order in which tasks are resumed: by time, then by when they were scheduled.
func (t *task) before(u *task) bool {
	return t.when < u.when || t.when == u.when && t.seq < u.seq
}

// timers is a binary heap of the tasks that wait for a time. Each task knows its place, so that
// a task woken by an event leaves the heap at once and long timeouts do not pile up.
type timers []*task

func (h timers) set(i int, t *task) { h[i], t.place = t, i }

func (h *timers) push(t *task) {
	*h = append(*h, t)
	h.up(len(*h)-1, t)
}

// remove takes the task at place i out of the heap.
func (h *timers) remove(i int) *task {
	out, last := (*h)[i], len(*h)-1
	moved := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	if i != last {
		if i > 0 && moved.before((*h)[(i-1)/2]) {
			h.up(i, moved)
		} else {
			h.down(i, moved)
		}
	}
	out.place = -1
	return out
}

func (h timers) up(i int, t *task) {
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(h[parent]) {
			break
		}
		h.set(i, h[parent])
		i = parent
	}
	h.set(i, t)
}

func (h timers) down(i int, t *task) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(t) {
			break
		}
		h.set(i, h[child])
		i = child
	}
	h.set(i, t)
}

// fifo holds the tasks that are due now, in the order in which they became so.
type fifo struct {
	items []*task
	head  int
}

func (q *fifo) empty() bool { return q.head == len(q.items) }

func (q *fifo) push(t *task) { q.items = append(q.items, t) }

func (q *fifo) pop() *task {
	t := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	switch {
	case q.empty():
		q.items, q.head = q.items[:0], 0
	case q.head >= 1024 && q.head*2 >= len(q.items):
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return t
}
