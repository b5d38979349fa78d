package clock

// event is an Event of a Virtual clock; it holds the tasks that wait for it, first come first.
type event struct {
	clock *Virtual
	fired bool
	first *node
	last  *node
}

// node is one task's wait for one event.
type node struct {
	task  *task
	event *event
	index int
	prev  *node
	next  *node
}

// NewEvent implements Clock. It may also be called before Run.
func (v *Virtual) NewEvent() Event { return &event{clock: v} }

func (e *event) Fired() bool { return e.fired }

func (e *event) Fire() {
	if e.fired {
		return
	}
	e.fired = true
	for e.first != nil {
		t := e.first.task
		t.woken = e.first.index
		t.unhook()
		if t.place >= 0 {
			e.clock.timers.remove(t.place)
		}
		e.clock.makeReady(t)
	}
}

// hook enters t in the list of each event.
func (t *task) hook(v *Virtual, events []Event) {
	if cap(t.nodes) < len(events) {
		t.nodes = make([]node, 0, len(events))
	}
	t.nodes = t.nodes[:0]
	for i, x := range events {
		if x == nil {
			continue
		}
		e, ok := x.(*event)
		if !ok || e.clock != v {
			t.unhook()
			panic("clock: wait for an event of another clock")
		}
		t.nodes = append(t.nodes, node{task: t, event: e, index: i, prev: e.last})
		n := &t.nodes[len(t.nodes)-1]
		if e.last == nil {
			e.first = n
		} else {
			e.last.next = n
		}
		e.last = n
	}
}

// unhook takes t out of the list of each event it waited for.
func (t *task) unhook() {
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.prev == nil {
			n.event.first = n.next
		} else {
			n.prev.next = n.next
		}
		if n.next == nil {
			n.event.last = n.prev
		} else {
			n.next.prev = n.prev
		}
		*n = node{}
	}
	t.nodes = t.nodes[:0]
}
